/** Computes the taxes of invoices, with manual tax rates or with automatic tax. @see https://docs.stripe.com/tax/invoicing */
import { find, listBy } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { type InvoiceLine, invoiceItemOf } from "../objects/invoice-line.ts";
import type { Invoice } from "../objects/invoice.ts";
import type { Price } from "../objects/price.ts";
import type { TaxRate } from "../objects/tax-rate.ts";
import { checkTaxes, ratesOfPrice } from "./automatic-tax.ts";
import { taxLocationOf } from "./tax-locations.ts";
import type { AppliedRate, Taxpayer } from "./tax-rates-of-place.ts";
import { applyTaxes, manualRates } from "./taxes.ts";

/**
 * Computes the taxes of the lines of a draft invoice, and returns the rates of each line. With automatic tax, sets the status
 * of the computation. Without a recognized location of the customer, automatic tax computes no taxes.
 */
export function applyInvoiceTaxes(context: Context, invoice: Invoice): Map<InvoiceLine, readonly AppliedRate[]> {
  const lines = invoice.lines.data;
  const manual = new Map(lines.map((line) => [line, manualRatesOf(context, invoice, line)]));
  const isTaxed = invoice.automatic_tax.enabled || [...manual.values()].some((rates) => rates.length > 0);
  const taxpayer = isTaxed ? taxpayerOf(context, invoice.customer) : UNTAXED;
  const automatic = invoice.automatic_tax.enabled ? automaticTaxOf(context, invoice, taxpayer) : () => [];
  const rates = new Map(
    [...manual].map(([line, own]) => [line, own.length > 0 ? manualRates(own, taxpayer) : automatic(line)]),
  );
  applyTaxes(lines, (line) => rates.get(line) ?? []);
  return rates;
}

const UNTAXED: Taxpayer = { exempt: "none", taxIds: [] };

/** Sets the status of an invoice's automatic tax, and returns a function that returns the rates of a line. */
function automaticTaxOf(context: Context, invoice: Invoice, taxpayer: Taxpayer): (line: InvoiceLine) => AppliedRate[] {
  const place = placeOfInvoice(context, invoice);
  invoice.automatic_tax.status = place ? "complete" : "requires_location_inputs";
  return (line) => {
    if (!place) return [];
    const price = find(context, "price", line.pricing?.price_details.price ?? null);
    const sold = price ?? { currency: invoice.currency, product: "", tax_behavior: "unspecified" as const };
    return ratesOfPrice(context, sold, { place, taxpayer });
  };
}

/** Returns the place for which automatic tax is computed; null if the customer's location is not recognized. */
export function placeOfInvoice(context: Context, invoice: Invoice) {
  const customer = find(context, "customer", invoice.customer);
  const id = invoice.parent?.subscription_details.subscription ?? null;
  const subscription = find(context, "subscription", id);
  const methods = [invoice.default_payment_method, subscription?.default_payment_method];
  return customer ? (taxLocationOf(context, customer, methods)?.place ?? null) : null;
}

export function taxpayerOf(context: Context, customerId: string): Taxpayer {
  const customer = find(context, "customer", customerId);
  return { exempt: customer?.tax_exempt ?? "none", taxIds: listBy(context, "tax_id", { customer: customerId }) };
}

/** Returns the manual tax rates of a line: the rates of its item, or else the default rates of the invoice. */
function manualRatesOf(context: Context, invoice: Invoice, line: InvoiceLine): readonly TaxRate[] {
  const itemId = line.parent?.subscription_item_details?.subscription_item;
  const subscription = find(context, "subscription", line.parent?.subscription_item_details?.subscription ?? null);
  const own = subscription?.items.data.find((item) => item.id === itemId)?.tax_rates ?? [];
  const waiting = find(context, "invoiceitem", invoiceItemOf(line))?.tax_rates ?? [];
  if (own.length > 0) return own;
  return waiting.length > 0 ? waiting : invoice.default_tax_rates;
}

/** Throws if the taxes of a draft invoice contradict each other or can't be computed. */
export function checkInvoiceTaxes(context: Context, invoice: Invoice): void {
  const sold = invoice.lines.data.flatMap((line) => {
    const price = find(context, "price", line.pricing?.price_details.price ?? null);
    return price ? [{ price, taxRates: manualRatesOf(context, invoice, line) }] : [];
  });
  checkTaxes(context, { automatic: invoice.automatic_tax.enabled, sold, defaultTaxRates: invoice.default_tax_rates });
}

/** Throws if a new invoice item does not fit the taxes of its invoice or subscription. */
export function checkItemTaxes(
  context: Context,
  { invoice, subscription, ...item }: { invoice: Invoice | null; subscription?: string | undefined } & SoldItem,
): void {
  const owner = invoice ?? find(context, "subscription", subscription ?? null);
  if (!owner) return checkTaxes(context, { automatic: false, sold: [item] });
  checkTaxes(context, {
    automatic: owner.automatic_tax.enabled,
    sold: [item],
    defaultTaxRates: owner.default_tax_rates,
  });
}

interface SoldItem {
  price: Price;
  taxRates: readonly TaxRate[];
}
