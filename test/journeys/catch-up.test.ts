/**
 * Tests that the service reads many pending renewals with one request per page of Stripe's list instead of one request per
 * customer.
 */
import { describe, expect, onTestFinished, test } from "vitest";
import { DEFAULT_ACCESS_POLICY } from "../../packages/tollkeeper/src/domain/access.ts";
import { createMetrics } from "../../packages/tollkeeper/src/metrics.ts";
import type { Runtime } from "../../packages/tollkeeper/src/runtime.ts";
import type { StripeGateway } from "../../packages/tollkeeper/src/stripe/gateway/gateway.ts";
import { openStore } from "../../packages/tollkeeper/src/store/open-store.ts";
import { createCatchUp } from "../../packages/tollkeeper/src/reconcile/catch-up.ts";
import { STRIPE_ENDS } from "../../packages/tollkeeper/src/reconcile/read-ranges.ts";
import { createPageState, type SweepContext } from "../../packages/tollkeeper/src/reconcile/sweep-context.ts";
import { handleSubscriptionPage } from "../../packages/tollkeeper/src/reconcile/sweep-subscriptions.ts";
import { createSync } from "../../packages/tollkeeper/src/sync/sync.ts";
import { createTrace } from "../../packages/tollkeeper/src/tracing.ts";
import { createTestHarness, DAY, type TestHarness, type TestHarnessOptions } from "../support/harness.ts";
import { PLANS } from "../support/plans.ts";

const USERS = ["ada", "bob", "cyd", "dee", "eve"];

/**
 * Returns a test service in which every user has a subscription. The test harness stores all requests that the service sends to
 * Stripe after this call.
 */
async function bought(setup: TestHarnessOptions = {}) {
  const asked: string[] = [];
  const paid: string[] = [];
  const billing = await createTestHarness({
    catchUpAbove: 3,
    network: (request, next) => {
      const { pathname, search } = new URL(request.url);
      asked.push(`${pathname}${search}`);
      return next(request);
    },
    ...setup,
    options: { hooks: { onPaymentSucceeded: ({ owner }) => void paid.push(owner.id) }, ...setup.options },
  });
  for (const user of USERS) await billing.subscribe(user);
  asked.length = 0;
  paid.length = 0;
  return { billing, asked, paid };
}

/**
 * Moves the emulator's clock past the renewal dates of all subscriptions. The events of the renewals are delivered to the
 * service, but the service does not process them yet.
 */
async function renew({ emulator }: TestHarness): Promise<void> {
  await emulator.advance(29 * DAY);
  await emulator.advance(DAY);
}

async function endsOf(billing: TestHarness): Promise<unknown[]> {
  const responses = await Promise.all(USERS.map((user) => billing.call(user, "GET", "subscriptions")));
  return responses.map(({ body }) => (body["subscriptions"] as { currentPeriodEnd: number }[])[0]?.currentPeriodEnd);
}

