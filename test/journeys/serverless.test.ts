/** Tests a service whose process is stopped between two requests, as on serverless platforms. */
import { describe, expect, onTestFinished, test } from "vitest";
import { openStore } from "../../packages/tollkeeper/src/store/open-store.ts";
import type { Store } from "../../packages/tollkeeper/src/store/store.ts";
import { createTestHarness, DAY, type TestHarness } from "../support/harness.ts";
import { createServiceClient, signWebhook } from "../../packages/tollkeeper/src/testing/harness/index.ts";
import { DIALECTS } from "../support/databases.ts";
import { PLANS } from "../support/plans.ts";

const WORK_TOKEN = "work-token-12345678";

async function requestWork(
  { service }: Pick<TestHarness, "service">,
  method = "GET",
): Promise<{ processed: number; more: boolean }> {
  const headers = { authorization: `Bearer ${WORK_TOKEN}` };
  const response = await service.fetch(new Request("http://app.test/stripe/work", { method, headers }));
  expect(response.status).toBe(200);
  return (await response.json()) as { processed: number; more: boolean };
}

describe.each(DIALECTS)("on %s", (dialect) => {
  test("waitUntil receives the processing of a webhook's event, so that access and hooks follow without a worker", async () => {
    const granted: string[] = [];
    const waiting: Promise<unknown>[] = [];
    const billing: TestHarness = await createTestHarness({
      dialect,
      options: { hooks: { onAccessGranted: ({ owner }) => void granted.push(owner.id) } },
      deliver: (request) => billing.service.fetch(request, { waitUntil: (work) => void waiting.push(work) }),
    });
    await billing.buy("ada");
    await billing.emulator.drain();
    expect(waiting.length).toBeGreaterThan(0);
    await Promise.all(waiting);
    expect(await billing.features("ada")).toContain("exports");
    expect(granted).toEqual(["ada"]);
  });

  test("an event that arrives while a request ends its work is processed", async () => {
    const waiting: Promise<unknown>[] = [];
    const webhooks: Request[] = [];
    const gate = Promise.withResolvers<void>();
    const reached = Promise.withResolvers<void>();
    let isArmed = false;
    const billing: TestHarness = await createTestHarness({
      dialect,
      deliver(request) {
        webhooks.push(request.clone());
        return billing.service.fetch(request, { waitUntil: (work) => void waiting.push(work) });
      },
      open(options) {
        const store = openStore(options);
        const find: Store["dueWork"]["find"] = async (...times) => {
          const due = await store.dueWork.find(...times);
          if (isArmed && !due.inbox) {
            reached.resolve();
            await gate.promise;
          }
          return due;
        };
        return { ...store, dueWork: { ...store.dueWork, find } };
      },
    });
    await billing.buy("ada");
    await billing.emulator.drain();
    await Promise.all(waiting);
    expect(await billing.features("ada")).toContain("exports");
    // A duplicate causes a run that finds no work.
    isArmed = true;
    const [first] = webhooks;
    if (first) await billing.service.fetch(first, { waitUntil: (work) => void waiting.push(work) });
    await reached.promise;
    await billing.stripe("POST", "/v1/customers", { "metadata[auth0_user_id]": "bob" });
    await billing.emulator.drain();
    isArmed = false;
    gate.resolve();
    await Promise.all(waiting);
    const store = openStore({ url: billing.databaseUrl, mode: "test" });
    onTestFinished(() => store.close());
    expect(await store.inbox.countUnfinished()).toEqual({ pending: 0, dead: 0 });
  });

  test("a request that causes no work, or is refused, passes nothing to waitUntil", async () => {
    const waiting: Promise<unknown>[] = [];
    const billing = await createTestHarness({ dialect, pushPlans: false, options: { workToken: WORK_TOKEN } });
    const send = (path: string, init?: RequestInit) =>
      billing.service.fetch(new Request(`http://app.test/stripe/${path}`, init), {
        waitUntil: (work) => void waiting.push(work),
      });
    expect((await send("config")).status).toBe(200);
    expect((await send("webhook", { method: "POST", body: "{}" })).status).toBe(400);
    const unneeded = JSON.stringify({ id: "evt_1", object: "event", type: "charge.updated", livemode: false });
    const signed = { "stripe-signature": signWebhook(unneeded, { now: billing.emulator.now() }) };
    const ignored = await send("webhook", { method: "POST", headers: signed, body: unneeded });
    expect(await ignored.json()).toMatchObject({ status: "ignored" });
    const authorization = `Bearer ${WORK_TOKEN}`;
    for (const method of ["GET", "POST"])
      expect((await send("work", { method, headers: { authorization } })).status).toBe(200);
    expect(waiting).toEqual([]);
  });

  test("a checkout and its verification pass the processing of due work to waitUntil", async () => {
    const waiting: Promise<unknown>[] = [];
    const billing = await createTestHarness({ dialect });
    const call = createServiceClient({
      fetch: (request) => billing.service.fetch(request, { waitUntil: (work) => void waiting.push(work) }),
    });
    const { status, body } = await call("ada", "POST", "create-checkout-session", {
      plan: "premium",
      interval: "month",
    });
    expect(status).toBe(200);
    expect(waiting).toHaveLength(1);
    expect((await call("ada", "GET", `checkout-session?session_id=${String(body["sessionId"])}`)).status).toBe(200);
    expect(waiting).toHaveLength(2);
    expect((await call("ada", "GET", "checkout-session?session_id=cs_unknown")).status).toBe(404);
    expect(waiting).toHaveLength(2);
    await Promise.all(waiting);
  });

  test.each(["GET", "POST"])("a scheduled %s request to /work processes pending events and hooks", async (method) => {
    const granted: string[] = [];
    const hooks = { onAccessGranted: ({ owner }: { owner: { id: string } }) => void granted.push(owner.id) };
    const billing = await createTestHarness({ dialect, options: { workToken: WORK_TOKEN, hooks } });
    await billing.buy("ada");
    await billing.emulator.drain();
    expect(await billing.features("ada")).toEqual([]);
    expect((await requestWork(billing, method)).processed).toBeGreaterThan(1);
    expect(await billing.features("ada")).toContain("exports");
    expect(granted).toEqual(["ada"]);
  });

  test("a scheduled request reports the access that a deploy changes", async () => {
    const granted: string[] = [];
    const hooks = {
      onAccessGranted: ({ features }: { features: readonly string[] }) => void granted.push(...features),
    };
    const billing = await createTestHarness({ dialect, options: { workToken: WORK_TOKEN, hooks } });
    await billing.subscribe("ada");
    granted.length = 0;
    const reports = { id: "reports", name: "Reports" };
    const plans = PLANS.map((plan) => ({ ...plan, features: [...plan.features, reports] }));
    await requestWork({ service: billing.addReplica({ plans }) });
    expect(granted).toEqual(["reports"]);
  });

  test("a scheduled request also reads events that no webhook delivered, and ends access in time", async () => {
    let isConnected = true;
    const billing = await createTestHarness({
      dialect,
      options: { workToken: WORK_TOKEN },
      deliver: async (request, next) => (isConnected ? next(request) : new Response(null, { status: 500 })),
    });
    await requestWork(billing);
    isConnected = false;
    await billing.buy("ada");
    await billing.emulator.advance(2 * 3_600);
    await requestWork(billing);
    expect(await billing.features("ada")).toContain("exports");
    const { body } = await billing.call("ada", "POST", "cancel-subscription");
    expect(body).toMatchObject({ subscription: { cancelAtPeriodEnd: true } });
    await billing.emulator.advance(40 * DAY);
    await requestWork(billing);
    expect(await billing.features("ada")).toEqual([]);
  });
});

test("one request to /work processes at most about 1,000 rows, and reports that there is more", async () => {
  const billing = await createTestHarness({ options: { workToken: WORK_TOKEN }, pushPlans: false });
  const store = openStore({ url: billing.databaseUrl, mode: "test" });
  const events = Array.from({ length: 1_100 }, (_, at) => ({
    eventId: `evt_${at}`,
    type: "customer.updated",
    objectId: `cus_${at}`,
    lane: `cus_${at}`,
    eventCreatedAt: billing.emulator.now(),
  }));
  await store.inbox.add(events, billing.emulator.now());
  await store.close();
  const { processed, more } = await requestWork(billing);
  expect(more).toBe(true);
  expect(processed).toBeGreaterThanOrEqual(500);
  expect(processed).toBeLessThan(1_100);
});
