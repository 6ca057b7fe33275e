import { describe, expect, test } from "vitest";
import { definePlans, findPlan, findPlanPrice, planOfPrice, type PlanInput, withApp } from "../../src/domain/plans.ts";
import { PLANS as TEST_PLANS } from "../../../../test/support/plans.ts";
import { ConfigError } from "../../src/errors.ts";

const PRICE = { interval: "month" as const, amount: 900, currency: "usd" };
const plan = (changes: object = {}): PlanInput => ({
  id: "premium",
  name: "Premium",
  features: ["exports"],
  prices: [PRICE],
  ...changes,
});

function problemsOf(plans: readonly PlanInput[]): readonly string[] {
  try {
    definePlans(plans);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

describe("plans", () => {
  test("get defaults for description, group, feature names and trial", () => {
    expect(definePlans([plan()])).toEqual([
      {
        id: "premium",
        name: "Premium",
        description: null,
        group: "default",
        features: [{ id: "exports", name: "exports" }],
        prices: [{ ...PRICE, trialDays: 0 }],
        retired: false,
      },
    ]);
  });

  test("have the configured description, group, feature names and trial", () => {
    const complete = plan({
      description: "All of it",
      group: "main",
      features: [{ id: "exports", name: "Exports" }],
      prices: [{ ...PRICE, trialDays: 7 }],
      retired: true,
    });
    expect(definePlans([complete])).toEqual([complete]);
  });

  test.each([
    ["the shortest id", plan({ id: "a" })],
    ["the longest id", plan({ id: `a${"0".repeat(39)}` })],
    ["the lowest amount", plan({ prices: [{ ...PRICE, amount: 1 }] })],
    ["the highest amount", plan({ prices: [{ ...PRICE, amount: 99_999_999 }] })],
    ["the longest trial", plan({ prices: [{ ...PRICE, trialDays: 730 }] })],
    ["a price per year", plan({ prices: [{ ...PRICE, interval: "year" }] })],
  ])("may have %s", (_name, input) => {
    expect(problemsOf([input])).toEqual([]);
  });

  const ID = "/^[a-z][a-z0-9_]{0,39}$/";
  test.each([
    ["no plan", [], "plans are empty: define at least one plan"],
    ["one plan twice", [plan(), plan()], 'plan "premium" is defined twice'],
    ["an upper-case id", [plan({ id: "Premium" })], `plan "Premium": id must match ${ID}`],
    ["an id of 41 characters", [plan({ id: "a".repeat(41) })], `plan "${"a".repeat(41)}": id must match ${ID}`],
    ["an id that contains a valid one", [plan({ id: "my plan" })], `plan "my plan": id must match ${ID}`],
    ["a group with a space", [plan({ group: "a b" })], `plan "premium": group "a b" must match ${ID}`],
    ["a blank name", [plan({ name: " " })], 'plan "premium": name is blank'],
    ["a feature's id with a space", [plan({ features: ["a b"] })], `plan "premium": feature "a b" must match ${ID}`],
    ["one feature twice", [plan({ features: ["a", "a"] })], 'plan "premium": feature "a" is listed twice'],
    ["no price", [plan({ prices: [] })], 'plan "premium": has no price'],
    ["two monthly prices", [plan({ prices: [PRICE, PRICE] })], 'plan "premium": has two prices for interval "month"'],
    [
      "a weekly price",
      [plan({ prices: [{ ...PRICE, interval: "week" }] })],
      'plan "premium": price week: interval must be "month" or "year"',
    ],
    ...[0, 9.5, 100_000_000].map((amount): [string, PlanInput[], string] => [
      `the amount ${amount}`,
      [plan({ prices: [{ ...PRICE, amount }] })],
      `plan "premium": price month: amount ${amount} must be a whole number of minor units from 1 to 99999999`,
    ]),
    ...["USD", "usdt", "us", "1usd"].map((currency): [string, PlanInput[], string] => [
      `the currency ${currency}`,
      [plan({ prices: [{ ...PRICE, currency }] })],
      `plan "premium": price month: currency "${currency}" must be three lower-case letters, such as "usd"`,
    ]),
    ...[-1, 731].map((trialDays): [string, PlanInput[], string] => [
      `a trial of ${trialDays} days`,
      [plan({ prices: [{ ...PRICE, trialDays }] })],
      `plan "premium": price month: trialDays ${trialDays} must be a whole number from 0 to 730`,
    ]),
  ])("with %s are rejected with an error that describes the problem", (_name, plans, problem) => {
    expect(problemsOf(plans)).toEqual([problem]);
  });

  test("are rejected with one error that lists all problems", () => {
    expect(problemsOf([plan({ name: "" }), plan({ prices: [] })])).toEqual([
      'plan "premium" is defined twice',
      'plan "premium": name is blank',
      'plan "premium": has no price',
    ]);
  });
});

describe("the plan of a price", () => {
  const PLANS = definePlans([plan(), plan({ id: "team", prices: [PRICE, { ...PRICE, interval: "year" }] })]);

  test("is the plan in the product's metadata, even if the lookup key belongs to another plan", () => {
    expect(planOfPrice(PLANS, { lookupKey: "premium_month" }, { plan: "team" })?.id).toBe("team");
  });

  test("is found by lookup key if the product's metadata has no plan or an unknown plan", () => {
    expect(planOfPrice(PLANS, { lookupKey: "team_year" }, { plan: null })?.id).toBe("team");
    expect(planOfPrice(PLANS, { lookupKey: "team_month" }, { plan: "gone" })?.id).toBe("team");
    expect(planOfPrice(PLANS, { lookupKey: "team_month" }, undefined)?.id).toBe("team");
  });

  test("is undefined if there is no price or no plan has the price's lookup key", () => {
    expect(planOfPrice(PLANS, { lookupKey: "premium_year" }, undefined)).toBeUndefined();
    expect(planOfPrice(PLANS, { lookupKey: null }, undefined)).toBeUndefined();
    expect(planOfPrice(PLANS, undefined, undefined)).toBeUndefined();
  });

  test("is never a plan of another app", () => {
    const shop = withApp(PLANS, "shop");
    const noKey = { lookupKey: null };
    expect(planOfPrice(shop, noKey, { plan: "team", app: "shop" })?.id).toBe("team");
    expect(planOfPrice(shop, { lookupKey: "shop.team_month" }, undefined)?.id).toBe("team");
    for (const app of ["blog", null]) expect(planOfPrice(shop, noKey, { plan: "team", app })).toBeUndefined();
    for (const key of ["team_month", "blog.team_month"])
      expect(planOfPrice(shop, { lookupKey: key }, undefined)).toBeUndefined();
    expect(planOfPrice(shop, { lookupKey: "shop.team_month" }, { plan: null, app: "blog" })).toBeUndefined();
    expect(planOfPrice(PLANS, { lookupKey: "team_month" }, { plan: "team", app: "shop" })).toBeUndefined();
  });

  test("is found by the id of the plan", () => {
    expect(findPlan(PLANS, "team")?.id).toBe("team");
    expect(findPlan(PLANS, "gone")).toBeUndefined();
  });
});

test("a plan's price is found by the price's billing interval", () => {
  const [premium, team] = TEST_PLANS;
  expect(premium && findPlanPrice(premium, "year")).toMatchObject({ interval: "year", amount: 9_000 });
  expect(team && findPlanPrice(team, "year")).toBeUndefined();
});

describe("plans with a wrong shape are refused with the place of the mistake", () => {
  test.each([
    ["a misspelt field of a plan", { prises: [] }, 'plan "premium": "prises" is unknown: did you mean "prices"?'],
    [
      "a misspelt field of a price",
      { prices: [{ ...PRICE, trailDays: 7 }] },
      'price 1: "trailDays" is unknown: did you mean "trialDays"?',
    ],
    [
      "a misspelt field of a feature",
      { features: [{ id: "exports", nme: "Exports" }] },
      'feature 1: "nme" is unknown: did you mean "name"?',
    ],
    ["an unknown field", { colour: "red" }, '"colour" is unknown: correct its name or remove it'],
    ["no prices", { prices: undefined }, "prices must be a list"],
    [
      "a price that is a number",
      { prices: [900] },
      "price 1: must be an object with interval, amount, currency, trialDays",
    ],
    ["an amount that is a text", { prices: [{ ...PRICE, amount: "900" }] }, "price 1: amount must be a number"],
    ["an id that is a number", { id: 7 }, "plan 1: id must be a string"],
  ])("%s", (_name, changes, problem) => {
    expect(problemsOf([plan(changes)]).join("\n")).toContain(problem);
  });

  test("plans that are no list", () => {
    expect(problemsOf({} as PlanInput[])).toEqual(["plans must be a list: use definePlans([...])"]);
  });

  test("a plan that is no object", () => {
    expect(problemsOf([null] as unknown as PlanInput[])).toEqual([expect.stringMatching(/^plan 1: must be an object/)]);
  });

  test("the plans that definePlans returned are accepted again", () => {
    const plans = definePlans([plan()]);
    expect(definePlans(plans)).toEqual(plans);
  });
});
