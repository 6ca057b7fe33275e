import { describe, expect, test } from "vitest";
import { chooseLocale, formatDate, formatMoney } from "../../src/elements/format.ts";

describe("the locale name", () => {
  test.each([
    ["en", "en"],
    ["en_US", "en-US"],
    ["en-US", "en-US"],
    ["EN_us", "en-US"],
    [" de ", "de"],
    ["de_DE.UTF-8", "de-DE"],
    ["de_AT.UTF-8@euro", "de-AT"],
    ["sr_RS@latin", "sr-RS"],
    ["zh_Hans_CN", "zh-Hans-CN"],
    ["ar-EG-u-nu-latn", "ar-EG-u-nu-latn"],
    ["de-", "de"],
    ["de-x", "de"],
    ["de--DE", "de"],
    ["C", "en"],
    ["C.UTF-8", "en"],
    ["POSIX", "en"],
    ["", "en"],
    [" ", "en"],
    ["_", "en"],
    ["garbage", "en"],
    ["undefined", "en"],
    ["en_US;q=0.5, de", "en"],
    ["../../etc", "en"],
    ["x-private", "en"],
    ["i-klingon", "en"],
    ["ä", "en"],
    ["\u0000", "en"],
    ["a".repeat(10_000), "en"],
  ])("%j becomes %s, which formats money and dates", (name, locale) => {
    const chosen = chooseLocale(name);
    expect(chosen).toBe(locale);
    expect(formatMoney({ amount: 950, currency: "usd", fractionDigits: 2 }, chosen)).toMatch(/9[.,]50/);
    expect(formatDate(0, chosen)).toMatch(/19(69|70)/);
  });
});

test("the second locale name counts if the first names no locale", () => {
  expect(chooseLocale("nonsense!", "de_DE")).toBe("de-DE");
  expect(chooseLocale(null, undefined, "fr")).toBe("fr");
  expect(chooseLocale()).toBe("en");
});
