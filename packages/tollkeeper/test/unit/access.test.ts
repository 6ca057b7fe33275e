import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  completePolicy,
  decideAccess,
  decideEntitlements,
  DEFAULT_ACCESS_POLICY,
  nextAccessChange,
  plansOf,
  type AccessPolicyInput,
  type NoAccessReason,
  type SubscriptionState,
} from "../../src/domain/access.ts";
import { definePlans } from "../../src/domain/plans.ts";
import type { DisputeRecord, RefundRecord, SubscriptionStatus } from "../../src/domain/records.ts";
import type { Reversals } from "../../src/domain/reversals.ts";
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
    ["an active subscription gives access until its period ends", stateOf(), { reason: "active", until: paidEnd }],
    [
      "a trial gives access until it ends",
      stateOf({ status: "trialing", trialEnd: paidEnd }),
      { reason: "trialing", until: paidEnd },
    ],
    [
      "a cancellation at the period's end keeps access until that end",
      stateOf({ cancelAtPeriodEnd: true, cancelAt: paidEnd }),
      { reason: "active", until: paidEnd },
    ],
    [
      "a scheduled end, as the portal sets it, ends access at that time",
      stateOf({ cancelAt: NOW + DAY_MS }),
      { reason: "active", until: NOW + DAY_MS },
    ],
    [
      "past due has grace from the start of the unpaid period",
      stateOf({ status: "past_due", items: [itemFrom(NOW - 2 * DAY_MS)] }),
      { reason: "past_due_grace", until: NOW + 5 * DAY_MS },
    ],
    [
      "past due with a scheduled end before the end of its grace has access until the scheduled end",
      stateOf({ status: "past_due", cancelAt: NOW + DAY_MS, items: [itemFrom(NOW - 2 * DAY_MS)] }),
      { reason: "past_due_grace", until: NOW + DAY_MS },
    ],
    [
      "past due with a scheduled end after its grace has access until its grace ends",
      stateOf({ status: "past_due", cancelAtPeriodEnd: true, items: [itemFrom(NOW - 2 * DAY_MS)] }),
      { reason: "past_due_grace", until: NOW + 5 * DAY_MS },
    ],
    ["past due after its grace has no access", stateOf({ status: "past_due" }), null],
    [
      "a subscription canceled at once keeps access until its paid period ends",
      stateOf({ status: "canceled", endedAt: NOW - DAY_MS }),
      { reason: "canceled_paid_period", until: paidEnd },
    ],
    [
      "a subscription canceled because it was not paid has no access",
      stateOf({ status: "canceled" }, { status: "open", payment: "failed" }),
      null,
    ],
    ["a canceled trial has no access", stateOf({ status: "canceled" }, { total: 0, amountPaid: 0 }), null],
    ["incomplete has no access before payment", stateOf({ status: "incomplete" }, { status: "open" }), null],
    ["incomplete_expired has no access", stateOf({ status: "incomplete_expired" }), null],
    ["unpaid has no access", stateOf({ status: "unpaid" }), null],
    ["paused has no access", stateOf({ status: "paused" }), null],
    ["a scheduled end that has passed ends access before Stripe's event arrives", stateOf({ cancelAt: NOW }), null],
    [
      "an upgrade that fails late in a paid period has grace from its own invoice",
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

describe("access after refunds and disputes", () => {
  const paid = { id: "in_1", status: "paid", total: 900, amountPaid: 900, createdAt: NOW - 10 * DAY_MS } as const;
  const earlier = { ...paid, id: "in_0", createdAt: NOW - 40 * DAY_MS };
  const upgrade = { ...paid, id: "in_2", total: 500, amountPaid: 500, createdAt: NOW - DAY_MS };
  const refund = (changes: Partial<RefundRecord>): RefundRecord => ({
    id: "re_1",
    customerId: "cus_1",
    invoiceId: "in_1",
    subscriptionId: "sub_1",
    amount: 900,
    currency: "usd",
    createdAt: NOW,
    status: "succeeded",
    ...changes,
  });
  const dispute = (status: DisputeRecord["status"]): DisputeRecord => ({ ...refund({ id: "du_1" }), status });
  const decideWith = (reversals: Partial<Reversals>, policy: AccessPolicyInput = {}) =>
    decide(
      [{ ...stateOf(), reversals: { refunds: [], disputes: [], invoices: [paid], ...reversals } }],
      NOW,
      completePolicy(policy),
    ).length > 0;

  test.each<[string, boolean, Partial<Reversals>, AccessPolicyInput?]>([
    ["a full refund of the period ends access", false, { refunds: [refund({})] }],
    ["a pending refund counts as refunded", false, { refunds: [refund({ status: "pending" })] }],
    ["a failed refund does not count", true, { refunds: [refund({ status: "failed" })] }],
    ["a canceled refund does not count", true, { refunds: [refund({ status: "canceled" })] }],
    ["a refund of a part keeps access", true, { refunds: [refund({ amount: 899 })] }],
    [
      "a full refund of an upgrade keeps access if the period was paid without Stripe or with credit",
      true,
      { invoices: [{ ...paid, amountPaid: 0 }, upgrade], refunds: [refund({ invoiceId: "in_2", amount: 500 })] },
    ],
    [
      "a full refund ends access if another invoice of the period is void",
      false,
      { invoices: [paid, { ...upgrade, status: "void", amountPaid: 0 }], refunds: [refund({})] },
    ],
    [
      "two refunds that return everything end access",
      false,
      { refunds: [refund({ amount: 400 }), refund({ id: "re_2", amount: 500 })] },
    ],
    [
      "a refund of an earlier period keeps access",
      true,
      { refunds: [refund({ invoiceId: "in_0" })], invoices: [earlier, paid] },
    ],
    [
      "a refund of one of two payments of the period keeps access",
      true,
      { refunds: [refund({ invoiceId: "in_2", amount: 500 })], invoices: [paid, upgrade] },
    ],
    [
      "a refund of a payment without an invoice keeps access",
      true,
      { refunds: [refund({ invoiceId: null, subscriptionId: null })] },
    ],
    ["a policy can keep access after a full refund", true, { refunds: [refund({})] }, { fullRefund: "keep" }],
    [
      "a policy can end access after a partial refund",
      false,
      { refunds: [refund({ amount: 1 })] },
      { partialRefund: "end" },
    ],
    ["a dispute that needs a response ends access", false, { disputes: [dispute("needs_response")] }],
    ["a dispute under review ends access", false, { disputes: [dispute("under_review")] }],
    ["a lost dispute ends access", false, { disputes: [dispute("lost")] }],
    ["a prevented dispute ends access, because the money was returned", false, { disputes: [dispute("prevented")] }],
    ["a won dispute keeps access", true, { disputes: [dispute("won")] }],
    ["an inquiry keeps access", true, { disputes: [dispute("warning_needs_response")] }],
    ["a closed inquiry keeps access", true, { disputes: [dispute("warning_closed")] }],
    [
      "a policy can keep access during a dispute",
      true,
      { disputes: [dispute("under_review")] },
      { openDispute: "keep" },
    ],
    ["a policy can keep access after a lost dispute", true, { disputes: [dispute("lost")] }, { lostDispute: "keep" }],
    [
      "a lost dispute ends access even if another dispute is open and the policy allows open disputes",
      false,
      { disputes: [dispute("needs_response"), dispute("lost")] },
      { openDispute: "keep" },
    ],
  ])("%s", (_name, expected, reversals, policy) => {
    expect(decideWith(reversals, policy)).toBe(expected);
  });

  test("a full refund ends the access of a subscription that was canceled in its paid period", () => {
    const reversals = { refunds: [refund({})], disputes: [], invoices: [paid] };
    expect(decide([{ ...stateOf({ status: "canceled" }), reversals }])).toEqual([]);
    expect(
      nextAccessChange([{ ...stateOf({ status: "canceled" }), reversals }], DEFAULT_ACCESS_POLICY, NOW),
    ).toBeNull();
  });
});

describe("the reason for which a subscription gives no access is", () => {
  const paid = { id: "in_1", status: "paid", total: 900, amountPaid: 900, createdAt: NOW - 10 * DAY_MS } as const;
  const partialRefund: RefundRecord = {
    id: "re_1",
    customerId: "cus_1",
    invoiceId: "in_1",
    subscriptionId: "sub_1",
    amount: 400,
    currency: "usd",
    createdAt: NOW,
    status: "succeeded",
  };
  const openDispute: DisputeRecord = { ...partialRefund, id: "du_1", status: "needs_response" };
  const partlyRefunded: Reversals = { refunds: [partialRefund], disputes: [], invoices: [paid] };
  const refundedAndDisputed: Reversals = {
    refunds: [{ ...partialRefund, amount: 900 }],
    disputes: [openDispute],
    invoices: [paid],
  };
  const paused = stateOf({ pauseBehavior: "void" }, { status: "void" });

  test.each<[NoAccessReason, string, SubscriptionState, AccessPolicyInput?]>([
    ["collection_paused", "if a refund of a part keeps access", { ...paused, reversals: partlyRefunded }],
    [
      "refunded",
      "if the policy ends access after a refund of a part",
      { ...paused, reversals: partlyRefunded },
      { partialRefund: "end" },
    ],
    [
      "refunded",
      "if the policy keeps access during a dispute",
      { ...stateOf(), reversals: refundedAndDisputed },
      { openDispute: "keep" },
    ],
    ["dispute_open", "if the period is refunded too", { ...stateOf(), reversals: refundedAndDisputed }],
    [
      "dispute_lost",
      "after a lost dispute",
      { ...stateOf(), reversals: { refunds: [], disputes: [{ ...openDispute, status: "lost" }], invoices: [paid] } },
    ],
    ["payment_overdue", "after the grace of a failed payment", stateOf({ status: "past_due" })],
    ["payment_overdue", "of an unpaid subscription", stateOf({ status: "unpaid" })],
    ["ended", "after a scheduled end", stateOf({ cancelAt: NOW })],
    [
      "ended",
      "of a canceled subscription without a paid period",
      stateOf({ status: "canceled" }, { amountPaid: 0, total: 0 }),
    ],
    ["ended", "at the end of a paid period", stateOf({ status: "canceled", items: [itemFrom(NOW - 30 * DAY_MS)] })],
    ["first_payment_open", "of an incomplete subscription", stateOf({ status: "incomplete" })],
    ["first_payment_missed", "of an incomplete subscription that expired", stateOf({ status: "incomplete_expired" })],
    ["paused", "of a paused subscription", stateOf({ status: "paused" })],
  ])("%s %s", (reason, _when, state, policy) => {
    expect(decideAccess(state, completePolicy(policy), NOW)).toEqual({ granted: false, reason });
  });
});

test("access is decided again when the collection of payments resumes", () => {
  const state = stateOf({ pauseBehavior: "void", pauseResumesAt: NOW + 5 }, { status: "void" });
  expect(decide([state])).toEqual([]);
  expect(nextAccessChange([state], DEFAULT_ACCESS_POLICY, NOW)).toBe(NOW + 5);
  expect(nextAccessChange([state], DEFAULT_ACCESS_POLICY, NOW + 5)).toBeNull();
});

describe("access while the collection of payments is paused", () => {
  const paidEnd = NOW + 20 * DAY_MS;
  const open = { status: "open", amountPaid: 0 } as const;
  test.each([
    ["void gives access until the paid period ends", stateOf({ pauseBehavior: "void" }), paidEnd],
    ["mark_uncollectible does so too", stateOf({ pauseBehavior: "mark_uncollectible" }), paidEnd],
    [
      "void gives no access in a period whose invoice is void",
      stateOf({ pauseBehavior: "void" }, { status: "void" }),
      null,
    ],
    [
      "void gives no access in a period whose invoice is a draft",
      stateOf({ pauseBehavior: "void" }, { status: "draft" }),
      null,
    ],
    [
      "mark_uncollectible gives no access in a period whose invoice is uncollectible",
      stateOf({ pauseBehavior: "mark_uncollectible" }, { status: "uncollectible" }),
      null,
    ],
    ["keep_as_draft keeps access", stateOf({ pauseBehavior: "keep_as_draft" }, { status: "draft" }), paidEnd],
    [
      "a scheduled end before the paid period's end ends access",
      stateOf({ pauseBehavior: "void", cancelAt: NOW + 1 }),
      NOW + 1,
    ],
    [
      "a scheduled end after the paid period's end does not extend access",
      stateOf({ pauseBehavior: "void", cancelAt: paidEnd + DAY_MS }),
      paidEnd,
    ],
    [
      "a trial gives access until it ends",
      stateOf({ status: "trialing", pauseBehavior: "void" }, { total: 0 }),
      paidEnd,
    ],
    [
      "a subscription without any invoice gives access until its period ends",
      stateOf({ pauseBehavior: "void", latestInvoiceId: null }, null),
      paidEnd,
    ],
    [
      "void keeps access if collection resumes before the period ends",
      stateOf({ pauseBehavior: "void", pauseResumesAt: paidEnd - 1 }),
      paidEnd,
    ],
    [
      "void gives access until the paid period ends if collection resumes later",
      stateOf({ pauseBehavior: "void", pauseResumesAt: paidEnd + 1 }),
      paidEnd,
    ],
    [
      "void gives access again when collection resumes, even if Stripe's event is late",
      stateOf({ pauseBehavior: "void", pauseResumesAt: NOW }, { status: "void" }),
      paidEnd,
    ],
    [
      "past due keeps its grace",
      stateOf({ status: "past_due", pauseBehavior: "void" }, { ...open, createdAt: NOW }),
      NOW + 7 * DAY_MS,
    ],
  ])("%s", (_name, state, until) => {
    expect(decide([state]).map((entitlement) => entitlement.until)).toEqual(until === null ? [] : [until]);
  });
});

test("access ends immediately at a cancellation if the policy does not keep paid periods", () => {
  expect(decide([stateOf({ status: "canceled" })], NOW, { ...DEFAULT_ACCESS_POLICY, keepPaidPeriod: false })).toEqual(
    [],
  );
});

test("a feature that two plans include is attributed to the plan that ends last", () => {
  const short = stateOf({ cancelAt: NOW + DAY_MS });
  const long = stateOf({ id: "sub_2" }, {}, "team");
  const found = decide([short, long]);
  expect(found.map(({ feature, plan }) => [feature, plan])).toEqual([
    ["exports", "team"],
    ["seats", "team"],
  ]);
});

test.each(["team first", "premium first"])(
  "a user has a feature of two plans until both plans have ended, whatever the order of the plans in the list: %s",
  (order) => {
    const premium = stateOf({ cancelAt: NOW + DAY_MS });
    const team = stateOf({ id: "sub_2", cancelAt: NOW + 2 * DAY_MS }, {}, "team");
    const found = decide(order === "team first" ? [team, premium] : [premium, team]);
    expect(found[0]).toMatchObject({ feature: "exports", plan: "team", until: NOW + 2 * DAY_MS });
  },
);

test("if two plans with the same feature end at the same time, the feature is attributed to the first subscription in the list", () => {
  const found = decide([stateOf(), stateOf({ id: "sub_2" }, {}, "team")]);
  expect(found.map(({ feature, subscriptionId }) => [feature, subscriptionId])).toEqual([
    ["exports", "sub_1"],
    ["seats", "sub_2"],
  ]);
});

test("entitlements are sorted by feature", () => {
  const plans = definePlans([
    {
      id: "premium",
      name: "Premium",
      features: ["b", "c", "a"],
      prices: [{ interval: "month", amount: 1, currency: "usd" }],
    },
  ]);
  const found = decideEntitlements([stateOf()], plans, DEFAULT_ACCESS_POLICY, NOW);
  expect(found.map(({ feature }) => feature)).toEqual(["a", "b", "c"]);
});

test("each item of a subscription gives the plan of its product, or the plan of its price if the product has no plan", () => {
  const state = stateOf();
  const [item] = state.subscription.items;
  const [price] = state.prices;
  if (!item || !price) throw new Error("expected an item and a price");
  const products = ["consulting", "premium"].map((plan, at) => ({
    id: `prod_${at}`,
    name: plan,
    active: true,
    plan,
    app: null,
  }));
  const prices = [
    { ...price, id: "price_0", lookupKey: "other_month" },
    { ...price, id: "price_1", lookupKey: "team_month" },
  ];
  const plansFor = (productId: string, priceId: string) =>
    plansOf(
      { subscription: { ...state.subscription, items: [{ ...item, productId, priceId }] }, products, prices },
      PLANS,
    );
  expect(plansFor("prod_1", "price_0").map(({ id }) => id)).toEqual(["premium"]);
  expect(plansFor("prod_0", "price_1").map(({ id }) => id)).toEqual(["team"]);
  expect(plansFor("prod_0", "price_0")).toEqual([]);
  expect(plansFor("prod_2", "price_2")).toEqual([]);
});

test.each(["active", "past_due"] as const)(
  "a subscription with the status %s gives no access if it has no items",
  (status) => {
    expect(decide([stateOf({ status, items: [] })])).toEqual([]);
    expect(nextAccessChange([stateOf({ status, items: [] })], DEFAULT_ACCESS_POLICY, NOW)).toBeNull();
  },
);

test("the next change of a user's access is the earliest end of a period about which Stripe sends no event", () => {
  const next = (...states: Parameters<typeof decide>[0]) => nextAccessChange(states, DEFAULT_ACCESS_POLICY, NOW);
  const later = stateOf({ cancelAt: NOW + 2 * DAY_MS });
  const sooner = stateOf({ cancelAt: NOW + DAY_MS });
  expect(next(later, sooner, stateOf())).toBe(NOW + DAY_MS);
  expect(next(later, stateOf({ cancelAt: NOW }))).toBe(NOW + 2 * DAY_MS);
  expect(next(stateOf(), stateOf({ status: "unpaid" }))).toBeNull();
  expect(next()).toBeNull();
});

test("a subscription gives no access if its product belongs to no plan", () => {
  expect(decide([stateOf({}, {}, "consulting")])).toEqual([]);
});

test("an ended subscription does not remove the access that another subscription gives", () => {
  fc.assert(
    fc.property(fc.constantFrom(...STATUSES), fc.boolean(), (status, first) => {
      const ended = stateOf({ id: "sub_0", status }, { status: "open", payment: "failed" });
      const live = stateOf({ id: "sub_9" });
      const found = decide(first ? [ended, live] : [live, ended]);
      expect(found.some(({ feature }) => feature === "exports")).toBe(true);
    }),
  );
});

test("a user's access ends exactly at the time that was computed as the next change", () => {
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
