/** Tests sweeps: a sweep reads every list of Stripe and repairs the mirror, even while objects change. */
import { assert, expect, onTestFinished, test } from "vitest";
import { describeDrift } from "../../packages/tollkeeper/src/domain/drift.ts";
import { userOwner } from "../../packages/tollkeeper/src/domain/owner.ts";
import { openStore } from "../../packages/tollkeeper/src/store/open-store.ts";
import { createTestHarness, DAY } from "../support/harness.ts";
import { createDisconnectableBilling, subscriptionOf } from "../support/disconnectable-billing.ts";

test.each(["sqlite", "postgres"] as const)(
  "on %s, a sweep does not overwrite a change that is written after the sweep has requested the page of Stripe's list",
  async (dialect) => {
    let meanwhile: (() => Promise<void>) | null = null;
    const billing = await createTestHarness({
      dialect,
      network: async (request, next) => {
        const response = await next(request);
        const isPage = request.method === "GET" && /\/v1\/subscriptions\?/.test(request.url);
        if (isPage && meanwhile) {
          const act = meanwhile;
          meanwhile = null;
          await act();
        }
        return response;
      },
    });
    await billing.subscribe("ada");
    const { id } = (await subscriptionOf(billing, "ada")) ?? { id: "" };
    // Makes the mirror differ from Stripe, so that the sweep writes the objects of Stripe's list to the mirror.
    const store = openStore({ url: billing.databaseUrl, mode: "test" });
    onTestFinished(() => store.close());
    const known = (await store.subscriptions.findSubscriptions([id])).get(id);
    if (known) await store.subscriptions.saveSubscriptions([{ ...known, cancelAt: 1 }]);
    meanwhile = async () => {
      await billing.stripe("POST", `/v1/subscriptions/${id}`, { cancel_at_period_end: "true" });
      await billing.drain();
      expect(await subscriptionOf(billing, "ada")).toMatchObject({ cancelAtPeriodEnd: true });
    };
    await billing.service.reconcile({ sweep: true });
    expect(await subscriptionOf(billing, "ada")).toMatchObject({ cancelAtPeriodEnd: true });
  },
);

test.each(["sqlite", "postgres"] as const)(
  "events about objects that are not in the swept lists are processed after the sweep, on %s",
  async (dialect) => {
    const trials: string[] = [];
    const { billing, connect } = await createDisconnectableBilling({
      dialect,
      options: { hooks: { onTrialWillEnd: ({ subscriptionId }) => void trials.push(subscriptionId) } },
    });
    await billing.subscribe("ada", "team");
    await billing.service.reconcile();
    connect(false);
    await billing.emulator.advance(12 * DAY);
    await billing.service.reconcile({ sweep: true });
    await billing.service.drain();
    expect(trials).toHaveLength(1);
  },
);

test("a sweep stores the products of subscriptions, even if no event about the products arrived", async () => {
  const { billing, connect } = await createDisconnectableBilling({ pushPlans: false });
  connect(false);
  const { body: product } = await billing.stripe("POST", "/v1/products", {
    name: "Premium",
    "metadata[tollkeeper_plan]": "premium",
  });
  const { body: price } = await billing.stripe("POST", "/v1/prices", {
    product: String(product["id"]),
    unit_amount: "700",
    currency: "usd",
    "recurring[interval]": "month",
  });
  const { body: customer } = await billing.stripe("POST", "/v1/customers", { "metadata[auth0_user_id]": "ada" });
  await billing.stripe("POST", "/v1/payment_methods/pm_card_visa/attach", { customer: String(customer["id"]) });
  const { body: cards } = await billing.stripe("GET", `/v1/customers/${String(customer["id"])}/payment_methods`);
  await billing.stripe("POST", "/v1/subscriptions", {
    customer: String(customer["id"]),
    default_payment_method: (cards["data"] as { id: string }[])[0]?.id ?? "",
    "items[0][price]": String(price["id"]),
  });
  await billing.emulator.advance(40 * DAY);
  await billing.service.reconcile();
  expect(await billing.features("ada")).toEqual(["exports", "priority_support"]);
});

