import { describe, expect, test } from "vitest";
import { describeChange, diffProducts } from "../../src/domain/product-changes.ts";
import { definePlans } from "../../src/domain/plans.ts";
import { PLANS as TWO_PLANS } from "../../../../test/support/plans.ts";
import type { PriceRecord, ProductRecord } from "../../src/domain/records.ts";

const PLANS = definePlans([
  {
    id: "premium",
    name: "Premium",
    features: ["exports"],
    prices: [{ interval: "month", amount: 900, currency: "usd" }],
  },
]);
const [PLAN] = PLANS;
const PRODUCT: ProductRecord = { id: "prod_1", name: "Premium", active: true, plan: "premium", app: null };
const PRICE: PriceRecord = {
  id: "price_1",
  productId: "prod_1",
  active: true,
  lookupKey: "premium_month",
  currency: "usd",
  unitAmount: 900,
  interval: "month",
  intervalCount: 1,
};
const diff = (product: Partial<ProductRecord>, price: Partial<PriceRecord>) =>
  diffProducts(PLANS, [{ ...PRODUCT, ...product }], [{ ...PRICE, ...price }]);

describe("pushing plans", () => {
  test("changes nothing if Stripe already has the same product and price", () => {
    expect(diff({}, {})).toEqual([]);
  });

  test("creates each product before its prices if Stripe has none of them", () => {
    expect(diffProducts(TWO_PLANS, [], []).map(({ kind, plan }) => [kind, plan.id])).toEqual([
      ["create_product", "premium"],
      ["create_price", "premium"],
      ["create_price", "premium"],
      ["create_product", "team"],
      ["create_price", "team"],
    ]);
  });

  test("renames a product if Stripe has another name for it", () => {
    expect(diff({ name: "Old" }, {})).toEqual([
      { kind: "rename_product", plan: PLAN, productId: "prod_1", from: "Old" },
    ]);
  });

  test.each([
    ["is archived", { active: false }],
    ["belongs to another plan", { plan: "team" }],
  ])("creates product and price if the product %s", (_name, product) => {
    expect(diff(product, {})).toEqual([
      { kind: "create_product", plan: PLAN },
      { kind: "create_price", plan: PLAN, price: PLAN?.prices[0], productId: null },
    ]);
  });

  test("creates a price for the existing product if no price has the lookup key", () => {
    expect(diff({}, { lookupKey: "premium_year" })).toEqual([
      { kind: "create_price", plan: PLAN, price: PLAN?.prices[0], productId: "prod_1" },
    ]);
  });

  test.each([
    ["archived", { active: false }],
    ["of another amount", { unitAmount: 800 }],
    ["in another currency", { currency: "eur" }],
    ["per year", { interval: "year" as const }],
    ["for two months", { intervalCount: 2 }],
    ["of another product", { productId: "prod_2" }],
  ])("replaces a price that is %s", (_name, price) => {
    expect(diff({}, price)).toEqual([
      { kind: "replace_price", plan: PLAN, price: PLAN?.prices[0], productId: "prod_1", from: { ...PRICE, ...price } },
    ]);
  });
});

describe("a change of products and prices is described in one line:", () => {
  test.each([
    ["a new product", diffProducts(PLANS, [], []), '+ product premium "Premium"'],
    ["a renamed product", diff({ name: "Old" }, {}), '~ product premium "Old" -> "Premium"'],
    ["a new price", diff({}, { lookupKey: null }), "+ price premium_month 9.00 USD a month"],
    [
      "a replaced price",
      diff({}, { unitAmount: 800 }),
      "~ price premium_month 8.00 USD -> 9.00 USD a month (a new price takes the lookup key; current subscribers keep the old price)",
    ],
    [
      "a replaced price with tiers",
      diff({}, { unitAmount: null }),
      "~ price premium_month tiered -> 9.00 USD a month (a new price takes the lookup key; current subscribers keep the old price)",
    ],
  ])("%s", (_name, [change], text) => {
    expect(change && describeChange(change)).toBe(text);
  });
});
