import { expect, test } from "vitest";
import { DEFAULT_ACCESS_POLICY } from "../../src/domain/access.ts";
import { diffProducts } from "../../src/domain/product-changes.ts";
import { chooseCatalogue, findPaidRemovedPlans, withRemovedPlans } from "../../src/domain/catalogue.ts";
import { definePlans } from "../../src/domain/plans.ts";

const price = { interval: "month" as const, amount: 900, currency: "usd" };
const [premium, team] = ["premium", "team"].map((id) => ({ id, name: id, features: [id], prices: [price] }));
const both = definePlans([premium!, team!]);
const one = definePlans([premium!]);
const registered = (fingerprint: string, generation: number) => ({
  fingerprint,
  generation,
  plans: both,
  policy: DEFAULT_ACCESS_POLICY,
});

test("among running versions, the plans that were registered last count", () => {
  expect(chooseCatalogue([registered("a", 1), registered("b", 2)])?.fingerprint).toBe("b");
  expect(chooseCatalogue([registered("b", 2), registered("a", 1)])?.fingerprint).toBe("b");
  expect(chooseCatalogue([registered("a", 1)])?.fingerprint).toBe("a");
  expect(chooseCatalogue([])).toBeNull();
});

test("all replicas choose the same plans if two versions were registered at the same time", () => {
  const versions = [registered("a", 1), registered("b", 1)];
  expect(chooseCatalogue(versions)).toEqual(chooseCatalogue(versions.toReversed()));
});

test("a removed plan is kept as a retired plan, and a plan in code wins over its older form", () => {
  const old = definePlans([{ ...premium!, features: ["old"] }, team!]);
  expect(withRemovedPlans(one, old).map(({ id, retired, features }) => [id, retired, features[0]?.id])).toEqual([
    ["premium", false, "premium"],
    ["team", true, "team"],
  ]);
});

test("subscriptions to a removed plan are found by the product's plan and by the price's lookup key", () => {
  const counts = [
    { plan: "team", app: null, lookupKey: null, count: 2 },
    { plan: null, app: null, lookupKey: "team_month", count: 3 },
    { plan: "premium", app: null, lookupKey: "team_month", count: 4 },
    { plan: "unknown", app: null, lookupKey: null, count: 5 },
  ];
  expect(findPaidRemovedPlans(one, both, counts)).toEqual([{ plan: "team", subscriptions: 5 }]);
  expect(findPaidRemovedPlans(both, both, counts)).toEqual([]);
});

test("plans push creates neither a product nor a price of a retired plan", () => {
  expect(diffProducts(definePlans([{ ...premium!, retired: true }]), [], [])).toEqual([]);
});
