/** Tests refunds, disputes, paused collection, due dates and the amounts that payment hooks report. */
import { describe, expect, test } from "vitest";
import type { HookRun, TestBilling, TestUser } from "../../packages/tollkeeper/src/testing/index.ts";
import { DIALECTS } from "../support/databases.ts";
import { createKit } from "../support/kit.ts";
import { subscriptionOf } from "../support/stripe-subscription.ts";

const WAYS = ["webhooks", "a sweep"] as const;
type Way = (typeof WAYS)[number];

/** Holds webhooks if the way is "a sweep". Returns a function that lets the service learn of changes in the given way. */
async function learnBy({ webhooks, service, now }: TestBilling, way: Way): Promise<() => Promise<void>> {
  if (way === "webhooks") return async () => {};
  await webhooks.hold();
  return async () => {
    await service.reconcile({ sweep: true, since: now().getTime() });
    await service.drain();
  };
}

/** Returns the calls of hooks, each as the hook's name and its main facts. */
function callsOf({ hooks }: TestBilling): string[] {
  return hooks.map(callOf);
}

function callOf({ hook, event }: HookRun): string {
  switch (hook) {
    case "onAccessGranted":
      return "granted";
    case "onAccessRevoked":
      return "revoked";
    case "onPaymentSucceeded":
      return `paid ${event.amount} of ${event.total}`;
    case "onPaymentFailed":
      return `failed ${event.amount} of ${event.total}`;
    case "onTrialStarted":
      return `trial until ${new Date(event.trialEnd).toISOString().slice(0, 10)}`;
    case "onTrialWillEnd":
      return "trial will end";
    case "onRefund":
      return `${event.outcome} ${event.amount} ${event.full ? "in full" : "in part"}`;
    case "onDispute":
      return `dispute ${event.outcome} ${event.amount}`;
    case "onPaymentActionRequired":
      return "action required";
  }
}

describe.each(DIALECTS)("on %s", (dialect) => {
  test.each(WAYS)(
    "a full refund of the current period ends access, even after a cancellation, found by %s",
    async (way) => {
      const billing = await createKit({ dialect });
      const ada = await billing.user("ada").subscribe("premium");
      const learn = await learnBy(billing, way);
      await ada.refund();
      await billing.stripe.subscriptions.cancel((await subscriptionOf(billing, ada)).id);
      await learn();
      expect(await ada.features()).toEqual([]);
      expect(callsOf(billing).toSorted()).toEqual(["granted", "paid 900 of 900", "refunded 900 in full", "revoked"]);
      expect(await ada.subscriptions()).toMatchObject([
        { status: "canceled", noAccess: "refunded", refund: "full", dispute: "none" },
      ]);
    },
  );

  test.each(WAYS)("a partial refund keeps access until the refunds return everything, found by %s", async (way) => {
    const billing = await createKit({ dialect });
    const ada = await billing.user("ada").subscribe("premium");
    const learn = await learnBy(billing, way);
    await ada.refund(400);
    await learn();
    expect(await ada.features()).not.toEqual([]);
    await ada.refund(500);
    await learn();
    expect(await ada.features()).toEqual([]);
    expect(callsOf(billing).filter((call) => call.startsWith("refunded"))).toEqual([
      "refunded 400 in part",
      "refunded 500 in full",
    ]);
  });

  test.each(WAYS)("a dispute ends access until it is won, found by %s", async (way) => {
    const billing = await createKit({ dialect });
    const ada = await billing.user("ada").subscribe("premium");
    const learn = await learnBy(billing, way);
    await ada.dispute();
    await learn();
    expect(await ada.features()).toEqual([]);
    await ada.decideDispute("won");
    await learn();
    expect(await ada.features()).not.toEqual([]);
    expect(callsOf(billing).slice(-4).toSorted()).toEqual([
      "dispute open 900",
      "dispute won 900",
      "granted",
      "revoked",
    ]);
  });
});

