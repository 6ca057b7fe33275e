import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { describeChange, diffCatalog } from "../../src/domain/catalog.ts";
import { canonicalJson, decideOperation, type OperationRecord } from "../../src/domain/operations.ts";
import { paymentHookId, paymentNotice, paymentOutcome } from "../../src/domain/payment.ts";
import { definePlans, planOfPrice } from "../../src/domain/plans.ts";
import { decideRetry, DEFAULT_RETRY_POLICY } from "../../src/domain/retry.ts";
import { scheduledEnd } from "../../src/domain/subscription.ts";
import { ConfigError } from "../../src/errors.ts";
import { invoiceRecord, NOW, subscriptionRecord } from "../support/records.ts";
import { PLANS } from "../../../../test/support/plans.ts";

describe("an operation", () => {
  const operation: OperationRecord = {
    id: "op_1",
    kind: "checkout",
    subject: "ada",
    generation: 1,
    fingerprint: "f",
    params: "{}",
    idempotencyKey: "op_1",
    state: "pending",
    result: null,
    createdAt: NOW,
    keyEndsAt: NOW + 1_000,
  };
  test.each([
    ["begins where there is none", null, NOW, "begin"],
    ["begins after one that succeeded", { ...operation, state: "succeeded" as const }, NOW, "begin"],
    ["begins after one that failed", { ...operation, state: "failed" as const }, NOW, "begin"],
    ["retries a pending one while its key leads anywhere", operation, NOW + 999, "retry"],
    ["looks before it acts once its key leads nowhere", operation, NOW + 1_000, "look_up"],
  ])("%s", (_name, current, now, decision) => {
    expect(decideOperation(current, now)).toBe(decision);
  });

  test("has one fingerprint for the same parameters in any order", () => {
    expect(canonicalJson({ b: { d: 1, c: [2, 1] }, a: null })).toBe(canonicalJson({ a: null, b: { c: [2, 1], d: 1 } }));
    expect(canonicalJson({ a: [1, 2] })).not.toBe(canonicalJson({ a: [2, 1] }));
  });
});

describe("a retry", () => {
  test("waits longer each time, within its bounds", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 11 }),
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        (attempt, random) => {
          const decision = decideRetry(attempt, "unexpected", DEFAULT_RETRY_POLICY, random);
          if (decision.kind !== "retry") throw new Error("expected a retry");
          const full = Math.min(600_000, 1_000 * 2 ** (attempt - 1));
          expect(decision.delayMs).toBeGreaterThanOrEqual(full / 2);
          expect(decision.delayMs).toBeLessThanOrEqual(full);
        },
      ),
    );
  });

  test("ends with the dead letters after the last attempt", () => {
    const last = DEFAULT_RETRY_POLICY.maxAttempts;
    expect(decideRetry(last, "unexpected", DEFAULT_RETRY_POLICY, 0)).toEqual({ kind: "dead" });
  });

  test("goes on through an outage of any length, at the longest delay", () => {
    expect(decideRetry(5_000, "outage", DEFAULT_RETRY_POLICY, 0.999)).toEqual({ kind: "retry", delayMs: 599_700 });
  });

  test("is not made of what can't succeed", () => {
    expect(decideRetry(1, "refused", DEFAULT_RETRY_POLICY, 0)).toEqual({ kind: "dead" });
  });
});

describe("a payment", () => {
  test.each([
    ["paid is a success whatever the event said", invoiceRecord({ payment: "failed" }), "succeeded"],
    ["an open invoice after a decline has failed", invoiceRecord({ status: "open", payment: "failed" }), "failed"],
    [
      "one that waits for the bank needs the user",
      invoiceRecord({ status: "open", payment: "requires_action" }),
      "action_required",
    ],
    ["an untried one is nothing yet", invoiceRecord({ status: "open", payment: "none" }), null],
    ["a draft is nothing yet", invoiceRecord({ status: "draft", payment: "failed" }), null],
    ["a voided one is nothing", invoiceRecord({ status: "void", payment: "failed" }), null],
  ])("%s", (_name, invoice, outcome) => {
    expect(paymentOutcome(invoice)).toBe(outcome);
  });

  test("that failed tells Stripe's reason, and where to pay", () => {
    const invoice = invoiceRecord({
      status: "open",
      payment: "failed",
      failureMessage: "Your card has expired.",
      nextPaymentAttemptAt: NOW,
    });
    expect(paymentNotice(invoice)).toEqual({
      outcome: "failed",
      message: "Your card has expired. We will try again; you can also pay now.",
      actionUrl: "https://invoice.example/1",
    });
  });

  test("is told once per attempt that failed, and once when it succeeded", () => {
    expect(paymentHookId(invoiceRecord({ attemptCount: 1 }), "failed")).not.toBe(
      paymentHookId(invoiceRecord({ attemptCount: 2 }), "failed"),
    );
    expect(paymentHookId(invoiceRecord({ attemptCount: 1 }), "succeeded")).toBe(
      paymentHookId(invoiceRecord({ attemptCount: 2 }), "succeeded"),
    );
  });
});

