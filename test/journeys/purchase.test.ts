import { describe, expect, test } from "vitest";
import { DIALECTS } from "../support/databases.ts";
import { createWorld, DAY } from "../support/world.ts";

describe.each(DIALECTS)("on %s", (dialect) => {
  test("a purchase opens access, a cancellation keeps it until the period ends, and then it is gone", async () => {
    const world = await createWorld({ dialect });
    expect(await world.features("ada")).toEqual([]);

    const paid = await world.subscribe("ada");
    expect(paid.status).toBe(200);
    expect(await world.features("ada")).toEqual(["exports", "priority_support"]);
    expect(await world.service.can("ada", "exports")).toBe(true);

    const canceled = await world.call("ada", "POST", "cancel-subscription", { reason: "unused", comment: "moving on" });
    expect(canceled.body["subscription"]).toMatchObject({ cancelAtPeriodEnd: true, status: "active" });
    await world.settle();
    expect(await world.features("ada")).toEqual(["exports", "priority_support"]);

    await world.advance(31 * DAY);
    expect(await world.features("ada")).toEqual([]);
    const { body } = await world.call("ada", "GET", "subscriptions");
    expect(body["subscriptions"]).toMatchObject([{ status: "canceled", live: false }]);
  });

  test("a renewal keeps access, on the day the anchor says", async () => {
    const world = await createWorld({ dialect });
    await world.subscribe("ada");
    const period = async () => {
      const { body } = await world.call("ada", "GET", "subscriptions");
      return new Date((body["subscriptions"] as { currentPeriodEnd: number }[])[0]?.currentPeriodEnd ?? 0)
        .toISOString()
        .slice(0, 10);
    };
    // Started on the 31st of January.
    expect(await period()).toBe("2026-02-28");
    await world.advance(29 * DAY);
    expect(await period()).toBe("2026-03-31");
    await world.advance(31 * DAY);
    expect(await period()).toBe("2026-04-30");
    expect(await world.features("ada")).toEqual(["exports", "priority_support"]);
  });
});

