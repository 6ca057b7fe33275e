import { expect, test } from "vitest";
import { describeMoney } from "../../src/domain/money.ts";

test.each([
  [900, "usd", "9.00 USD"],
  [5, "eur", "0.05 EUR"],
  [900, "jpy", "900 JPY"],
  [1_234, "kwd", "1.234 KWD"],
  [900, "isk", "9.00 ISK"],
  [900, "ugx", "9.00 UGX"],
])("an amount of %d minor units in the currency %s is written as %s", (amount, currency, text) => {
  expect(describeMoney(amount, currency)).toBe(text);
});
