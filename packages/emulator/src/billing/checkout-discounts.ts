/** Checks and redeems the coupons and promotion codes of checkout sessions. */
import { copy } from "../core/copy.ts";
import type { CheckoutOrder } from "../core/records.ts";
import { find, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { CheckoutSession } from "../objects/checkout-session.ts";
import type { Coupon } from "../objects/coupon.ts";
import type { DiscountInput } from "../objects/discount.ts";
import { purchaseOf } from "./pricing.ts";
import { findActiveCodes } from "./promotion-codes.ts";
import { checkRedeemable, redeemableInputs, redeemAll, type Redemption } from "./redemptions.ts";

/** Sets the discounts of a checkout session. Throws Stripe's error if a coupon or promotion code cannot be redeemed. */
export function setDiscounts(
  context: Context,
  session: CheckoutSession,
  order: CheckoutOrder,
  discounts: DiscountInput[],
): void {
  order.discounts = discounts;
  order.coupons = copy(checkRedeemable(context, discounts, redemptionOf(context, session, order)));
}

/** Returns the coupons of an order. The order keeps them, so that deleting a coupon does not change a paid order. */
export function couponsOf(context: Context, { coupons, discounts }: CheckoutOrder): Coupon[] {
  return (
    coupons ??
    discounts.flatMap((input) => {
      const code = find(context, "promotion_code", input.promotion_code ?? null);
      return find(context, "coupon", code?.promotion.coupon ?? input.coupon ?? null) ?? [];
    })
  );
}

/** The minimum amount of a promotion code applies to the whole order, even if a trial makes the order free for now. */
function redemptionOf(context: Context, session: CheckoutSession, order: CheckoutOrder): Redemption {
  const items = order.items.map((item) => ({ price: retrieve(context, "price", item.price), quantity: item.quantity }));
  const owner = { customer: session.customer, checkout_session: session.id };
  return { owner, purchase: purchaseOf(items, session.currency ?? undefined) };
}

/** Returns the promotion code that the customer typed on the checkout page; undefined if the customer cannot redeem it. */
export function findTypedCode(
  context: Context,
  session: CheckoutSession,
  order: CheckoutOrder,
  typed: string,
): DiscountInput | undefined {
  const codes = findActiveCodes(context, typed.trim()).map(({ id }) => ({ promotion_code: id }));
  return redeemableInputs(context, codes, redemptionOf(context, session, order))[0];
}

/** Redeems the coupons of a paid order. Their restrictions were checked before the payment. */
export function redeemCheckedDiscounts(context: Context, session: CheckoutSession, order: CheckoutOrder): void {
  redeemAll(context, order.discounts, {
    ...redemptionOf(context, session, order),
    checked: couponsOf(context, order),
  });
}
