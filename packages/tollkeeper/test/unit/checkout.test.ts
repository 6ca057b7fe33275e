import { describe, expect, test } from "vitest";
import { decideCheckout, trialDaysFor, type CheckoutIntent } from "../../src/domain/checkout.ts";
import type { CheckoutSessionRecord } from "../../src/domain/records.ts";
import { checkReturnUrl, withSessionId } from "../../src/domain/urls.ts";
import { stateOf } from "../support/records.ts";
import { PLANS } from "../../../../test/support/plans.ts";

const INTENT: CheckoutIntent = {
  plan: "premium",
  interval: "month",
  successUrl: "https://a.test/ok",
  cancelUrl: "https://a.test",
};
const SESSION: CheckoutSessionRecord = {
  id: "cs_1",
  url: "https://checkout.test/cs_1",
  status: "open",
  paymentStatus: "unpaid",
  customerId: "cus_1",
  subscriptionId: null,
  clientReferenceId: "ada",
  expiresAt: 0,
  operationId: "op_1",
};
const decide = (states: Parameters<typeof decideCheckout>[3], last: Parameters<typeof decideCheckout>[4]) =>
  decideCheckout(INTENT, "default", PLANS, states, last);

describe("a checkout", () => {
  test("starts where there is nothing", () => {
    expect(decide([], null)).toEqual({ kind: "start" });
  });

  test("continues the open session of the same intent", () => {
    expect(decide([], { intent: INTENT, session: SESSION, trialDays: 0 })).toEqual({
      kind: "continue",
      session: SESSION,
    });
  });

  test.each([
    ["another plan", { ...INTENT, plan: "team" }],
    ["another interval", { ...INTENT, interval: "year" as const }],
    ["another way back", { ...INTENT, successUrl: "https://a.test/elsewhere" }],
  ])("replaces an open session for %s", (_name, intent) => {
    expect(decide([], { intent, session: SESSION, trialDays: 0 }).kind).toBe("replace");
  });

  test.each(["expired", "complete"] as const)("starts anew after a session that is %s", (status) => {
    expect(decide([], { intent: INTENT, session: { ...SESSION, status }, trialDays: 0 }).kind).toBe("start");
  });

  test.each(["active", "trialing", "past_due", "unpaid", "paused"] as const)(
    "is refused while a subscription is %s",
    (status) => {
      expect(decide([stateOf({ status })], null)).toEqual({ kind: "already_subscribed", subscriptionId: "sub_1" });
    },
  );

  test.each(["incomplete", "incomplete_expired", "canceled"] as const)(
    "is allowed after a subscription that is %s",
    (status) => {
      expect(decide([stateOf({ status })], null).kind).toBe("start");
    },
  );

  test("is not refused for a subscription outside the plans", () => {
    expect(decide([stateOf({}, {}, "consulting")], null).kind).toBe("start");
  });
});

test("a trial is given once", () => {
  const price = { interval: "month" as const, amount: 900, currency: "usd", trialDays: 14 };
  const other = { intent: INTENT, session: SESSION, trialDays: 7 };
  expect(trialDaysFor(price, [], [])).toBe(14);
  expect(trialDaysFor(price, [stateOf({ status: "canceled", trialStart: 1 })], [])).toBe(0);
  expect(trialDaysFor(price, [], [other])).toBe(0);
  expect(trialDaysFor(price, [], [{ ...other, session: { ...SESSION, status: "expired" } }])).toBe(14);
  expect(trialDaysFor(price, [], [{ ...other, trialDays: 0 }])).toBe(14);
});

describe("a return URL", () => {
  const origins = ["https://app.example.com", "http://localhost:3000"];
  test.each([
    ["https://app.example.com/a?b=c", true, null],
    ["http://localhost:3000/", false, null],
    ["http://localhost:3000/", true, "not_https"],
    ["https://evil.example.com/", true, "origin_not_allowed"],
    ["https://app.example.com.evil.com/", true, "origin_not_allowed"],
    ["https://app.example.com@evil.com/", true, "has_credentials"],
    ["//evil.com", true, "malformed"],
    ["javascript:alert(1)", true, "malformed"],
    ["data:text/html,x", false, "malformed"],
    ["https://app.example.com:8443/", true, "origin_not_allowed"],
    [`https://app.example.com/${"a".repeat(2000)}`, true, "malformed"],
  ])("%s (https %s) is %s", (url, https, problem) => {
    expect(checkReturnUrl(url, origins, https)).toBe(problem);
  });

  test.each([
    ["https://a.test", "https://a.test?session_id={CHECKOUT_SESSION_ID}"],
    ["https://a.test/?x=1", "https://a.test/?x=1&session_id={CHECKOUT_SESSION_ID}"],
    ["https://a.test/#top", "https://a.test/?session_id={CHECKOUT_SESSION_ID}#top"],
    ["https://a.test/{CHECKOUT_SESSION_ID}", "https://a.test/{CHECKOUT_SESSION_ID}"],
  ])("%s carries the session as %s", (url, expected) => {
    expect(withSessionId(url)).toBe(expected);
  });
});