describe.each(["sqlite", "postgres"] as const)("pending renewals on %s", (dialect) => {
  test("are read from Stripe with one request, and the service calls the payment hook once per payment", async () => {
    const { billing, asked, paid } = await bought({ dialect });
    const before = await endsOf(billing);
    await renew(billing);
    await billing.service.runMaintenance();
    expect(asked.map((path) => path.split("?")[0])).toEqual(["/v1/subscriptions"]);
    expect(await endsOf(billing)).not.toEqual(before);
    await billing.service.drain();
    expect(asked).toHaveLength(1);
    expect(paid.toSorted()).toEqual(USERS);
    expect(await billing.service.reconcile({ sweep: true })).toMatchObject({ drift: [] });
  });

  test("are read from Stripe with one request per renewal if only a few renewals are pending", async () => {
    const { billing, asked } = await bought({ dialect, catchUpAbove: USERS.length });
    await renew(billing);
    await billing.service.runMaintenance();
    expect(asked).toEqual([]);
    await billing.service.drain();
    expect(asked).toHaveLength(USERS.length);
  });

  test("leave the event of an unpaid invoice pending until the service processes this event separately", async () => {
    const { billing, paid } = await bought({ dialect });
    const { body } = await billing.call("ada", "GET", "subscriptions");
    const [{ id = "" } = {}] = body["subscriptions"] as { id?: string }[];
    const { body: subscription } = await billing.stripe("GET", `/v1/subscriptions/${id}`);
    const customer = String(subscription["customer"]);
    const { body: card } = await billing.stripe("POST", "/v1/payment_methods/pm_card_chargeCustomerFail/attach", {
      customer,
    });
    const failing = { default_payment_method: String(card["id"]) };
    await billing.stripe("POST", `/v1/subscriptions/${id}`, failing);
    await billing.drain();
    await renew(billing);
    await billing.service.runMaintenance();
    await billing.service.drain();
    expect(paid.toSorted()).toEqual(USERS.slice(1));
    const response = await billing.call("ada", "GET", "subscriptions");
    expect(response.body["subscriptions"]).toMatchObject([{ status: "past_due" }]);
    expect(await billing.service.reconcile({ sweep: true })).toMatchObject({ drift: [] });
  });

  test("do not overwrite a change that is written to the mirror after the page of Stripe's list was requested", async () => {
    let billing: TestHarness | null = null;
    let isLate = false;
    const setup = await bought({
      dialect,
      network: async (request, next) => {
        const response = await next(request);
        const isPage = new URL(request.url).searchParams.has("current_period_start[gte]");
        if (isPage && isLate && billing) {
          isLate = false;
          const { data } = (await response.clone().json()) as { data: { id: string }[] };
          await billing.stripe("DELETE", `/v1/subscriptions/${data[0]?.id}`);
          await billing.drain();
        }
        return response;
      },
    });
    billing = setup.billing;
    await renew(billing);
    isLate = true;
    await billing.service.runMaintenance();
    expect(isLate).toBe(false);
    await billing.service.drain();
    expect(await billing.service.reconcile({ sweep: true })).toMatchObject({ drift: [] });
  });

  test("are read from Stripe with one request even if the renewal invoices are still drafts", async () => {
    const { billing, asked } = await bought({ dialect });
    await billing.emulator.advance(28 * DAY);
    const [first] = (await endsOf(billing)) as number[];
    await billing.emulator.advance(Math.ceil(((first ?? 0) - billing.emulator.now()) / 1_000) + 120);
    asked.length = 0;
    await billing.service.runMaintenance();
    await billing.service.drain();
    expect(asked).toHaveLength(1);
    expect(await billing.service.reconcile({ sweep: true })).toMatchObject({ drift: [] });
  });

  test("neither complete nor delay events about objects that are missing from the pages of Stripe's list", async () => {
    const { billing } = await bought({ dialect });
    for (const user of USERS) {
      const { body } = await billing.stripe("GET", "/v1/customers", { email: `${user}@example.com` });
      const [customer] = body["data"] as { id: string }[];
      await billing.stripe("POST", "/v1/payment_methods/pm_card_visa/attach", { customer: customer?.id ?? "" });
    }
    await billing.emulator.drain();
    await billing.service.runMaintenance();
    const reports = billing.log.filter(({ message }) => message === "caught up with renewals by pages");
    expect(reports.map(({ fields }) => fields)).toMatchObject([{ lanes: USERS.length, completed: 0 }]);
    await billing.service.drain();
    expect(await billing.service.reconcile({ sweep: true })).toMatchObject({ drift: [] });
  });
});

test("an old event that is delivered late does not make a catch-up list renewals from the time of the event", async () => {
  const { billing, asked } = await bought({ catchUpAbove: 3 });
  await renew(billing);
  const store = openStore({ url: billing.databaseUrl, mode: "test" });
  onTestFinished(() => store.close());
  const now = billing.emulator.now();
  const old = { eventId: "evt_old", type: "customer.updated", objectId: "cus_old", lane: "cus_old" };
  const more = Array.from({ length: 6 }, (_, at) => ({
    ...old,
    eventId: `evt_${at}`,
    lane: `cus_${at}`,
    eventCreatedAt: now,
  }));
  await store.inbox.add([{ ...old, eventCreatedAt: now - 25 * DAY * 1_000 }, ...more], now);
  await billing.service.runMaintenance();
  const [page = ""] = asked;
  const since = Number(new URLSearchParams(page.split("?")[1]).get("current_period_start[gte]"));
  expect(now / 1_000 - since).toBeLessThan(3 * DAY);
});

