/** Tests that a reconcile restores lost changes from Stripe's events, or with a sweep if Stripe has deleted the events. */
import { describe, expect, onTestFinished, test } from "vitest";
import { lookupKey } from "../../packages/tollkeeper/src/domain/plans.ts";
import { openStore } from "../../packages/tollkeeper/src/store/open-store.ts";
import { ALLOWED_WEBHOOK_EVENTS } from "../../packages/tollkeeper/src/stripe/webhook/event-types.ts";
import { TEST_START } from "../../packages/tollkeeper/src/testing/harness/index.ts";
import { createTestHarness, DAY } from "../support/harness.ts";
import { createDisconnectableBilling, subscriptionOf } from "../support/disconnectable-billing.ts";

describe.each(["sqlite", "postgres"] as const)("reconcile on %s", (dialect) => {
  test("sweeps all of Stripe's lists at its first run, and reads only Stripe's events at the next run", async () => {
    const { billing } = await createDisconnectableBilling({ dialect });
    await billing.subscribe("ada");
    const first = await billing.service.reconcile();
    expect(first).toMatchObject({
      events: { missed: 0 },
      swept: { customers: 1, subscriptions: 1, open_invoices: 0 },
      drift: [],
      warnings: [],
    });
    await billing.advance(3_600);
    expect(await billing.service.reconcile()).toMatchObject({ swept: null, drift: [] });
  });

  test("processes events whose deliveries have failed for days", async () => {
    const { billing, connect } = await createDisconnectableBilling({ dialect });
    await billing.subscribe("ada");
    await billing.service.reconcile();
    connect(false);
    const { id } = (await subscriptionOf(billing, "ada")) ?? { id: "" };
    await billing.stripe("POST", `/v1/subscriptions/${id}`, { cancel_at_period_end: "true" });
    // Stripe retries a failed delivery for three days.
    await billing.emulator.advance(4 * DAY);
    expect(await subscriptionOf(billing, "ada")).toMatchObject({ cancelAtPeriodEnd: false });
    const report = await billing.service.reconcile({ sweep: false });
    expect(report?.events.missed).toBeGreaterThan(0);
    await billing.service.drain();
    expect(await subscriptionOf(billing, "ada")).toMatchObject({ cancelAtPeriodEnd: true });
  });

  test("repairs each difference between Stripe and the mirror with a sweep if Stripe has already deleted the events", async () => {
    const { billing, connect } = await createDisconnectableBilling({ dialect });
    await billing.subscribe("ada");
    await billing.service.reconcile();
    connect(false);
    const { id } = (await subscriptionOf(billing, "ada")) ?? { id: "" };
    await billing.stripe("DELETE", `/v1/subscriptions/${id}`);
    await billing.emulator.advance(40 * DAY);
    const report = await billing.service.reconcile();
    expect(report?.drift).toContainEqual({
      object: "subscription",
      id,
      field: "status",
      mirror: "active",
      stripe: "canceled",
      repairedBy: "list",
    });
    expect(await subscriptionOf(billing, "ada")).toMatchObject({ status: "canceled" });
    expect(await billing.features("ada")).toEqual([]);
    expect(await billing.service.reconcile({ sweep: true })).toMatchObject({ drift: [] });
  });

  test("reports the differences in a dry run and changes nothing", async () => {
    const { billing, connect } = await createDisconnectableBilling({ dialect });
    await billing.subscribe("ada");
    connect(false);
    const { id } = (await subscriptionOf(billing, "ada")) ?? { id: "" };
    await billing.stripe("DELETE", `/v1/subscriptions/${id}`);
    const report = await billing.service.reconcile({ dryRun: true, sweep: true });
    expect(report?.drift).toContainEqual(expect.objectContaining({ id, field: "status", repairedBy: null }));
    expect(report?.events.missed).toBeGreaterThan(0);
    await billing.service.drain();
    expect(await subscriptionOf(billing, "ada")).toMatchObject({ status: "active" });
  });

  test("imports an existing account with customers and subscriptions that were created in the dashboard", async () => {
    const { billing, connect } = await createDisconnectableBilling({ dialect });
    connect(false);
    const { body: prices } = await billing.stripe("GET", "/v1/prices", {
      "lookup_keys[0]": lookupKey("premium", "month"),
    });
    const price = (prices["data"] as { id: string }[])[0]?.id ?? "";
    for (let index = 0; index < 120; index += 1) {
      const { body: customer } = await billing.stripe("POST", "/v1/customers", {
        ...(index % 2 === 0 && { "metadata[auth0_user_id]": `user${index}` }),
      });
      await billing.stripe("POST", "/v1/payment_methods/pm_card_visa/attach", { customer: String(customer["id"]) });
      const { body: methods } = await billing.stripe("GET", `/v1/customers/${String(customer["id"])}/payment_methods`);
      await billing.stripe("POST", "/v1/subscriptions", {
        customer: String(customer["id"]),
        default_payment_method: (methods["data"] as { id: string }[])[0]?.id ?? "",
        "items[0][price]": price,
      });
      await billing.emulator.advance(60);
    }
    await billing.emulator.advance(5 * DAY);
    const report = await billing.service.reconcile({ sweep: true, since: TEST_START });
    expect(report?.swept).toEqual({ customers: 120, subscriptions: 120, open_invoices: 0, refunds: 0, disputes: 0 });
    expect(await billing.features("user0")).toEqual(["exports", "priority_support"]);
    expect(await billing.features("user1")).toEqual([]);
    expect(await billing.service.reconcile({ sweep: true })).toMatchObject({ drift: [] });
    // A sweep of Stripe's lists marks all events about the listed objects as processed, including events about cards.
    const store = openStore({ url: billing.databaseUrl, mode: "test" });
    onTestFinished(() => store.close());
    const { done, pending } = await store.inbox.countByState();
    expect(done).toBeGreaterThan(120 * 5);
    expect(pending).toBeLessThan(20);
  });

  test("detects that a customer was deleted while webhooks failed", async () => {
    const { billing, connect } = await createDisconnectableBilling({ dialect });
    await billing.subscribe("ada");
    await billing.service.reconcile();
    connect(false);
    const { body } = await billing.stripe("GET", "/v1/customers");
    const customer = (body["data"] as { id: string }[])[0]?.id ?? "";
    await billing.stripe("DELETE", `/v1/customers/${customer}`);
    await billing.emulator.advance(40 * DAY);
    await billing.service.reconcile();
    expect(await billing.features("ada")).toEqual([]);
    connect(true);
    expect((await billing.subscribe("ada")).status).toBe(200);
    expect(await billing.features("ada")).toEqual(["exports", "priority_support"]);
  });
});

