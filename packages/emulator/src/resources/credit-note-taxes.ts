/** Parameters that set the taxes of credit notes, and their checks. @see https://docs.stripe.com/api/credit_notes/create */
import { z } from "zod";
import { taxpayerOf } from "../billing/invoice-taxes.ts";
import { applyTaxes, manualRates, taxRatesOf } from "../billing/taxes.ts";
import { ApiError } from "../core/errors.ts";
import { round } from "../core/money.ts";
import { nonNegative, text, unsettable } from "../core/params.ts";
import { retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { CreditLine } from "../objects/credit-note.ts";
import type { InvoiceLine, LineTax } from "../objects/invoice-line.ts";
import type { Invoice } from "../objects/invoice.ts";
import { taxTotal } from "../objects/line-taxes.ts";
import { taxRates } from "./tax-params.ts";

/** The largest number of tax amounts per line, which the SDK's types name. */
const MAX_TAX_AMOUNTS = 20;
const taxAmount = z.strictObject({ amount: nonNegative, tax_rate: text, taxable_amount: nonNegative });

export const creditTaxFields = {
  tax_amounts: unsettable(z.array(taxAmount).max(MAX_TAX_AMOUNTS)).optional(),
  tax_rates: taxRates,
};

interface LineTaxes {
  type: "custom_line_item" | "invoice_line_item";
  tax_amounts?: z.output<typeof taxAmount>[] | null | undefined;
  tax_rates?: string[] | null | undefined;
}

/** Throws if the taxes of a credit note do not fit its invoice. */
export function checkCreditTaxes(invoice: Invoice, { lines }: { lines?: LineTaxes[] | undefined }): void {
  const automatic = invoice.automatic_tax.enabled;
  if (automatic && !lines)
    throw new ApiError("The emulator needs `lines` for a credit note of an invoice with automatic tax.", {
      status: 501,
      type: "api_error",
      param: "amount",
    });
  for (const [index, { type, tax_amounts: amounts, tax_rates: rates }] of (lines ?? []).entries()) {
    const refuse = (field: string, message: string): never => {
      throw new ApiError(message, { param: `lines[${index}][${field}]` });
    };
    if (automatic && type === "custom_line_item")
      refuse("type", "`custom_line_item` is not valid when the invoice is set up with `automatic_tax[enabled]=true`.");
    if (automatic && amounts)
      refuse(
        "tax_amounts",
        "`tax_amounts` is not valid when the invoice is set up with `automatic_tax[enabled]=true`.",
      );
    if (rates && type !== "custom_line_item")
      refuse("tax_rates", "`tax_rates` is only valid when the `type` is `custom_line_item`.");
    if (rates && amounts) refuse("tax_rates", "You may only specify one of these parameters: tax_amounts, tax_rates.");
  }
}

/** Returns a credit note line with the taxes that a request sets. Without such taxes, returns the line unchanged. */
export function withTaxes(
  context: Context,
  invoice: Invoice,
  line: CreditLine,
  { input, param }: { input: LineTaxes; param: string },
): CreditLine {
  if (input.tax_amounts)
    return {
      ...line,
      taxes: input.tax_amounts.map((given, at) => taxFrom(context, given, `${param}[tax_amounts][${at}]`)),
    };
  if (!input.tax_rates) return line;
  const rates = taxRatesOf(context, input.tax_rates, `${param}[tax_rates]`);
  const taxed = { amount: line.amount, discount_amounts: line.discounts, taxes: [] as LineTax[] };
  applyTaxes([taxed], () => manualRates(rates, taxpayerOf(context, invoice.customer)));
  return { ...line, taxes: taxed.taxes, taxRates: rates };
}

function taxFrom(context: Context, given: z.output<typeof taxAmount>, param: string): LineTax {
  const rate = retrieve(context, "tax_rate", given.tax_rate, `${param}[tax_rate]`);
  return {
    amount: given.amount,
    tax_behavior: rate.inclusive ? "inclusive" : "exclusive",
    tax_rate_details: { tax_rate: rate.id },
    taxability_reason: "not_available",
    taxable_amount: given.taxable_amount,
    type: "tax_rate_details",
  };
}

/**
 * Returns the amount of a line to credit, with inclusive taxes. For an invoice with automatic tax, the parameter `amount`
 * excludes taxes.
 */
export function grossAmount(invoice: Invoice, credited: InvoiceLine, amount: number | undefined): number | undefined {
  if (amount === undefined || !invoice.automatic_tax.enabled) return amount;
  const base = credited.amount - credited.discount_amounts.reduce((all, one) => all + one.amount, 0);
  const net = base - taxTotal(credited.taxes, "inclusive");
  return net === 0 ? amount : round((amount * base) / net);
}
