/**
 * Computes prorations: credits and charges, exact to the second, for a change within a billing period.
 * @see https://docs.stripe.com/billing/subscriptions/prorations
 */
import { now } from "../core/clock.ts";
import { emit } from "../core/events.ts";
import { round } from "../core/money.ts";
import { find, insert, listBy, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { type CreditedItems, type InvoiceItem, newInvoiceItem } from "../objects/invoice-item.ts";
import type { Subscription, SubscriptionItem } from "../objects/subscription.ts";
import { amountFor } from "./pricing.ts";

/** A subscription item before or after a change, with the period to credit or charge. */
export interface ProratedItem {
  item: SubscriptionItem;
  /** The period for which the customer pays the full price of the item. */
  period: { start: number; end: number };
}

/**
 * Creates pending invoice items for the prorations of a subscription change. The customer gets a credit for the unused time of
 * old items, and pays for the remaining time of new items.
 */
export function prorate(
  context: Context,
  subscription: Subscription,
  { credits, charges, at }: { credits: readonly ProratedItem[]; charges: readonly ProratedItem[]; at: number },
): InvoiceItem[] {
  const items = [
    ...credits.map((side) => prorationItem(context, subscription, { ...side, at, sign: -1 })),
    ...charges.map((side) => prorationItem(context, subscription, { ...side, at, sign: 1 })),
  ];
  for (const item of items) {
    insert(context, "invoiceitem", item);
    emit(context, "invoiceitem.created", item);
  }
  return items;
}

export function prorationItem(
  context: Context,
  subscription: Subscription,
  { item, period, at, sign }: ProratedItem & { at: number; sign: 1 | -1 },
): InvoiceItem {
  const product = retrieve(context, "product", item.price.product);
  const quantity = item.quantity ?? 1;
  const share = Math.max(0, period.end - at) / (period.end - period.start);
  const amount = sign * round(amountFor(item.price, quantity) * share) || 0;
  const what = quantity === 1 ? product.name : `${quantity} × ${product.name}`;
  const verb = sign < 0 ? "Unused time on" : "Remaining time on";
  return newInvoiceItem(context, {
    customer: subscription.customer,
    subscription: subscription.id,
    subscriptionItem: item.id,
    price: item.price,
    amount,
    quantity,
    description: `${verb} ${what} after ${formatDay(at)}`,
    period: { start: at, end: period.end },
    proration: true,
    discountable: false,
    taxRates: item.tax_rates,
    date: now(context),
    creditedItems: sign < 0 ? creditedItems(context, subscription, item, at) : null,
  });
}

/** Returns the pending invoice item or the invoice lines that originally charged the customer for the credited time. */
function creditedItems(
  context: Context,
  subscription: Subscription,
  item: SubscriptionItem,
  at: number,
): CreditedItems | null {
  const covers = ({ period, amount }: { period: { start: number; end: number }; amount: number }): boolean =>
    period.start <= at && at < period.end && amount >= 0;
  const isOfItem = (row: InvoiceItem): boolean =>
    row.proration && row.parent?.subscription_details.subscription_item === item.id;
  const waiting = listBy(
    context,
    "invoiceitem",
    { customer: subscription.customer },
    (row) => row.invoice === null && isOfItem(row) && covers(row),
  ).at(-1);
  if (waiting) return { type: "invoice_item", invoice_item: waiting.id };
  for (const invoice of listBy(context, "invoice", { subscription: subscription.id }).toReversed()) {
    const lines = invoice.lines.data.filter(({ parent, ...line }) => {
      const charged = find(context, "invoiceitem", parent?.invoice_item_details?.invoice_item ?? null);
      const isCharged = parent?.subscription_item_details?.subscription_item === item.id;
      return covers(line) && (isCharged || (charged !== undefined && isOfItem(charged)));
    });
    const details = { invoice: invoice.id, invoice_line_items: lines.map(({ id }) => id) };
    if (lines.length > 0) return { type: "invoice_line_items", invoice_line_item_details: details };
  }
  return null;
}

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** Formats a time as a date, such as 10 Nov 2025. */
export function formatDay(at: number): string {
  const date = new Date(at * 1000);
  return `${String(date.getUTCDate()).padStart(2, "0")} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
}