test("only one replica reconciles at a time, and if it crashes, another replica resumes its reconcile", async () => {
  const { billing } = await createDisconnectableBilling();
  await billing.subscribe("ada");
  const other = billing.addReplica();
  await other.start();
  const stuck = Promise.withResolvers<void>();
  const dying = billing.addReplica({
    fetch: async (input, init) => {
      const request = new Request(input, init);
      if (!request.url.includes("/v1/subscriptions?")) return billing.emulator.fetch(request);
      stuck.resolve();
      return new Promise<Response>(() => {});
    },
  });
  void dying.reconcile();
  await stuck.promise;
  expect(await other.reconcile()).toBeNull();
  await billing.emulator.advance(120);
  expect(await other.reconcile()).toMatchObject({ swept: { customers: 1, subscriptions: 1 }, drift: [] });
});

test("a reconcile warns if the API key may not read webhook endpoints, but repairs the mirror", async () => {
  const billing = await createTestHarness({
    network: async (request, next) =>
      request.url.includes("/v1/webhook_endpoints")
        ? Response.json({ error: { type: "invalid_request_error", message: "no permission" } }, { status: 403 })
        : next(request),
  });
  await billing.subscribe("ada");
  const report = await billing.service.reconcile({ sweep: true });
  expect(report).toMatchObject({ drift: [], swept: { subscriptions: 1 } });
  expect(report?.warnings).toEqual([expect.stringContaining("could not be checked")]);
});

