/** Tests data that a database can't store or the service can't read: it never stops the work on other data. */
import { sql } from "kysely";
import { describe, expect, onTestFinished, test } from "vitest";
import { userOwner } from "../../packages/tollkeeper/src/domain/owner.ts";
import { openDatabase, openStore } from "../../packages/tollkeeper/src/store/open-store.ts";
import { signWebhook } from "../../packages/tollkeeper/src/testing/harness/index.ts";
import { createTestHarness, type TestHarness } from "../support/harness.ts";
import { DIALECTS } from "../support/databases.ts";

const event = (changes: object = {}, object: object = {}) => ({
  id: "evt_1",
  object: "event",
  type: "customer.updated",
  created: 1_770_000_000,
  livemode: false,
  data: { object: { id: "cus_1", object: "customer", ...object } },
  ...changes,
});

async function deliver(billing: TestHarness, value: unknown): Promise<{ status: number; body: unknown }> {
  const body = JSON.stringify(value);
  const headers = { "stripe-signature": signWebhook(body, { now: billing.emulator.now() }) };
  const response = await billing.service.fetch(
    new Request("http://app.test/stripe/webhook", { method: "POST", headers, body }),
  );
  return { status: response.status, body: await response.json() };
}

function openTestStoreOf({ databaseUrl }: TestHarness): ReturnType<typeof openStore> {
  const store = openStore({ url: databaseUrl, mode: "test" });
  onTestFinished(() => store.close());
  return store;
}

function openDatabaseOf({ databaseUrl }: TestHarness): ReturnType<typeof openDatabase> {
  const db = openDatabase(databaseUrl);
  onTestFinished(() => db.destroy());
  return db;
}

const UNSTORABLE: [name: string, field: string, value: object][] = [
  ["a creation time far in the future", "createdAt", event({ created: 1e13 })],
  ["a creation time with more digits than a number can hold", "createdAt", event({ created: 1e300 })],
  ["a negative creation time", "createdAt", event({ created: -1e12 })],
  ["a creation time with a fraction of a millisecond", "createdAt", event({ created: 1_770_000_000.000_1 })],
  ["a NUL in its id", "id", event({ id: "evt_\0" })],
  ["half a character in its id", "id", event({ id: "evt_\ud800" })],
  ["a NUL in its object's id", "objectId", event({}, { id: "cus_\0" })],
  ["half a character in its object's id", "objectId", event({}, { id: "cus_\udfff" })],
  [
    "a NUL in its customer's id",
    "customerId",
    event({ type: "invoice.paid" }, { id: "in_1", object: "invoice", customer: "c\0" }),
  ],
  ["a NUL in its request's id", "requestId", event({ request: { id: "req_\0" } })],
];

