/** Money and dates as the visitor reads them. */

/** Stripe counts these in hundredths although nobody writes them so. @see https://docs.stripe.com/currencies#special-cases */
const HUNDREDTHS = new Set(["isk", "ugx"]);

/** `amount` is in the currency's minor unit, as Stripe has it. */
export function formatMoney(amount: number, currency: string, locale: string | undefined): string {
  const format = new Intl.NumberFormat(locale, { style: "currency", currency });
  const digits = HUNDREDTHS.has(currency) ? 2 : (format.resolvedOptions().maximumFractionDigits ?? 2);
  const value = amount / 10 ** digits;
  // Whole amounts read better without their zeros.
  return Number.isInteger(value)
    ? new Intl.NumberFormat(locale, { style: "currency", currency, maximumFractionDigits: 0 }).format(value)
    : format.format(value);
}

export function formatDate(instant: number, locale: string | undefined): string {
  return new Intl.DateTimeFormat(locale, { dateStyle: "long" }).format(instant);
}
