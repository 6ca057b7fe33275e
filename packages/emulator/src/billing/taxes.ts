/** Applies tax rates to invoice lines and checkout items. @see https://docs.stripe.com/billing/taxes/tax-rates */
import { copy } from "../core/copy.ts";
import { ApiError } from "../core/errors.ts";
import { round } from "../core/money.ts";
import { retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { LineTax } from "../objects/invoice-line.ts";
import type { TaxRate } from "../objects/tax-rate.ts";
import type { AppliedRate, Taxpayer } from "./tax-rates-of-place.ts";

interface TaxableLine {
  amount: number;
  discount_amounts: { amount: number }[];
  taxes: LineTax[];
}

/** Returns copies of the tax rates with these IDs. Throws if a tax rate does not exist or is not active. */
export function taxRatesOf(context: Context, ids: readonly string[] | null | undefined, param: string): TaxRate[] {
  return (ids ?? []).map((id, index) => {
    const rate = retrieve(context, "tax_rate", id, `${param}[${index}]`);
    if (!rate.active)
      throw new ApiError(`The tax rate ${id} is inactive. Inactive tax rates cannot be used in new requests.`, {
        param: `${param}[${index}]`,
      });
    return copy(rate);
  });
}

/** Returns how manual tax rates apply to a customer. A customer who is exempt or owes the tax itself pays no tax. */
export function manualRates(rates: readonly TaxRate[], { exempt }: Pick<Taxpayer, "exempt">): AppliedRate[] {
  return rates.map((rate) => {
    if (exempt === "none") return { rate, percentage: rate.percentage, reason: "not_available" };
    return { rate, percentage: 0, reason: exempt === "exempt" ? "customer_exempt" : "reverse_charge" };
  });
}

/**
 * Computes the taxes of each line. Discounts reduce the taxed amount. Inclusive taxes are taken out of the amount first, and
 * exclusive taxes are computed from the rest. Each tax of a line is rounded.
 */
export function applyTaxes<Line extends TaxableLine>(
  lines: readonly Line[],
  ratesOf: (line: Line) => readonly AppliedRate[],
): void {
  for (const line of lines) {
    const rates = ratesOf(line);
    const net = netAmount(line.amount - discountOf(line), rates);
    line.taxes = rates.map(({ rate, percentage, reason }) => ({
      amount: round((net * percentage) / 100),
      tax_behavior: rate.inclusive ? ("inclusive" as const) : ("exclusive" as const),
      tax_rate_details: { tax_rate: rate.id },
      taxability_reason: reason,
      taxable_amount: percentage > 0 || reason === "not_available" ? round(net) : 0,
      type: "tax_rate_details" as const,
    }));
  }
}

function discountOf({ discount_amounts: discounts }: TaxableLine): number {
  return discounts.reduce((sum, { amount }) => sum + amount, 0);
}

/** Returns an amount without its inclusive taxes, not rounded. */
export function netAmount(amount: number, rates: readonly AppliedRate[]): number {
  const inclusive = rates.reduce((sum, { rate, percentage }) => sum + (rate.inclusive ? percentage : 0), 0);
  return amount / (1 + inclusive / 100);
}
