/** Adds invoice items for one-time prices. */
import { now } from "../core/clock.ts";
import { ApiError } from "../core/errors.ts";
import { insert, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { DiscountInput } from "../objects/discount.ts";
import { type InvoiceItem, type NewInvoiceItem, newInvoiceItem } from "../objects/invoice-item.ts";
import type { Price } from "../objects/price.ts";
import type { AddedPeriod, Subscription } from "../objects/subscription.ts";
import { priceIn } from "./presentment.ts";
import { amountFor } from "./pricing.ts";
import { redeemAll } from "./redemptions.ts";
import { nextPeriodEnd } from "./subscription-periods.ts";

/** A one-time price that is sold with an invoice. */
export type SoldItem = Omit<NewInvoiceItem, "amount"> & {
  price: Price;
  currency: string;
  discounts?: readonly DiscountInput[];
  /** The name of the parameter with the discounts. */
  param?: string;
};

/**
 * Creates an invoice item for a one-time price. The customer's next invoice includes the invoice item. The item's description
 * is the product's name.
 */
export function addOneTimeItem(context: Context, { discounts = [], param, ...sold }: SoldItem): void {
  const description = retrieve(context, "product", sold.price.product).name;
  const price = priceIn(sold.price, sold.currency);
  const amount = amountFor(price, sold.quantity ?? 1);
  const item = insert(context, "invoiceitem", newInvoiceItem(context, { ...sold, price, description, amount }));
  item.discounts = redeemForItem(context, item, discounts, param);
}

/**
 * Returns the period of a one-time price that a subscription's invoice includes. By default, the period starts with the item
 * whose period starts last, and ends with the item whose period ends first.
 * @see https://docs.stripe.com/api/subscriptions/create#create_subscription-add_invoice_items-period
 */
export function addedPeriod(
  context: Context,
  subscription: Subscription,
  given: AddedPeriod | undefined,
): { start: number; end: number } {
  const times = { now: now(context), timestamp: given?.start.timestamp };
  const chosen = given && given.start.type !== "max_item_period_start" ? times[given.start.type] : undefined;
  const start = chosen ?? Math.max(...subscription.items.data.map((item) => item.current_period_start));
  const until = given?.end.type === "timestamp" ? given.end.timestamp : undefined;
  const end = until ?? nextPeriodEnd(subscription);
  if (given && start > end)
    throw new ApiError("The `period` of an invoice item must end at or after its start.", {
      param: "add_invoice_items",
    });
  return { start, end };
}

/** Redeems the coupons of an invoice item. Returns the IDs of the item's discounts. */
export function redeemForItem(
  context: Context,
  item: InvoiceItem,
  inputs: readonly DiscountInput[],
  param = "discounts",
): string[] {
  const owner = { customer: item.customer, invoice_item: item.id };
  const within = item.parent?.subscription_details.subscription ?? null;
  return redeemAll(context, inputs, { owner, purchase: item, within }, param);
}
