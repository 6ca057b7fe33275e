/** Formats, rounds and splits amounts of money in minor units. @see https://docs.stripe.com/currencies */
/** Currencies without a minor unit, such as the Japanese yen. Stripe counts "isk" and "ugx" in hundredths nevertheless. */
const ZERO_DECIMAL = new Set("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split(" "));
const THREE_DECIMAL = new Set("bhd jod kwd omr tnd".split(" "));

export function decimalsOf(currency: string): number {
  if (ZERO_DECIMAL.has(currency)) return 0;
  return THREE_DECIMAL.has(currency) ? 3 : 2;
}

const formats = new Map<string, Intl.NumberFormat>();

/** Formats an amount as Stripe does in line items and on pages: 900 and "usd" become "$9.00". */
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

/** Rounds an amount to whole minor units. Halves are rounded away from zero. */
export function round(amount: number): number {
  // Floating-point results just below a half, such as 0.49999999999999994, count as a half.
  const near = Math.abs(amount) + 1e-7;
  return Math.sign(amount) * Math.floor(near + 0.5) || 0;
}

export function sum(amounts: readonly number[]): number {
  return amounts.reduce((total, amount) => total + amount, 0);
}

/**
 * Splits a total in proportion to weights. The parts add up to the total, and each part differs from its exact share by
 * less than one unit.
 */
export function split(total: number, weights: readonly number[]): number[] {
  const totalWeight = sum(weights);
  let weighed = 0;
  let given = 0;
  return weights.map((weight) => {
    weighed += weight;
    const before = given;
    given = totalWeight === 0 ? 0 : round(total * (weighed / totalWeight));
    return given - before;
  });
}
