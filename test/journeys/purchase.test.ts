import { describe, expect, test } from "vitest";
import { DIALECTS } from "../support/databases.ts";
import { createTestBilling, DAY } from "../support/billing.ts";

describe.each(DIALECTS)("a purchase on %s", (dialect) => {
  test("gives access, and a cancellation does not end this access before the period ends", async () => {
    const billing = await createTestBilling({ dialect });
    expect(await billing.features("ada")).toEqual([]);

    const paid = await billing.subscribe("ada");
    expect(paid.status).toBe(200);
    expect(await billing.features("ada")).toEqual(["exports", "priority_support"]);
    expect(await billing.service.can("ada", "exports")).toBe(true);

    const canceled = await billing.call("ada", "POST", "cancel-subscription", {
      reason: "unused",
      comment: "moving on",
    });
    expect(canceled.body["subscription"]).toMatchObject({ cancelAtPeriodEnd: true, status: "active" });
    await billing.drain();
    expect(await billing.features("ada")).toEqual(["exports", "priority_support"]);

    await billing.advance(31 * DAY);
    expect(await billing.features("ada")).toEqual([]);
    const { body } = await billing.call("ada", "GET", "subscriptions");
    expect(body["subscriptions"]).toMatchObject([{ status: "canceled", live: false }]);
  });

  test("gives access across renewals, which happen on the day of the billing anchor", async () => {
    const billing = await createTestBilling({ dialect });
    await billing.subscribe("ada");
    const period = async () => {
      const { body } = await billing.call("ada", "GET", "subscriptions");
      return new Date((body["subscriptions"] as { currentPeriodEnd: number }[])[0]?.currentPeriodEnd ?? 0)
        .toISOString()
        .slice(0, 10);
    };
    // The subscription in this test started on January 31.
    expect(await period()).toBe("2026-02-28");
    await billing.advance(29 * DAY);
    expect(await period()).toBe("2026-03-31");
    await billing.advance(31 * DAY);
    expect(await period()).toBe("2026-04-30");
    expect(await billing.features("ada")).toEqual(["exports", "priority_support"]);
  });
});

test("the subscriptions route returns plan, price, period, card and invoice", async () => {
  const billing = await createTestBilling();
  await billing.subscribe("ada");
  const { body } = await billing.call("ada", "GET", "subscriptions");
  expect(body["subscriptions"]).toMatchObject([
    {
      plan: "premium",
      planName: "Premium",
      status: "active",
      live: true,
      price: { amount: 900, currency: "usd", interval: "month", quantity: 1 },
      cancelAtPeriodEnd: false,
      cancelAt: null,
      paymentMethod: { brand: "visa", last4: "4242" },
      latestInvoice: { status: "paid", amount: 900, outcome: "succeeded", message: null },
    },
  ]);
});

test("resuming a subscription undoes its cancellation, even if the request is sent twice", async () => {
  const billing = await createTestBilling();
  await billing.subscribe("ada");
  await billing.call("ada", "POST", "cancel-subscription");
  const again = await billing.call("ada", "POST", "cancel-subscription");
  expect(again.body["subscription"]).toMatchObject({ cancelAtPeriodEnd: true });
  for (let times = 0; times < 2; times++) {
    const resumed = await billing.call("ada", "POST", "resume-subscription");
    expect(resumed.body["subscription"]).toMatchObject({ cancelAtPeriodEnd: false, cancelAt: null });
  }
  const canceledAgain = await billing.call("ada", "POST", "cancel-subscription");
  expect(canceledAgain.body["subscription"]).toMatchObject({ cancelAtPeriodEnd: true });
  await billing.call("ada", "POST", "resume-subscription");
  await billing.advance(40 * DAY);
  expect(await billing.features("ada")).toEqual(["exports", "priority_support"]);
});

test("an ended subscription can be neither canceled nor resumed, and the user can subscribe again", async () => {
  const billing = await createTestBilling();
  await billing.subscribe("ada");
  const { body } = await billing.call("ada", "POST", "cancel-subscription");
  const subscriptionId = (body["subscription"] as { id: string }).id;
  await billing.advance(31 * DAY);
  expect(await billing.call("ada", "POST", "cancel-subscription", { subscriptionId })).toMatchObject({
    status: 409,
    body: {
      error: {
        code: "not_cancelable",
        message: "Your subscription to Premium has ended, so it can't be canceled.",
        details: { subscriptionId },
      },
    },
  });
  expect(await billing.call("ada", "POST", "resume-subscription", { subscriptionId })).toMatchObject({
    status: 409,
    body: {
      error: {
        code: "not_resumable",
        message: "Your subscription to Premium has ended. Start a new checkout instead.",
      },
    },
  });
  await billing.subscribe("ada");
  expect(await billing.features("ada")).toEqual(["exports", "priority_support"]);
});

