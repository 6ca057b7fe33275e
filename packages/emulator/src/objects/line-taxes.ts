/** Adds up the taxes of lines. */
import type { LineTax } from "./invoice-line.ts";

/** Returns the sum of the taxes with a tax behavior, or of all taxes. */
export function taxTotal(taxes: readonly LineTax[], behavior?: LineTax["tax_behavior"]): number {
  return taxes.reduce(
    (sum, tax) => sum + (behavior === undefined || tax.tax_behavior === behavior ? tax.amount : 0),
    0,
  );
}

/** Adds up the taxes of several lines, and returns one sum per tax rate and reason. */
export function sumTaxes(lines: readonly { taxes: LineTax[] }[]): LineTax[] {
  const sums = new Map<string, LineTax>();
  for (const { taxes } of lines)
    for (const tax of taxes) {
      const key = `${tax.tax_rate_details.tax_rate} ${tax.taxability_reason}`;
      const known = sums.get(key);
      if (!known) sums.set(key, { ...tax });
      else {
        known.amount += tax.amount;
        known.taxable_amount += tax.taxable_amount;
      }
    }
  return [...sums.values()];
}
