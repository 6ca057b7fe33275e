/** Manual tax rates on lines. @see https://docs.stripe.com/billing/taxes/tax-rates */
import { round } from "../core/money.ts";
import type { TaxRate } from "../resources/tax-rates.ts";
import { copy, need, type World } from "../core/world.ts";

export interface LineTax {
  amount: number;
  tax_behavior: "exclusive" | "inclusive";
  tax_rate_details: { tax_rate: string };
  taxability_reason: "not_available";
  taxable_amount: number;
  type: "tax_rate_details";
}

interface TaxableLine {
  amount: number;
  subtotal: number;
  discount_amounts: { amount: number }[];
  taxes: LineTax[];
}

/** The rates of these ids, which objects then show whole. Throws where there is none of an id. */
export function taxRatesOf(world: World, ids: readonly string[] | null | undefined, param: string): TaxRate[] {
  return (ids ?? []).map((id, index) => copy(need(world, "tax_rate", id, `${param}[${index}]`)));
}

/** Writes the taxes of each line: its own rates, else the invoice's. */
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

/** The lines' taxes added up, one entry a rate. */
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