test("a lost dispute gives no access, and an inquiry of the bank keeps access", async () => {
  const billing = await createKit();
  const ada = await billing.user("ada").subscribe("premium");
  const grace = await billing.user("grace").subscribe("premium");
  await ada.dispute({ inquiry: true });
  await grace.dispute();
  await grace.decideDispute("lost");
  expect(await ada.features()).not.toEqual([]);
  expect(await grace.features()).toEqual([]);
  expect(callsOf(billing).filter((call) => call.startsWith("dispute"))).toEqual([
    "dispute open 900",
    "dispute lost 900",
  ]);
});

test("a refund of the last period keeps the access of the current period", async () => {
  const billing = await createKit();
  const ada = await billing.user("ada").subscribe("premium");
  const [first] = (await billing.stripe.charges.list()).data;
  await billing.advance({ days: 32 });
  await billing.stripe.refunds.create({ charge: first?.id ?? "" });
  expect(await ada.features()).not.toEqual([]);
});

test("a full refund ends access only until the next period is paid", async () => {
  const billing = await createKit();
  const ada = await billing.user("ada").subscribe("premium");
  await ada.refund();
  expect(await ada.features()).toEqual([]);
  await billing.advance({ days: 32 });
  expect(await ada.features()).not.toEqual([]);
});

test("a refund that the bank does not accept gives access again", async () => {
  const billing = await createKit();
  const ada = await billing.user("ada").subscribe("premium", { card: "refund_fails" });
  await ada.refund();
  expect(await ada.features()).toEqual([]);
  await billing.advance({ minutes: 2 });
  expect(await ada.features()).not.toEqual([]);
  expect(callsOf(billing).slice(-4).toSorted()).toEqual([
    "failed 900 in part",
    "granted",
    "refunded 900 in full",
    "revoked",
  ]);
});

test("a full refund of an upgrade keeps access if the period was paid without Stripe", async () => {
  const billing = await createKit();
  const { stripe } = billing;
  const ada = await billing.user("ada").subscribe("premium");
  const { id: subscription, customer } = await sendInvoices(billing, ada);
  await billing.advance({ days: 29 });
  const [renewal] = (await stripe.invoices.list()).data;
  await stripe.invoices.pay(renewal?.id ?? "", { paid_out_of_band: true });
  await stripe.invoiceItems.create({ customer, subscription, amount: 100, currency: "usd" });
  const { id: extra } = await stripe.invoices.create({ customer, subscription });
  expect(await stripe.invoices.pay(extra)).toMatchObject({ status: "paid" });
  await ada.refund();
  expect(await ada.subscriptions()).toMatchObject([{ refund: "part" }]);
  expect(await ada.features()).not.toEqual([]);
});

test("a policy can keep access after a full refund and during a dispute", async () => {
  const billing = await createKit({ access: { fullRefund: "keep", openDispute: "keep" } });
  const ada = await billing.user("ada").subscribe("premium");
  await ada.refund();
  const grace = await billing.user("grace").subscribe("premium");
  await grace.dispute();
  expect(await ada.features()).not.toEqual([]);
  expect(await grace.features()).not.toEqual([]);
});

