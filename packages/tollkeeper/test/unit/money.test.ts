import { describe, expect, test } from "vitest";
import { decimalsOf } from "../../../emulator/src/core/money.ts";
import { chargeStepOf, describeMoney, fractionDigitsOf } from "../../src/domain/money.ts";
import { formatMoney } from "../../src/elements/format.ts";
import { definePlans } from "../../src/domain/plans.ts";
import { ConfigError } from "../../src/errors.ts";

/**
 * All currencies that Stripe lists, by their number of decimal digits. Stripe counts "isk" and "ugx" in hundredths.
 * @see https://docs.stripe.com/currencies
 */
const LISTED: Readonly<Record<number, readonly string[]>> = {
  0: "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split(" "),
  2: (
    "usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad cdf chf cny cop crc cve " +
    "czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl htg huf idr ils inr isk jmd kes kgs khr kyd kzt lak " +
    "lbp lkr lrd lsl mad mdl mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln qar ron " +
    "rsd rub sar sbd scr sek sgd shp sle sos srd std szl thb tjs top try ttd twd tzs uah ugx uyu uzs wst xcd xcg yer zar zmw"
  ).split(" "),
  3: "bhd jod kwd omr tnd".split(" "),
};
const CURRENCIES = Object.entries(LISTED).flatMap(([digits, codes]) =>
  codes.map((currency) => ({ currency, digits: Number(digits) })),
);

describe("the currency", () => {
  test.each(CURRENCIES)("$currency has $digits decimal digits at Stripe", ({ currency, digits }) => {
    expect(fractionDigitsOf(currency)).toBe(digits);
    expect(fractionDigitsOf(currency.toUpperCase())).toBe(digits);
  });

  test.each(CURRENCIES)("$currency has $digits decimal digits on the emulator's pages", ({ currency, digits }) => {
    expect(decimalsOf(currency)).toBe(digits);
  });

  test.each(CURRENCIES)("$currency shows the same number in the modal and in the terminal", ({ currency, digits }) => {
    const amount = 123_000;
    const value = { 0: "123000", 2: "1230", 3: "123" }[digits] ?? "";
    expect(Number.parseFloat(describeMoney(amount, currency))).toBe(Number(value));
    const shown = formatMoney({ amount, currency, fractionDigits: fractionDigitsOf(currency) }, "en-US");
    expect(shown.replaceAll(/[^\d]/g, "")).toBe(value);
  });
});

test.each([
  [900, "usd", "9.00 USD"],
  [5, "eur", "0.05 EUR"],
  [900, "jpy", "900 JPY"],
  [1_234, "kwd", "1.234 KWD"],
  [900, "isk", "9.00 ISK"],
  [900, "ugx", "9.00 UGX"],
  [14_900_000, "idr", "149000.00 IDR"],
  [399_000, "huf", "3990.00 HUF"],
])("an amount of %d minor units in the currency %s is written as %s", (amount, currency, text) => {
  expect(describeMoney(amount, currency)).toBe(text);
});

test.each([
  [14_900_000, "idr", "en", "IDR 149,000"],
  [399_000, "huf", "en", "HUF 3,990"],
  [399_050, "huf", "en", "HUF 3,990.50"],
  [900, "usd", "en", "$9"],
  [950, "usd", "de", "9,50 $"],
  [1_230, "kwd", "en", "KWD 1.230"],
])(
  "an amount of %d minor units in %s appears in the modal in the locale %s as %s",
  (amount, currency, locale, text) => {
    const shown = formatMoney({ amount, currency, fractionDigits: fractionDigitsOf(currency) }, locale);
    expect(shown.replaceAll(/\s/g, " ")).toBe(text);
  },
);

test.each([
  ["isk", 905, "must be a multiple of 100"],
  ["ugx", 550, "must be a multiple of 100"],
  ["kwd", 1_234, "must be a multiple of 10"],
])("a price in %s of %d minor units is refused, because Stripe would not charge it", (currency, amount, problem) => {
  const price = { interval: "month" as const, amount, currency };
  const define = () => definePlans([{ id: "premium", name: "Premium", features: [], prices: [price] }]);
  expect(define).toThrow(ConfigError);
  expect(define).toThrow(problem);
  expect(
    definePlans([{ id: "premium", name: "Premium", features: [], prices: [{ ...price, amount: 900 }] }]),
  ).toHaveLength(1);
  expect(900 % chargeStepOf(currency)).toBe(0);
});
