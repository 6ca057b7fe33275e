/** What was lost is found again: from Stripe's events, and past their thirty days from a sweep. */
import { describe, expect, onTestFinished, test } from "vitest";
import { lookupKey } from "../../packages/tollkeeper/src/domain/plans.ts";
import { describeDrift } from "../../packages/tollkeeper/src/domain/drift.ts";
import { openStore } from "../../packages/tollkeeper/src/store/open-store.ts";
import { ALLOWED_WEBHOOK_EVENTS } from "../../packages/tollkeeper/src/stripe/webhook/event-types.ts";
import { createWorld, DAY, START, type World, type WorldOptions } from "../support/world.ts";

/** A world whose webhooks can be cut off. */
async function cutOff(setup: WorldOptions = {}) {
  let connected = true;
  const lost = () => Promise.reject(new TypeError("fetch failed"));
  const world = await createWorld({ ...setup, deliver: (request, next) => (connected ? next(request) : lost()) });
  const connect = (yes: boolean) => {
    connected = yes;
  };
  return { world, connect };
}

async function subscriptionOf(world: World, user: string) {
  const { body } = await world.call(user, "GET", "subscriptions");
  return (body["subscriptions"] as { id: string; status: string; cancelAtPeriodEnd: boolean }[])[0];
}

describe.each(["sqlite", "postgres"] as const)("reconcile on %s", (dialect) => {
  test("the first one reads everything, finds nothing different, and the next reads events alone", async () => {
    const { world } = await cutOff({ dialect });
    await world.subscribe("ada");
    const first = await world.service.reconcile();
    expect(first).toMatchObject({
      events: { missed: 0 },
      swept: { customers: 1, subscriptions: 1, open_invoices: 0 },
      drift: [],
      alarms: [],
    });
    await world.advance(3_600);
    expect(await world.service.reconcile()).toMatchObject({ swept: null, drift: [] });
  });

  test("events that were lost for days arrive by it, and do what they would have done", async () => {
    const { world, connect } = await cutOff({ dialect });
    await world.subscribe("ada");
    await world.service.reconcile();
    connect(false);
    const { id } = (await subscriptionOf(world, "ada")) ?? { id: "" };
    await world.stripe("POST", `/v1/subscriptions/${id}`, { cancel_at_period_end: "true" });
    // Four days: by then Stripe has given up.
    await world.emulator.advance(4 * DAY);
    expect(await subscriptionOf(world, "ada")).toMatchObject({ cancelAtPeriodEnd: false });
    const report = await world.service.reconcile({ sweep: false });
    expect(report?.events.missed).toBeGreaterThan(0);
    await world.service.settle();
    expect(await subscriptionOf(world, "ada")).toMatchObject({ cancelAtPeriodEnd: true });
  });

  test("past the days that Stripe keeps events, a sweep finds each difference and repairs it", async () => {
    const { world, connect } = await cutOff({ dialect });
    await world.subscribe("ada");
    await world.service.reconcile();
    connect(false);
    const { id } = (await subscriptionOf(world, "ada")) ?? { id: "" };
    await world.stripe("DELETE", `/v1/subscriptions/${id}`);
    await world.emulator.advance(40 * DAY);
    const report = await world.service.reconcile();
    expect(report?.drift).toContainEqual({
      object: "subscription",
      id,
      field: "status",
      mirror: "active",
      stripe: "canceled",
      repairedBy: "list",
    });
    expect(await subscriptionOf(world, "ada")).toMatchObject({ status: "canceled" });
    expect(await world.features("ada")).toEqual([]);
    expect(await world.service.reconcile({ sweep: true })).toMatchObject({ drift: [] });
  });

  test("a dry run tells of the differences and changes nothing", async () => {
    const { world, connect } = await cutOff({ dialect });
    await world.subscribe("ada");
    connect(false);
    const { id } = (await subscriptionOf(world, "ada")) ?? { id: "" };
    await world.stripe("DELETE", `/v1/subscriptions/${id}`);
    const report = await world.service.reconcile({ dryRun: true, sweep: true });
    expect(report?.drift).toContainEqual(expect.objectContaining({ id, field: "status", repairedBy: null }));
    expect(report?.events.missed).toBeGreaterThan(0);
    await world.service.settle();
    expect(await subscriptionOf(world, "ada")).toMatchObject({ status: "active" });
  });

  test("an existing account is filled in, customers and subscriptions of the dashboard too", async () => {
    const { world, connect } = await cutOff({ dialect });
    connect(false);
    const { body: prices } = await world.stripe("GET", "/v1/prices", {
      "lookup_keys[0]": lookupKey("premium", "month"),
    });
    const price = (prices["data"] as { id: string }[])[0]?.id ?? "";
    for (let index = 0; index < 120; index += 1) {
      const { body: customer } = await world.stripe("POST", "/v1/customers", {
        ...(index % 2 === 0 && { "metadata[auth0_user_id]": `user${index}` }),
      });
      await world.stripe("POST", "/v1/payment_methods/pm_card_visa/attach", { customer: String(customer["id"]) });
      const { body: methods } = await world.stripe("GET", `/v1/customers/${String(customer["id"])}/payment_methods`);
      await world.stripe("POST", "/v1/subscriptions", {
        customer: String(customer["id"]),
        default_payment_method: (methods["data"] as { id: string }[])[0]?.id ?? "",
        "items[0][price]": price,
      });
      await world.emulator.advance(60);
    }
    await world.emulator.advance(5 * DAY);
    const report = await world.service.reconcile({ sweep: true, since: START });
    expect(report?.swept).toEqual({ customers: 120, subscriptions: 120, open_invoices: 0 });
    expect(await world.features("user0")).toEqual(["exports", "priority_support"]);
    expect(await world.features("user1")).toEqual([]);
    expect(await world.service.reconcile({ sweep: true })).toMatchObject({ drift: [] });
    // Hints about what the lists told of are answered by them, those about each one's card too.
    const store = openStore({ url: world.databaseUrl, mode: "test" });
    onTestFinished(() => store.close());
    const { done, pending } = await store.inbox.countByState();
    expect(done).toBeGreaterThan(120 * 5);
    expect(pending).toBeLessThan(20);
  });

  test("a customer that was deleted while nobody listened is noticed", async () => {
    const { world, connect } = await cutOff({ dialect });
    await world.subscribe("ada");
    await world.service.reconcile();
    connect(false);
    const { body } = await world.stripe("GET", "/v1/customers");
    const customer = (body["data"] as { id: string }[])[0]?.id ?? "";
    await world.stripe("DELETE", `/v1/customers/${customer}`);
    await world.emulator.advance(40 * DAY);
    await world.service.reconcile();
    expect(await world.features("ada")).toEqual([]);
    connect(true);
    expect((await world.subscribe("ada")).status).toBe(200);
    expect(await world.features("ada")).toEqual(["exports", "priority_support"]);
  });
});

