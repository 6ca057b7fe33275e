import { describe, expect, test } from "vitest";
import {
  decideCheckout,
  findLiveInGroup,
  isLongExpired,
  trialDaysFor,
  type LastCheckout,
} from "../../src/domain/checkout.ts";
import type { SubscriptionState } from "../../src/domain/access.ts";
import type { CheckoutSessionRecord } from "../../src/domain/records.ts";
import { checkReturnUrl, normalizeReturnUrl, withSessionId } from "../../src/domain/urls.ts";
import { stateOf } from "../support/records.ts";
import { PLANS } from "../../../../test/support/plans.ts";

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
const LAST: LastCheckout = { session: SESSION, plan: "premium", interval: "month", trialDays: 0, fingerprint: "same" };
const findLive = (states: readonly SubscriptionState[]) => findLiveInGroup(states, PLANS, "default");

describe("a checkout", () => {
  test("starts a session if the user has no open session", () => {
    expect(decideCheckout(null, "same")).toEqual({ kind: "start" });
    expect(decideCheckout(null, null)).toEqual({ kind: "start" });
  });

  test("returns the open session only if a new session would have the same parameters", () => {
    expect(decideCheckout(LAST, "same")).toEqual({ kind: "continue", session: SESSION });
    expect(decideCheckout(LAST, "other")).toEqual({ kind: "replace", session: SESSION });
    expect(decideCheckout(LAST, null)).toEqual({ kind: "replace", session: SESSION });
  });

  test.each(["expired", "complete"] as const)("starts a new session if the last session is %s", (status) => {
    expect(decideCheckout({ ...LAST, session: { ...SESSION, status } }, "same").kind).toBe("start");
  });

  test.each(["active", "trialing", "past_due", "unpaid", "paused"] as const)(
    "finds a subscription of the plan group that is %s",
    (status) => {
      expect(findLive([stateOf({ status: "canceled" }), stateOf({ status })])?.subscription.status).toBe(status);
    },
  );

  test.each(["incomplete", "incomplete_expired", "canceled"] as const)(
    "finds no subscription of the plan group if the user's only subscription is %s",
    (status) => {
      expect(findLive([stateOf({ status })])).toBeUndefined();
    },
  );

  test("finds no subscription of the plan group if the user's only subscription belongs to no plan", () => {
    expect(findLive([stateOf({}, {}, "consulting")])).toBeUndefined();
  });
});

test("a live subscription is found only in the plan group of its plan", () => {
  const plans = PLANS.map((plan) => (plan.id === "team" ? { ...plan, group: "teams" } : plan));
  const states = [stateOf({}, {}, "team")];
  expect(findLiveInGroup(states, plans, "default")).toBeUndefined();
  expect(findLiveInGroup(states, plans, "teams")).toBe(states[0]);
});

test("each user gets at most one trial", () => {
  const price = { interval: "month" as const, amount: 900, currency: "usd", trialDays: 14 };
  const other = { ...LAST, trialDays: 7 };
  expect(trialDaysFor(price, false, [])).toBe(14);
  expect(trialDaysFor(price, true, [])).toBe(0);
  expect(trialDaysFor(price, false, [other])).toBe(0);
  expect(trialDaysFor(price, false, [{ ...other, session: { ...SESSION, status: "expired" } }])).toBe(14);
  expect(trialDaysFor(price, false, [{ ...other, trialDays: 0 }])).toBe(14);
});

test("a session can still be open for five minutes after its end, because clocks differ", () => {
  const session = { expiresAt: 1_000_000 };
  expect(isLongExpired(session, 1_299_999)).toBe(false);
  expect(isLongExpired(session, 1_300_000)).toBe(true);
});

describe("a return URL", () => {
  const origins = ["https://app.example.com", "http://localhost:3000"];
  test.each([
    ["https://app.example.com/a?b=c", true, null],
    ["http://localhost:3000/", false, null],
    ["http://localhost:3000/", true, null],
    ["http://app.example.com/", true, "not_https"],
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
    [`https://app.example.com/${"ä".repeat(1000)}`, true, "malformed"],
    ["https://app.example.com\\@evil.com", true, null],
    ["https:\\\\evil.com\\@app.example.com", true, "origin_not_allowed"],
    ["https://evil.com\\@app.example.com", true, "origin_not_allowed"],
    ["https://app.example.com\t@evil.com", true, "has_credentials"],
    ["https:/app.example.com", true, null],
    ["https://{CHECKOUT_SESSION_ID}@app.example.com", true, "has_credentials"],
  ])("the check of %s (https required: %s) reports %s", (url, https, problem) => {
    expect(checkReturnUrl(url, origins, https)).toBe(problem);
  });

  test.each([
    ["https://a.test\\@evil.test", "https://a.test/@evil.test"],
    [" https://A.test/a\tb\n/../c ", "https://a.test/c"],
    ["https://:@a.test/\u0000", "https://a.test/"],
    ["https://a.test/\u0001é", "https://a.test/%01%C3%A9"],
    [
      "https://a.test/{CHECKOUT_SESSION_ID}?x={CHECKOUT_SESSION_ID}",
      "https://a.test/{CHECKOUT_SESSION_ID}?x={CHECKOUT_SESSION_ID}",
    ],
    ["https://a.test/{x}#{CHECKOUT_SESSION_ID}", "https://a.test/%7Bx%7D#{CHECKOUT_SESSION_ID}"],
  ])("is sent for %j as %j", (url, expected) => {
    expect(normalizeReturnUrl(url)).toBe(expected);
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
