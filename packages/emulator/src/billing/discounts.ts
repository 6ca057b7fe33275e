/** Discounts: a coupon at work on a customer, a subscription, an invoice or an item. @see https://docs.stripe.com/api/discounts */
import { ApiError } from "../core/errors.ts";
import { round, split } from "../core/money.ts";
import { newId } from "../core/ids.ts";
import { all, find, insert, need, now, type World } from "../core/world.ts";
import type { Coupon } from "../resources/coupons.ts";
import type { PromotionCode } from "../resources/promotion-codes.ts";
import { addMonths } from "./periods.ts";

export type Discount = ReturnType<typeof newDiscount>;

export interface DiscountInput {
  coupon?: string | undefined;
  promotion_code?: string | undefined;
  discount?: string | undefined;
}

interface DiscountOwner {
  customer: string;
  subscription?: string | null;
  invoice?: string | null;
  invoice_item?: string | null;
  subscription_item?: string | null;
  checkout_session?: string | null;
}

/** Redeems coupons, promotion codes, or discounts that are there already; answers the ids. */
export function redeemAll(
  world: World,
  inputs: readonly DiscountInput[],
  owner: DiscountOwner,
  param = "discounts",
): string[] {
  return inputs.map((input, index) => {
    if (input.discount !== undefined) return need(world, "discount", input.discount, `${param}[${index}][discount]`).id;
    const code =
      input.promotion_code === undefined ? null : neededCode(world, input.promotion_code, `${param}[${index}]`);
    const couponId = code?.promotion.coupon ?? input.coupon;
    if (couponId === undefined)
      throw new ApiError("You must pass one of coupon, discount or promotion_code.", { param: `${param}[${index}]` });
    return redeem(world, need(world, "coupon", couponId, `${param}[${index}][coupon]`), owner, code).id;
  });
}

/** Throws where the coupon can't be used any more. */
export function redeem(world: World, coupon: Coupon, owner: DiscountOwner, code: PromotionCode | null): Discount {
  if (!isValid(world, coupon))
    throw new ApiError(`Coupon expired: ${coupon.id}`, { code: "coupon_expired", param: "coupon" });
  const discount = newDiscount(world, coupon, owner, code);
  coupon.times_redeemed += 1;
  coupon.valid = isValid(world, coupon);
  if (code) {
    code.times_redeemed += 1;
    if (code.max_redemptions !== null && code.times_redeemed >= code.max_redemptions) code.active = false;
  }
  return insert(world, "discount", discount);
}

function neededCode(world: World, id: string, param: string): PromotionCode {
  const code = need(world, "promotion_code", id, `${param}[promotion_code]`);
  if (!code.active || (code.expires_at !== null && code.expires_at <= now(world)))
    throw new ApiError(`This promotion code cannot be redeemed because it is inactive or expired.`, {
      param: `${param}[promotion_code]`,
    });
  return code;
}

export function isValid(world: World, coupon: Coupon): boolean {
  const used = coupon.max_redemptions !== null && coupon.times_redeemed >= coupon.max_redemptions;
  return !used && (coupon.redeem_by === null || coupon.redeem_by > now(world));
}

function newDiscount(world: World, coupon: Coupon, owner: DiscountOwner, code: PromotionCode | null) {
  const start = now(world);
  return {
    id: newId(world, "di"),
    object: "discount" as const,
    checkout_session: owner.checkout_session ?? null,
    customer: owner.customer as string | null,
    customer_account: null,
    end: coupon.duration === "repeating" ? addMonths(start, coupon.duration_in_months ?? 1) : null,
    invoice: owner.invoice ?? null,
    invoice_item: owner.invoice_item ?? null,
    promotion_code: code?.id ?? null,
    source: { coupon: coupon.id as string | null, type: "coupon" as const },
    start,
    subscription: owner.subscription ?? null,
    subscription_item: owner.subscription_item ?? null,
  };
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

/** Takes each discount off what is left of the lines it applies to, and writes down how much. */
export function applyDiscounts(
  world: World,
  lines: readonly DiscountableLine[],
  invoiceDiscounts: readonly string[],
): void {
  const left = new Map(lines.map((line) => [line, line.discountable ? line.amount : 0]));
  for (const line of lines) Object.assign(line, { discount_amounts: [], pretax_credit_amounts: [] });
  for (const line of lines) for (const id of line.discounts) applyOne(world, id, [line], left);
  for (const id of invoiceDiscounts) applyOne(world, id, lines, left);
}

function applyOne(
  world: World,
  id: string,
  lines: readonly DiscountableLine[],
  left: Map<DiscountableLine, number>,
): void {
  const coupon = couponOf(world, id);
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

/** Whether a discount still counts for an invoice that is made now. */
export function stillCounts(world: World, id: string): boolean {
  const discount = find(world, "discount", id);
  return discount !== undefined && (discount.end === null || discount.end > now(world));
}

export function couponOf(world: World, discountId: string): Coupon | null {
  const discount = find(world, "discount", discountId);
  return find(world, "coupon", discount?.source.coupon ?? null) ?? null;
}

/** What somebody types in finds a code in any case. */
export function findActiveCode(world: World, text_: string): PromotionCode | undefined {
  return all(
    world,
    "promotion_code",
    (row) =>
      row.active &&
      row.code.toLowerCase() === text_.toLowerCase() &&
      (row.expires_at === null || row.expires_at > now(world)),
  )[0];
}