test("a reconcile warns if the webhook endpoint is missing, is disabled or lacks event types", async () => {
  const { billing } = await createDisconnectableBilling();
  const { body } = await billing.stripe("GET", "/v1/webhook_endpoints");
  const id = (body["data"] as { id: string }[])[0]?.id ?? "";
  await billing.stripe("POST", `/v1/webhook_endpoints/${id}`, { "enabled_events[0]": "invoice.paid" });
  const some = await billing.service.reconcile({ sweep: false });
  expect(some?.warnings).toEqual([expect.stringContaining("customer.subscription.deleted")]);
  await billing.stripe("POST", `/v1/webhook_endpoints/${id}`, {
    ...Object.fromEntries([...ALLOWED_WEBHOOK_EVENTS.keys()].map((type, at) => [`enabled_events[${at}]`, type])),
    disabled: "true",
  });
  expect((await billing.service.reconcile({ sweep: false }))?.warnings).toEqual([
    expect.stringContaining("is disabled"),
  ]);
  await billing.stripe("DELETE", `/v1/webhook_endpoints/${id}`);
  expect((await billing.service.reconcile({ sweep: false }))?.warnings).toEqual([
    expect.stringContaining("No webhook endpoint"),
  ]);
});

test("a reconcile accepts a webhook endpoint whose URL ends with a slash", async () => {
  const { billing } = await createDisconnectableBilling();
  const { body } = await billing.stripe("GET", "/v1/webhook_endpoints");
  const { id, url } = (body["data"] as { id: string; url: string }[])[0] ?? { id: "", url: "" };
  await billing.stripe("POST", `/v1/webhook_endpoints/${id}`, { url: `${url}/` });
  expect((await billing.service.reconcile({ sweep: false }))?.warnings).toEqual([]);
});

test("an aborted reconcile ends at the next page of a list, and the next reconcile resumes at that page", async () => {
  const stop = new AbortController();
  const billing = await createTestHarness({
    network: async (request, next) => {
      if (request.url.includes("/v1/customers?")) stop.abort();
      return next(request);
    },
  });
  await billing.subscribe("ada");
  expect(await billing.service.reconcile({ sweep: true, signal: stop.signal })).toBeNull();
  expect(await billing.service.reconcile()).toMatchObject({ swept: { customers: 1, subscriptions: 1 }, drift: [] });
});

test("both a dry run and a repairing reconcile report an object that is missing from Stripe's lists", async () => {
  const { billing, connect } = await createDisconnectableBilling({});
  await billing.subscribe("ada");
  await billing.service.reconcile({ sweep: true });
  connect(false);
  const { body: customers } = await billing.stripe("GET", "/v1/customers");
  const [{ id = "" } = {}] = customers["data"] as { id?: string }[];
  await billing.stripe("DELETE", `/v1/customers/${id}`);
  const deleted = { object: "customer", id, field: "deleted", mirror: false, stripe: true };
  const dry = await billing.service.reconcile({ sweep: true, dryRun: true });
  expect(dry?.drift).toContainEqual({ ...deleted, repairedBy: null });
  const report = await billing.service.reconcile({ sweep: true });
  expect(report?.drift).toContainEqual({ ...deleted, repairedBy: "retrieve" });
  expect(await billing.service.reconcile({ sweep: true, dryRun: true })).toMatchObject({ drift: [] });
});

test("a dry run and a repairing reconcile report the same differences for a subscription that Stripe no longer has", async () => {
  let gone = false;
  let billingTime = Date.UTC(2026, 0, 1);
  let ahead = 0;
  const billing = await createTestHarness({
    options: { runtime: { now: () => billingTime - ahead, billingNow: () => billingTime } },
    network: async (request, next) => {
      if (!gone || !request.url.includes("/v1/subscriptions")) return next(request);
      return request.url.includes("/v1/subscriptions/")
        ? Response.json({ error: { type: "invalid_request_error", code: "resource_missing" } }, { status: 404 })
        : Response.json({ object: "list", data: [], has_more: false, url: "/v1/subscriptions" });
    },
  });
  billingTime = billing.emulator.now();
  await billing.subscribe("ada");
  gone = true;
  // The billing clock is ahead of the wall clock, as with an emulator whose clock was moved.
  ahead = DAY * 1_000;
  const dry = await billing.service.reconcile({ sweep: true, dryRun: true });
  expect(dry?.drift.map(({ field }) => field).toSorted()).toEqual(["canceledAt", "endedAt", "status"]);
  expect(dry?.drift).toContainEqual(expect.objectContaining({ field: "endedAt", stripe: billingTime }));
  const report = await billing.service.reconcile({ sweep: true });
  expect(report?.drift).toEqual(dry?.drift.map((one) => ({ ...one, repairedBy: "retrieve" })));
  expect(await subscriptionOf(billing, "ada")).toMatchObject({ status: "canceled" });
});