test("one replica does it at a time, and another goes on where that one died", async () => {
  const { world } = await cutOff();
  await world.subscribe("ada");
  const other = world.replica();
  await other.start();
  const stuck = Promise.withResolvers<void>();
  const dying = world.replica({
    fetch: async (input, init) => {
      const request = new Request(input, init);
      if (!request.url.includes("/v1/subscriptions?")) return world.emulator.fetch(request);
      stuck.resolve();
      return new Promise<Response>(() => {});
    },
  });
  void dying.reconcile();
  await stuck.promise;
  expect(await other.reconcile()).toBeNull();
  await world.emulator.advance(120);
  expect(await other.reconcile()).toMatchObject({ swept: { customers: 1, subscriptions: 1 }, drift: [] });
});

test("a key that may not look at the endpoints still repairs, and says so", async () => {
  const world = await createWorld({
    network: async (request, next) =>
      request.url.includes("/v1/webhook_endpoints")
        ? Response.json({ error: { type: "invalid_request_error", message: "no permission" } }, { status: 403 })
        : next(request),
  });
  await world.subscribe("ada");
  const report = await world.service.reconcile({ sweep: true });
  expect(report).toMatchObject({ drift: [], swept: { subscriptions: 1 } });
  expect(report?.alarms).toEqual([expect.stringContaining("could not be looked at")]);
});

