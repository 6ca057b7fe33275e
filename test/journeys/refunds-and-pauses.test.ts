/** Tests refunds, disputes, paused collection, due dates and the amounts that payment hooks report. */
import { describe, expect, test } from "vitest";
import type { TollkeeperOptions } from "../../packages/tollkeeper/src/index.ts";
import { createTestBilling, DAY, type TestBilling, type TestBillingOptions } from "../support/billing.ts";
import { DIALECTS } from "../support/databases.ts";
import { findSubscription } from "../support/stripe-subscription.ts";

interface Scene {
  billing: TestBilling;
  /** The calls of hooks, each as the hook's name and its main facts. */
  calls: string[];
  /** Loses all webhooks from now on if the scene's way is "a sweep". */
  loseWebhooks(): void;
  /** Lets the service learn of changes at Stripe, in the scene's way. */
  learn(): Promise<void>;
}

const WAYS = ["webhooks", "a sweep"] as const;

async function createScene(way: (typeof WAYS)[number], setup: TestBillingOptions = {}): Promise<Scene> {
  const calls: string[] = [];
  let isLost = false;
  const billing = await createTestBilling({
    ...setup,
    options: { hooks: recordHooks(calls), ...setup.options },
    deliver: (request, next) => (isLost ? Promise.resolve(new Response(null, { status: 503 })) : next(request)),
  });
  return {
    billing,
    calls,
    loseWebhooks: () => void (isLost = way === "a sweep"),
    async learn() {
      if (isLost) await billing.service.reconcile({ sweep: true, since: billing.emulator.now() });
      await billing.drain();
    },
  };
}

function recordHooks(calls: string[]): NonNullable<TollkeeperOptions["hooks"]> {
  return {
    onAccessGranted: () => void calls.push("granted"),
    onAccessRevoked: () => void calls.push("revoked"),
    onPaymentSucceeded: ({ amount, total }) => void calls.push(`paid ${amount} of ${total}`),
    onPaymentFailed: ({ amount, total }) => void calls.push(`failed ${amount} of ${total}`),
    onTrialStarted: ({ trialEnd }) => void calls.push(`trial until ${new Date(trialEnd).toISOString().slice(0, 10)}`),
    onTrialWillEnd: () => void calls.push("trial will end"),
    onRefund: ({ amount, full, outcome }) => void calls.push(`${outcome} ${amount} ${full ? "in full" : "in part"}`),
    onDispute: ({ outcome, amount }) => void calls.push(`dispute ${outcome} ${amount}`),
  };
}

async function first(billing: TestBilling, path: string): Promise<Record<string, unknown>> {
  const { body } = await billing.stripe("GET", path);
  const [row] = body["data"] as Record<string, unknown>[];
  return row ?? {};
}

async function refund(billing: TestBilling, amount?: number): Promise<void> {
  const { id } = await first(billing, "/v1/charges");
  const params = { charge: String(id), ...(amount !== undefined && { amount: String(amount) }) };
  expect(await billing.stripe("POST", "/v1/refunds", params)).toMatchObject({ status: 200 });
}

async function control(billing: TestBilling, path: string, body: object): Promise<Record<string, unknown>> {
  const url = `http://stripe.test/_emulator/${path}`;
  const headers = { "content-type": "application/json" };
  const response = await billing.emulator.fetch(
    new Request(url, { method: "POST", headers, body: JSON.stringify(body) }),
  );
  expect(response.status).toBe(200);
  return (await response.json()) as Record<string, unknown>;
}

describe.each(DIALECTS)("on %s", (dialect) => {
  test.each(WAYS)(
    "a full refund of the current period ends access, even after a cancellation, found by %s",
    async (way) => {
      const { billing, calls, loseWebhooks, learn } = await createScene(way, { dialect });
      await billing.subscribe("ada");
      loseWebhooks();
      await refund(billing);
      await billing.stripe("DELETE", `/v1/subscriptions/${(await findSubscription(billing)).id}`);
      await learn();
      expect(await billing.features("ada")).toEqual([]);
      expect(calls.toSorted()).toEqual(["granted", "paid 900 of 900", "refunded 900 in full", "revoked"]);
      const { body } = await billing.call("ada", "GET", "subscriptions");
      expect(body).toMatchObject({
        subscriptions: [{ status: "canceled", noAccess: "refunded", refund: "full", dispute: "none" }],
      });
    },
  );

  test.each(WAYS)("a partial refund keeps access until the refunds return everything, found by %s", async (way) => {
    const { billing, calls, loseWebhooks, learn } = await createScene(way, { dialect });
    await billing.subscribe("ada");
    loseWebhooks();
    await refund(billing, 400);
    await learn();
    expect(await billing.features("ada")).not.toEqual([]);
    await refund(billing, 500);
    await learn();
    expect(await billing.features("ada")).toEqual([]);
    expect(calls.filter((call) => call.startsWith("refunded"))).toEqual([
      "refunded 400 in part",
      "refunded 500 in full",
    ]);
  });

  test.each(WAYS)("a dispute ends access until it is won, found by %s", async (way) => {
    const { billing, calls, loseWebhooks, learn } = await createScene(way, { dialect });
    await billing.subscribe("ada");
    loseWebhooks();
    const { id: charge } = await first(billing, "/v1/charges");
    const { id: dispute } = await control(billing, "disputes", { charge });
    await learn();
    expect(await billing.features("ada")).toEqual([]);
    await control(billing, "disputes/decide", { dispute, status: "won" });
    await learn();
    expect(await billing.features("ada")).not.toEqual([]);
    expect(calls.slice(-4).toSorted()).toEqual(["dispute open 900", "dispute won 900", "granted", "revoked"]);
  });
});