describe.each(DIALECTS)("on %s", (dialect) => {
  test.each(UNSTORABLE)(
    "the webhook endpoint rejects an event with %s, logs its field %s, and stores its neighbours",
    async (_, field, value) => {
      const billing = await createTestHarness({ dialect, pushPlans: false });
      const results = await Promise.all([
        deliver(billing, event({ id: "evt_before" })),
        deliver(billing, value),
        deliver(billing, event({ id: "evt_after" })),
      ]);
      expect(results).toEqual([
        { status: 200, body: { status: "accepted", eventId: "evt_before" } },
        { status: 400, body: { status: "rejected", reason: "invalid_event" } },
        { status: 200, body: { status: "accepted", eventId: "evt_after" } },
      ]);
      expect(billing.log.filter(({ level }) => level === "warn")).toMatchObject([{ fields: { field } }]);
      await billing.service.drain();
      expect(await openTestStoreOf(billing).inbox.countByState()).toMatchObject({ pending: 0, done: 2 });
    },
  );

  test("the webhook endpoint ignores an event of an unneeded type, whatever its creation time is", async () => {
    const billing = await createTestHarness({ dialect, pushPlans: false });
    expect(await deliver(billing, event({ type: "charge.updated", created: 1e13 }))).toMatchObject({ status: 200 });
  });

  test("a row with a number that JavaScript can't hold does not stop the worker", async () => {
    const billing = await createTestHarness({ dialect });
    await deliver(billing, event());
    const db = openDatabaseOf(billing);
    await sql`update inbox set event_created_at = 9007199254740993`.execute(db);
    await billing.subscribe("ada");
    expect(await billing.features("ada")).toContain("exports");
    expect(await openTestStoreOf(billing).inbox.countByState()).toMatchObject({ pending: 0, dead: 0 });
    expect((await billing.service.reconcile({ sweep: true }))?.warnings).toEqual([]);
  });

  test.runIf(dialect === "sqlite")(
    "a row whose lane is not valid text becomes a dead letter with a reason",
    async () => {
      const billing = await createTestHarness({ dialect, pushPlans: false });
      await deliver(billing, event());
      await sql`update inbox set lane = 'cus_' || char(0)`.execute(openDatabaseOf(billing));
      await billing.service.drain();
      expect(await openTestStoreOf(billing).inbox.listDeadLetters(10)).toMatchObject([
        { name: "evt_1", reason: expect.stringContaining("lane") as string },
      ]);
    },
  );

  test("an outbox row whose payload is damaged becomes a dead letter at once, and the owner's next hook runs", async () => {
    const granted: string[] = [];
    const hooks = { onAccessGranted: ({ id }: { id: string }) => void granted.push(id), onPaymentSucceeded: () => {} };
    const billing = await createTestHarness({ dialect, options: { hooks } });
    await billing.subscribe("ada");
    expect(granted).toHaveLength(1);
    const store = openTestStoreOf(billing);
    const owner = userOwner("ada");
    const message = { owner, hook: "onAccessGranted", createdAt: billing.emulator.now() };
    await store.outbox.add([
      { ...message, id: "damaged", payload: "{" },
      { ...message, id: "next", payload: '{"id":"next"}' },
    ]);
    await billing.drain();
    expect(granted.slice(1)).toEqual(["next"]);
    expect(await store.outbox.listDeadLetters(10)).toMatchObject([
      { name: "damaged", attempts: 1, reason: expect.stringContaining("is not valid JSON") as string },
    ]);
  });

  test("a hook that fails with a text that the database can't store is retried", async () => {
    let calls = 0;
    const hooks = {
      onAccessGranted: () => {
        calls += 1;
        if (calls === 1) throw new Error("half a character: \ud83d, and a NUL: \0");
      },
    };
    const billing = await createTestHarness({ dialect, options: { hooks } });
    await billing.subscribe("ada");
    await billing.advance(2);
    expect(calls).toBe(2);
    expect(billing.log.filter(({ message }) => message.includes("failed to record"))).toEqual([]);
  });

  test("a customer whose metadata has a user id that the database can't store does not stop a sweep", async () => {
    const billing = await createTestHarness({
      dialect,
      network: async (request, next) => {
        const response = await next(request);
        const text = await response.text();
        return new Response(text.replaceAll("UNSTORABLE", String.raw`a\u0000\ud800`), response);
      },
    });
    const metadata = { [String.raw`metadata[auth0_user_id]`]: "UNSTORABLE" };
    await billing.stripe("POST", "/v1/customers", metadata);
    await billing.stripe("POST", "/v1/products", { name: "UNSTORABLE", "metadata[tollkeeper_plan]": "UNSTORABLE" });
    await billing.buy("ada");
    expect(await billing.service.reconcile({ sweep: true })).toMatchObject({ warnings: [] });
    expect(await billing.features("ada")).toContain("exports");
    expect(await billing.service.reconcile({ sweep: true })).toMatchObject({ differences: 0 });
    await billing.drain();
    expect(await openTestStoreOf(billing).inbox.countByState()).toMatchObject({ pending: 0, dead: 0 });
  });

  test("a customer whose rows the database refuses is reported by a sweep, which repairs the other customers", async () => {
    const billing = await createTestHarness({ dialect, pushPlans: false });
    const ids: string[] = [];
    for (const user of ["ada", "bob", "cyd"]) {
      const { body } = await billing.stripe("POST", "/v1/customers", { "metadata[auth0_user_id]": user });
      ids.push(String(body["id"]));
    }
    const db = openDatabaseOf(billing);
    await (
      dialect === "sqlite"
        ? sql`create trigger refuse before insert on customers when new.owner_id = 'bob'
            begin select raise(abort, 'refused'); end`
        : sql`alter table customers add constraint refuse check (owner_id <> 'bob')`
    ).execute(db);
    const report = await billing.service.reconcile({ sweep: true });
    expect(report?.warnings).toEqual([expect.stringContaining(ids[1] ?? "") as string]);
    const mirrored = await openTestStoreOf(billing).customers.listIds();
    expect(new Set(mirrored)).toEqual(new Set([ids[0], ids[2]]));
  });

  test("an operation whose stored parameters are damaged is ended, and the user's next checkout starts", async () => {
    let isDown = false;
    const billing = await createTestHarness({
      dialect,
      network: (request, next) =>
        isDown && request.url.endsWith("/checkout/sessions") ? Promise.reject(new TypeError("down")) : next(request),
      options: { stripeNetworkRetries: 0 },
    });
    const checkout = () =>
      billing.call("ada", "POST", "create-checkout-session", { plan: "premium", interval: "month" });
    isDown = true;
    expect(await checkout()).toMatchObject({ status: 503 });
    isDown = false;
    await sql`update operations set params = '{' where state = 'pending'`.execute(openDatabaseOf(billing));
    expect(await checkout()).toMatchObject({ status: 409 });
    expect(await checkout()).toMatchObject({ status: 200 });
  });
});
