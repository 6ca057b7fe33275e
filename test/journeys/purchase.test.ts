import { describe, expect, test } from "vitest";
import { DIALECTS } from "../support/databases.ts";
import type { TestBilling } from "../../packages/tollkeeper/src/testing/index.ts";
import { createKit } from "../support/kit.ts";

describe.each(DIALECTS)("a purchase on %s", (dialect) => {
  test("gives access, and a cancellation does not end this access before the period ends", async () => {
    const billing = await createKit({ dialect });
    const ada = billing.user("ada");
    expect(await ada.features()).toEqual([]);

    await ada.subscribe("premium");
    expect(await ada.features()).toEqual(["exports", "priority_support"]);
    expect(await ada.can("exports")).toBe(true);

    const canceled = await ada.cancel({ reason: "unused", comment: "moving on" });
    expect(canceled).toMatchObject({ cancelAtPeriodEnd: true, status: "active" });
    expect(await ada.features()).toEqual(["exports", "priority_support"]);

    await billing.advance({ days: 31 });
    expect(await ada.features()).toEqual([]);
    expect(await ada.subscriptions()).toMatchObject([{ status: "canceled", live: false }]);
  });

  test("gives access across renewals, which happen on the day of the billing anchor", async () => {
    const billing = await createKit({ dialect });
    const ada = await billing.user("ada").subscribe("premium");
    const period = async () =>
      new Date((await ada.subscriptions())[0]?.currentPeriodEnd ?? 0).toISOString().slice(0, 10);
    // The subscription in this test started on January 31.
    expect(await period()).toBe("2026-02-28");
    await billing.advance({ days: 29 });
    expect(await period()).toBe("2026-03-31");
    await billing.advance({ days: 31 });
    expect(await period()).toBe("2026-04-30");
    expect(await ada.features()).toEqual(["exports", "priority_support"]);
  });
});

test("the routes return the features, and the plan, price, period, card and invoice of a subscription", async () => {
  const billing = await createKit();
  const ada = await billing.user("ada").subscribe("premium");
  expect((await ada.call("GET", "entitlements")).body).toMatchObject({
    entitlements: [{ feature: "exports" }, { feature: "priority_support" }],
  });
  const { body } = await ada.call("GET", "subscriptions");
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
  const billing = await createKit();
  const ada = await billing.user("ada").subscribe("premium");
  // Each request is processed before the webhooks of the last one arrive.
  await billing.webhooks.hold();
  await ada.cancel();
  expect(await ada.cancel()).toMatchObject({ cancelAtPeriodEnd: true });
  for (let times = 0; times < 2; times++)
    expect(await ada.resume()).toMatchObject({ cancelAtPeriodEnd: false, cancelAt: null });
  expect(await ada.cancel()).toMatchObject({ cancelAtPeriodEnd: true });
  await ada.resume();
  await billing.webhooks.release();
  await billing.advance({ days: 40 });
  expect(await ada.features()).toEqual(["exports", "priority_support"]);
});

test("an ended subscription can be neither canceled nor resumed, and the user can subscribe again", async () => {
  const billing = await createKit();
  const ada = await billing.user("ada").subscribe("premium");
  const { id: subscriptionId } = await ada.cancel();
  await billing.advance({ days: 31 });
  expect(await ada.call("POST", "cancel-subscription", { subscriptionId })).toMatchObject({
    status: 409,
    body: {
      error: {
        code: "not_cancelable",
        message: "Your subscription to Premium has ended, so it can't be canceled.",
        details: { subscriptionId },
      },
    },
  });
  expect(await ada.call("POST", "resume-subscription", { subscriptionId })).toMatchObject({
    status: 409,
    body: {
      error: {
        code: "not_resumable",
        message: "Your subscription to Premium has ended. Start a new checkout instead.",
      },
    },
  });
  await ada.subscribe("premium");
  expect(await ada.features()).toEqual(["exports", "priority_support"]);
});

test("a trial gives access, causes a hook call before the trial ends, is followed by a payment, and is granted only once", async () => {
  const billing = await createKit();
  const reminded = () =>
    billing.hooks.flatMap(({ hook, event }) => (hook === "onTrialWillEnd" ? [event.owner.id] : []));
  const ada = await billing.user("ada").subscribe("team");
  expect(await ada.features()).toEqual(["exports", "seats"]);
  await billing.advance({ days: 10 });
  expect(reminded()).toEqual([]);
  await billing.advance({ days: 2 });
  expect(reminded()).toEqual(["ada"]);
  await billing.advance({ days: 3 });
  expect(await ada.subscriptions()).toMatchObject([
    { status: "active", latestInvoice: { amount: 2900, status: "paid" } },
  ]);

  await ada.cancel();
  await billing.advance({ days: 40 });
  const { sessionId } = await ada.checkout("team");
  expect((await billing.stripe.checkout.sessions.retrieve(sessionId)).amount_total).toBe(2900);
});

test("the customer portal opens for the user's customer, and a cancellation in the portal is mirrored", async () => {
  const billing = await createKit();
  const ada = billing.user("ada");
  expect(await ada.call("POST", "create-portal-session")).toMatchObject({
    status: 404,
    body: { error: { code: "no_customer" } },
  });
  await ada.subscribe("premium");
  await ada.portal.cancel();
  expect(await ada.subscriptions()).toMatchObject([{ cancelAtPeriodEnd: true, status: "active" }]);
  expect(await ada.resume()).toMatchObject({ cancelAt: null });
});

test("the return page shows the same state before and after the webhooks have arrived", async () => {
  const billing = await createKit();
  const ada = billing.user("ada");
  const checkout = await ada.checkout("premium");
  await billing.webhooks.hold();
  expect(await checkout.pay()).toEqual({ status: "paid" });
  expect(await ada.features()).toEqual([]);

  const returnPage = () => ada.call("GET", `checkout-session?session_id=${checkout.sessionId}`);
  const returned = await returnPage();
  expect(returned.body).toMatchObject({
    status: "complete",
    paymentStatus: "paid",
    subscription: { status: "active", plan: "premium" },
    entitlements: [{ feature: "exports" }, { feature: "priority_support" }],
  });
  const before = await ada.call("GET", "subscriptions");
  expect(eventsIn(billing)).toEqual([]);
  await billing.webhooks.release();
  await billing.advance({ minutes: 10 });
  expect(eventsIn(billing)).toContain("checkout.session.completed");
  expect(await ada.call("GET", "subscriptions")).toEqual(before);
  expect(await returnPage()).toEqual(returned);
});

test("a checkout session can be verified only by the user who created it", async () => {
  const billing = await createKit();
  const [ada, grace] = [billing.user("ada"), billing.user("grace")];
  const path = `checkout-session?session_id=${(await ada.checkout("premium")).sessionId}`;
  expect((await ada.call("GET", path)).body).toMatchObject({ status: "open", subscription: null, entitlements: [] });
  const foreign = await grace.call("GET", path);
  const unknown = await grace.call("GET", "checkout-session?session_id=cs_test_unknown");
  expect([foreign.status, unknown.status]).toEqual([404, 404]);
  expect((foreign.body["error"] as { code: string }).code).toBe((unknown.body["error"] as { code: string }).code);
});

/** Returns the types of the events about the purchase that the service has processed. */
function eventsIn({ log }: TestBilling): string[] {
  const done = log
    .filter(({ message }) => message === "job done")
    .map(({ fields }) => fields as { eventType?: string });
  return done.flatMap(({ eventType }) => (eventType?.startsWith("checkout.session.") ? [eventType] : []));
}
