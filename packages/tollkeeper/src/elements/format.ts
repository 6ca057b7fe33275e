/** Formats money and dates in the visitor's locale. */

/**
 * Currencies that have no minor unit, although Stripe counts their amounts in hundredths.
 * @see https://docs.stripe.com/currencies#special-cases
 */
const HUNDREDTHS = new Set(["isk", "ugx"]);

/** Formats an amount that is in minor units. */
export function formatMoney(amount: number, currency: string, locale: string | undefined): string {
  const format = new Intl.NumberFormat(locale, { style: "currency", currency });
  const digits = HUNDREDTHS.has(currency) ? 2 : (format.resolvedOptions().maximumFractionDigits ?? 2);
  const value = amount / 10 ** digits;
  // Whole amounts are easier to read without decimals.
  return Number.isInteger(value)
    ? new Intl.NumberFormat(locale, { style: "currency", currency, maximumFractionDigits: 0 }).format(value)
    : format.format(value);
}

export function formatDate(instant: number, locale: string | undefined): string {
  return new Intl.DateTimeFormat(locale, { dateStyle: "long" }).format(instant);
}
