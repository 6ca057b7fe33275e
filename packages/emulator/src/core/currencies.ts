/** Lists the currencies that Stripe supports, and the limits of amounts. @see https://docs.stripe.com/currencies */
import { ApiError } from "./errors.ts";
import { decimalsOf, formatAmount } from "./money.ts";

/** The currencies in the order in which Stripe's error message names them. */
const SUPPORTED = (
  "usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd cad cdf chf clp cny " +
  "cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl hrk htg huf idr ils inr isk jmd " +
  "jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn " +
  "nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd shp sle sos srd std szl thb tjs " +
  "tnd top try ttd twd tzs uah ugx uyu uzs vnd vuv wst xaf xcd xof xpf yer zar zmw usdc btn ghs eek lvl svc vef ltl sll mro"
).split(" ");
const KNOWN = new Set(SUPPORTED);

/**
 * The smallest amount of a charge in minor units. For a currency that is not listed, Stripe converts the amount into the
 * account's own currency. The emulator has no exchange rates, so such a currency has no minimum.
 * @see https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
 */
const MINIMUMS: Record<string, number> = {
  usd: 50,
  aed: 200,
  aud: 50,
  bgn: 100,
  brl: 50,
  cad: 50,
  chf: 50,
  czk: 1_500,
  dkk: 250,
  eur: 50,
  gbp: 30,
  hkd: 400,
  huf: 17_500,
  inr: 50,
  jpy: 50,
  mxn: 1_000,
  myr: 200,
  nok: 300,
  nzd: 50,
  pln: 200,
  ron: 200,
  sek: 300,
  sgd: 50,
  thb: 1_000,
};

/** The largest amounts: eight digits, and twelve digits for the Indonesian rupiah. */
const MAXIMUM = 99_999_999;
const MAXIMUM_IDR = 999_999_999_999;

/** Currencies that lost their minor unit. Stripe counts them in hundredths, and charges only whole units. */
const WHOLE_UNITS = new Set(["isk", "ugx"]);

export function isSupportedCurrency(currency: string): boolean {
  return KNOWN.has(currency.toLowerCase());
}

export function unsupportedCurrency(currency: string): string {
  return `Invalid currency: ${currency}. Stripe currently supports these currencies: ${SUPPORTED.join(", ")}`;
}

/** Returns the smallest amount that can be charged in a currency, in minor units. */
export function minimumCharge(currency: string): number {
  return MINIMUMS[currency] ?? 1;
}

/**
 * Returns the part of an invoice's total that the customer pays now. Stripe does not charge a total below the minimum amount.
 * Instead, Stripe adds such a total to the customer's balance.
 * @see node_modules/stripe/esm/resources/Invoices.d.ts, `amount_due`
 */
export function amountDue(total: number, currency: string): number {
  return total < minimumCharge(currency) ? 0 : total;
}

/** Returns an amount with its currency, as Stripe's errors show it: "$0.50 usd". */
export function minimumText(currency: string): string {
  return `${formatAmount(minimumCharge(currency), currency)} ${currency}`;
}

/** Throws Stripe's error if an amount cannot be charged in a currency, because it is too small, too large, or not round. */
export function checkChargeAmount(amount: number, currency: string, param = "amount"): void {
  const maximum = currency === "idr" ? MAXIMUM_IDR : MAXIMUM;
  if (amount > maximum)
    throw new ApiError(`Amount must be no more than ${formatAmount(maximum, currency)}`, {
      code: "amount_too_large",
      param,
    });
  if (amount < 1)
    throw new ApiError(
      "The amount must be greater than or equal to the minimum charge amount allowed for your account and the currency set (https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts).  If you want to save a Payment Method for future use without an immediate payment, use a Setup Intent instead: https://docs.stripe.com/payments/setup-intents",
      { code: "parameter_invalid_integer", param },
    );
  if (amount < minimumCharge(currency))
    throw new ApiError(`Amount must be at least ${minimumText(currency)}`, { code: "amount_too_small", param });
  checkRoundAmount(amount, currency, param);
}

/**
 * Throws an error if an amount contains a fraction that cannot be charged. Card networks process only two of three decimals.
 * @see https://docs.stripe.com/currencies#special-cases
 * @see https://docs.stripe.com/currencies#three-decimal
 */
function checkRoundAmount(amount: number, currency: string, param: string): void {
  if (WHOLE_UNITS.has(currency) && amount % 100 !== 0)
    throw new ApiError(
      `Invalid amount. Currency ${currency.toUpperCase()} has become effectively zero-decimal and charged amounts must be evenly divisible by 100. See https://stripe.com/docs/currencies#zero-decimal for more information.`,
      { param },
    );
  if (decimalsOf(currency) === 3 && amount % 10 !== 0)
    throw new ApiError(
      `Invalid amount. Charged amounts in ${currency.toUpperCase()} must be evenly divisible by 10. See https://stripe.com/docs/currencies#three-decimal for more information.`,
      { param },
    );
}
