/** Applies discounts to invoice lines and checkout items. @see https://docs.stripe.com/api/discounts */
import { now } from "../core/clock.ts";
import { round, split } from "../core/money.ts";
import { find } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { Coupon } from "../objects/coupon.ts";
import type { Discount } from "../objects/discount.ts";

/** Returns the terms of the discount with this ID; null if the discount does not apply. */
export type TermsOf = (discount: string) => Coupon | null;

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
  lines: readonly DiscountableLine[],
  invoiceDiscounts: readonly string[],
  findTerms: TermsOf,
): void {
  const left = new Map(lines.map((line) => [line, line.discountable ? line.amount : 0]));
  const apply = (id: string, discounted: readonly DiscountableLine[]): void => {
    const terms = findTerms(id);
    if (terms) applyDiscount({ id, terms }, discounted, left);
  };
  for (const line of lines) Object.assign(line, { discount_amounts: [], pretax_credit_amounts: [] });
  for (const line of lines) for (const id of line.discounts) apply(id, [line]);
  for (const id of invoiceDiscounts) apply(id, lines);
}

function applyDiscount(
  { id, terms }: { id: string; terms: Coupon },
  lines: readonly DiscountableLine[],
  left: Map<DiscountableLine, number>,
): void {
  const products = terms.applies_to?.products;
  const fitting = lines.filter(
    (line) =>
      line.discountable &&
      line.amount > 0 &&
      (products === undefined || products.includes(line.pricing?.price_details?.product ?? "")),
  );
  const open = fitting.map((line) => left.get(line) ?? 0);
  const total = open.reduce((sum, amount) => sum + amount, 0);
  const off =
    terms.percent_off === null
      ? Math.min(total, amountOff(terms, fitting[0]?.currency ?? "") ?? 0)
      : round((total * terms.percent_off) / 100);
  for (const [index, amount] of split(off, open).entries()) {
    const line = fitting[index];
    if (!line) continue;
    left.set(line, (left.get(line) ?? 0) - amount);
    line.discount_amounts.push({ amount, discount: id });
    line.pretax_credit_amounts.push({ amount, discount: id, type: "discount" });
  }
}

/**
 * Returns the fixed amount that a coupon takes off in this currency; null if the coupon has no amount in this currency.
 * @see https://docs.stripe.com/api/coupons/object#coupon_object-currency_options
 */
export function amountOff(coupon: Coupon, currency: string): number | null {
  if (coupon.currency === currency) return coupon.amount_off;
  return coupon.currency_options?.[currency]?.amount_off ?? null;
}

/**
 * Returns the coupon of a discount as it was when the discount was created. A discount keeps these terms after its coupon
 * was deleted.
 */
export function termsOf(context: Context, discount: Discount | undefined): Coupon | null {
  return discount?.terms ?? find(context, "coupon", discount?.source.coupon ?? null) ?? null;
}

/** Returns whether a discount applies to an invoice that is created at the given time. */
export function isDiscountActive(context: Context, id: string, at = now(context)): boolean {
  const discount = find(context, "discount", id);
  if (discount === undefined || discount.used_by) return false;
  return discount.end === null || discount.end > at;
}
