/** Formats money and dates in the visitor's locale. */

/** An amount in minor units. Stripe decides the number of decimal digits, so the service sends it with each amount. */
export interface Money {
  amount: number;
  currency: string;
  fractionDigits: number;
}

export function formatMoney({ amount, currency, fractionDigits }: Money, locale: string): string {
  const value = amount / 10 ** fractionDigits;
  // Whole amounts are easier to read without decimals.
  const digits = Number.isInteger(value) ? 0 : fractionDigits;
  return new Intl.NumberFormat(locale, {
    style: "currency",
    currency,
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  }).format(value);
}

export function formatDate(instant: number, locale: string): string {
  return new Intl.DateTimeFormat(locale, { dateStyle: "long" }).format(instant);
}

/** The language of the modal's own texts. */
const FALLBACK = "en";

/**
 * Returns the first of the given locale names that the browser supports; "en" if there is none. Cleans names that come from
 * operating systems: "de_AT.UTF-8@euro" becomes "de-AT".
 */
export function chooseLocale(...names: (string | null | undefined)[]): string {
  for (const name of names) {
    const cleaned = (name ?? "")
      .trim()
      .replace(/[.@].*$/s, "")
      .replaceAll("_", "-");
    const found = supportedLocale(cleaned) ?? supportedLocale(cleaned.split("-", 1)[0] ?? "");
    if (found !== undefined) return found;
  }
  return FALLBACK;
}

/** Returns the canonical form of a locale name; undefined if the browser does not support it, or if the name is malformed. */
function supportedLocale(name: string): string | undefined {
  try {
    return Intl.NumberFormat.supportedLocalesOf(name)[0];
  } catch {
    return undefined;
  }
}
