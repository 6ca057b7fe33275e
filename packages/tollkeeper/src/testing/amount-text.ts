/** Writes amounts of money for the timeline. */
import { fractionDigitsOf } from "../domain/money.ts";

/** Returns an amount in minor units as a number with its currency: 900 becomes "9.00 USD". */
export function formatAmount(amount: number, currency: string, fractionDigits = fractionDigitsOf(currency)): string {
  return `${(amount / 10 ** fractionDigits).toFixed(fractionDigits)} ${currency.toUpperCase()}`;
}
