import { describe, expect, test } from "vitest";
import { decideCheckout, trialDaysFor, type CheckoutInput, type CheckoutIntent } from "../../src/domain/checkout.ts";
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
const decide = (states: CheckoutInput["states"], last: CheckoutInput["last"]) =>
  decideCheckout({ intent: INTENT, group: "default", plans: PLANS, states, last });

describe("a checkout", () => {
  test("starts a session if the user has no subscription and no open session", () => {
    expect(decide([], null)).toEqual({ kind: "start" });
  });

  test("returns the open session if the request has the same plan, interval and URLs", () => {
    expect(decide([], { intent: INTENT, session: SESSION, trialDays: 0 })).toEqual({
      kind: "continue",
      session: SESSION,
    });
  });

  test.each([
    ["another plan", { ...INTENT, plan: "team" }],
    ["another interval", { ...INTENT, interval: "year" as const }],
    ["another success URL", { ...INTENT, successUrl: "https://a.test/elsewhere" }],
    ["another cancel URL", { ...INTENT, cancelUrl: "https://a.test/elsewhere" }],
  ])("replaces the open session if the request has %s", (_name, intent) => {
    expect(decide([], { intent, session: SESSION, trialDays: 0 }).kind).toBe("replace");
  });

  test.each(["expired", "complete"] as const)("starts a new session if the last session is %s", (status) => {
    expect(decide([], { intent: INTENT, session: { ...SESSION, status }, trialDays: 0 }).kind).toBe("start");
  });

  test.each(["active", "trialing", "past_due", "unpaid", "paused"] as const)(
    "is refused while a subscription is %s",
    (status) => {
      expect(decide([stateOf({ status })], null)).toEqual({ kind: "already_subscribed", subscriptionId: "sub_1" });
    },
  );

  test.each(["incomplete", "incomplete_expired", "canceled"] as const)(
    "is allowed if the user's last subscription is %s",
    (status) => {
      expect(decide([stateOf({ status })], null).kind).toBe("start");
    },
  );

  test("is allowed if the user has a subscription that belongs to no plan", () => {
    expect(decide([stateOf({}, {}, "consulting")], null).kind).toBe("start");
  });
});

test("a checkout is allowed beside a subscription of another plan group", () => {
  const plans = PLANS.map((plan) => (plan.id === "team" ? { ...plan, group: "teams" } : plan));
  const states = [stateOf({}, {}, "team")];
  const kindOf = (group: string) => decideCheckout({ intent: INTENT, group, plans, states, last: null }).kind;
  expect(kindOf("default")).toBe("start");
  expect(kindOf("teams")).toBe("already_subscribed");
});

test("each user gets at most one trial", () => {
  const price = { interval: "month" as const, amount: 900, currency: "usd", trialDays: 14 };
  const other = { intent: INTENT, session: SESSION, trialDays: 7 };
  expect(trialDaysFor(price, false, [])).toBe(14);
  expect(trialDaysFor(price, true, [])).toBe(0);
  expect(trialDaysFor(price, false, [other])).toBe(0);
  expect(trialDaysFor(price, false, [{ ...other, session: { ...SESSION, status: "expired" } }])).toBe(14);
  expect(trialDaysFor(price, false, [{ ...other, trialDays: 0 }])).toBe(14);
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
    ["https://:password@app.example.com/", true, "has_credentials"],
    [`https://app.example.com/${"a".repeat(1_976)}`, true, null],
    ["//evil.com", true, "malformed"],
    ["javascript:alert(1)", true, "malformed"],
    ["data:text/html,x", false, "malformed"],
    ["https://app.example.com:8443/", true, "origin_not_allowed"],
    [`https://app.example.com/${"a".repeat(2000)}`, true, "malformed"],
  ])("the check of %s (https required: %s) reports %s", (url, https, problem) => {
    expect(checkReturnUrl(url, origins, https)).toBe(problem);
  });

  test.each([
    ["https://a.test", "https://a.test?session_id={CHECKOUT_SESSION_ID}"],
    ["https://a.test/?x=1", "https://a.test/?x=1&session_id={CHECKOUT_SESSION_ID}"],
    ["https://a.test/#top", "https://a.test/?session_id={CHECKOUT_SESSION_ID}#top"],
    ["https://a.test/#a#b", "https://a.test/?session_id={CHECKOUT_SESSION_ID}#a#b"],
    ["https://a.test/{CHECKOUT_SESSION_ID}", "https://a.test/{CHECKOUT_SESSION_ID}"],
  ])("the session id is added to %s, which gives %s", (url, expected) => {
    expect(withSessionId(url)).toBe(expected);
  });
});