test("a sweep reports an object that it cannot read, and repairs all other objects", async () => {
  const { billing, connect } = await createDisconnectableBilling({
    network: async (request, next) =>
      /\/v1\/invoices\/in_/.test(request.url)
        ? Response.json({ error: { type: "invalid_request_error", message: "no" } }, { status: 400 })
        : next(request),
  });
  connect(false);
  const { body: customer } = await billing.stripe("POST", "/v1/customers");
  const { body: invoice } = await billing.stripe("POST", "/v1/invoices", { customer: String(customer["id"]) });
  await billing.stripe("POST", "/v1/invoiceitems", {
    customer: String(customer["id"]),
    invoice: String(invoice["id"]),
    amount: "500",
    currency: "usd",
  });
  await billing.stripe("POST", `/v1/invoices/${String(invoice["id"])}/finalize`);
  const report = await billing.service.reconcile({ sweep: true });
  expect(report?.warnings.join()).toContain(String(invoice["id"]));
  expect(report?.swept).toMatchObject({ customers: 1, open_invoices: 1 });
});

test("a sweep detects that an old invoice was voided while webhooks failed", async () => {
  const { billing, connect } = await createDisconnectableBilling({});
  await billing.subscribe("ada");
  const { id } = (await subscriptionOf(billing, "ada")) ?? { id: "" };
  await billing.stripe("POST", `/v1/subscriptions/${id}`, { collection_method: "send_invoice", days_until_due: "90" });
  await billing.advance(35 * DAY);
  const { body: opened } = await billing.stripe("GET", "/v1/invoices", { status: "open" });
  const [invoice] = opened["data"] as { id: string }[];
  await billing.advance(30 * DAY);
  connect(false);
  await billing.stripe("POST", `/v1/invoices/${invoice?.id}/void`);
  await billing.emulator.advance(40 * DAY);
  await billing.service.reconcile();
  const store = openStore({ url: billing.databaseUrl, mode: "test" });
  onTestFinished(() => store.close());
  expect(await store.subscriptions.findInvoice(invoice?.id ?? "")).toMatchObject({ status: "void" });
});

test("a sweep reports a subscription with an unknown status, and stores all other subscriptions", async () => {
  const { billing, connect } = await createDisconnectableBilling({
    network: async (request, next) => {
      const response = await next(request);
      if (!/\/v1\/subscriptions\?/.test(request.url)) return response;
      return new Response((await response.text()).replace('"status":"active"', '"status":"frozen"'), response);
    },
  });
  await billing.subscribe("ada");
  connect(false);
  await billing.subscribe("grace");
  const report = await billing.service.reconcile({ sweep: true, since: billing.emulator.now() });
  expect(report?.warnings.join()).toContain('"frozen"');
  expect(report?.swept).toMatchObject({ subscriptions: 1 });
  const statuses = [
    (await subscriptionOf(billing, "ada"))?.["status"],
    (await subscriptionOf(billing, "grace"))?.["status"],
  ];
  expect(statuses).toEqual(["active", undefined]);
});

test("a reconcile completes an interrupted sweep, and the following reconcile starts a new sweep", async () => {
  const stop = new AbortController();
  const { billing, connect } = await createDisconnectableBilling({
    pushPlans: false,
    network: async (request, next) => {
      const isLater = request.url.includes("/v1/customers?") && request.url.includes("starting_after");
      if (isLater) stop.abort();
      return next(request);
    },
  });
  const ids: string[] = [];
  for (let index = 0; index < 120; index += 1)
    ids.push(String((await billing.stripe("POST", "/v1/customers")).body["id"]));
  await billing.drain();
  connect(false);
  await billing.stripe("DELETE", `/v1/customers/${ids[0]}`);
  await billing.emulator.advance(40 * DAY);
  expect(await billing.service.reconcile({ signal: stop.signal })).toBeNull();
  expect(await billing.service.reconcile()).toMatchObject({ swept: { customers: 119 } });
  expect(await billing.service.reconcile()).toMatchObject({ swept: { customers: 119 } });
  expect(await billing.service.reconcile()).toMatchObject({ swept: null });
  const store = openStore({ url: billing.databaseUrl, mode: "test" });
  onTestFinished(() => store.close());
  expect((await store.customers.findCustomers(ids)).get(ids[0] ?? "")).toMatchObject({ deleted: true });
});

