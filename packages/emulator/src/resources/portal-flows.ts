/** Validates the flow of a new portal session. @see https://docs.stripe.com/customer-management/portal-deep-links */
import { z } from "zod";
import { ApiError, resourceMissing } from "../core/errors.ts";
import { nonNegative, refuseBoth, text, url } from "../core/params.ts";
import { find, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { PortalConfiguration } from "../objects/portal-configuration.ts";
import type { Subscription } from "../objects/subscription.ts";

export const flow = z.strictObject({
  type: z.enum([
    "payment_method_update",
    "subscription_cancel",
    "subscription_pause",
    "subscription_update",
    "subscription_update_confirm",
  ]),
  after_completion: z
    .strictObject({
      type: z.enum(["hosted_confirmation", "portal_homepage", "redirect"]),
      redirect: z.strictObject({ return_url: url }).optional(),
      hosted_confirmation: z.strictObject({ custom_message: text.optional() }).optional(),
    })
    .optional(),
  subscription_cancel: z.strictObject({ subscription: text }).optional(),
  subscription_pause: z.strictObject({ subscription: text }).optional(),
  subscription_update: z.strictObject({ subscription: text }).optional(),
  subscription_update_confirm: z
    .strictObject({
      subscription: text,
      items: z.array(z.strictObject({ id: text, price: text.optional(), quantity: nonNegative.optional() })),
      discounts: z
        .array(z.strictObject({ coupon: text.optional(), promotion_code: text.optional() }))
        .max(1)
        .optional(),
    })
    .optional(),
});
type Flow = z.output<typeof flow>;

/** For each flow type: the portal feature that the flow requires, and the flow's verb in error messages. */
const FEATURES = {
  subscription_cancel: ["cancel", "canceled"],
  subscription_pause: ["pause", "paused"],
  subscription_update: ["update", "updated"],
  subscription_update_confirm: ["update", "updated"],
} as const;

export function checkFlow(context: Context, customer: string, given: Flow, { features }: PortalConfiguration): void {
  const { type, subscription_update_confirm: confirm } = given;
  if (type === "payment_method_update") return;
  const about = given[type];
  const param = `flow_data[${type}]`;
  if (about === undefined)
    throw new ApiError(`Missing required param: ${param}.`, { code: "parameter_missing", param });
  const subscription = find(context, "subscription", about.subscription);
  if (subscription?.customer !== customer)
    throw resourceMissing("subscription", about.subscription, `${param}[subscription]`);
  const [feature, done] = FEATURES[type];
  if (!features[`subscription_${feature}`].enabled)
    throw refused(
      about.subscription,
      `${done} because the subscription ${feature} feature in the portal configuration is disabled`,
    );
  if (type === "subscription_cancel" && (subscription.cancel_at !== null || subscription.cancel_at_period_end))
    throw new ApiError(`The subscription \`${subscription.id}\` is already set to be canceled at period end.`, {
      param,
    });
  if (feature === "update" && subscription.schedule !== null)
    throw refused(
      subscription.id,
      `updated because it is managed by the subscription schedule \`${subscription.schedule}\``,
    );
  if (type === "subscription_update_confirm" && confirm) checkConfirmation(context, subscription, confirm);
}

type Confirmation = NonNullable<Flow["subscription_update_confirm"]>;

/** Throws if the change that a flow confirms is invalid or changes nothing. */
function checkConfirmation(context: Context, subscription: Subscription, { items, discounts }: Confirmation): void {
  const param = "flow_data[subscription_update_confirm]";
  const [change, ...more] = items;
  if (!change || more.length > 0 || subscription.items.data.length > 1)
    throw refused(subscription.id, "updated because only one item can be, of a subscription that has no other");
  const item = subscription.items.data.find(({ id }) => id === change.id);
  if (!item) throw resourceMissing("subscription item", change.id, `${param}[items][0][id]`);
  if (change.price !== undefined) retrieve(context, "price", change.price, `${param}[items][0][price]`);
  if ((change.price ?? item.price.id) === item.price.id && (change.quantity ?? item.quantity) === item.quantity)
    throw refused(subscription.id, "updated because there are no changes to confirm");
  checkDiscounts(context, discounts ?? [], `${param}[discounts]`);
}

type Discounts = NonNullable<Confirmation["discounts"]>;

function checkDiscounts(context: Context, discounts: Discounts, param: string): void {
  for (const [index, discount] of discounts.entries()) {
    refuseBoth(discount, "coupon", "promotion_code");
    const { coupon, promotion_code: code } = discount;
    if (coupon !== undefined) retrieve(context, "coupon", coupon, `${param}[${index}][coupon]`);
    if (code !== undefined) retrieve(context, "promotion_code", code, `${param}[${index}][promotion_code]`);
  }
}

function refused(subscription: string, why: string): ApiError {
  return new ApiError(`The subscription \`${subscription}\` cannot be ${why}.`, { param: "flow_data" });
}