test("an endpoint that is disabled or is not sent what is needed raises an alarm", async () => {
  const { world } = await cutOff();
  const { body } = await world.stripe("GET", "/v1/webhook_endpoints");
  const id = (body["data"] as { id: string }[])[0]?.id ?? "";
  await world.stripe("POST", `/v1/webhook_endpoints/${id}`, { "enabled_events[0]": "invoice.paid" });
  const some = await world.service.reconcile({ sweep: false });
  expect(some?.alarms).toEqual([expect.stringContaining("customer.subscription.deleted")]);
  await world.stripe("POST", `/v1/webhook_endpoints/${id}`, {
    ...Object.fromEntries([...ALLOWED_WEBHOOK_EVENTS.keys()].map((type, at) => [`enabled_events[${at}]`, type])),
    disabled: "true",
  });
  expect((await world.service.reconcile({ sweep: false }))?.alarms).toEqual([expect.stringContaining("is disabled")]);
  await world.stripe("DELETE", `/v1/webhook_endpoints/${id}`);
  expect((await world.service.reconcile({ sweep: false }))?.alarms).toEqual([
    expect.stringContaining("No webhook endpoint"),
  ]);
});

test.each(["sqlite", "postgres"] as const)(
  "what happens between a page's answer and its writing is not overwritten on %s",
  async (dialect) => {
    let meanwhile: (() => Promise<void>) | null = null;
    const world = await createWorld({
      dialect,
      network: async (request, next) => {
        const answer = await next(request);
        const isPage = request.method === "GET" && /\/v1\/subscriptions\?/.test(request.url);
        if (isPage && meanwhile) {
          const act = meanwhile;
          meanwhile = null;
          await act();
        }
        return answer;
      },
    });
    await world.subscribe("ada");
    const { id } = (await subscriptionOf(world, "ada")) ?? { id: "" };
    // The mirror differs, so that the page is going to be written.
    const store = openStore({ url: world.databaseUrl, mode: "test" });
    onTestFinished(() => store.close());
    const known = (await store.subscriptions.findSubscriptions([id])).get(id);
    if (known) await store.subscriptions.saveSubscriptions([{ ...known, cancelAt: 1 }]);
    meanwhile = async () => {
      await world.stripe("POST", `/v1/subscriptions/${id}`, { cancel_at_period_end: "true" });
      await world.settle();
      expect(await subscriptionOf(world, "ada")).toMatchObject({ cancelAtPeriodEnd: true });
    };
    await world.service.reconcile({ sweep: true });
    expect(await subscriptionOf(world, "ada")).toMatchObject({ cancelAtPeriodEnd: true });
  },
);

test.each(["sqlite", "postgres"] as const)(
  "what no list answers is due when the sweep has ended, on %s",
  async (dialect) => {
    const told: string[] = [];
    const { world, connect } = await cutOff({
      dialect,
      options: { hooks: { onTrialWillEnd: ({ subscriptionId }) => void told.push(subscriptionId) } },
    });
    await world.subscribe("ada", "team");
    await world.service.reconcile();
    connect(false);
    await world.emulator.advance(12 * DAY);
    await world.service.reconcile({ sweep: true });
    await world.service.settle();
    expect(told).toHaveLength(1);
  },
);

