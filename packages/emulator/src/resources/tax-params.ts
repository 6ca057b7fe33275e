/** Parameters that set taxes, and their checks. @see https://docs.stripe.com/tax */
import { z } from "zod";
import { checkTaxes, type TaxedRequest } from "../billing/automatic-tax.ts";
import { locationInvalid, taxLocationOf } from "../billing/tax-locations.ts";
import { taxRatesOf } from "../billing/taxes.ts";
import { ApiError } from "../core/errors.ts";
import { flag, text, unsettable } from "../core/params.ts";
import { retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { subscriptionTax } from "../objects/automatic-tax.ts";
import type { NewSubscription, Subscription } from "../objects/subscription.ts";

/** @see https://docs.stripe.com/billing/taxes/tax-rates */
const MAX_TAX_RATES = 5;
export const taxRates = unsettable(z.array(text).max(MAX_TAX_RATES)).optional();
export const taxBehavior = z.enum(["exclusive", "inclusive", "unspecified"]);

/** The parameter `automatic_tax`. The emulator has no connected accounts, so only the account itself can be liable. */
export const automaticTax = z
  .strictObject({
    enabled: flag,
    liability: z
      .strictObject({ type: z.enum(["account", "self"]), account: text.optional() })
      .transform(({ type }) => {
        if (type === "self") return;
        throw new ApiError("The emulator does not implement `automatic_tax[liability][type]=account`.", {
          status: 501,
          type: "api_error",
          param: "automatic_tax[liability]",
        });
      })
      .optional(),
  })
  .optional();

export const taxFields = { automatic_tax: automaticTax, default_tax_rates: taxRates };

interface TaxParams {
  automatic_tax?: { enabled: boolean } | undefined;
  default_tax_rates?: string[] | null | undefined;
}

/** Returns the tax settings of a new subscription or invoice. */
export function taxesFrom(context: Context, params: TaxParams) {
  return {
    automaticTax: params.automatic_tax?.enabled ?? false,
    defaultTaxRates: taxRatesOf(context, params.default_tax_rates, "default_tax_rates"),
  };
}

/** Throws if the taxes of a new subscription contradict each other or can't be computed. */
export function checkNewSubscription(context: Context, input: NewSubscription): void {
  const { automaticTax: automatic = false, items, addInvoiceItems = [], defaultTaxRates } = input;
  checkTaxes(context, { automatic, sold: [...items, ...addInvoiceItems], defaultTaxRates });
  if (automatic) checkLocation(context, input.customer, [input.defaultPaymentMethod]);
}

/** Throws Stripe's error if the customer has no location for automatic tax. */
export function checkLocation(context: Context, customer: string, methods: (string | null)[]): void {
  if (!taxLocationOf(context, retrieve(context, "customer", customer, "customer"), methods)) throw locationInvalid();
}

/** Sets the taxes of a subscription. Throws if the subscription's taxes then contradict each other or can't be computed. */
export function setSubscriptionTaxes(context: Context, row: Subscription, params: TaxParams): void {
  if (params.default_tax_rates !== undefined)
    row.default_tax_rates = taxRatesOf(context, params.default_tax_rates, "default_tax_rates");
  if (params.automatic_tax) row.automatic_tax = subscriptionTax(params.automatic_tax.enabled);
  if (params.default_tax_rates !== undefined || params.automatic_tax) checkTaxes(context, taxedRequestOf(row));
  if (params.automatic_tax?.enabled) checkLocation(context, row.customer, [row.default_payment_method]);
}

/** Returns the taxable content of a subscription. */
export function taxedRequestOf(row: Pick<Subscription, "automatic_tax" | "default_tax_rates" | "items">): TaxedRequest {
  return {
    automatic: row.automatic_tax.enabled,
    sold: row.items.data.map(({ price, tax_rates: rates }) => ({ price, taxRates: rates })),
    defaultTaxRates: row.default_tax_rates,
  };
}
