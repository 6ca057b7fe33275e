/**
 * Formats amounts of money that are in minor units. Stripe's minor units are Stripe's own: they differ from
 * the digits of `Intl` for currencies such as "idr" and "huf".
 * @see https://docs.stripe.com/currencies
 */

const ZERO_DECIMAL = new Set("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split(" "));
const THREE_DECIMAL = new Set("bhd jod kwd omr tnd".split(" "));
/** Currencies without a minor unit, whose amounts Stripe nevertheless counts in hundredths: 500 is 5 krónur. */
const WHOLE_HUNDREDTHS = new Set(["isk", "ugx"]);

/**
 * Returns the number of decimal digits of a currency at Stripe: 900 has 2 digits in "usd", so it is 9.00 dollars. The
 * currency's code may be in upper or lower case.
 */
export function fractionDigitsOf(currency: string): number {
  const code = currency.toLowerCase();
  if (ZERO_DECIMAL.has(code)) return 0;
  return THREE_DECIMAL.has(code) ? 3 : 2;
}

/**
 * Returns the number that divides each amount that Stripe charges in a currency. Stripe charges only whole units of "isk" and
 * "ugx", and only tens of minor units of currencies with three decimal digits.
 */
export function chargeStepOf(currency: string): number {
  const code = currency.toLowerCase();
  if (WHOLE_HUNDREDTHS.has(code)) return 100;
  return THREE_DECIMAL.has(code) ? 10 : 1;
}

/** Formats 900 "usd" as "9.00 USD", for logs and terminals, whose locale is unknown. */
export function describeMoney(amount: number, currency: string): string {
  const digits = fractionDigitsOf(currency);
  return `${(amount / 10 ** digits).toFixed(digits)} ${currency.toUpperCase()}`;
}