test("a product that no event tells of any more comes with the subscriptions that sell it", async () => {
  const { world, connect } = await cutOff({ pushPlans: false });
  connect(false);
  const { body: product } = await world.stripe("POST", "/v1/products", {
    name: "Premium",
    "metadata[tollkeeper_plan]": "premium",
  });
  const { body: price } = await world.stripe("POST", "/v1/prices", {
    product: String(product["id"]),
    unit_amount: "700",
    currency: "usd",
    "recurring[interval]": "month",
  });
  const { body: customer } = await world.stripe("POST", "/v1/customers", { "metadata[auth0_user_id]": "ada" });
  await world.stripe("POST", "/v1/payment_methods/pm_card_visa/attach", { customer: String(customer["id"]) });
  const { body: cards } = await world.stripe("GET", `/v1/customers/${String(customer["id"])}/payment_methods`);
  await world.stripe("POST", "/v1/subscriptions", {
    customer: String(customer["id"]),
    default_payment_method: (cards["data"] as { id: string }[])[0]?.id ?? "",
    "items[0][price]": String(price["id"]),
  });
  await world.emulator.advance(40 * DAY);
  await world.service.reconcile();
  expect(await world.features("ada")).toEqual(["exports", "priority_support"]);
});

test("one object that can't be read is told of, and the others are repaired", async () => {
  const { world, connect } = await cutOff({
    network: async (request, next) =>
      /\/v1\/invoices\/in_/.test(request.url)
        ? Response.json({ error: { type: "invalid_request_error", message: "no" } }, { status: 400 })
        : next(request),
  });
  connect(false);
  const { body: customer } = await world.stripe("POST", "/v1/customers");
  const { body: invoice } = await world.stripe("POST", "/v1/invoices", { customer: String(customer["id"]) });
  await world.stripe("POST", "/v1/invoiceitems", {
    customer: String(customer["id"]),
    invoice: String(invoice["id"]),
    amount: "500",
    currency: "usd",
  });
  await world.stripe("POST", `/v1/invoices/${String(invoice["id"])}/finalize`);
  const report = await world.service.reconcile({ sweep: true });
  expect(report?.alarms.join()).toContain(String(invoice["id"]));
  expect(report?.swept).toMatchObject({ customers: 1, open_invoices: 1 });
});

test("told to end, it ends at the next page, and the next one goes on", async () => {
  const stop = new AbortController();
  const world = await createWorld({
    network: async (request, next) => {
      if (request.url.includes("/v1/customers?")) stop.abort();
      return next(request);
    },
  });
  await world.subscribe("ada");
  expect(await world.service.reconcile({ sweep: true, signal: stop.signal })).toBeNull();
  expect(await world.service.reconcile()).toMatchObject({ swept: { customers: 1, subscriptions: 1 }, drift: [] });
});

test("what the lists have no more is told of as well, by a dry run and by the one that asks about it", async () => {
  const { world, connect } = await cutOff({});
  await world.subscribe("ada");
  await world.service.reconcile({ sweep: true });
  connect(false);
  const { body: customers } = await world.stripe("GET", "/v1/customers");
  const [{ id = "" } = {}] = customers["data"] as { id?: string }[];
  await world.stripe("DELETE", `/v1/customers/${id}`);
  const deleted = { object: "customer", id, field: "deleted", mirror: false, stripe: true };
  const dry = await world.service.reconcile({ sweep: true, dryRun: true });
  expect(dry?.drift).toContainEqual({ ...deleted, repairedBy: null });
  const report = await world.service.reconcile({ sweep: true });
  expect(report?.drift).toContainEqual({ ...deleted, repairedBy: "retrieve" });
  expect(await world.service.reconcile({ sweep: true, dryRun: true })).toMatchObject({ drift: [] });
});

