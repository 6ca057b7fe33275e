/** What a change in mid-period credits and charges, to the second. @see https://docs.stripe.com/billing/subscriptions/prorations */
import { newInvoiceItem, type CreditedItems, type InvoiceItem } from "./invoice-items.ts";
import { round } from "../core/money.ts";
import { find, insert, need, now, of, type World } from "../core/world.ts";

import { emit } from "../core/events.ts";
import { amountFor } from "./pricing.ts";
import type { Subscription, SubscriptionItem } from "./subscriptions.ts";

/** One side of a change: an item as it was, or as it is. */
export interface ProratedItem {
  item: SubscriptionItem;
  /** The period that the amount is for. */
  period: { start: number; end: number };
}

/** Invoice items that wait: credits for what was paid and is not used, charges for what is used from now on. */
export function prorate(
  world: World,
  subscription: Subscription,
  { credits, charges, at }: { credits: readonly ProratedItem[]; charges: readonly ProratedItem[]; at: number },
): InvoiceItem[] {
  const items = [
    ...credits.map((side) => prorationItem(world, subscription, side, at, -1)),
    ...charges.map((side) => prorationItem(world, subscription, side, at, 1)),
  ];
  for (const item of items) {
    insert(world, "invoiceitem", item);
    emit(world, "invoiceitem.created", item);
  }
  return items;
}

export function prorationItem(
  world: World,
  subscription: Subscription,
  { item, period }: ProratedItem,
  at: number,
  sign: 1 | -1,
): InvoiceItem {
  const product = need(world, "product", item.price.product);
  const quantity = item.quantity ?? 1;
  const share = Math.max(0, period.end - at) / (period.end - period.start);
  const amount = sign * round(amountFor(item.price, quantity) * share) || 0;
  const what = quantity === 1 ? product.name : `${quantity} × ${product.name}`;
  const verb = sign < 0 ? "Unused time on" : "Remaining time on";
  return newInvoiceItem(world, {
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
    date: now(world),
    creditedItems: sign < 0 ? creditedItems(world, subscription, item, at) : null,
  });
}

/** What charged for the time that is given back: a charge that waits, or the newest line. */
function creditedItems(
  world: World,
  subscription: Subscription,
  item: SubscriptionItem,
  at: number,
): CreditedItems | null {
  const covers = ({ period, amount }: { period: { start: number; end: number }; amount: number }): boolean =>
    period.start <= at && at < period.end && amount >= 0;
  const isOfItem = (row: InvoiceItem): boolean =>
    row.proration && row.parent?.subscription_details.subscription_item === item.id;
  const waiting = of(
    world,
    "invoiceitem",
    "customer",
    subscription.customer,
    (row) => row.invoice === null && isOfItem(row) && covers(row),
  ).at(-1);
  if (waiting) return { type: "invoice_item", invoice_item: waiting.id };
  for (const invoice of of(world, "invoice", "subscription", subscription.id).toReversed()) {
    const lines = invoice.lines.data.filter(({ parent, ...line }) => {
      const charged = find(world, "invoiceitem", parent?.invoice_item_details?.invoice_item ?? null);
      const isCharged = parent?.subscription_item_details?.subscription_item === item.id;
      return covers(line) && (isCharged || (charged !== undefined && isOfItem(charged)));
    });
    const details = { invoice: invoice.id, invoice_line_items: lines.map(({ id }) => id) };
    if (lines.length > 0) return { type: "invoice_line_items", invoice_line_item_details: details };
  }
  return null;
}

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** 10 Nov 2025 */
export function formatDay(at: number): string {
  const date = new Date(at * 1000);
  return `${String(date.getUTCDate()).padStart(2, "0")} ${MONTHS[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
}