test("a lost dispute gives no access, and an inquiry of the bank keeps access", async () => {
  const { billing, calls, learn } = await createScene("webhooks");
  await billing.subscribe("ada");
  await billing.subscribe("grace");
  const { body } = await billing.stripe("GET", "/v1/charges");
  const [ofGrace, ofAda] = (body["data"] as { id: string }[]).map(({ id }) => id);
  await control(billing, "disputes", { charge: ofAda, reason: "inquiry" });
  const { id: dispute } = await control(billing, "disputes", { charge: ofGrace });
  await learn();
  await control(billing, "disputes/decide", { dispute, status: "lost" });
  await learn();
  expect(await billing.features("ada")).not.toEqual([]);
  expect(await billing.features("grace")).toEqual([]);
  expect(calls.filter((call) => call.startsWith("dispute"))).toEqual(["dispute open 900", "dispute lost 900"]);
});

test("a refund of the last period keeps the access of the current period", async () => {
  const { billing, learn } = await createScene("webhooks");
  await billing.subscribe("ada");
  const { id: charge } = await first(billing, "/v1/charges");
  await billing.advance(32 * DAY);
  await billing.stripe("POST", "/v1/refunds", { charge: String(charge) });
  await learn();
  expect(await billing.features("ada")).not.toEqual([]);
});

test("a full refund ends access only until the next period is paid", async () => {
  const { billing, learn } = await createScene("webhooks");
  await billing.subscribe("ada");
  await refund(billing);
  await learn();
  expect(await billing.features("ada")).toEqual([]);
  await billing.advance(32 * DAY);
  expect(await billing.features("ada")).not.toEqual([]);
});

test("a refund that the bank does not accept gives access again", async () => {
  const { billing, calls } = await createScene("webhooks");
  await billing.buy("ada", "premium", "pm_card_refundFail");
  await billing.drain();
  await refund(billing);
  await billing.drain();
  expect(await billing.features("ada")).toEqual([]);
  await billing.advance(120);
  expect(await billing.features("ada")).not.toEqual([]);
  expect(calls.slice(-4).toSorted()).toEqual(["failed 900 in part", "granted", "refunded 900 in full", "revoked"]);
});

test("a full refund of an upgrade keeps access if the period was paid without Stripe", async () => {
  const { billing } = await createScene("webhooks");
  await billing.subscribe("ada");
  const { id: subscription } = await findSubscription(billing);
  const path = `/v1/subscriptions/${subscription}`;
  await billing.stripe("POST", path, { collection_method: "send_invoice", days_until_due: "30" });
  await billing.advance(29 * DAY);
  const { id: renewal, customer } = await first(billing, "/v1/invoices");
  await billing.stripe("POST", `/v1/invoices/${String(renewal)}/pay`, { paid_out_of_band: "true" });
  const item = { customer: String(customer), subscription, amount: "100", currency: "usd" };
  await billing.stripe("POST", "/v1/invoiceitems", item);
  const { body: extra } = await billing.stripe("POST", "/v1/invoices", { customer: String(customer), subscription });
  expect(await billing.stripe("POST", `/v1/invoices/${String(extra["id"])}/pay`)).toMatchObject({ status: 200 });
  await billing.drain();
  await refund(billing);
  await billing.drain();
  const { body } = await billing.call("ada", "GET", "subscriptions");
  expect(body).toMatchObject({ subscriptions: [{ refund: "part" }] });
  expect(await billing.features("ada")).not.toEqual([]);
});

test("a policy can keep access after a full refund and during a dispute", async () => {
  const { billing, learn } = await createScene("webhooks", {
    options: { access: { fullRefund: "keep", openDispute: "keep" } },
  });
  await billing.subscribe("ada");
  await refund(billing);
  await billing.subscribe("grace");
  const { id: charge } = await first(billing, "/v1/charges");
  await control(billing, "disputes", { charge });
  await learn();
  expect(await billing.features("ada")).not.toEqual([]);
  expect(await billing.features("grace")).not.toEqual([]);
});

