/** Manual tax rates on lines. @see https://docs.stripe.com/billing/taxes/tax-rates */
import { round } from "../core/money.ts";
import { find, need, type World } from "../core/world.ts";

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

/** The ids of rates that are all there. */
export function knownRates(world: World, ids: readonly string[] | null | undefined, param: string): string[] {
  return (ids ?? []).map((id, at) => need(world, "tax_rate", id, `${param}[${at}]`).id);
}

/** Writes the taxes of each line: its own rates, else the invoice's. */
export function applyTaxes(
  world: World,
  lines: readonly TaxableLine[],
  ratesOf: (line: TaxableLine) => readonly string[],
): void {
  for (const line of lines) {
    const off = line.discount_amounts.reduce((sum, { amount }) => sum + amount, 0);
    const base = line.amount - off;
    const rates = ratesOf(line).flatMap((id) => find(world, "tax_rate", id) ?? []);
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
