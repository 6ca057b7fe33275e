/**
 * Reads and applies the discounts of a change in the customer portal.
 * @see https://docs.stripe.com/api/customer_portal/sessions/create
 */
import { purchaseOf } from "../billing/pricing.ts";
import { findActiveCodes } from "../billing/promotion-codes.ts";
import { redeemableInputs } from "../billing/redemptions.ts";
import { replaceDiscounts } from "../billing/subscriber-discounts.ts";
import { editSubscription } from "../billing/subscription-changes.ts";
import type { Context } from "../core/state.ts";
import type { DiscountInput } from "../objects/discount.ts";
import type { Price } from "../objects/price.ts";
import type { Subscription } from "../objects/subscription.ts";
import { fieldOf } from "./card-form.ts";
import { isAllowed, type Visit } from "./portal-visit.ts";

/** The subscription and its only item after a change. */
interface Changed {
  subscription: Subscription;
  price: Price;
  quantity: number;
}

/**
 * Returns the discounts of a change: those of the session's flow, or the promotion code that the customer entered. Returns an error
 * message if they can't be redeemed, and undefined if the change has none.
 */
export function readDiscounts(
  visit: Visit,
  changed: Changed,
  form: Record<string, unknown>,
): DiscountInput[] | string | undefined {
  const redemption = redemptionOf(changed);
  const given = discountsOfFlow(visit);
  if (given.length > 0) {
    const usable = redeemableInputs(visit.context, given, redemption);
    return usable.length === given.length ? given : "This discount can't be used.";
  }
  const typed = fieldOf(form, "code");
  if (typed === "" || !isAllowed(visit, "promotion_code")) return undefined;
  const codes = findActiveCodes(visit.context, typed).map(({ id }) => ({ promotion_code: id }));
  const [code] = redeemableInputs(visit.context, codes, redemption);
  return code ? [code] : "This code is invalid.";
}

function discountsOfFlow({ session }: Visit): DiscountInput[] {
  const given = session.flow?.subscription_update_confirm?.discounts ?? [];
  return given.map(({ coupon, promotion_code: code }) =>
    code === null ? { coupon: coupon ?? "" } : { promotion_code: code },
  );
}

/** Replaces the discounts of the subscription by those of the change. */
export function applyDiscounts(context: Context, changed: Changed, inputs: readonly DiscountInput[]): void {
  const { subscription } = changed;
  const redemption = redemptionOf(changed);
  const discounts = replaceDiscounts(context, subscription.discounts, { inputs, redemption });
  editSubscription(context, subscription, (row) => {
    row.discounts = discounts;
  });
}

function redemptionOf({ subscription: { customer, id, currency }, price, quantity }: Changed) {
  return { owner: { customer, subscription: id }, purchase: purchaseOf([{ price, quantity }], currency) };
}
