/** Minor units, as Stripe counts them. @see https://docs.stripe.com/currencies */

/** Currencies without a minor unit. */
const ZERO_DECIMAL = new Set("bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf".split(" "));
const THREE_DECIMAL = new Set("bhd jod kwd omr tnd".split(" "));

export function decimalsOf(currency: string): number {
  if (ZERO_DECIMAL.has(currency)) return 0;
  return THREE_DECIMAL.has(currency) ? 3 : 2;
}

const formats = new Map<string, Intl.NumberFormat>();

/** 900 "usd" is "$9.00", as Stripe writes it in lines and on pages. */
export function formatAmount(amount: number, currency: string): string {
  const digits = decimalsOf(currency);
  let format = formats.get(currency);
  if (!format) {
    const decimals = { minimumFractionDigits: digits, maximumFractionDigits: digits };
    format = new Intl.NumberFormat("en-US", { style: "currency", currency, ...decimals });
    formats.set(currency, format);
  }
  return format.format(amount / 10 ** digits);
}

/** To whole minor units, halves away from zero. */
export function round(amount: number): number {
  // What arithmetic leaves beside an exact half, such as 0.49999999999999994, counts as the half.
  const near = Math.abs(amount) + 1e-7;
  return Math.sign(amount) * Math.floor(near + 0.5) || 0;
}

/** Splits a total in proportion to weights: it adds up, and no part is a unit away from its share. */
export function split(total: number, weights: readonly number[]): number[] {
  const sum = weights.reduce((all, weight) => all + weight, 0);
  let weighed = 0;
  let given = 0;
  return weights.map((weight) => {
    weighed += weight;
    const before = given;
    given = sum === 0 ? 0 : round(total * (weighed / sum));
    return given - before;
  });
}
