import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decideEntitlements, DEFAULT_ACCESS_POLICY, nextAccessChange } from "../../src/domain/access.ts";
import { definePlans } from "../../src/domain/plans.ts";
import type { SubscriptionStatus } from "../../src/domain/records.ts";
import { DAY_MS, NOW, stateOf } from "../support/records.ts";

const PLANS = definePlans([
  {
    id: "premium",
    name: "Premium",
    features: ["exports"],
    prices: [{ interval: "month", amount: 900, currency: "usd" }],
  },
  {
    id: "team",
    name: "Team",
    features: ["exports", "seats"],
    prices: [{ interval: "month", amount: 2900, currency: "usd" }],
  },
]);
const STATUSES: SubscriptionStatus[] = [
  "incomplete",
  "incomplete_expired",
  "trialing",
  "active",
  "past_due",
  "canceled",
  "unpaid",
  "paused",
];
const decide = (states: Parameters<typeof decideEntitlements>[0], now = NOW, policy = DEFAULT_ACCESS_POLICY) =>
  decideEntitlements(states, PLANS, policy, now);

describe("access by status", () => {
  const paidEnd = NOW + 20 * DAY_MS;
  test.each([
    ["active gives access until the period renews", stateOf(), { reason: "active", until: paidEnd }],
    [
      "a trial gives access",
      stateOf({ status: "trialing", trialEnd: paidEnd }),
      { reason: "trialing", until: paidEnd },
    ],
    [
      "a cancellation at the period's end keeps access until then",
      stateOf({ cancelAtPeriodEnd: true, cancelAt: paidEnd }),
      { reason: "active", until: paidEnd },
    ],
    [
      "a date to cancel at, as the portal sets it, ends access then",
      stateOf({ cancelAt: NOW + DAY_MS }),
      { reason: "active", until: NOW + DAY_MS },
    ],
    [
      "past due has grace from the start of the unpaid period",
      stateOf({ status: "past_due", items: [itemFrom(NOW - 2 * DAY_MS)] }),
      { reason: "past_due_grace", until: NOW + 5 * DAY_MS },
    ],
    ["past due after its grace has no access", stateOf({ status: "past_due" }), null],
    [
      "canceled at once keeps what was paid for",
      stateOf({ status: "canceled", endedAt: NOW - DAY_MS }),
      { reason: "canceled_paid_period", until: paidEnd },
    ],
    [
      "canceled for not paying has no access",
      stateOf({ status: "canceled" }, { status: "open", payment: "failed" }),
      null,
    ],
    ["a canceled trial has no access", stateOf({ status: "canceled" }, { total: 0, amountPaid: 0 }), null],
    ["incomplete has no access before payment", stateOf({ status: "incomplete" }, { status: "open" }), null],
    ["incomplete_expired has no access", stateOf({ status: "incomplete_expired" }), null],
    ["unpaid has no access", stateOf({ status: "unpaid" }), null],
    ["paused has no access", stateOf({ status: "paused" }), null],
    ["a date to cancel that has passed ends access before Stripe's event comes", stateOf({ cancelAt: NOW }), null],
    [
      "an upgrade that fails late in a paid period has its days of grace, too",
      stateOf({ status: "past_due" }, { status: "open", payment: "failed", createdAt: NOW - 3_600_000 }),
      { reason: "past_due_grace", until: NOW - 3_600_000 + 7 * DAY_MS },
    ],
    [
      "grace does not begin again with the next unpaid period",
      { ...stateOf({ status: "past_due" }, { status: "open" }), unpaidSince: NOW - 35 * DAY_MS },
      null,
    ],
  ])("%s", (_name, state, expected) => {
    expect(decide([state])).toMatchObject(
      expected === null ? [] : [{ feature: "exports", plan: "premium", ...expected }],
    );
  });
});

test("without keeping paid periods, canceled at once is over at once", () => {
  expect(decide([stateOf({ status: "canceled" })], NOW, { ...DEFAULT_ACCESS_POLICY, keepPaidPeriod: false })).toEqual(
    [],
  );
});

test("a feature of two plans comes from the one that lasts longest", () => {
  const short = stateOf({ cancelAt: NOW + DAY_MS });
  const long = stateOf({ id: "sub_2" }, {}, "team");
  const found = decide([short, long]);
  expect(found.map(({ feature, plan }) => [feature, plan])).toEqual([
    ["exports", "team"],
    ["seats", "team"],
  ]);
});

test("a subscription to something outside the plans gives nothing", () => {
  expect(decide([stateOf({}, {}, "consulting")])).toEqual([]);
});

test("an ended subscription never takes away what another one gives", () => {
  fc.assert(
    fc.property(fc.constantFrom(...STATUSES), fc.boolean(), (status, first) => {
      const ended = stateOf({ id: "sub_0", status }, { status: "open", payment: "failed" });
      const live = stateOf({ id: "sub_9" });
      const found = decide(first ? [ended, live] : [live, ended]);
      expect(found.some(({ feature }) => feature === "exports")).toBe(true);
    }),
  );
});

test("access that ends by itself ends exactly when it was announced to", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...STATUSES),
      fc.option(fc.integer({ min: -30, max: 60 }), { nil: null }),
      fc.integer({ min: -40, max: 0 }),
      (status, cancelDays, periodStart) => {
        const cancelAt = cancelDays === null ? null : NOW + cancelDays * DAY_MS;
        const state = stateOf({ status, cancelAt, items: [itemFrom(NOW + periodStart * DAY_MS)] });
        const change = nextAccessChange([state], DEFAULT_ACCESS_POLICY, NOW);
        if (change === null) return;
        expect(change).toBeGreaterThan(NOW);
        expect(decide([state], change - 1)).not.toEqual([]);
        expect(decide([state], change)).toEqual([]);
      },
    ),
  );
});

function itemFrom(start: number) {
  return {
    id: "si_1",
    priceId: "price_1",
    productId: "prod_1",
    quantity: 1,
    currentPeriodStart: start,
    currentPeriodEnd: start + 30 * DAY_MS,
  };
}