test("a trial gives access, causes a hook call before the trial ends, is followed by a payment, and is granted only once", async () => {
  const reminded: string[] = [];
  const billing = await createTestBilling({
    options: { hooks: { onTrialWillEnd: ({ owner }) => void reminded.push(owner.id) } },
  });
  await billing.subscribe("ada", "team");
  expect(await billing.features("ada")).toEqual(["exports", "seats"]);
  await billing.advance(10 * DAY);
  expect(reminded).toEqual([]);
  await billing.advance(2 * DAY);
  expect(reminded).toEqual(["ada"]);
  await billing.advance(3 * DAY);
  const { body } = await billing.call("ada", "GET", "subscriptions");
  expect(body["subscriptions"]).toMatchObject([{ status: "active", latestInvoice: { amount: 2900, status: "paid" } }]);

  await billing.call("ada", "POST", "cancel-subscription");
  await billing.advance(40 * DAY);
  const opened = await billing.call("ada", "POST", "create-checkout-session", { plan: "team", interval: "month" });
  const session = await billing.stripe("GET", `/v1/checkout/sessions/${String(opened.body["sessionId"])}`);
  expect(session.body["amount_total"]).toBe(2900);
});

test("the customer portal opens for the user's customer, and a cancellation in the portal is mirrored", async () => {
  const billing = await createTestBilling();
  expect(await billing.call("ada", "POST", "create-portal-session")).toMatchObject({
    status: 404,
    body: { error: { code: "no_customer" } },
  });
  await billing.subscribe("ada");
  const { body } = await billing.call("ada", "POST", "create-portal-session");
  const page = await billing.emulator.fetch(new Request(String(body["url"])));
  const subscription = /subscription=(sub_\w+)/.exec(await page.text())?.[1] ?? "";
  const form = new URLSearchParams({ subscription, reason: "unused" });
  await billing.emulator.fetch(new Request(`${String(body["url"])}/cancel`, { method: "POST", body: form }));
  await billing.drain();
  const mirrored = await billing.call("ada", "GET", "subscriptions");
  expect(mirrored.body["subscriptions"]).toMatchObject([{ cancelAtPeriodEnd: true, status: "active" }]);
  const resumed = await billing.call("ada", "POST", "resume-subscription");
  expect(resumed.body["subscription"]).toMatchObject({ cancelAt: null });
});

test("the return page and the webhook lead to the same state in any order", async () => {
  const arrived: ((request: Request) => void)[] = [];
  const held: Request[] = [];
  let holding = true;
  const billing = await createTestBilling({
    deliver: async (request, next) => {
      if (!holding) return next(request);
      held.push(request);
      arrived.forEach((notify) => notify(request));
      return new Response(null, { status: 500 });
    },
  });
  const opened = await billing.call("ada", "POST", "create-checkout-session", { plan: "premium", interval: "month" });
  const sessionId = String(opened.body["sessionId"]);
  await billing.stripe("POST", `/v1/payment_pages/${sessionId}/confirm`, { payment_method: "pm_card_visa" });
  await billing.emulator.drain();
  expect(held.length).toBeGreaterThan(0);
  expect(await billing.features("ada")).toEqual([]);

  const returned = await billing.call("ada", "GET", `checkout-session?session_id=${sessionId}`);
  expect(returned.body).toMatchObject({
    status: "complete",
    paymentStatus: "paid",
    subscription: { status: "active", plan: "premium" },
    entitlements: [{ feature: "exports" }, { feature: "priority_support" }],
  });
  const before = await billing.call("ada", "GET", "subscriptions");
  holding = false;
  await billing.advance(10 * 60);
  expect(await billing.call("ada", "GET", "subscriptions")).toEqual(before);
});

test("a checkout session can be verified only by the user who created it", async () => {
  const billing = await createTestBilling();
  const opened = await billing.call("ada", "POST", "create-checkout-session", { plan: "premium", interval: "month" });
  const path = `checkout-session?session_id=${String(opened.body["sessionId"])}`;
  expect((await billing.call("ada", "GET", path)).body).toMatchObject({
    status: "open",
    subscription: null,
    entitlements: [],
  });
  const foreign = await billing.call("grace", "GET", path);
  const unknown = await billing.call("grace", "GET", "checkout-session?session_id=cs_test_unknown");
  expect([foreign.status, unknown.status]).toEqual([404, 404]);
  expect((foreign.body["error"] as { code: string }).code).toBe((unknown.body["error"] as { code: string }).code);
});