/** Returns the context that a catch-up needs, with the service's own store and Stripe gateway. */
function createSweepContext({ emulator, gateway, databaseUrl }: TestHarness): SweepContext {
  const store = openStore({ url: databaseUrl, mode: "test" });
  onTestFinished(() => store.close());
  const runtime: Runtime = {
    now: () => emulator.now(),
    billingNow: () => emulator.now(),
    random: () => 0.5,
    newId: () => crypto.randomUUID(),
    sleep: async () => {},
    log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    metrics: createMetrics(),
    trace: createTrace(undefined),
  };
  const sync = createSync({ plans: PLANS, policy: DEFAULT_ACCESS_POLICY, runtime, store, gateway });
  return { store, gateway, sync, runtime };
}

test("after an aborted catch-up, the next catch-up can begin immediately and processes the remaining renewals", async () => {
  const { billing, asked, paid } = await bought();
  await renew(billing);
  const context = createSweepContext(billing);
  const stopping = new AbortController();
  const pages: number[] = [];
  const listRenewedPage: StripeGateway["listRenewedPage"] = async (since, after) => {
    const page = await context.gateway.listRenewedPage(since, after);
    pages.push(page.rows.length);
    stopping.abort();
    return page;
  };
  const catchUp = createCatchUp({ ...context, gateway: { ...context.gateway, listRenewedPage } }, { above: 3 });
  expect(await catchUp(stopping.signal)).toBe(0);
  expect(pages).toEqual([USERS.length]);
  await billing.service.runMaintenance();
  expect(asked.map((path) => path.split("?")[0])).toEqual(["/v1/subscriptions"]);
  await billing.service.drain();
  expect(paid.toSorted()).toEqual(USERS);
  expect(await billing.service.reconcile({ sweep: true })).toMatchObject({ drift: [] });
});

test("a page of a Stripe list does not overwrite a card that a more recent response of Stripe has written to the mirror", async () => {
  const { billing } = await bought();
  const { body } = await billing.call("ada", "GET", "subscriptions");
  const [{ id = "" } = {}] = body["subscriptions"] as { id?: string }[];
  const { body: first } = await billing.stripe("GET", `/v1/subscriptions/${id}`);
  const card = String(first["default_payment_method"]);
  const { data } = first["items"] as { data: { price: { id: string } }[] };
  await billing.stripe("POST", "/v1/subscriptions", {
    customer: String(first["customer"]),
    "items[0][price]": data[0]?.price.id ?? "",
    default_payment_method: card,
  });
  await billing.drain();
  const context = createSweepContext(billing);
  const versions = await context.store.lanes.all();
  const callbacks = { signal: undefined, onDrift: () => {}, onProblem: () => {} };
  const page = createPageState(callbacks, { versions, dryRun: false });
  const listAdas = async () => {
    const { rows } = await context.gateway.listSubscriptionPage({ from: 0, until: STRIPE_ENDS }, null);
    return rows.filter(({ subscription }) => subscription.customerId === first["customer"]);
  };
  await billing.stripe("POST", `/v1/payment_methods/${card}`, { "card[exp_year]": "2041" });
  const older = await listAdas();
  await billing.stripe("POST", `/v1/payment_methods/${card}`, { "card[exp_year]": "2042" });
  const newer = await listAdas();
  await handleSubscriptionPage(context, page, newer.slice(1), 0);
  await handleSubscriptionPage(context, page, older.slice(0, 1), 0);
  expect(await context.store.customers.findPaymentMethods([card])).toEqual(
    new Map([[card, expect.objectContaining({ expYear: 2042 })]]),
  );
});