describe("paused collection", () => {
  test.each(["void", "mark_uncollectible"] as const)(
    "with %s gives access only until the paid period ends",
    async (behavior) => {
      const billing = await createKit();
      const ada = await billing.user("ada").subscribe("premium");
      const { id } = await subscriptionOf(billing, ada);
      await billing.stripe.subscriptions.update(id, { pause_collection: { behavior } });
      const until = Date.UTC(2026, 1, 28, 12);
      expect(await ada.entitlements()).toMatchObject([{ reason: "collection_paused", until }, {}]);
      expect(await ada.subscriptions()).toMatchObject([
        { status: "active", noAccess: null, pausedCollection: { behavior, resumesAt: null } },
      ]);
      await billing.advance({ days: 29 });
      expect(await ada.subscriptions()).toMatchObject([{ access: null, noAccess: "collection_paused" }]);
      expect(await ada.features()).toEqual([]);
      expect(callsOf(billing).at(-1)).toBe("revoked");
      await billing.stripe.subscriptions.update(id, { pause_collection: "" });
      await billing.advance({ days: 29 });
      expect(await ada.features()).not.toEqual([]);
    },
  );

  test("that resumes before the next payment keeps access, even if the events of the renewal are late", async () => {
    const billing = await createKit({ reconcileEveryMinutes: 1_440 });
    const ada = await billing.user("ada").subscribe("premium");
    const { id } = await subscriptionOf(billing, ada);
    const resumes = billing.now().getTime() / 1_000 + 10 * 86_400;
    await billing.stripe.subscriptions.update(id, { pause_collection: { behavior: "void", resumes_at: resumes } });
    const learn = await learnBy(billing, "a sweep");
    // The service looks for the missed events of the renewal a day later.
    await billing.advance({ days: 28, hours: 2 });
    expect(callsOf(billing)).toEqual(["granted", "paid 900 of 900"]);
    expect(await ada.features()).not.toEqual([]);
    await learn();
    // Stripe waits up to three days for the endpoint before it charges a renewal.
    await billing.advance({ days: 4 });
    expect(callsOf(billing)).toEqual(["granted", "paid 900 of 900", "paid 900 of 900"]);
  });

  test.each([
    ["keep", 2],
    ["paid_period", 0],
  ] as const)("with keep_as_draft and the policy %s gives access to %i features", async (effect, count) => {
    const billing = await createKit({ access: { pausedCollection: { keep_as_draft: effect } } });
    const ada = await billing.user("ada").subscribe("premium");
    const { id } = await subscriptionOf(billing, ada);
    await billing.stripe.subscriptions.update(id, { pause_collection: { behavior: "keep_as_draft" } });
    await billing.advance({ days: 40 });
    expect(await ada.features()).toHaveLength(count);
  });
});

test("the grace of an invoice with payment terms starts at its due date", async () => {
  const billing = await createKit();
  const ada = await billing.user("ada").subscribe("premium");
  await sendInvoices(billing, ada);
  await billing.advance({ days: 28 + 31 });
  expect(await subscriptionOf(billing, ada)).toMatchObject({ status: "past_due" });
  expect(await ada.features()).not.toEqual([]);
  await billing.advance({ days: 7 });
  expect(await ada.features()).toEqual([]);
});

/** Bills the next periods by invoices that are due after 30 days. Returns the subscription at Stripe. */
async function sendInvoices(billing: TestBilling, user: TestUser) {
  const { id, customer } = await subscriptionOf(billing, user);
  await billing.stripe.subscriptions.update(id, { collection_method: "send_invoice", days_until_due: 30 });
  return { id, customer };
}

test("a trial runs its own hook and no payment hook, and its first payment reports the paid amount", async () => {
  const billing = await createKit();
  await billing.user("ada").subscribe("team");
  expect(callsOf(billing)).toEqual(["granted", "trial until 2026-02-14"]);
  await billing.advance({ days: 15 });
  expect(callsOf(billing).slice(2)).toEqual(["trial will end", "paid 2900 of 2900"]);
});

test("a payment hook reports what was paid, and the invoice's total beside it", async () => {
  const billing = await createKit();
  const ada = await billing.user("ada").subscribe("premium");
  const { customer } = await subscriptionOf(billing, ada);
  const credit = (amount: number) =>
    billing.stripe.customers.createBalanceTransaction(customer, { amount: -amount, currency: "usd" });
  await credit(700);
  await billing.advance({ days: 29 });
  expect(callsOf(billing).at(-1)).toBe("paid 200 of 900");
  await credit(900);
  await billing.advance({ days: 31 });
  expect(callsOf(billing).at(-1)).toBe("paid 200 of 900");
  expect(await ada.features()).not.toEqual([]);
});