describe("plans", () => {
  const price = { interval: "month" as const, amount: 900, currency: "usd" };
  test.each([
    ["no plan", [], "plans are empty"],
    ["a plan twice", [plan({}), plan({})], 'plan "premium" is defined twice'],
    ["an id with a space", [plan({ id: "my plan" })], "id must match"],
    ["no price", [plan({ prices: [] })], "has no price"],
    ["a fractional amount", [plan({ prices: [{ ...price, amount: 9.5 }] })], "amount 9.5 must be a whole number"],
    ["a negative amount", [plan({ prices: [{ ...price, amount: -1 }] })], "amount -1"],
    ["an upper-case currency", [plan({ prices: [{ ...price, currency: "USD" }] })], 'currency "USD"'],
    ["two monthly prices", [plan({ prices: [price, price] })], 'two prices for interval "month"'],
    ["an endless trial", [plan({ prices: [{ ...price, trialDays: 9999 }] })], "trialDays 9999"],
  ])("with %s are refused, saying so", (_name, plans, problem) => {
    expect(() => definePlans(plans)).toThrow(ConfigError);
    expect(() => definePlans(plans)).toThrow(problem);
  });

  test("are found by the product, also for a price without a lookup key", () => {
    expect(planOfPrice(PLANS, { lookupKey: null }, { plan: "team" })?.id).toBe("team");
    expect(planOfPrice(PLANS, { lookupKey: "premium_year" }, undefined)?.id).toBe("premium");
    expect(planOfPrice(PLANS, { lookupKey: "other" }, { plan: null })).toBeUndefined();
  });

  function plan(changes: object) {
    return { id: "premium", name: "Premium", features: ["exports"], prices: [price], ...changes };
  }
});

describe("the catalog's difference", () => {
  const products = PLANS.map(({ id, name }) => ({ id: `prod_${id}`, name, active: true, plan: id }));
  const prices = PLANS.flatMap((plan) =>
    plan.prices.map((price) => ({
      id: `price_${plan.id}_${price.interval}`,
      productId: `prod_${plan.id}`,
      active: true,
      lookupKey: `${plan.id}_${price.interval}`,
      currency: price.currency,
      unitAmount: price.amount as number | null,
      interval: price.interval,
      intervalCount: 1,
    })),
  );

  test("is nothing where Stripe has all of it", () => {
    expect(diffCatalog(PLANS, products, prices)).toEqual([]);
  });

  test("is everything where Stripe has nothing, products first", () => {
    expect(diffCatalog(PLANS, [], []).map(({ kind }) => kind)).toEqual([
      "create_product",
      "create_price",
      "create_price",
      "create_product",
      "create_price",
    ]);
  });

  test("replaces a price whose amount has changed, and says what becomes of the old one", () => {
    const changes = diffCatalog(
      PLANS,
      products,
      prices.map((price, index) => (index === 0 ? { ...price, unitAmount: 800 } : price)),
    );
    expect(changes.map(({ kind }) => kind)).toEqual(["replace_price"]);
    expect(changes.map(describeChange)[0]).toContain("8.00 USD -> 9.00 USD a month");
  });
});

test.each([
  ["cancel_at alone, as the portal sets it", { cancelAt: 5 }, 5],
  ["cancel_at_period_end alone", { cancelAtPeriodEnd: true }, NOW + 20 * 86_400_000],
  ["neither", {}, null],
])("a subscription's scheduled end is read from %s", (_name, changes, expected) => {
  expect(scheduledEnd(subscriptionRecord(changes))).toBe(expected);
});
