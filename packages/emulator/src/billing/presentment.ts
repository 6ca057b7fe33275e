/**
 * Reads prices in the currency in which a customer pays.
 * @see https://docs.stripe.com/products-prices/how-products-and-prices-work#multiple-currencies
 */
import { ApiError } from "../core/errors.ts";
import type { Price } from "../objects/price.ts";

/** The fields of a price that contain amounts, in one currency. */
export type PriceAmounts = Pick<
  Price,
  | "billing_scheme"
  | "currency"
  | "recurring"
  | "tax_behavior"
  | "tiers"
  | "tiers_mode"
  | "transform_quantity"
  | "unit_amount"
  | "unit_amount_decimal"
>;

export function supportsCurrency(price: Price, currency: string): boolean {
  return price.currency === currency || price.currency_options?.[currency] !== undefined;
}

/** Throws Stripe's error if a price has no amount in a currency. */
export function checkPriceCurrency(price: Price, currency: string, param: string, whose = "expected"): void {
  if (supportsCurrency(price, currency)) return;
  throw new ApiError(
    `The price specified only supports \`${currenciesOf(price).join("`, `")}\`. This doesn't match the ${whose} currency: \`${currency}\`.`,
    { param },
  );
}

/** Returns a price with its amounts in the given currency. Throws if the price has no amounts in this currency. */
export function priceIn(price: Price, currency: string): Price {
  if (price.currency === currency) return price;
  const option = price.currency_options?.[currency];
  if (!option) throw new Error(`price ${price.id} has no amounts in ${currency}`);
  const { custom_unit_amount: _none, ...amounts } = option;
  return { ...price, ...amounts, currency };
}

function currenciesOf(price: Price): string[] {
  return [price.currency, ...Object.keys(price.currency_options ?? {})];
}