test("a sweep saves its progress once per second and when it is aborted", async () => {
  const stop = new AbortController();
  const saved: number[] = [];
  const { billing } = await createDisconnectableBilling({
    pushPlans: false,
    network: async (request, next) => {
      const { pathname, searchParams } = new URL(request.url);
      if (pathname === "/v1/customers" && searchParams.has("starting_after")) {
        saved.push(await readSoFar());
        if (saved.length === 3) await billing.emulator.advance(2);
        if (saved.length === 5) stop.abort();
      }
      return next(request);
    },
  });
  const store = openStore({ url: billing.databaseUrl, mode: "test" });
  onTestFinished(() => store.close());
  const readSoFar = async (): Promise<number> => {
    const { progress = null } = (await store.tasks.find("reconcile")) ?? {};
    const { lists } = JSON.parse(progress ?? "{}") as { lists?: { customers?: { read: number } } };
    return lists?.customers?.read ?? 0;
  };
  // The test creates all customers in the same second, so that one time range of the sweep contains them all.
  for (let index = 0; index < 550; index += 1) await billing.stripe("POST", "/v1/customers");
  expect(await billing.service.reconcile({ sweep: true, signal: stop.signal })).toBeNull();
  expect(saved.slice(0, 3)).toEqual([0, 0, 0]);
  expect(saved.at(-1)).toBeGreaterThan(0);
  expect(await readSoFar()).toBeGreaterThan(saved.at(-1) ?? 0);
});

test("a sweep continues even if the last customer of a page is deleted", async () => {
  const deleted: string[] = [];
  const { billing, connect } = await createDisconnectableBilling({
    pushPlans: false,
    network: async (request, next) => {
      const { pathname, searchParams } = new URL(request.url);
      const after = searchParams.get("starting_after");
      if (pathname === "/v1/customers" && after !== null && deleted.length === 0) {
        deleted.push(after);
        await billing.stripe("DELETE", `/v1/customers/${after}`);
      }
      return next(request);
    },
  });
  connect(false);
  const ids: string[] = [];
  for (let index = 0; index < 250; index += 1) {
    ids.push(String((await billing.stripe("POST", "/v1/customers")).body["id"]));
    // Some of the test's customers have the same creation time.
    if (index % 30 === 0) await billing.emulator.advance(5);
  }
  expect(await billing.service.reconcile({ sweep: true })).not.toBeNull();
  expect(deleted).toHaveLength(1);
  const store = openStore({ url: billing.databaseUrl, mode: "test" });
  onTestFinished(() => store.close());
  const known = await store.customers.findCustomers(ids);
  expect(ids.filter((id) => !known.has(id))).toEqual([]);
});

