/**
 * Checks and applies automatic tax.
 * @see https://docs.stripe.com/tax
 */
import { ApiError } from "../core/errors.ts";
import { find } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { Price } from "../objects/price.ts";
import type { TaxRate } from "../objects/tax-rate.ts";
import { type AppliedRate, automaticRates, type TaxedSale } from "./tax-rates-of-place.ts";

/** The currencies whose prices usually exclude taxes. @see https://docs.stripe.com/tax/products-prices-tax-codes-tax-behavior */
const EXCLUSIVE_CURRENCIES: ReadonlySet<string> = new Set(["cad", "usd"]);

type TaxedPrice = Pick<Price, "id" | "currency" | "tax_behavior">;

/** Throws Stripe's error if automatic tax can't be computed because a price has no tax behavior. */
export function checkTaxBehavior(context: Context, price: TaxedPrice): void {
  if (price.tax_behavior !== "unspecified" || context.state.tax.default_behavior !== null) return;
  throw new ApiError(
    `The price \`${price.id}\` does not have a \`tax_behavior\` set which is required for automatic tax computation. Please visit https://stripe.com/docs/tax/products-prices-tax-categories-tax-behavior#tax-behavior for more information.`,
  );
}

/** Returns whether the amounts of a price include taxes. */
export function includesTax(context: Context, { currency, tax_behavior: own }: Omit<TaxedPrice, "id">): boolean {
  const behavior = own === "unspecified" ? context.state.tax.default_behavior : own;
  if (behavior === "inferred_by_currency") return !EXCLUSIVE_CURRENCIES.has(currency);
  return behavior === "inclusive";
}

/** Returns the rates of automatic tax for a price. A line without a price gets the default tax behavior and tax code. */
export function ratesOfPrice(
  context: Context,
  price: Pick<Price, "currency" | "product" | "tax_behavior">,
  sale: Pick<TaxedSale, "place" | "taxpayer">,
): AppliedRate[] {
  const product = find(context, "product", price.product);
  return automaticRates(context, {
    ...sale,
    taxCode: product?.tax_code ?? null,
    inclusive: includesTax(context, price),
  });
}

/** The taxable content of a request. */
export interface TaxedRequest {
  automatic: boolean;
  sold: readonly { price: Price; taxRates?: readonly TaxRate[] | undefined }[];
  defaultTaxRates?: readonly TaxRate[] | undefined;
}

/**
 * Throws if the tax settings of a request contradict each other: manual tax rates beside automatic tax, or beside a price with
 * the other tax behavior. Throws if automatic tax can't be computed, because a price has no tax behavior.
 */
export function checkTaxes(context: Context, { automatic, sold, defaultTaxRates = [] }: TaxedRequest): void {
  for (const { price, taxRates = [] } of sold) {
    const rates = taxRates.length > 0 ? taxRates : defaultTaxRates;
    if (!automatic) checkRatesOfPrice(price, rates);
    else if (rates.length > 0) throw ratesBesideAutomaticTax();
    else checkTaxBehavior(context, price);
  }
  if (automatic && defaultTaxRates.length > 0) throw ratesBesideAutomaticTax();
}

function checkRatesOfPrice({ tax_behavior: behavior }: Price, rates: readonly TaxRate[]): void {
  if (behavior === "unspecified" || rates.every(({ inclusive }) => inclusive === (behavior === "inclusive"))) return;
  throw new ApiError(
    "One or more prices has a `tax_behavior` that conflicts with the tax rates that apply to the corresponding line item.",
  );
}

function ratesBesideAutomaticTax(): ApiError {
  return new ApiError("You cannot use `tax_rates` or `default_tax_rates` when `automatic_tax[enabled]` is true.", {
    param: "automatic_tax[enabled]",
  });
}
