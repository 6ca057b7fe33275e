/** Redeems coupons and applies discounts to invoice lines and checkout items. @see https://docs.stripe.com/api/discounts */
import { now } from "../core/clock.ts";
import { ApiError } from "../core/errors.ts";
import { round, split } from "../core/money.ts";
import { find, insert, listAll, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { Coupon } from "../objects/coupon.ts";
import { type Discount, type DiscountInput, type DiscountOwner, newDiscount } from "../objects/discount.ts";
import type { PromotionCode } from "../objects/promotion-code.ts";

/** Redeems coupons and promotion codes, or reuses existing discounts. Returns the IDs of the new or reused discounts. */
export function redeemAll(
  context: Context,
  inputs: readonly DiscountInput[],
  owner: DiscountOwner,
  param = "discounts",
): string[] {
  return inputs.map((input, index) => {
    if (input.discount !== undefined)
      return retrieve(context, "discount", input.discount, `${param}[${index}][discount]`).id;
    const code =
      input.promotion_code === undefined ? null : retrieveCode(context, input.promotion_code, `${param}[${index}]`);
    const couponId = code?.promotion.coupon ?? input.coupon;
    if (couponId === undefined)
      throw new ApiError("You must pass one of coupon, discount or promotion_code.", { param: `${param}[${index}]` });
    return redeem(context, retrieve(context, "coupon", couponId, `${param}[${index}][coupon]`), owner, code).id;
  });
}

/**
 * Redeems a coupon and returns the new discount. Throws if the coupon is expired or has reached its redemption limit.
 */
export function redeem(context: Context, coupon: Coupon, owner: DiscountOwner, code: PromotionCode | null): Discount {
  if (!isCouponValid(context, coupon))
    throw new ApiError(`Coupon expired: ${coupon.id}`, { code: "coupon_expired", param: "coupon" });
  const discount = newDiscount(context, coupon, owner, code);
  coupon.times_redeemed += 1;
  coupon.valid = isCouponValid(context, coupon);
  if (code) {
    code.times_redeemed += 1;
    if (code.max_redemptions !== null && code.times_redeemed >= code.max_redemptions) code.active = false;
  }
  return insert(context, "discount", discount);
}

function retrieveCode(context: Context, id: string, param: string): PromotionCode {
  const code = retrieve(context, "promotion_code", id, `${param}[promotion_code]`);
  if (!code.active || (code.expires_at !== null && code.expires_at <= now(context)))
    throw new ApiError(`This promotion code cannot be redeemed because it is inactive or expired.`, {
      param: `${param}[promotion_code]`,
    });
  return code;
}

export function isCouponValid(context: Context, coupon: Coupon): boolean {
  const used = coupon.max_redemptions !== null && coupon.times_redeemed >= coupon.max_redemptions;
  return !used && (coupon.redeem_by === null || coupon.redeem_by > now(context));
}

interface DiscountableLine {
  amount: number;
  currency: string;
  discountable: boolean;
  discounts: string[];
  discount_amounts: { amount: number; discount: string }[];
  pretax_credit_amounts: { amount: number; discount: string; type: "discount" }[];
  pricing: { price_details?: { product: string } } | null;
}

/**
 * Applies discounts to invoice lines one after the other, each to the amount that earlier discounts left. Records each
 * discount's amount in the invoice lines.
 */
export function applyDiscounts(
  context: Context,
  lines: readonly DiscountableLine[],
  invoiceDiscounts: readonly string[],
): void {
  const left = new Map(lines.map((line) => [line, line.discountable ? line.amount : 0]));
  for (const line of lines) Object.assign(line, { discount_amounts: [], pretax_credit_amounts: [] });
  for (const line of lines) for (const id of line.discounts) applyDiscount(context, id, [line], left);
  for (const id of invoiceDiscounts) applyDiscount(context, id, lines, left);
}

function applyDiscount(
  context: Context,
  id: string,
  lines: readonly DiscountableLine[],
  left: Map<DiscountableLine, number>,
): void {
  const coupon = couponOf(context, id);
  if (!coupon) return;
  const products = coupon.applies_to?.products;
  const fitting = lines.filter(
    (line) =>
      line.discountable &&
      line.amount > 0 &&
      (products === undefined || products.includes(line.pricing?.price_details?.product ?? "")),
  );
  const open = fitting.map((line) => left.get(line) ?? 0);
  const total = open.reduce((sum, amount) => sum + amount, 0);
  const off =
    coupon.percent_off === null ? Math.min(total, coupon.amount_off ?? 0) : round((total * coupon.percent_off) / 100);
  for (const [index, amount] of split(off, open).entries()) {
    const line = fitting[index];
    if (!line) continue;
    left.set(line, (left.get(line) ?? 0) - amount);
    line.discount_amounts.push({ amount, discount: id });
    line.pretax_credit_amounts.push({ amount, discount: id, type: "discount" });
  }
}

/** Returns whether a discount applies to an invoice that is created now. */
export function isDiscountActive(context: Context, id: string): boolean {
  const discount = find(context, "discount", id);
  return discount !== undefined && (discount.end === null || discount.end > now(context));
}

export function couponOf(context: Context, discountId: string): Coupon | null {
  const discount = find(context, "discount", discountId);
  return find(context, "coupon", discount?.source.coupon ?? null) ?? null;
}

/** Returns the active promotion code with this text, ignoring upper and lower case; undefined if there is none. */
export function findActiveCode(context: Context, text_: string): PromotionCode | undefined {
  return listAll(
    context,
    "promotion_code",
    (row) =>
      row.active &&
      row.code.toLowerCase() === text_.toLowerCase() &&
      (row.expires_at === null || row.expires_at > now(context)),
  )[0];
}
