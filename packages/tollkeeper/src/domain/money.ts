/** Amounts are in the minor unit of their currency; people read them in the major one. */

/** Stripe counts these in hundredths although nobody writes them so. @see https://docs.stripe.com/currencies#special-cases */
const HUNDREDTHS = new Set(["isk", "ugx"]);

/** 900 "usd" is "9.00 USD": for logs, terminals and diffs, where no reader's locale is known. */
export function describeMoney(amount: number, currency: string): string {
  const { maximumFractionDigits } = new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions();
  const digits = HUNDREDTHS.has(currency) ? 2 : (maximumFractionDigits ?? 2);
  return `${(amount / 10 ** digits).toFixed(digits)} ${currency.toUpperCase()}`;
}
