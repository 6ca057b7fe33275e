/**
 * Defines the parameter `add_invoice_items` of subscriptions and schedule phases.
 * @see https://docs.stripe.com/api/subscriptions/create#create_subscription-add_invoice_items
 */
import { z } from "zod";
import { addOneTimeItem, addedPeriod } from "../billing/invoice-items.ts";
import { checkPriceCurrency } from "../billing/presentment.ts";
import { taxRatesOf } from "../billing/taxes.ts";
import { ApiError } from "../core/errors.ts";
import { flag, integer, mergeMetadata, metadata, nonNegative, refuseBoth, text } from "../core/params.ts";
import type { Context } from "../core/state.ts";
import type { Price } from "../objects/price.ts";
import type { AddedInvoiceItem, AddedPeriod, Subscription } from "../objects/subscription.ts";
import { checkPurchasable, oneTimePrice } from "./chosen-price.ts";
import { invoicePriceData } from "./price-params.ts";
import { createInlinePrice } from "./prices.ts";
import { addedDiscounts } from "./shared-params.ts";
import { taxRates } from "./tax-params.ts";

/** An entry of the parameter `add_invoice_items` of a schedule phase. */
export const phaseAddedItem = z.strictObject({
  discountable: flag.optional(),
  discounts: addedDiscounts,
  metadata: metadata.optional(),
  price: text.optional(),
  price_data: invoicePriceData.optional(),
  quantity: nonNegative.optional(),
  tax_rates: taxRates,
});
const timestamp = integer.optional();
const period = z.strictObject({
  end: z.strictObject({ type: z.enum(["min_item_period_end", "timestamp"]), timestamp }),
  start: z.strictObject({ type: z.enum(["max_item_period_start", "now", "timestamp"]), timestamp }),
});

/** An entry of the parameter `add_invoice_items` of a subscription. */
export const addedInvoiceItem = phaseAddedItem.extend({ period: period.optional() });
type AddedInput = z.output<typeof addedInvoiceItem>;

/** Converts the parameter `add_invoice_items` of a subscription to the emulator's internal form. */
export function toAddedItems(
  context: Context,
  items: readonly AddedInput[],
  currency: string | undefined,
): AddedInvoiceItem[] {
  return items.map((item, index) => {
    const at = `add_invoice_items[${index}]`;
    checkPeriod(item.period, `${at}[period]`);
    return {
      price: addedPrice(context, item, currency, at),
      quantity: item.quantity ?? 1,
      taxRates: taxRatesOf(context, item.tax_rates, `${at}[tax_rates]`),
      discountable: item.discountable ?? true,
      discounts: item.discounts ?? [],
      metadata: mergeMetadata({}, item.metadata),
      period: item.period,
    };
  });
}

/** Adds one-time prices to the next invoice of a subscription. */
export function addItemsToNextInvoice(
  context: Context,
  subscription: Subscription,
  items: readonly AddedInput[],
): void {
  const { id, customer, currency } = subscription;
  for (const [index, added] of toAddedItems(context, items, currency).entries()) {
    const param = `add_invoice_items[${index}][discounts]`;
    const billed = addedPeriod(context, subscription, added.period);
    addOneTimeItem(context, { ...added, period: billed, customer, currency, subscription: id, param });
  }
}

/**
 * Returns the one-time price of an added item. Creates the price if the item has `price_data`. Throws if the price has no
 * amount in the currency of the subscription.
 */
export function addedPrice(
  context: Context,
  item: Pick<AddedInput, "price" | "price_data">,
  currency: string | undefined,
  at: string,
): Price {
  refuseBoth(item, "price", "price_data");
  if (item.price_data) {
    const price = createInlinePrice(context, item.price_data, `${at}[price_data]`);
    checkPurchasable(context, price, `${at}[price_data][product]`);
    if (currency !== undefined) checkPriceCurrency(price, currency, `${at}[price_data][currency]`);
    return price;
  }
  if (item.price === undefined) throw missing(`${at}[price]`);
  return oneTimePrice(context, item.price, currency, `${at}[price]`);
}

function checkPeriod(given: AddedPeriod | undefined, at: string): void {
  if (!given) return;
  const { start, end } = given;
  if (start.type === "timestamp" && start.timestamp === undefined) throw missing(`${at}[start][timestamp]`);
  if (end.type === "timestamp" && end.timestamp === undefined) throw missing(`${at}[end][timestamp]`);
}

function missing(param: string): ApiError {
  return new ApiError(`Missing required param: ${param}.`, { code: "parameter_missing", param });
}
