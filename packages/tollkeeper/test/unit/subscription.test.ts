import { describe, expect, test } from "vitest";
import { SUBSCRIPTION_STATUSES } from "../../src/domain/records.ts";
import { currentPeriod, isLive, paidUntil, scheduledEnd, toEnded } from "../../src/domain/subscription.ts";
import { DAY_MS, invoiceRecord, NOW, subscriptionRecord } from "../support/records.ts";

const PERIOD = { start: NOW - 10 * DAY_MS, end: NOW + 20 * DAY_MS };
const item = (id: string, currentPeriodStart: number, currentPeriodEnd: number) => ({
  id,
  priceId: "price_1",
  productId: "prod_1",
  quantity: 1,
  currentPeriodStart,
  currentPeriodEnd,
});

test("a subscription's status is live if Stripe may still charge the customer", () => {
  const live = SUBSCRIPTION_STATUSES.filter((status) => isLive({ status }));
  expect(live).toEqual(["trialing", "active", "past_due", "unpaid", "paused"]);
});

describe("a subscription that Stripe no longer has", () => {
  test("gets the status canceled, and the current time as its end time", () => {
    expect(toEnded(subscriptionRecord(), NOW)).toEqual(
      subscriptionRecord({ status: "canceled", canceledAt: NOW, endedAt: NOW }),
    );
  });

  test("keeps its cancellation and end times", () => {
    const canceled = subscriptionRecord({ canceledAt: NOW - 2, endedAt: NOW - 1 });
    expect(toEnded(canceled, NOW)).toMatchObject({ canceledAt: NOW - 2, endedAt: NOW - 1 });
  });

  test.each(["canceled", "incomplete_expired"] as const)("is unchanged if its status was %s", (status) => {
    const ended = subscriptionRecord({ status });
    expect(toEnded(ended, NOW)).toBe(ended);
  });
});

describe("the current period of a subscription", () => {
  test("is the period of the item whose period ends last", () => {
    const short = item("si_1", NOW, NOW + 5);
    const long = item("si_2", NOW - 3, NOW + 9);
    expect(currentPeriod({ items: [short, long] })).toEqual({ start: NOW - 3, end: NOW + 9 });
    expect(currentPeriod({ items: [long, short] })).toEqual({ start: NOW - 3, end: NOW + 9 });
  });

  test("is the period of the first item if the periods of two items end at the same time", () => {
    expect(currentPeriod({ items: [item("si_1", 1, 9), item("si_2", 2, 9)] })).toEqual({ start: 1, end: 9 });
  });

  test("is null if the subscription has no items", () => {
    expect(currentPeriod({ items: [] })).toBeNull();
  });
});

describe("the scheduled end of a subscription", () => {
  test("is the time in cancel_at, even if cancel_at_period_end is also set", () => {
    expect(scheduledEnd(subscriptionRecord({ cancelAt: 5, cancelAtPeriodEnd: true }))).toBe(5);
  });

  test("is the end of the current period if cancel_at_period_end is set", () => {
    expect(scheduledEnd(subscriptionRecord({ cancelAtPeriodEnd: true }))).toBe(PERIOD.end);
  });

  test("is null if the subscription renews or has no items", () => {
    expect(scheduledEnd(subscriptionRecord())).toBeNull();
    expect(scheduledEnd(subscriptionRecord({ cancelAtPeriodEnd: true, items: [] }))).toBeNull();
  });
});

describe("the end of a subscription's paid period", () => {
  test("is the current period's end if the last invoice was paid", () => {
    expect(paidUntil(subscriptionRecord(), invoiceRecord({ total: 1 }))).toBe(PERIOD.end);
  });

  test.each([
    ["there is no invoice", null],
    ["the invoice is open", invoiceRecord({ status: "open" })],
    ["the invoice was free", invoiceRecord({ total: 0 })],
    ["the invoice was a credit", invoiceRecord({ total: -900 })],
  ])("is null if %s", (_name, invoice) => {
    expect(paidUntil(subscriptionRecord(), invoice)).toBeNull();
  });

  test("is null for a subscription without items", () => {
    expect(paidUntil(subscriptionRecord({ items: [] }), invoiceRecord())).toBeNull();
  });
});