test("a dry run tells of a subscription that Stripe has no more what the repair writes", async () => {
  let gone = false;
  const world = await createWorld({
    network: async (request, next) => {
      if (!gone || !request.url.includes("/v1/subscriptions")) return next(request);
      return request.url.includes("/v1/subscriptions/")
        ? Response.json({ error: { type: "invalid_request_error", code: "resource_missing" } }, { status: 404 })
        : Response.json({ object: "list", data: [], has_more: false, url: "/v1/subscriptions" });
    },
  });
  await world.subscribe("ada");
  gone = true;
  const dry = await world.service.reconcile({ sweep: true, dryRun: true });
  expect(dry?.drift.map(({ field }) => field).toSorted()).toEqual(["canceledAt", "endedAt", "status"]);
  const report = await world.service.reconcile({ sweep: true });
  expect(report?.drift).toEqual(dry?.drift.map((one) => ({ ...one, repairedBy: "retrieve" })));
  expect(await subscriptionOf(world, "ada")).toMatchObject({ status: "canceled" });
});

test("what was found before a reconcile broke off is told by the one that goes on, and counted once", async () => {
  const token = "a token of the tests";
  let breaksOff = false;
  const { world, connect } = await cutOff({
    pushPlans: false,
    options: { metricsToken: token },
    network: async (request, next) =>
      breaksOff && request.url.includes("/v1/subscriptions?") ? new Response(null, { status: 400 }) : next(request),
  });
  const { body: deleted } = await world.stripe("POST", "/v1/customers");
  await world.advance(1);
  expect(await world.service.reconcile({ sweep: true })).toMatchObject({ differences: 0 });
  connect(false);
  const { body: made } = await world.stripe("POST", "/v1/customers");
  await world.stripe("DELETE", `/v1/customers/${String(deleted["id"])}`);
  breaksOff = true;
  await expect(world.service.reconcile({ sweep: true })).rejects.toThrow();
  breaksOff = false;
  expect(await world.service.reconcile()).toMatchObject({
    drift: [
      { id: made["id"], field: null, repairedBy: "list" },
      { id: deleted["id"], field: "deleted", repairedBy: "retrieve" },
    ],
    differences: 2,
  });
  const headers = { authorization: `Bearer ${token}` };
  const metrics = await world.service.fetch(new Request("http://app.test/stripe/metrics", { headers }));
  expect((await metrics.text()).match(/^tollkeeper_drift_total .*$/m)?.[0]).toBe("tollkeeper_drift_total 2");
});

test("every difference is counted, and the first thousand are told", async () => {
  const { world, connect } = await cutOff({ pushPlans: false });
  connect(false);
  for (let index = 0; index < 1_001; index += 1) await world.stripe("POST", "/v1/customers");
  const report = await world.service.reconcile({ sweep: true, dryRun: true });
  expect(report?.differences).toBe(1_001);
  expect(report?.drift).toHaveLength(1_000);
});

test("an old invoice that was voided while nobody listened is noticed", async () => {
  const { world, connect } = await cutOff({});
  await world.subscribe("ada");
  const { id } = (await subscriptionOf(world, "ada")) ?? { id: "" };
  await world.stripe("POST", `/v1/subscriptions/${id}`, { collection_method: "send_invoice", days_until_due: "90" });
  await world.advance(35 * DAY);
  const { body: opened } = await world.stripe("GET", "/v1/invoices", { status: "open" });
  const [invoice] = opened["data"] as { id: string }[];
  await world.advance(30 * DAY);
  connect(false);
  await world.stripe("POST", `/v1/invoices/${invoice?.id}/void`);
  await world.emulator.advance(40 * DAY);
  await world.service.reconcile();
  const store = openStore({ url: world.databaseUrl, mode: "test" });
  onTestFinished(() => store.close());
  expect(await store.subscriptions.findInvoice(invoice?.id ?? "")).toMatchObject({ status: "void" });
});

