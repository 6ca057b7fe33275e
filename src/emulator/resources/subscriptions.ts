/** Subscriptions over the API. @see https://docs.stripe.com/api/subscriptions */
import { z } from "zod";
import type { Api } from "../api.ts";
import { update } from "../billing/subscription-changes.ts";
import {
  cancelAt,
  cancelAtPeriodEnd,
  createSubscription,
  end,
  isOver,
  startPayment,
  undoCancellation,
  type Subscription,
} from "../billing/subscriptions.ts";
import { ApiError } from "../core/errors.ts";
import { page } from "../core/lists.ts";
import { expand, flag, integer, listParams, mergeMetadata, metadata, text, unsettable } from "../core/params.ts";
import { all, need, type World } from "../core/world.ts";
import { needCustomer } from "./customers.ts";
import type { Price } from "./prices.ts";

const quantity = integer.pipe(z.number().min(0)).optional();
const CreateParams = z.strictObject({
  customer: text,
  items: z
    .array(z.strictObject({ price: text, quantity }))
    .min(1)
    .max(20),
  default_payment_method: text.optional(),
  trial_period_days: integer.pipe(z.number().min(1).max(730)).optional(),
  metadata: metadata.optional(),
  expand,
});
const cancellationDetails = z
  .strictObject({ comment: unsettable(text).optional(), feedback: unsettable(text).optional() })
  .optional();
const UpdateParams = z.strictObject({
  cancel_at_period_end: flag.optional(),
  cancel_at: unsettable(integer).optional(),
  cancellation_details: cancellationDetails,
  default_payment_method: unsettable(text).optional(),
  metadata: metadata.optional(),
  expand,
});
const CancelParams = z.strictObject({ cancellation_details: cancellationDetails, expand });
const ListParams = z.strictObject({
  ...listParams,
  customer: text.optional(),
  price: text.optional(),
  status: text.optional(),
});

export function subscriptionRoutes(api: Api): void {
  api.post("/v1/subscriptions", CreateParams, (world, params) => {
    const customer = needCustomer(world, params.customer, "customer");
    const items = params.items.map(({ price, quantity: count }, index) => ({
      price: recurringPrice(world, price, `items[${index}][price]`),
      quantity: count ?? 1,
    }));
    if (params.default_payment_method) ownMethod(world, customer.id, params.default_payment_method);
    const card = params.default_payment_method ?? customer.invoice_settings.default_payment_method;
    if (card === null && params.trial_period_days === undefined)
      throw new ApiError(
        "This customer has no attached payment source or default payment method. Please consider adding a default payment method. For more information, visit https://stripe.com/docs/billing/subscriptions/payment-methods-setting#payment-method-priority.",
        { code: "resource_missing" },
      );
    const { subscription, invoice } = createSubscription(world, {
      customer: customer.id,
      items,
      metadata: mergeMetadata({}, params.metadata),
      trialDays: params.trial_period_days ?? 0,
      defaultPaymentMethod: params.default_payment_method ?? null,
    });
    if (card !== null) startPayment(world, invoice, card, true);
    return subscription;
  });

  api.get("/v1/subscriptions", ListParams, (world, params) => {
    const rows = all(world, "subscription").filter(
      (row) =>
        (params.customer === undefined || row.customer === params.customer) &&
        (params.price === undefined || row.items.data.some((item) => item.price.id === params.price)) &&
        matchesStatus(row, params.status),
    );
    return page(rows, params, "/v1/subscriptions");
  });

  api.get("/v1/subscriptions/:id", z.strictObject({ expand }), (world, _params, id) => need(world, "subscription", id));

  api.post("/v1/subscriptions/:id", UpdateParams, (world, params, id) => {
    const subscription = need(world, "subscription", id);
    if (isOver(subscription))
      throw new ApiError("A canceled subscription can only update its cancellation_details and metadata.", {
        code: "resource_missing",
        param: "id",
        status: 404,
      });
    if (params.default_payment_method) ownMethod(world, subscription.customer, params.default_payment_method);
    changeCancellation(world, subscription, params);
    update(world, subscription, {
      metadata: mergeMetadata(subscription.metadata, params.metadata),
      ...(params.default_payment_method !== undefined && { default_payment_method: params.default_payment_method }),
    });
    return subscription;
  });

  api.delete("/v1/subscriptions/:id", CancelParams, (world, params, id) => {
    const subscription = need(world, "subscription", id);
    if (isOver(subscription))
      throw new ApiError(`No such subscription: '${id}'`, { status: 404, code: "resource_missing", param: "id" });
    Object.assign(subscription.cancellation_details, {
      comment: params.cancellation_details?.comment ?? null,
      feedback: params.cancellation_details?.feedback ?? null,
    });
    end(world, subscription, "cancellation_requested");
    return subscription;
  });

  api.get("/v1/subscription_items", z.strictObject({ ...listParams, subscription: text }), (world, params) => {
    const subscription = need(world, "subscription", params.subscription, "subscription");
    return page(subscription.items.data, params, "/v1/subscription_items");
  });
}

function changeCancellation(world: World, subscription: Subscription, params: z.output<typeof UpdateParams>): void {
  const details = params.cancellation_details ?? {};
  if (params.cancel_at_period_end === true) cancelAtPeriodEnd(world, subscription, details);
  else if (typeof params.cancel_at === "number") {
    if (params.cancel_at <= world.state.now)
      throw new ApiError("`cancel_at` must be in the future.", { param: "cancel_at" });
    cancelAt(world, subscription, params.cancel_at, details);
  } else if (params.cancel_at_period_end === false || params.cancel_at === null) undoCancellation(world, subscription);
}

export function recurringPrice(world: World, id: string, param: string): Price {
  const price = need(world, "price", id, param);
  if (!price.active)
    throw new ApiError(`The price specified is inactive. This field only accepts active prices.`, { param });
  if (!price.recurring)
    throw new ApiError(
      `The price specified is set to \`type=one_time\` but this field only accepts prices with \`type=recurring\`.`,
      { param },
    );
  return price;
}

function ownMethod(world: World, customer: string, method: string): void {
  if (need(world, "payment_method", method, "default_payment_method").customer !== customer)
    throw new ApiError(
      `The customer does not have a payment method with the ID ${method}. The payment method must be attached to the customer.`,
      {
        code: "resource_missing",
        param: "default_payment_method",
      },
    );
}

/** Canceled ones are listed only where they are asked for. */
function matchesStatus(subscription: Subscription, status: string | undefined): boolean {
  if (status === "all") return true;
  if (status === undefined) return subscription.status !== "canceled" && subscription.status !== "incomplete_expired";
  if (status === "ended") return isOver(subscription);
  return subscription.status === status;
}
