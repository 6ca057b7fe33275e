/**
 * Computes prorations: credits and charges, exact to the second, for a change within a billing period.
 * @see https://docs.stripe.com/billing/subscriptions/prorations
 */
import { now } from "../core/clock.ts";
import { emit } from "../core/events.ts";
import { round, sum } from "../core/money.ts";
import { startOf } from "../core/periods.ts";
import { find, insert, listBy, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { type CreditedItems, type InvoiceItem, newInvoiceItem } from "../objects/invoice-item.ts";
import { type InvoiceLine, invoiceItemOf, type Period } from "../objects/invoice-line.ts";
import type { Price } from "../objects/price.ts";
import type { Subscription, SubscriptionItem } from "../objects/subscription.ts";
import { applyDiscounts, termsOf } from "./discounts.ts";
import { discountsFor } from "./invoices.ts";
import { priceIn } from "./presentment.ts";
import { amountFor } from "./pricing.ts";

/** A subscription item after a change, with the period to charge. */
export interface ChargedItem {
  item: SubscriptionItem;
  /** The period for which the customer pays the full price of the item. */
  period: Period;
}

/** The prorations of a change. */
export interface Prorations {
  /** The items whose unused time is credited. */
  credits: readonly SubscriptionItem[];
  charges: readonly ChargedItem[];
  /** The time from which unused time is credited and remaining time is charged. */
  at: number;
  /** The time until which time is credited and charged, if the subscription ends before its period. Default: no limit. */
  until?: number | undefined;
}

/**
 * Creates pending invoice items for the prorations of a subscription change. The customer gets a credit for the unused time of
 * old items, and pays for the remaining time of new items.
 */
export function prorate(
  context: Context,
  subscription: Subscription,
  { credits, charges, at, until = Infinity }: Prorations,
): InvoiceItem[] {
  const time = { start: at, end: until };
  const items = [
    ...credits.flatMap((item) => creditsFor(context, subscription, item, time).map((credit) => ({ item, ...credit }))),
    ...chargesAfterDiscounts(context, subscription, charges, time),
  ].map((part) => prorationItem(context, subscription, part));
  for (const item of items) {
    insert(context, "invoiceitem", item);
    emit(context, "invoiceitem.created", item);
  }
  return items;
}

interface ProratedPart {
  item: SubscriptionItem;
  price: Price;
  quantity: number;
  /** The amount in minor units; a credit is negative. */
  amount: number;
  /** The time that the amount pays for. */
  period: Period;
  creditedItems: CreditedItems | null;
}

function prorationItem(context: Context, subscription: Subscription, part: ProratedPart): InvoiceItem {
  const { item, quantity, amount, period, creditedItems } = part;
  const price = priceIn(part.price, subscription.currency);
  const product = retrieve(context, "product", price.product);
  const what = quantity === 1 ? product.name : `${quantity} × ${product.name}`;
  const verb = creditedItems ? "Unused time on" : "Remaining time on";
  return newInvoiceItem(context, {
    customer: subscription.customer,
    subscription: subscription.id,
    subscriptionItem: item.id,
    price,
    amount,
    quantity,
    description: `${verb} ${what} after ${formatDay(period.start)}`,
    period,
    proration: true,
    discountable: false,
    taxRates: item.tax_rates,
    date: now(context),
    creditedItems,
  });
}

/**
 * Returns the charges for the remaining time. Discounts of the subscription reduce them, because discounts do not apply to
 * prorations on an invoice.
 * @see https://docs.stripe.com/billing/subscriptions/prorations#prorations-and-discounts
 */
function chargesAfterDiscounts(
  context: Context,
  subscription: Subscription,
  charges: readonly ChargedItem[],
  time: Period,
): ProratedPart[] {
  const lines = charges.map(({ item }) => ({
    amount: amountFor(priceIn(item.price, subscription.currency), item.quantity ?? 1),
    currency: subscription.currency,
    discountable: true,
    discounts: item.discounts,
    discount_amounts: [] as { amount: number; discount: string }[],
    pretax_credit_amounts: [],
    pricing: { price_details: { product: item.price.product } },
  }));
  applyDiscounts(lines, discountsFor(context, subscription), (id) => {
    const discount = find(context, "discount", id);
    return discount ? termsOf(context, discount) : null;
  });
  return charges.map(({ item, period: whole }, index) => {
    const period = { start: time.start, end: Math.max(time.start, Math.min(whole.end, time.end)) };
    const amount = round(netOf(lines[index]) * shareOf(whole, period));
    return { item, price: item.price, quantity: item.quantity ?? 1, amount, period, creditedItems: null };
  });
}

/** Returns the full billing period of an item's price that ends with the item's current period. */
export function periodOfPrice({ billing_cycle_anchor: anchor }: Subscription, item: SubscriptionItem): Period {
  return { start: startOf(item.price, anchor, item.current_period_end - 1), end: item.current_period_end };
}

function shareOf(whole: Period, part: Period): number {
  return Math.max(0, part.end - part.start) / (whole.end - whole.start);
}

function netOf(line: { amount: number; discount_amounts: readonly { amount: number }[] } | undefined): number {
  return (line?.amount ?? 0) - sum((line?.discount_amounts ?? []).map(({ amount }) => amount));
}

/** A part of an invoice line or pending invoice item that charged the customer for an item, as a credit. */
type Credit = Omit<ProratedPart, "item">;

/**
 * Returns a credit for each amount that the customer was charged for an item's time within `time`, and that was not credited
 * before. In flexible billing mode, Stripe credits what was charged, not the current price.
 * @see https://docs.stripe.com/billing/subscriptions/prorations#credit-prorations
 */
function creditsFor(context: Context, subscription: Subscription, item: SubscriptionItem, time: Period): Credit[] {
  return listDebits(context, subscription, item, time.start).flatMap(({ debit, end }) => {
    const period = { start: Math.max(time.start, debit.period.start), end: Math.min(end, time.end) };
    const price = find(context, "price", debit.price) ?? item.price;
    if (period.end <= period.start) return [];
    const amount = -round(debit.net * shareOf(debit.period, period)) || 0;
    return [{ price, quantity: debit.quantity, amount, period, creditedItems: debit.source }];
  });
}

/**
 * Returns the time until which the customer was charged for an item, without the time that was credited. Returns null if the
 * customer was not charged for any time after now.
 */
export function chargedUntil(context: Context, subscription: Subscription, item: SubscriptionItem): number | null {
  const ends = listDebits(context, subscription, item, now(context)).map(({ end }) => end);
  return ends.length === 0 ? null : Math.max(...ends);
}

/** Returns the charges for an item's time after `at`, each with the time at which its first credit starts, or its period ends. */
function listDebits(
  context: Context,
  subscription: Subscription,
  item: SubscriptionItem,
  at: number,
): { debit: Debit; end: number }[] {
  const items = listBy(
    context,
    "invoiceitem",
    { customer: subscription.customer },
    (row) => row.proration && row.parent?.subscription_details.subscription_item === item.id,
  );
  const pending = items.filter(
    ({ invoice, amount, proration_details: details }) => invoice === null && amount >= 0 && !details?.credited_items,
  );
  return [...invoicedDebits(context, subscription, item, at), ...pending.map(debitOfItem)].map((debit) => {
    const ends = items.filter((row) => isCreditOf(row, debit)).map(({ period }) => period.start);
    return { debit, end: Math.min(debit.period.end, ...ends) };
  });
}

interface Debit {
  net: number;
  quantity: number;
  price: string | null;
  period: Period;
  source: CreditedItems;
  /** The ID of the invoice item that the invoice line comes from; null if none. */
  invoiceItem: string | null;
}

function debitOfItem(row: InvoiceItem): Debit {
  return {
    net: row.amount,
    quantity: row.quantity,
    price: row.pricing?.price_details.price ?? null,
    period: row.period,
    source: { type: "invoice_item", invoice_item: row.id },
    invoiceItem: row.id,
  };
}

function invoicedDebits(context: Context, subscription: Subscription, item: SubscriptionItem, at: number): Debit[] {
  const isDebit = ({ amount, parent, period }: InvoiceLine): boolean =>
    parent?.subscription_item_details?.subscription_item === item.id && amount >= 0 && period.end > at;
  const invoices = listBy(
    context,
    "invoice",
    { subscription: subscription.id },
    ({ status, lines }) => status !== "void" && lines.data.some(isDebit),
  );
  return invoices.flatMap((invoice) =>
    invoice.lines.data.filter(isDebit).map((line) => ({
      net: netOf(line),
      quantity: line.quantity ?? 1,
      price: line.pricing?.price_details.price ?? null,
      period: line.period,
      source: {
        type: "invoice_line_items" as const,
        invoice_line_item_details: { invoice: invoice.id, invoice_line_items: [line.id] },
      },
      invoiceItem: invoiceItemOf(line),
    })),
  );
}

function isCreditOf({ proration_details: details }: InvoiceItem, { source, invoiceItem }: Debit): boolean {
  const credited = details?.credited_items;
  if (!credited) return false;
  if (credited.type === "invoice_item") return credited.invoice_item === invoiceItem;
  const [id] = source.type === "invoice_line_items" ? source.invoice_line_item_details.invoice_line_items : [];
  return id !== undefined && credited.invoice_line_item_details.invoice_line_items.includes(id);
}

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** Formats a time as a date, such as 10 Nov 2025. */
export function formatDay(at: number): string {
  const date = new Date(at * 1000);
  return `${String(date.getUTCDate()).padStart(2, "0")} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
}
