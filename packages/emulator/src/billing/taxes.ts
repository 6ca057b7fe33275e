/** Applies manual tax rates to invoice lines. @see https://docs.stripe.com/billing/taxes/tax-rates */
import { copy } from "../core/copy.ts";
import { round } from "../core/money.ts";
import { retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { LineTax } from "../objects/invoice-line.ts";
import type { TaxRate } from "../objects/tax-rate.ts";

interface TaxableLine {
  amount: number;
  subtotal: number;
  discount_amounts: { amount: number }[];
  taxes: LineTax[];
}

/** Returns copies of the tax rates with these IDs. Throws if a tax rate does not exist. */
export function taxRatesOf(context: Context, ids: readonly string[] | null | undefined, param: string): TaxRate[] {
  return (ids ?? []).map((id, index) => copy(retrieve(context, "tax_rate", id, `${param}[${index}]`)));
}

/** Computes the taxes of each invoice line from the line's tax rates. */
export function applyTaxes(lines: readonly TaxableLine[], ratesOf: (line: TaxableLine) => readonly TaxRate[]): void {
  for (const line of lines) {
    const off = line.discount_amounts.reduce((sum, { amount }) => sum + amount, 0);
    const base = line.amount - off;
    const rates = ratesOf(line);
    const inclusive = rates.filter((rate) => rate.inclusive).reduce((sum, rate) => sum + rate.percentage, 0);
    const net = base / (1 + inclusive / 100);
    line.taxes = rates.map((rate) => ({
      amount: round((net * rate.percentage) / 100),
      tax_behavior: rate.inclusive ? ("inclusive" as const) : ("exclusive" as const),
      tax_rate_details: { tax_rate: rate.id },
      taxability_reason: "not_available" as const,
      taxable_amount: round(net),
      type: "tax_rate_details" as const,
    }));
  }
}

/** Adds up the taxes of several invoice lines, and returns one sum per tax rate. */
export function sumTaxes(lines: readonly { taxes: LineTax[] }[]): LineTax[] {
  const sums = new Map<string, LineTax>();
  for (const { taxes } of lines)
    for (const tax of taxes) {
      const known = sums.get(tax.tax_rate_details.tax_rate);
      if (!known) sums.set(tax.tax_rate_details.tax_rate, { ...tax });
      else {
        known.amount += tax.amount;
        known.taxable_amount += tax.taxable_amount;
      }
    }
  return [...sums.values()];
}