describe("paused collection", () => {
  test.each(["void", "mark_uncollectible"])(
    "with %s gives access only until the paid period ends",
    async (behavior) => {
      const { billing, calls } = await createScene("webhooks");
      await billing.subscribe("ada");
      const path = `/v1/subscriptions/${(await findSubscription(billing)).id}`;
      await billing.stripe("POST", path, { "pause_collection[behavior]": behavior });
      await billing.drain();
      const { body } = await billing.call("ada", "GET", "entitlements");
      const until = billing.emulator.now() + 28 * DAY * 1_000;
      expect(body).toMatchObject({ entitlements: [{ reason: "collection_paused", until }, {}] });
      const listed = await billing.call("ada", "GET", "subscriptions");
      expect(listed.body).toMatchObject({
        subscriptions: [{ status: "active", noAccess: null, pausedCollection: { behavior, resumesAt: null } }],
      });
      await billing.advance(29 * DAY);
      expect((await billing.call("ada", "GET", "subscriptions")).body).toMatchObject({
        subscriptions: [{ access: null, noAccess: "collection_paused" }],
      });
      expect(await billing.features("ada")).toEqual([]);
      expect(calls.at(-1)).toBe("revoked");
      await billing.stripe("POST", path, { pause_collection: "" });
      await billing.advance(29 * DAY);
      expect(await billing.features("ada")).not.toEqual([]);
    },
  );

  test("that resumes before the next payment keeps access, even if the events of the renewal are late", async () => {
    const { billing, calls, loseWebhooks, learn } = await createScene("a sweep");
    await billing.subscribe("ada");
    await billing.stripe("POST", `/v1/subscriptions/${(await findSubscription(billing)).id}`, {
      "pause_collection[behavior]": "void",
      "pause_collection[resumes_at]": String(billing.emulator.now() / 1_000 + 10 * DAY),
    });
    await billing.drain();
    loseWebhooks();
    // Stripe waits up to three days for the endpoint before it charges a renewal.
    await billing.advance(32 * DAY);
    expect(await billing.features("ada")).not.toEqual([]);
    await learn();
    expect(calls).toEqual(["granted", "paid 900 of 900", "paid 900 of 900"]);
  });

  test("with keep_as_draft keeps access, and a policy can say otherwise", async () => {
    for (const [effect, expected] of [
      ["keep", 2],
      ["paid_period", 0],
    ] as const) {
      const { billing } = await createScene("webhooks", {
        options: { access: { pausedCollection: { keep_as_draft: effect } } },
      });
      await billing.subscribe("ada");
      const path = `/v1/subscriptions/${(await findSubscription(billing)).id}`;
      await billing.stripe("POST", path, { "pause_collection[behavior]": "keep_as_draft" });
      await billing.advance(40 * DAY);
      expect(await billing.features("ada")).toHaveLength(expected);
    }
  });
});

test("the grace of an invoice with payment terms starts at its due date", async () => {
  const { billing } = await createScene("webhooks");
  await billing.subscribe("ada");
  const path = `/v1/subscriptions/${(await findSubscription(billing)).id}`;
  await billing.stripe("POST", path, { collection_method: "send_invoice", days_until_due: "30" });
  await billing.advance(28 * DAY + 31 * DAY);
  expect(await findSubscription(billing)).toMatchObject({ status: "past_due" });
  expect(await billing.features("ada")).not.toEqual([]);
  await billing.advance(7 * DAY);
  expect(await billing.features("ada")).toEqual([]);
});

test("a trial runs its own hook and no payment hook, and its first payment reports the paid amount", async () => {
  const { billing, calls } = await createScene("webhooks");
  await billing.subscribe("ada", "team");
  expect(calls).toEqual(["granted", "trial until 2026-02-14"]);
  await billing.advance(12 * DAY);
  await billing.advance(3 * DAY);
  expect(calls.slice(2)).toEqual(["trial will end", "paid 2900 of 2900"]);
});

test("a payment hook reports what was paid, and the invoice's total beside it", async () => {
  const { billing, calls } = await createScene("webhooks");
  await billing.subscribe("ada");
  const { id: customer } = await first(billing, "/v1/customers");
  const credit = { amount: "-700", currency: "usd" };
  await billing.stripe("POST", `/v1/customers/${String(customer)}/balance_transactions`, credit);
  await billing.advance(29 * DAY);
  expect(calls.at(-1)).toBe("paid 200 of 900");
  await billing.stripe("POST", `/v1/customers/${String(customer)}/balance_transactions`, { ...credit, amount: "-900" });
  await billing.advance(31 * DAY);
  expect(calls.at(-1)).toBe("paid 200 of 900");
  expect(await billing.features("ada")).not.toEqual([]);
});