test("a subscription whose status this version does not know is told of, and holds up no other", async () => {
  const { world, connect } = await cutOff({
    network: async (request, next) => {
      const response = await next(request);
      if (!/\/v1\/subscriptions\?/.test(request.url)) return response;
      return new Response((await response.text()).replace('"status":"active"', '"status":"frozen"'), response);
    },
  });
  await world.subscribe("ada");
  connect(false);
  await world.subscribe("grace");
  const report = await world.service.reconcile({ sweep: true, since: world.emulator.now() });
  expect(report?.alarms.join()).toContain('"frozen"');
  expect(report?.swept).toMatchObject({ subscriptions: 1 });
  const statuses = [
    (await subscriptionOf(world, "ada"))?.["status"],
    (await subscriptionOf(world, "grace"))?.["status"],
  ];
  expect(statuses).toEqual(["active", undefined]);
});

test("a sweep that was broken off within a list is made good by a whole one at the next reconcile", async () => {
  const stop = new AbortController();
  const { world, connect } = await cutOff({
    pushPlans: false,
    network: async (request, next) => {
      const isLater = request.url.includes("/v1/customers?") && request.url.includes("starting_after");
      if (isLater) stop.abort();
      return next(request);
    },
  });
  const ids: string[] = [];
  for (let index = 0; index < 120; index += 1)
    ids.push(String((await world.stripe("POST", "/v1/customers")).body["id"]));
  await world.settle();
  connect(false);
  await world.stripe("DELETE", `/v1/customers/${ids[0]}`);
  await world.emulator.advance(40 * DAY);
  expect(await world.service.reconcile({ signal: stop.signal })).toBeNull();
  expect(await world.service.reconcile()).toMatchObject({ swept: { customers: 119 } });
  expect(await world.service.reconcile()).toMatchObject({ swept: { customers: 119 } });
  expect(await world.service.reconcile()).toMatchObject({ swept: null });
  const store = openStore({ url: world.databaseUrl, mode: "test" });
  onTestFinished(() => store.close());
  expect((await store.customers.findCustomers(ids)).get(ids[0] ?? "")).toMatchObject({ deleted: true });
});

test("how far a sweep has come is noted as time passes, not with each page, and again where it breaks off", async () => {
  const stop = new AbortController();
  const noted: number[] = [];
  const { world } = await cutOff({
    pushPlans: false,
    network: async (request, next) => {
      const { pathname, searchParams } = new URL(request.url);
      if (pathname === "/v1/customers" && searchParams.has("starting_after")) {
        noted.push(await readSoFar());
        if (noted.length === 3) await world.emulator.advance(2);
        if (noted.length === 5) stop.abort();
      }
      return next(request);
    },
  });
  const store = openStore({ url: world.databaseUrl, mode: "test" });
  onTestFinished(() => store.close());
  const readSoFar = async (): Promise<number> => {
    const { progress = null } = (await store.tasks.find("reconcile")) ?? {};
    const { lists } = JSON.parse(progress ?? "{}") as { lists?: { customers?: { read: number } } };
    return lists?.customers?.read ?? 0;
  };
  // All in one second, so that one reads them alone.
  for (let index = 0; index < 550; index += 1) await world.stripe("POST", "/v1/customers");
  expect(await world.service.reconcile({ sweep: true, signal: stop.signal })).toBeNull();
  expect(noted.slice(0, 3)).toEqual([0, 0, 0]);
  expect(noted.at(-1)).toBeGreaterThan(0);
  expect(await readSoFar()).toBeGreaterThan(noted.at(-1) ?? 0);
});