test("a sweep stores a card about which no event arrived, and reports the card as a difference", async () => {
  const { billing, connect } = await createDisconnectableBilling({});
  await billing.subscribe("ada");
  await billing.service.reconcile({ sweep: true });
  connect(false);
  const store = openStore({ url: billing.databaseUrl, mode: "test" });
  onTestFinished(() => store.close());
  const customerId = (await store.customers.findPrimaryCustomer(userOwner("ada"))) ?? "";
  const { body: card } = await billing.stripe("POST", "/v1/payment_methods/pm_card_mastercard/attach", {
    customer: customerId,
  });
  const id = String(card["id"]);
  await billing.stripe("POST", `/v1/customers/${customerId}`, { "invoice_settings[default_payment_method]": id });
  const stored = (await store.customers.findCustomers([customerId])).get(customerId);
  assert(stored);
  await store.customers.saveCustomers([{ ...stored, defaultPaymentMethodId: id }]);
  const report = await billing.service.reconcile({ sweep: true });
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

test("the report of a sweep names the field of a card that differs, but not the field's value", async () => {
  const { billing, connect } = await createDisconnectableBilling({});
  await billing.subscribe("ada");
  await billing.service.reconcile({ sweep: true });
  connect(false);
  const { body } = await billing.call("ada", "GET", "subscriptions");
  const [{ id = "" } = {}] = body["subscriptions"] as { id?: string }[];
  const { body: subscription } = await billing.stripe("GET", `/v1/subscriptions/${id}`);
  const card = String(subscription["default_payment_method"]);
  await billing.stripe("POST", `/v1/payment_methods/${card}`, { "card[exp_year]": "2047" });
  const report = await billing.service.reconcile({ sweep: true });
  expect(report?.drift.map(describeDrift)).toEqual([
    `subscription ${id}: defaultPaymentMethod.expYear differs, repaired by a list`,
  ]);
  expect(JSON.stringify(report)).not.toContain("2047");
  expect(await billing.service.reconcile({ sweep: true })).toMatchObject({ drift: [] });
});

test("an event about a card stays pending if a sweep could not write the card to the mirror", async () => {
  let customerId = "";
  const { billing, connect } = await createDisconnectableBilling({
    network: async (request, next) => {
      const { pathname } = new URL(request.url);
      // The test changes the customer's lane, as a second replica would, while the sweep reads the list of customers. The
      // sweep's request for the single customer fails.
      if (pathname === "/v1/customers")
        await store.lanes.advance(new Map([[customerId, await store.lanes.versionOf(customerId)]]));
      return pathname === `/v1/customers/${customerId}`
        ? Response.json({ error: { type: "invalid_request_error", message: "no" } }, { status: 400 })
        : next(request);
    },
  });
  const store = openStore({ url: billing.databaseUrl, mode: "test" });
  onTestFinished(() => store.close());
  await billing.subscribe("ada");
  connect(false);
  const paidWith = (await store.customers.findPrimaryCustomer(userOwner("ada"))) ?? "";
  const { body: card } = await billing.stripe("POST", "/v1/payment_methods/pm_card_mastercard/attach", {
    customer: paidWith,
  });
  const id = String(card["id"]);
  await billing.stripe("POST", `/v1/customers/${paidWith}`, { "invoice_settings[default_payment_method]": id });
  customerId = paidWith;
  await billing.service.reconcile({ sweep: true });
  expect(await store.customers.findPaymentMethods([id])).toEqual(new Map());
  const { body: events } = await billing.stripe("GET", "/v1/events", { type: "payment_method.attached", limit: "1" });
  const [attached] = events["data"] as { id: string }[];
  expect(await store.inbox.find(attached?.id ?? "")).toMatchObject({ objectId: id, state: "pending" });
});

test("a response of Stripe that is older than a sweep does not overwrite data that the sweep has confirmed", async () => {
  const held = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  let holds = false;
  const billing = await createTestHarness({
    network: async (request, next) => {
      const response = await next(request);
      if (!holds || !/\/v1\/subscriptions\/sub_/.test(request.url) || request.method !== "GET") return response;
      const { cancel_at_period_end: isEnding } = (await response.clone().json()) as { cancel_at_period_end: boolean };
      if (!isEnding) return response;
      holds = false;
      held.resolve();
      await release.promise;
      return response;
    },
  });
  await billing.subscribe("ada");
  const { id } = (await subscriptionOf(billing, "ada")) ?? { id: "" };
  holds = true;
  const cancelling = billing.call("ada", "POST", "cancel-subscription", { subscriptionId: id });
  await held.promise;
  await billing.stripe("POST", `/v1/subscriptions/${id}`, { cancel_at_period_end: "false" });
  await billing.emulator.drain();
  await billing.service.reconcile({ sweep: true });
  release.resolve();
  await cancelling;
  await billing.drain();
  expect(await billing.service.reconcile({ sweep: true, dryRun: true })).toMatchObject({ drift: [] });
});

test("a sweep finds objects that were just created, even if the replica's clock is behind", async () => {
  const { billing, connect } = await createDisconnectableBilling();
  connect(false);
  const made = await billing.stripe("POST", "/v1/customers", { "metadata[auth0_user_id]": "ada" });
  const late = billing.addReplica({
    runtime: { now: () => billing.emulator.now() - 20_000, billingNow: () => billing.emulator.now() },
  });
  await late.reconcile({ sweep: true });
  const store = openStore({ url: billing.databaseUrl, mode: "test" });
  onTestFinished(() => store.close());
  expect(await store.customers.findPrimaryCustomer(userOwner("ada"))).toBe(made.body["id"]);
});

test.each(["refund", "dispute"] as const)(
  "a sweep finds the invoice of a %s whose event was processed while the list of invoice payments was stale",
  async (kind) => {
    const billing = await createTestHarness();
    const control = (method: string, path: string, body?: object): Promise<Response> =>
      billing.emulator.fetch(
        new Request(`http://localhost/_emulator/${path}`, { method, ...(body && { body: JSON.stringify(body) }) }),
      );
    await billing.subscribe("ada");
    await billing.drain();
    const { body: charges } = await billing.stripe("GET", "/v1/charges");
    const [charge] = charges["data"] as { id: string }[];
    assert(charge);
    await control("POST", "faults", { path: "/v1/invoice_payments", answer: "stale", times: 9 });
    await (kind === "refund"
      ? billing.stripe("POST", "/v1/refunds", { charge: charge.id })
      : control("POST", "disputes", { charge: charge.id }));
    await billing.drain();
    expect(await billing.features("ada")).not.toEqual([]);
    await control("DELETE", "faults");
    await billing.service.reconcile({ sweep: true });
    expect(await billing.features("ada")).toEqual([]);
  },
);
