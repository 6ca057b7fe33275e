import { describe, expect, test } from "vitest";
import type { SubscriptionState } from "../../src/domain/access.ts";
import type { LastCheckout } from "../../src/domain/checkout.ts";
import { offerPrice, type OfferInput } from "../../src/domain/offer.ts";
import { definePlans, findPlan, findPlanPrice, type PlanInterval } from "../../src/domain/plans.ts";
import { stateOf } from "../support/records.ts";

const month = (amount: number, trialDays = 14) => ({ interval: "month" as const, amount, currency: "usd", trialDays });
const PLANS = definePlans([
  {
    id: "premium",
    name: "Premium",
    features: ["exports"],
    prices: [month(900), { interval: "year", amount: 9_000, currency: "usd" }],
  },
  { id: "team", name: "Team", features: ["seats"], prices: [month(2_900)] },
  { id: "storage", name: "Storage", group: "extras", features: ["storage"], prices: [month(100, 7)] },
]);

const checkout = (status: "open" | "complete" | "expired", trialDays: number): LastCheckout => ({
  fingerprint: "same",
  plan: "premium",
  interval: "month",
  trialDays,
  session: {
    id: "cs_1",
    url: null,
    status,
    paymentStatus: "unpaid",
    customerId: "cus_1",
    subscriptionId: null,
    clientReferenceId: "ada",
    expiresAt: 0,
    operationId: null,
  },
});

function offer(plan: string, interval: PlanInterval, input: Partial<OfferInput> = {}) {
  const found = findPlan(PLANS, plan);
  const price = found && findPlanPrice(found, interval);
  if (!found || !price) throw new Error(`no price ${plan} ${interval}`);
  return offerPrice(found, price, { plans: PLANS, states: [], hadTrial: false, lastCheckouts: new Map(), ...input });
}

const BUY = { action: "checkout", reason: null, subscriptionId: null };

describe("the offer to a user", () => {
  test("without a subscription is a checkout with the trial of the price", () => {
    expect(offer("premium", "month")).toEqual({ ...BUY, trialDays: 14 });
    expect(offer("premium", "year")).toEqual({ ...BUY, trialDays: 0 });
  });

  test("has no trial if the user had one", () => {
    expect(offer("premium", "month", { hadTrial: true })).toEqual({ ...BUY, trialDays: 0 });
    expect(offer("storage", "month", { hadTrial: true })).toEqual({ ...BUY, trialDays: 0 });
  });

  test("with an open checkout keeps the trial in the plan group of the checkout only", () => {
    const lastCheckouts = new Map([["default", checkout("open", 14)]]);
    expect(offer("premium", "month", { lastCheckouts }).trialDays).toBe(14);
    expect(offer("team", "month", { lastCheckouts }).trialDays).toBe(14);
    expect(offer("storage", "month", { lastCheckouts }).trialDays).toBe(0);
  });

  test.each([
    ["expired", 14],
    ["complete", 14],
    ["open", 0],
  ] as const)("keeps the trial beside another checkout that is %s and offers %d days", (status, days) => {
    const lastCheckouts = new Map([["default", checkout(status, days)]]);
    expect(offer("storage", "month", { lastCheckouts }).trialDays).toBe(7);
  });

  test.each(["trialing", "active", "past_due", "unpaid", "paused"] as const)(
    "whose subscription is %s is to keep or to manage the plans of its group, and to buy the others",
    (status) => {
      const states: SubscriptionState[] = [stateOf({ status })];
      const subscriptionId = "sub_1";
      expect(offer("premium", "month", { states })).toEqual({
        trialDays: 0,
        action: "current",
        reason: "current_price",
        subscriptionId,
      });
      expect(offer("premium", "year", { states })).toMatchObject({
        action: "manage",
        reason: "other_interval",
        subscriptionId,
      });
      expect(offer("team", "month", { states })).toMatchObject({
        action: "manage",
        reason: "other_plan",
        subscriptionId,
      });
      expect(offer("storage", "month", { states })).toEqual({ ...BUY, trialDays: 7 });
    },
  );

  test.each(["incomplete", "incomplete_expired", "canceled"] as const)(
    "whose subscription is %s is a checkout",
    (status) => {
      expect(offer("premium", "month", { states: [stateOf({ status })] })).toEqual({ ...BUY, trialDays: 14 });
    },
  );

  test("with a price every 3 months is to manage the monthly price", () => {
    const state = stateOf();
    const states = [{ ...state, prices: state.prices.map((price) => ({ ...price, intervalCount: 3 })) }];
    expect(offer("premium", "month", { states })).toMatchObject({ action: "manage", reason: "other_interval" });
  });
});