test("a subscription shows plan, price, period, card and invoice", async () => {
  const world = await createWorld();
  await world.subscribe("ada");
  const { body } = await world.call("ada", "GET", "subscriptions");
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

test("a cancellation is taken back, asked twice or once", async () => {
  const world = await createWorld();
  await world.subscribe("ada");
  await world.call("ada", "POST", "cancel-subscription");
  const again = await world.call("ada", "POST", "cancel-subscription");
  expect(again.body["subscription"]).toMatchObject({ cancelAtPeriodEnd: true });
  for (let times = 0; times < 2; times++) {
    const resumed = await world.call("ada", "POST", "resume-subscription");
    expect(resumed.body["subscription"]).toMatchObject({ cancelAtPeriodEnd: false, cancelAt: null });
  }
  const canceledAgain = await world.call("ada", "POST", "cancel-subscription");
  expect(canceledAgain.body["subscription"]).toMatchObject({ cancelAtPeriodEnd: true });
  await world.call("ada", "POST", "resume-subscription");
  await world.advance(40 * DAY);
  expect(await world.features("ada")).toEqual(["exports", "priority_support"]);
});

test("an ended subscription can be neither canceled nor resumed, and the user can subscribe again", async () => {
  const world = await createWorld();
  await world.subscribe("ada");
  const { body } = await world.call("ada", "POST", "cancel-subscription");
  const subscriptionId = (body["subscription"] as { id: string }).id;
  await world.advance(31 * DAY);
  expect(await world.call("ada", "POST", "cancel-subscription", { subscriptionId })).toMatchObject({
    status: 409,
    body: { error: { code: "not_cancelable" } },
  });
  expect(await world.call("ada", "POST", "resume-subscription", { subscriptionId })).toMatchObject({
    status: 409,
    body: { error: { code: "not_resumable" } },
  });
  await world.subscribe("ada");
  expect(await world.features("ada")).toEqual(["exports", "priority_support"]);
});

test("a trial gives access at once, is told before it ends, is charged after, and is given only once", async () => {
  const told: string[] = [];
  const world = await createWorld({ options: { hooks: { onTrialWillEnd: ({ userId }) => void told.push(userId) } } });
  await world.subscribe("ada", "team");
  expect(await world.features("ada")).toEqual(["exports", "seats"]);
  await world.advance(10 * DAY);
  expect(told).toEqual([]);
  await world.advance(2 * DAY);
  expect(told).toEqual(["ada"]);
  await world.advance(3 * DAY);
  const { body } = await world.call("ada", "GET", "subscriptions");
  expect(body["subscriptions"]).toMatchObject([{ status: "active", latestInvoice: { amount: 2900, status: "paid" } }]);

  await world.call("ada", "POST", "cancel-subscription");
  await world.advance(40 * DAY);
  const opened = await world.call("ada", "POST", "create-checkout-session", { plan: "team", interval: "month" });
  const session = await world.stripe("GET", `/v1/checkout/sessions/${String(opened.body["sessionId"])}`);
  expect(session.body["amount_total"]).toBe(2900);
});

test("the customer portal opens for the user's own customer, and its cancellation is mirrored", async () => {
  const world = await createWorld();
  expect(await world.call("ada", "POST", "create-portal-session")).toMatchObject({
    status: 404,
    body: { error: { code: "no_customer" } },
  });
  await world.subscribe("ada");
  const { body } = await world.call("ada", "POST", "create-portal-session");
  const page = await world.emulator.fetch(new Request(String(body["url"])));
  const subscription = /subscription=(sub_\w+)/.exec(await page.text())?.[1] ?? "";
  const form = new URLSearchParams({ subscription, reason: "unused" });
  await world.emulator.fetch(new Request(`${String(body["url"])}/cancel`, { method: "POST", body: form }));
  await world.settle();
  const mirrored = await world.call("ada", "GET", "subscriptions");
  expect(mirrored.body["subscriptions"]).toMatchObject([{ cancelAtPeriodEnd: true, status: "active" }]);
  const resumed = await world.call("ada", "POST", "resume-subscription");
  expect(resumed.body["subscription"]).toMatchObject({ cancelAt: null });
});

test("the return page and the webhook end in the same state, whichever is first", async () => {
  const arrived: ((request: Request) => void)[] = [];
  const held: Request[] = [];
  let holding = true;
  const world = await createWorld({
    deliver: async (request, next) => {
      if (!holding) return next(request);
      held.push(request);
      arrived.forEach((tell) => tell(request));
      return new Response(null, { status: 500 });
    },
  });
  const opened = await world.call("ada", "POST", "create-checkout-session", { plan: "premium", interval: "month" });
  const sessionId = String(opened.body["sessionId"]);
  await world.stripe("POST", `/v1/payment_pages/${sessionId}/confirm`, { payment_method: "pm_card_visa" });
  await world.emulator.settle();
  expect(held.length).toBeGreaterThan(0);
  expect(await world.features("ada")).toEqual([]);

  const returned = await world.call("ada", "GET", `checkout-session?session_id=${sessionId}`);
  expect(returned.body).toMatchObject({
    status: "complete",
    paymentStatus: "paid",
    subscription: { status: "active", plan: "premium" },
    entitlements: [{ feature: "exports" }, { feature: "priority_support" }],
  });
  const before = await world.call("ada", "GET", "subscriptions");
  holding = false;
  await world.advance(10 * 60);
  expect(await world.call("ada", "GET", "subscriptions")).toEqual(before);
});

test("a session is verified for its own user only", async () => {
  const world = await createWorld();
  const opened = await world.call("ada", "POST", "create-checkout-session", { plan: "premium", interval: "month" });
  const path = `checkout-session?session_id=${String(opened.body["sessionId"])}`;
  expect((await world.call("ada", "GET", path)).body).toMatchObject({
    status: "open",
    subscription: null,
    entitlements: [],
  });
  const foreign = await world.call("grace", "GET", path);
  const unknown = await world.call("grace", "GET", "checkout-session?session_id=cs_test_unknown");
  expect([foreign.status, unknown.status]).toEqual([404, 404]);
  expect((foreign.body["error"] as { code: string }).code).toBe((unknown.body["error"] as { code: string }).code);
});