test("a resumed reconcile also reports differences that it found before the interruption, and counts each difference once", async () => {
  const token = "a token of the tests";
  let isFailing = false;
  const { billing, connect } = await createDisconnectableBilling({
    pushPlans: false,
    options: { metricsToken: token },
    network: async (request, next) =>
      isFailing && request.url.includes("/v1/subscriptions?") ? new Response(null, { status: 400 }) : next(request),
  });
  const { body: deleted } = await billing.stripe("POST", "/v1/customers");
  await billing.advance(1);
  expect(await billing.service.reconcile({ sweep: true })).toMatchObject({ differences: 0 });
  connect(false);
  const { body: made } = await billing.stripe("POST", "/v1/customers");
  await billing.stripe("DELETE", `/v1/customers/${String(deleted["id"])}`);
  isFailing = true;
  await expect(billing.service.reconcile({ sweep: true })).rejects.toThrow();
  isFailing = false;
  expect(await billing.service.reconcile()).toMatchObject({
    drift: [
      { id: made["id"], field: null, repairedBy: "list" },
      { id: deleted["id"], field: "deleted", repairedBy: "retrieve" },
    ],
    differences: 2,
  });
  const headers = { authorization: `Bearer ${token}` };
  const metrics = await billing.service.fetch(new Request("http://app.test/stripe/metrics", { headers }));
  expect((await metrics.text()).match(/^tollkeeper_drift_total .*$/m)?.[0]).toBe("tollkeeper_drift_total 2");
});

test("a reconcile counts all differences, but lists only the first thousand", async () => {
  const { billing, connect } = await createDisconnectableBilling({ pushPlans: false });
  connect(false);
  for (let index = 0; index < 1_001; index += 1) await billing.stripe("POST", "/v1/customers");
  const report = await billing.service.reconcile({ sweep: true, dryRun: true });
  expect(report?.differences).toBe(1_001);
  expect(report?.drift).toHaveLength(1_000);
});

test("the first reconcile reads the events of the last hour, unless an earlier start is requested", async () => {
  const deliver = () => Promise.reject(new TypeError("fetch failed"));
  const billing = await createTestHarness({ pushPlans: false, deliver });
  await billing.stripe("POST", "/v1/customers", { "metadata[auth0_user_id]": "ada" });
  await billing.emulator.advance(5 * DAY);
  await billing.stripe("POST", "/v1/customers", { "metadata[auth0_user_id]": "bob" });
  expect(await billing.service.reconcile()).toMatchObject({ events: { read: 1 }, swept: { customers: 2 } });
  expect(await billing.service.reconcile({ sweep: false, since: TEST_START })).toMatchObject({
    events: { read: 2, since: TEST_START },
  });
  const old = await billing.service.reconcile({ sweep: false, since: TEST_START - 40 * DAY * 1_000 });
  expect(old?.events.since).toBe(billing.emulator.now() - 29 * DAY * 1_000);
});

test("a reconcile finds a missed event even if the replica's clock is days behind", async () => {
  const { billing, connect } = await createDisconnectableBilling();
  // After the first reconcile of this test, each reconcile skips events that are older than the first reconcile.
  await billing.advance(2 * 3_600);
  await billing.service.reconcile();
  connect(false);
  await billing.stripe("POST", "/v1/customers", { "metadata[auth0_user_id]": "ada" });
  await billing.advance(6 * 3_600);
  const behind = billing.addReplica({
    runtime: { now: () => billing.emulator.now() - 40 * DAY * 1_000, billingNow: () => billing.emulator.now() },
  });
  const dry = await billing.service.reconcile({ dryRun: true });
  expect(dry?.events).toEqual({ read: 1, missed: 1, since: expect.any(Number) as number });
  expect(await behind.reconcile({ sweep: false })).toMatchObject({ events: { missed: 1 } });
});
