/**
 * Finds promotion codes, and checks the restrictions of a promotion code before its redemption.
 * @see https://docs.stripe.com/billing/subscriptions/coupons#promotion-codes
 */
import { now } from "../core/clock.ts";
import { ApiError } from "../core/errors.ts";
import { find, listAll, listBy, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { Coupon } from "../objects/coupon.ts";
import type { PromotionCode } from "../objects/promotion-code.ts";
import type { Purchase } from "./pricing.ts";

export function isCouponValid(context: Context, coupon: Coupon): boolean {
  const used = coupon.max_redemptions !== null && coupon.times_redeemed >= coupon.max_redemptions;
  return !used && (coupon.redeem_by === null || coupon.redeem_by > now(context));
}

/** Returns whether customers can redeem a promotion code. A promotion code is active only if its coupon is valid. */
export function isCodeActive(context: Context, code: PromotionCode): boolean {
  const coupon = find(context, "coupon", code.promotion.coupon);
  const used = code.max_redemptions !== null && code.times_redeemed >= code.max_redemptions;
  const expired = code.expires_at !== null && code.expires_at <= now(context);
  return code.active && !used && !expired && coupon !== undefined && isCouponValid(context, coupon);
}

/**
 * Returns the active promotion codes with this text, ignoring upper and lower case. Several customers can have promotion codes
 * with the same text.
 */
export function findActiveCodes(context: Context, wanted: string): PromotionCode[] {
  return listAll(
    context,
    "promotion_code",
    (row) => row.code.toLowerCase() === wanted.toLowerCase() && isCodeActive(context, row),
  );
}

/** Returns a promotion code that can be redeemed for a purchase. Throws Stripe's error if a restriction forbids it. */
export function retrieveRedeemableCode(
  context: Context,
  id: string,
  { customer, purchase }: { customer: string | null; purchase: Purchase },
  param: string,
): PromotionCode {
  const code = retrieve(context, "promotion_code", id, param);
  const refuse = (message: string, errorCode?: string): ApiError =>
    new ApiError(message, { param, ...(errorCode && { code: errorCode }) });
  if (!isCodeActive(context, code))
    throw refuse("This promotion code cannot be redeemed because it is inactive or expired.");
  if (code.customer !== null && code.customer !== customer)
    throw refuse("This promotion code cannot be redeemed because it is restricted to another customer.");
  const { first_time_transaction: first } = code.restrictions;
  if (first && customer !== null && hasPriorTransactions(context, customer))
    throw refuse(
      "This promotion code cannot be redeemed because the associated customer has prior transactions.",
      "promotion_code_customer_not_first_time",
    );
  if (!meetsMinimum(code, purchase))
    throw refuse(
      "This promotion code cannot be redeemed because the associated purchase does not meet the minimum amount requirement.",
    );
  return code;
}

/**
 * Returns whether a customer has paid before. An unpaid invoice counts too, unless it is a draft or void.
 * @see https://github.com/stripe/stripe-node/issues/2349
 */
function hasPriorTransactions(context: Context, customer: string): boolean {
  const invoices = listBy(context, "invoice", { customer }, ({ status }) => status !== "draft" && status !== "void");
  const paid = listBy(context, "payment_intent", { customer }, ({ status }) => status === "succeeded");
  return invoices.length + paid.length > 0;
}

/** A minimum in other currencies alone excludes a purchase, because no amount in its currency can be compared. */
function meetsMinimum({ restrictions }: PromotionCode, { amount, currency }: Purchase): boolean {
  if (restrictions.minimum_amount === null) return true;
  const minimum =
    restrictions.minimum_amount_currency === currency
      ? restrictions.minimum_amount
      : restrictions.currency_options?.[currency]?.minimum_amount;
  return minimum !== undefined && amount >= minimum;
}
