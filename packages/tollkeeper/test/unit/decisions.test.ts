import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  canonicalJson,
  decideOperation,
  IDEMPOTENCY_KEY_LIFETIME_MS,
  isEmptyListConclusive,
  LIST_LAG_MS,
  settledGeneration,
} from "../../src/domain/operations.ts";
import { paymentHookId, paymentNotice, paymentOutcome } from "../../src/domain/payment.ts";
import { decideRetry, DEFAULT_RETRY_POLICY } from "../../src/domain/retry.ts";
import { operationRecord } from "../support/operations.ts";
import { invoiceRecord, NOW } from "../support/records.ts";

describe("an operation", () => {
  const operation = operationRecord({ keyEndsAt: NOW + 1_000 });
  test.each([
    ["begins if the subject has none", null, NOW, "begin"],
    ["begins after one that succeeded", { ...operation, state: "succeeded" as const }, NOW, "begin"],
    ["begins after one that failed", { ...operation, state: "failed" as const }, NOW, "begin"],
    ["is retried while its key is valid", operation, NOW + 999, "retry"],
    ["is looked up after its key has ended", operation, NOW + 1_000, "look_up"],
  ])("%s", (_name, current, now, decision) => {
    expect(decideOperation(current, now)).toBe(decision);
  });

  test("has the same fingerprint for the same parameters in any order", () => {
    expect(canonicalJson({ b: { d: 1, c: [2, 1] }, a: null })).toBe('{"a":null,"b":{"c":[2,1],"d":1}}');
    expect(canonicalJson({ a: null, b: { c: [2, 1], d: 1 } })).toBe('{"a":null,"b":{"c":[2,1],"d":1}}');
    expect(canonicalJson({ a: [1, 2] })).not.toBe(canonicalJson({ a: [2, 1] }));
  });

  test("has a known outcome unless its state is pending", () => {
    expect(settledGeneration(null)).toBe(0);
    expect(settledGeneration({ generation: 3, state: "pending" })).toBe(2);
    expect(settledGeneration({ generation: 3, state: "succeeded" })).toBe(3);
    expect(settledGeneration({ generation: 3, state: "failed" })).toBe(3);
  });

  test("had no effect if Stripe's list lacks its object three minutes after the end of its idempotency key", () => {
    expect(isEmptyListConclusive({ keyEndsAt: NOW }, NOW + 179_999)).toBe(false);
    expect(isEmptyListConclusive({ keyEndsAt: NOW }, NOW + 180_000)).toBe(true);
    expect(LIST_LAG_MS).toBe(180_000);
  });

  test("uses its idempotency key for 23 hours, because Stripe keeps a key for at least 24 hours", () => {
    expect(IDEMPOTENCY_KEY_LIFETIME_MS).toBe(23 * 60 * 60 * 1_000);
  });
});

describe("the delay of a retry", () => {
  const delayOf = (attempt: number, random: number): number => {
    const decision = decideRetry(attempt, "unexpected", DEFAULT_RETRY_POLICY, random);
    if (decision.kind !== "retry") throw new Error("expected a retry");
    return decision.delayMs;
  };

  test("doubles with each attempt of the job", () => {
    expect([1, 2, 3].map((attempt) => delayOf(attempt, 0))).toEqual([500, 1_000, 2_000]);
  });

  test("is random between 50 and 100 percent of the full delay, which has a maximum", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 15 }),
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        (attempt, random) => {
          const full = Math.min(600_000, 1_000 * 2 ** (attempt - 1));
          expect(delayOf(attempt, random)).toBeGreaterThanOrEqual(full / 2);
          expect(delayOf(attempt, random)).toBeLessThanOrEqual(full);
        },
      ),
    );
  });
});

describe("a failed job", () => {
  const last = DEFAULT_RETRY_POLICY.maxAttempts;

  test("becomes a dead letter only after its last attempt", () => {
    expect(decideRetry(last - 1, "unexpected", DEFAULT_RETRY_POLICY, 0)).toMatchObject({ kind: "retry" });
    expect(decideRetry(last, "unexpected", DEFAULT_RETRY_POLICY, 0)).toEqual({ kind: "dead" });
  });

  test("is retried with the maximum delay during an outage, even after thousands of attempts", () => {
    expect(decideRetry(5_000, "outage", DEFAULT_RETRY_POLICY, 0.999)).toEqual({ kind: "retry", delayMs: 599_700 });
  });

  test("becomes a dead letter immediately if Stripe refuses the request", () => {
    expect(decideRetry(1, "refused", DEFAULT_RETRY_POLICY, 0)).toEqual({ kind: "dead" });
  });
});

describe("a payment", () => {
  const failed = invoiceRecord({ status: "open", payment: "failed" });
  const waiting = invoiceRecord({ status: "open", payment: "requires_action" });

  test.each([
    ["of a paid invoice has succeeded, even if an attempt failed", invoiceRecord({ payment: "failed" }), "succeeded"],
    ["of an open invoice has failed after a decline", failed, "failed"],
    ["that waits for the bank needs the user", waiting, "action_required"],
    ["that was not tried has no outcome", invoiceRecord({ status: "open", payment: "none" }), null],
    ["of a draft has no outcome", invoiceRecord({ status: "draft", payment: "failed" }), null],
    ["of a voided invoice has no outcome", invoiceRecord({ status: "void", payment: "failed" }), null],
  ])("%s", (_name, invoice, outcome) => {
    expect(paymentOutcome(invoice)).toBe(outcome);
  });

  test("has one hook call for each failed attempt and one hook call for its success", () => {
    const ids = (outcome: "failed" | "succeeded") =>
      [1, 2].map((attemptCount) => paymentHookId(invoiceRecord({ attemptCount }), outcome));
    expect(ids("failed")).toEqual(["payment_failed:in_1:1", "payment_failed:in_1:2"]);
    expect(ids("succeeded")).toEqual(["payment_succeeded:in_1", "payment_succeeded:in_1"]);
  });

  const actionUrl = "https://invoice.example/1";
  test.each([
    ["without an invoice has no notice", null, { outcome: "none", message: null, actionUrl: null }],
    [
      "without an outcome has no notice",
      invoiceRecord({ status: "draft" }),
      { outcome: "none", message: null, actionUrl: null },
    ],
    ["that succeeded asks for nothing", invoiceRecord(), { outcome: "succeeded", message: null, actionUrl: null }],
    [
      "that waits for the bank asks for a confirmation",
      waiting,
      { outcome: "action_required", message: "Your bank asks you to confirm this payment.", actionUrl },
    ],
    [
      "that failed without a reason has a general message",
      failed,
      { outcome: "failed", message: "Your payment did not go through.", actionUrl },
    ],
    [
      "that failed and will be retried has Stripe's reason and the next step",
      { ...failed, failureMessage: "Your card has expired.", nextPaymentAttemptAt: NOW },
      {
        outcome: "failed",
        message: "Your card has expired. We will try again; you can also pay now.",
        actionUrl,
      },
    ],
  ])("%s", (_name, invoice, notice) => {
    expect(paymentNotice(invoice)).toEqual(notice);
  });
});
