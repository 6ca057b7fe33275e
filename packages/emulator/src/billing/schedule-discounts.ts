/**
 * Applies the discounts of a schedule's phases to subscriptions and their items.
 * @see https://docs.stripe.com/billing/subscriptions/subscription-schedules
 */
import { copy } from "../core/copy.ts";
import { deepEqual } from "../core/previous-attributes.ts";
import { find, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { DiscountInput } from "../objects/discount.ts";
import type { AddedItem, Phase, PhaseDiscount } from "../objects/subscription-schedule.ts";
import type { AddedInvoiceItem, Subscription } from "../objects/subscription.ts";
import { isDiscountActive } from "./discounts.ts";
import { purchaseOf } from "./pricing.ts";
import { checkRedeemable, redeemableInputs, type Redemption } from "./redemptions.ts";
import { replaceDiscounts } from "./subscriber-discounts.ts";

/**
 * Replaces the discounts of a subscription by those of a phase. A coupon that is already applied keeps its discount. Coupons
 * that can no longer be redeemed are omitted, because the phase can start without a request.
 */
export function applyPhaseDiscounts(context: Context, subscription: Subscription, phase: Phase): string[] {
  const owner = { customer: subscription.customer, subscription: subscription.id };
  const redemption = { owner, purchase: purchaseOfPhase(context, phase) };
  const inputs = newInputs(context, subscription.discounts, phase.discounts, redemption);
  return inputs ? replaceDiscounts(context, subscription.discounts, { inputs, redemption }) : subscription.discounts;
}

/**
 * Returns the coupons that replace the current discounts of a subscription or subscription item; undefined if the phase does
 * not change the discounts.
 */
export function newInputs(
  context: Context,
  current: readonly string[],
  wanted: readonly PhaseDiscount[],
  redemption: Redemption,
): DiscountInput[] | undefined {
  const inputs = wanted.map((discount) => appliedInput(context, current, discount) ?? toDiscountInput(discount));
  const isSame = inputs.length === current.length && inputs.every(({ discount }, at) => discount === current[at]);
  return isSame ? undefined : redeemableInputs(context, inputs, redemption);
}

function appliedInput(
  context: Context,
  current: readonly string[],
  { coupon, promotion_code: code, discount }: PhaseDiscount,
): DiscountInput | undefined {
  const id = current.find((one) => {
    const row = find(context, "discount", one);
    if (discount !== null) return one === discount;
    if (!row || !isDiscountActive(context, one)) return false;
    return code === null ? row.source.coupon === coupon && row.promotion_code === null : row.promotion_code === code;
  });
  return id === undefined ? undefined : { discount: id };
}

/**
 * Returns a phase in which the discounts that did not change refer to the subscription's current discounts. Otherwise, an update
 * of a schedule would redeem a coupon again that an invoice has used up.
 */
export function keepDiscounts(subscription: Subscription, before: Phase | null, phase: Phase): Phase {
  const items = phase.items.map((item) => {
    const old = before?.items.find(({ price }) => price === item.price);
    const current = subscription.items.data.find(({ price }) => price.id === item.price);
    const isKept = old !== undefined && current !== undefined && deepEqual(old.discounts, item.discounts);
    return isKept ? { ...item, discounts: toPhaseDiscounts(current.discounts) } : item;
  });
  const isKept = before !== null && deepEqual(before.discounts, phase.discounts);
  return { ...phase, items, ...(isKept && { discounts: toPhaseDiscounts(subscription.discounts) }) };
}

/** Throws Stripe's error if a coupon or promotion code of a new phase cannot be redeemed. */
export function checkPhaseDiscounts(context: Context, phase: Phase, customer: string, param: string): void {
  const purchase = purchaseOfPhase(context, phase);
  const check = (discounts: readonly PhaseDiscount[], at: string): void => {
    const given = discounts.filter(({ discount }) => discount === null).map(toDiscountInput);
    checkRedeemable(context, given, { owner: { customer }, purchase }, `${param}${at}`);
  };
  check(phase.discounts, "[discounts]");
  for (const [at, item] of phase.items.entries()) check(item.discounts, `[items][${at}][discounts]`);
  for (const [at, item] of phase.add_invoice_items.entries())
    check(item.discounts, `[add_invoice_items][${at}][discounts]`);
}

/** Returns a phase without the discounts that its earlier version has too. They were checked when the schedule got them. */
export function withoutKnownDiscounts(phase: Phase, before: Phase | null): Phase {
  if (before === null) return phase;
  return {
    ...phase,
    discounts: withoutKnown(phase.discounts, before.discounts),
    items: phase.items.map((item) => ({
      ...item,
      discounts: withoutKnown(item.discounts, knownOf(before.items, item.price)),
    })),
    add_invoice_items: phase.add_invoice_items.map((item) => ({
      ...item,
      discounts: withoutKnown(item.discounts, knownOf(before.add_invoice_items, item.price)),
    })),
  };
}

function knownOf(items: readonly { price: string; discounts: PhaseDiscount[] }[], price: string): PhaseDiscount[] {
  return items.find((item) => item.price === price)?.discounts ?? [];
}

function withoutKnown(discounts: readonly PhaseDiscount[], known: readonly PhaseDiscount[]): PhaseDiscount[] {
  return discounts.filter((discount) => !known.some((one) => deepEqual(one, discount)));
}

/** Returns the invoice items that a phase adds, with the discounts that can be redeemed now. */
export function addedItemsOf(context: Context, phase: Phase, customer: string): Omit<AddedInvoiceItem, "period">[] {
  const redemption = { owner: { customer }, purchase: purchaseOfPhase(context, phase) };
  return phase.add_invoice_items.map(
    ({ price, quantity, discountable, discounts, metadata, tax_rates: taxRates }: AddedItem) => ({
      price: retrieve(context, "price", price),
      quantity,
      discountable,
      metadata,
      taxRates: copy(taxRates),
      discounts: redeemableInputs(context, discounts.map(toDiscountInput), redemption),
    }),
  );
}

export function purchaseOfPhase(context: Context, { items, add_invoice_items: added, currency }: Phase) {
  const sold = [...items, ...added].map(({ price, quantity }) => ({
    price: retrieve(context, "price", price),
    quantity,
  }));
  return purchaseOf(sold, currency);
}

export function toPhaseDiscounts(discounts: readonly string[]): PhaseDiscount[] {
  return discounts.map((discount) => ({ coupon: null, discount, promotion_code: null }));
}

export function toDiscountInput({ coupon, discount, promotion_code }: PhaseDiscount): DiscountInput {
  return {
    ...(coupon !== null && { coupon }),
    ...(discount !== null && { discount }),
    ...(promotion_code !== null && { promotion_code }),
  };
}