test("a customer that is deleted while the list goes on from it holds up no sweep", async () => {
  const deleted: string[] = [];
  const { world, connect } = await cutOff({
    pushPlans: false,
    network: async (request, next) => {
      const { pathname, searchParams } = new URL(request.url);
      const after = searchParams.get("starting_after");
      if (pathname === "/v1/customers" && after !== null && deleted.length === 0) {
        deleted.push(after);
        await world.stripe("DELETE", `/v1/customers/${after}`);
      }
      return next(request);
    },
  });
  connect(false);
  const ids: string[] = [];
  for (let index = 0; index < 250; index += 1) {
    ids.push(String((await world.stripe("POST", "/v1/customers")).body["id"]));
    // So that some, and not all, share a second.
    if (index % 30 === 0) await world.emulator.advance(5);
  }
  expect(await world.service.reconcile({ sweep: true })).not.toBeNull();
  expect(deleted).toHaveLength(1);
  const store = openStore({ url: world.databaseUrl, mode: "test" });
  onTestFinished(() => store.close());
  const known = await store.customers.findCustomers(ids);
  expect(ids.filter((id) => !known.has(id))).toEqual([]);
});

test("a card that no event brought comes with the sweep, and is told of as a difference", async () => {
  const { world, connect } = await cutOff({});
  await world.subscribe("ada");
  await world.service.reconcile({ sweep: true });
  connect(false);
  const store = openStore({ url: world.databaseUrl, mode: "test" });
  onTestFinished(() => store.close());
  const customerId = (await store.customers.findCustomerOf("ada")) ?? "";
  const { body: card } = await world.stripe("POST", "/v1/payment_methods/pm_card_mastercard/attach", {
    customer: customerId,
  });
  const id = String(card["id"]);
  await world.stripe("POST", `/v1/customers/${customerId}`, { "invoice_settings[default_payment_method]": id });
  await store.customers.saveCustomers([{ id: customerId, userId: "ada", deleted: false, defaultPaymentMethodId: id }]);
  const report = await world.service.reconcile({ sweep: true });
  expect(report?.drift).toContainEqual({
    object: "customer",
    id: customerId,
    field: "defaultPaymentMethod",
    mirror: null,
    stripe: id,
    repairedBy: "list",
  });
  expect((await store.customers.findPaymentMethods([id])).get(id)).toMatchObject({ brand: "mastercard" });
});

test("of a card that has changed the report names what differs, and not how the card looks", async () => {
  const { world, connect } = await cutOff({});
  await world.subscribe("ada");
  await world.service.reconcile({ sweep: true });
  connect(false);
  const { body } = await world.call("ada", "GET", "subscriptions");
  const [{ id = "" } = {}] = body["subscriptions"] as { id?: string }[];
  const { body: subscription } = await world.stripe("GET", `/v1/subscriptions/${id}`);
  const card = String(subscription["default_payment_method"]);
  await world.stripe("POST", `/v1/payment_methods/${card}`, { "card[exp_year]": "2047" });
  const report = await world.service.reconcile({ sweep: true });
  expect(report?.drift.map(describeDrift)).toEqual([
    `subscription ${id}: defaultPaymentMethod.expYear differs, repaired by a list`,
  ]);
  expect(JSON.stringify(report)).not.toContain("2047");
  expect(await world.service.reconcile({ sweep: true })).toMatchObject({ drift: [] });
});

test("a hint about a card stays where the list's word of the card could not be written", async () => {
  let customerId = "";
  const { world, connect } = await cutOff({
    network: async (request, next) => {
      const { pathname } = new URL(request.url);
      // Somebody writes the customer while the list is under way; and when it is asked for again, it can't be read.
      if (pathname === "/v1/customers")
        await store.lanes.advance(new Map([[customerId, await store.lanes.versionOf(customerId)]]));
      return pathname === `/v1/customers/${customerId}`
        ? Response.json({ error: { type: "invalid_request_error", message: "no" } }, { status: 400 })
        : next(request);
    },
  });
  const store = openStore({ url: world.databaseUrl, mode: "test" });
  onTestFinished(() => store.close());
  await world.subscribe("ada");
  connect(false);
  const paidWith = (await store.customers.findCustomerOf("ada")) ?? "";
  const { body: card } = await world.stripe("POST", "/v1/payment_methods/pm_card_mastercard/attach", {
    customer: paidWith,
  });
  const id = String(card["id"]);
  await world.stripe("POST", `/v1/customers/${paidWith}`, { "invoice_settings[default_payment_method]": id });
  customerId = paidWith;
  await world.service.reconcile({ sweep: true });
  expect(await store.customers.findPaymentMethods([id])).toEqual(new Map());
  const { body: events } = await world.stripe("GET", "/v1/events", { type: "payment_method.attached", limit: "1" });
  const [attached] = events["data"] as { id: string }[];
  expect(await store.inbox.find(attached?.id ?? "")).toMatchObject({ objectId: id, state: "pending" });
});

