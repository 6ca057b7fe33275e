/** Formats amounts of money that are in minor units. */

/**
 * Currencies that have no minor unit, although Stripe counts their amounts in hundredths.
 * @see https://docs.stripe.com/currencies#special-cases
 */
const HUNDREDTHS = new Set(["isk", "ugx"]);

/** Formats 900 "usd" as "9.00 USD", for logs and terminals, whose locale is unknown. */
export function describeMoney(amount: number, currency: string): string {
  const { maximumFractionDigits } = new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions();
  const digits = HUNDREDTHS.has(currency) ? 2 : (maximumFractionDigits ?? 2);
  return `${(amount / 10 ** digits).toFixed(digits)} ${currency.toUpperCase()}`;
}