test("an account that is filled in tells of no events but the last hour's, unless it is asked to", async () => {
  const deliver = () => Promise.reject(new TypeError("fetch failed"));
  const world = await createWorld({ pushPlans: false, deliver });
  await world.stripe("POST", "/v1/customers", { "metadata[auth0_user_id]": "ada" });
  await world.emulator.advance(5 * DAY);
  await world.stripe("POST", "/v1/customers", { "metadata[auth0_user_id]": "bob" });
  expect(await world.service.reconcile()).toMatchObject({ events: { read: 1 }, swept: { customers: 2 } });
  expect(await world.service.reconcile({ sweep: false, since: START })).toMatchObject({ events: { read: 2 } });
});

test("a dry run counts what the next run does, and an event of a clock that is far ahead is missed by neither", async () => {
  const { world, connect } = await cutOff();
  // What was before is not read again.
  await world.advance(2 * 3_600);
  await world.service.reconcile();
  connect(false);
  await world.stripe("POST", "/v1/customers", { "metadata[auth0_user_id]": "ada" });
  await world.advance(6 * 3_600);
  const behind = world.replica({
    runtime: { now: () => world.emulator.now() - 40 * DAY * 1_000, billingNow: () => world.emulator.now() },
  });
  const dry = await world.service.reconcile({ dryRun: true });
  expect(dry?.events).toEqual({ read: 1, missed: 1 });
  expect(await behind.reconcile({ sweep: false })).toMatchObject({ events: { missed: 1 } });
});

test("a page that tells nothing new ends its hints, and keeps an older answer that is under way from being written", async () => {
  const held = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  let holds = false;
  const world = await createWorld({
    network: async (request, next) => {
      const answer = await next(request);
      if (!holds || !/\/v1\/subscriptions\/sub_/.test(request.url) || request.method !== "GET") return answer;
      const { cancel_at_period_end: isEnding } = (await answer.clone().json()) as { cancel_at_period_end: boolean };
      if (!isEnding) return answer;
      holds = false;
      held.resolve();
      await release.promise;
      return answer;
    },
  });
  await world.subscribe("ada");
  const { id } = (await subscriptionOf(world, "ada")) ?? { id: "" };
  holds = true;
  const cancelling = world.call("ada", "POST", "cancel-subscription", { subscriptionId: id });
  await held.promise;
  await world.stripe("POST", `/v1/subscriptions/${id}`, { cancel_at_period_end: "false" });
  await world.emulator.settle();
  await world.service.reconcile({ sweep: true });
  release.resolve();
  await cancelling;
  await world.settle();
  expect(await world.service.reconcile({ sweep: true, dryRun: true })).toMatchObject({ drift: [] });
});

test("a sweep by a clock that is behind Stripe's finds what was made a moment ago", async () => {
  const { world, connect } = await cutOff();
  connect(false);
  const made = await world.stripe("POST", "/v1/customers", { "metadata[auth0_user_id]": "ada" });
  const late = world.replica({
    runtime: { now: () => world.emulator.now() - 20_000, billingNow: () => world.emulator.now() },
  });
  await late.reconcile({ sweep: true });
  const store = openStore({ url: world.databaseUrl, mode: "test" });
  onTestFinished(() => store.close());
  expect(await store.customers.findCustomerOf("ada")).toBe(made.body["id"]);
});
