import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { UnavailableError, type TollkeeperOptions } from "../../packages/tollkeeper/src/index.ts";
import { userOwner } from "../../packages/tollkeeper/src/domain/owner.ts";
import { openStore } from "../../packages/tollkeeper/src/store/open-store.ts";
import { DIALECTS } from "../support/databases.ts";
import { signWebhook, TEST_START } from "../../packages/tollkeeper/src/testing/harness/index.ts";
import { createTestHarness, DAY, type TestHarness } from "../support/harness.ts";
import { findSubscription } from "../support/stripe-subscription.ts";

/** Returns a test service whose webhook deliveries are collected, so that a test can deliver the events in any order. */
async function collectDeliveries(options: Parameters<typeof createTestHarness>[0] = {}) {
  const caught: string[] = [];
  const billing = await createTestHarness({
    ...options,
    deliver: async (request) => {
      caught.push(await request.text());
      return new Response(null, { status: 200 });
    },
  });
  // Each delivery attempt gets a new signature, as Stripe signs each attempt again.
  const deliver = async (index: number, service = billing.service): Promise<number> => {
    const body = caught[index] ?? "";
    const headers = { "stripe-signature": signWebhook(body, { now: billing.emulator.now() }) };
    const request = new Request("http://app.test/stripe/webhook", { method: "POST", headers, body });
    return (await service.fetch(request)).status;
  };
  return { billing, caught, deliver };
}

/**
 * Returns a runtime for tests. A sleep in this runtime ends when its signal aborts, or when the callback `asleep` calls `wake`.
 */
function sleeping(
  now: () => number,
  asleep: (ms: number, wake: () => void) => void,
): NonNullable<TollkeeperOptions["runtime"]> {
  return {
    now,
    billingNow: now,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal.aborted) return resolve();
        signal.addEventListener("abort", () => resolve());
        asleep(ms, resolve);
      }),
  };
}

/** Returns a runtime in which short sleeps end immediately, and the long time limit of hooks never expires. */
function hurrying(now: () => number): NonNullable<TollkeeperOptions["runtime"]> {
  return sleeping(now, (ms, wake) => {
    if (ms < 10_000) setTimeout(wake, 1);
  });
}

async function lifeUntilCanceled(billing: TestHarness): Promise<void> {
  await billing.subscribe("ada");
  await billing.stripe("POST", `/v1/subscriptions/${(await findSubscription(billing)).id}`, {
    cancel_at_period_end: "true",
  });
  await billing.emulator.drain();
  await billing.emulator.advance(29 * DAY);
}

test("the mirror's final state does not depend on the order or the repetition of webhook deliveries", async () => {
  await fc.assert(
    fc.asyncProperty(fc.infiniteStream(fc.nat()), fc.boolean(), async (numbers, inBetween) => {
      const { billing, caught, deliver } = await collectDeliveries();
      await lifeUntilCanceled(billing);
      const order = shuffle([...caught.keys(), ...caught.keys()], numbers);
      for (const index of order) {
        await deliver(index);
        if (inBetween) await billing.service.drain();
      }
      await billing.service.drain();
      const { body } = await billing.call("ada", "GET", "subscriptions");
      expect(body["subscriptions"]).toMatchObject([
        { status: "canceled", latestInvoice: { status: "paid" }, paymentMethod: { last4: "4242" } },
      ]);
      expect(await billing.features("ada")).toEqual([]);
    }),
    { numRuns: 15 },
  );
});

describe.each(DIALECTS)("deliveries on %s", (dialect) => {
  test("an event that two replicas receive at the same time is stored once and processed once", async () => {
    const granted: string[] = [];
    const hooks = { onAccessGranted: ({ id }: { id: string }) => void granted.push(id) };
    const { billing, caught, deliver } = await collectDeliveries({ dialect, options: { hooks } });
    await billing.subscribe("ada");
    const replica = billing.addReplica();
    const both = caught.map((_body, index) => Promise.all([deliver(index), deliver(index, replica)]));
    expect((await Promise.all(both)).flat().every((status) => status === 200)).toBe(true);
    await Promise.all([billing.service.drain(), replica.drain()]);
    await Promise.all([billing.service.drain(), replica.drain()]);
    expect(await billing.features("ada")).toEqual(["exports", "priority_support"]);
    expect(granted).toHaveLength(1);
  });
});

test("thin event notifications lead to the same state as snapshot events", async () => {
  const states = await Promise.all(
    (["snapshot", "thin"] as const).map(async (payload) => {
      const billing = await createTestHarness({ payload });
      await billing.subscribe("ada");
      await billing.advance(40 * DAY);
      const { body } = await billing.call("ada", "GET", "subscriptions");
      return JSON.parse(JSON.stringify(body).replaceAll(/"(sub|in)_\w+"/g, '"id"')) as typeof body;
    }),
  );
  expect(states[1]).toEqual(states[0]);
  expect(states[0]?.["subscriptions"]).toMatchObject([{ status: "active" }]);
});

test("a late event about an old subscription does not change the access from a new subscription", async () => {
  const { billing, caught, deliver } = await collectDeliveries();
  await lifeUntilCanceled(billing);
  const old = caught.length;
  await billing.buy("ada", "team");
  await billing.emulator.drain();
  for (let index = old; index < caught.length; index++) await deliver(index);
  await billing.service.drain();
  for (let index = 0; index < old; index++) await deliver(index);
  await billing.service.drain();
  expect(await billing.features("ada")).toEqual(["exports", "seats"]);
});

test("all pending events about one object are processed with one retrieve request to Stripe", async () => {
  let retrieves = 0;
  const { billing, caught, deliver } = await collectDeliveries({
    network: (request, next) => {
      if (/\/v1\/subscriptions\/sub_/.test(request.url)) retrieves += 1;
      return next(request);
    },
  });
  await billing.subscribe("ada");
  const { id } = await findSubscription(billing);
  for (let at = 0; at < 20; at++)
    await billing.stripe("POST", `/v1/subscriptions/${id}`, { "metadata[n]": String(at) });
  await billing.emulator.drain();
  const updates = [...caught.keys()].filter((index) => caught[index]?.includes('"customer.subscription.updated"'));
  expect(updates.length).toBeGreaterThanOrEqual(20);
  for (const index of updates) await deliver(index);
  await billing.service.drain();
  expect(retrieves).toBe(1);
});

test("all pending events of a renewal are processed with one request to Stripe, in any order of arrival", async () => {
  for (const order of [1, -1]) {
    const asked: string[] = [];
    const { billing, caught, deliver } = await collectDeliveries({
      network: (request, next) => {
        asked.push(`${request.method} ${new URL(request.url).pathname}`);
        return next(request);
      },
    });
    await billing.subscribe("ada");
    for (const index of caught.keys()) await deliver(index);
    await billing.service.drain();
    const before = caught.length;
    await billing.emulator.advance(31 * DAY);
    const renewal = [...caught.keys()].slice(before);
    asked.length = 0;
    for (const index of renewal.toSorted((one, other) => order * (one - other))) await deliver(index);
    await billing.service.drain();
    expect(asked).toHaveLength(1);
    const { body } = await billing.call("ada", "GET", "subscriptions");
    expect(body["subscriptions"]).toMatchObject([
      { currentPeriodEnd: Date.UTC(2026, 2, 31, 12), latestInvoice: { status: "paid" } },
    ]);
  }
});

test("an event's object is retrieved separately if the response for another event does not contain the object", async () => {
  const asked: string[] = [];
  const { billing, caught, deliver } = await collectDeliveries({
    network: (request, next) => {
      asked.push(new URL(request.url).pathname);
      return next(request);
    },
  });
  await billing.subscribe("ada");
  const { body } = await billing.stripe("GET", "/v1/invoices");
  const [first] = body["data"] as { id: string }[];
  await billing.emulator.advance(31 * DAY);
  const renewed = caught.findLastIndex((event) => event.includes('"customer.subscription.updated"'));
  const firstPaid = caught.findIndex((event) => event.includes('"invoice.paid"'));
  for (const index of [renewed, firstPaid]) await deliver(index);
  await billing.service.drain();
  expect(asked.filter((path) => path.startsWith("/v1/invoices/"))).toEqual([`/v1/invoices/${first?.id}`]);
});

test("an event takes effect when Stripe retries its failed delivery", async () => {
  let failing = true;
  const billing = await createTestHarness({
    deliver: (request, next) => (failing ? Promise.resolve(new Response(null, { status: 500 })) : next(request)),
  });
  await billing.subscribe("ada");
  expect(await billing.features("ada")).toEqual([]);
  failing = false;
  await billing.advance(5 * 60);
  expect(await billing.features("ada")).toEqual(["exports", "priority_support"]);
});

test("events that arrived during an outage of two days are processed when Stripe is available again", async () => {
  let down = true;
  const billing = await createTestHarness({
    network: async (request, next) => {
      if (down && request.method === "GET" && /\/v1\/(subscriptions|invoices)\/\w+_/.test(request.url))
        throw new TypeError("fetch failed");
      return next(request);
    },
  });
  await billing.subscribe("ada");
  for (let hours = 0; hours < 48; hours++) await billing.advance(3_600);
  expect(await billing.features("ada")).toEqual([]);
  down = false;
  await billing.advance(20 * 60);
  expect(await billing.features("ada")).toEqual(["exports", "priority_support"]);
});

test("a dead letter is processed after Stripe delivers its event again", async () => {
  let poisoned = true;
  const { billing, caught, deliver } = await collectDeliveries({
    network: async (request, next) => {
      const response = await next(request);
      if (!poisoned || request.method !== "GET" || !/\/v1\/(subscriptions|invoices)\/\w+_/.test(request.url))
        return response;
      const body = (await response.json()) as { status: string };
      return Response.json({ ...body, status: "a status of the future" });
    },
  });
  await billing.subscribe("ada");
  const completed = caught.findIndex((body) => JSON.stringify(body).includes("checkout.session.completed"));
  await deliver(completed);
  for (let tries = 0; tries < 20; tries++) await billing.advance(600);
  expect(billing.log.some(({ message }) => message.includes("dead letter"))).toBe(true);
  expect(await billing.features("ada")).toEqual([]);
  poisoned = false;
  expect(await deliver(completed)).toBe(200);
  await billing.service.drain();
  expect(await billing.features("ada")).toEqual(["exports", "priority_support"]);
});

test("a hook that never returns delays neither the hooks of other users nor the stop of the service", async () => {
  let now = (): number => TEST_START;
  const billing = await createTestHarness({
    options: {
      hooks: { onAccessGranted: ({ owner }) => (owner.id === "ada" ? new Promise(() => {}) : undefined) },
      runtime: hurrying(() => now()),
    },
  });
  now = () => billing.emulator.now();
  const service = billing.addReplica({ runWorker: true });
  await service.start();
  for (const user of ["ada", "bob"]) await billing.buy(user);
  await billing.emulator.drain();
  await expect.poll(() => billing.features("bob")).toEqual(["exports", "priority_support"]);
  await service.stop();
});

test("a worker keeps its lease if one attempt to renew the lease fails", async () => {
  let beats = 0;
  let now = (): number => TEST_START;
  const held = Promise.withResolvers<void>();
  const billing = await createTestHarness({
    open: (given) => {
      const store = openStore(given);
      const renew: typeof store.outbox.renew = async (...claim) => {
        beats += 1;
        if (beats === 1) throw new UnavailableError("store_unavailable", "The database can't be reached now.");
        if (beats === 3) held.resolve();
        return store.outbox.renew(...claim);
      };
      return { ...store, outbox: { ...store.outbox, renew } };
    },
    options: {
      hooks: { onAccessGranted: () => held.promise },
      runtime: hurrying(() => now()),
    },
  });
  now = () => billing.emulator.now();
  const service = billing.addReplica({ runWorker: true });
  await service.start();
  await billing.buy("ada");
  await billing.emulator.drain();
  await held.promise;
  await service.stop();
  expect(billing.log.filter(({ message }) => message.includes("failed to renew"))).toHaveLength(1);
});

test("an event whose object cannot be retrieved is processed after Stripe recovers", async () => {
  let down = true;
  const billing = await createTestHarness({
    network: async (request, next) =>
      down && request.method === "GET" && /\/v1\/(subscriptions|invoices)\/(sub|in)_/.test(request.url)
        ? Response.json({ error: { type: "api_error", message: "down" } }, { status: 500 })
        : next(request),
  });
  await billing.subscribe("ada");
  expect(await billing.features("ada")).toEqual([]);
  down = false;
  await billing.advance(60);
  expect(await billing.features("ada")).toEqual(["exports", "priority_support"]);
});

test("a stale response of Stripe does not overwrite newer data that is already in the mirror", async () => {
  const waiting: { pass: () => void; asked: Promise<void> }[] = [];
  let hold = false;
  const billing = await createTestHarness({
    network: async (request, next) => {
      if (!hold || request.method !== "GET" || !/\/v1\/subscriptions\/sub_/.test(request.url)) return next(request);
      hold = false;
      const response = await next(request);
      let pass = () => {};
      const released = new Promise<void>((resolve) => {
        pass = resolve;
      });
      waiting.push({ pass, asked: Promise.resolve() });
      await released;
      return response;
    },
  });
  await billing.subscribe("ada");
  const { id } = await findSubscription(billing);
  await billing.stripe("POST", `/v1/subscriptions/${id}`, { "metadata[a]": "1" });
  await billing.emulator.drain();
  hold = true;
  const slow = billing.service.drain();
  while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve));
  const canceled = await billing.call("ada", "POST", "cancel-subscription");
  expect(canceled.body["subscription"]).toMatchObject({ cancelAtPeriodEnd: true });
  waiting[0]?.pass();
  await slow;
  const { body } = await billing.call("ada", "GET", "subscriptions");
  expect(body["subscriptions"]).toMatchObject([{ cancelAtPeriodEnd: true }]);
});

test("a hook that throws is retried with the same id, and before the user's next hooks", async () => {
  const calls: string[] = [];
  let failures = 2;
  const billing = await createTestHarness({
    options: {
      hooks: {
        onAccessGranted: ({ id }) => {
          calls.push(`granted ${id}`);
          if (failures-- > 0) throw new Error("the app was busy");
        },
        onAccessRevoked: () => void calls.push("revoked"),
      },
    },
  });
  await billing.subscribe("ada");
  await billing.stripe("DELETE", `/v1/subscriptions/${(await findSubscription(billing)).id}`);
  await billing.drain();
  await billing.advance(120);
  await billing.advance(31 * DAY);
  expect(new Set(calls.slice(0, 3)).size).toBe(1);
  expect(calls).toHaveLength(4);
  expect(calls.at(-1)).toBe("revoked");
});

test("a slow hook is not claimed by another replica while the first replica runs it", async () => {
  let calls = 0;
  let now = (): number => TEST_START;
  const heartbeats: (() => void)[] = [];
  const billing = await createTestHarness({
    options: {
      hooks: {
        async onAccessGranted() {
          if (++calls > 1) return;
          for (let slow = 0; slow < 4; slow++) {
            await billing.emulator.advance(5);
            for (const beat of heartbeats.splice(0)) beat();
            await new Promise((resolve) => setImmediate(resolve));
            await other.drain();
          }
        },
      },
      runtime: sleeping(
        () => now(),
        (ms, wake) => {
          // The sleep that enforces the time limit of hooks never ends in this test.
          if (ms < 5_000) heartbeats.push(wake);
        },
      ),
    },
  });
  now = () => billing.emulator.now();
  const other = billing.addReplica();
  await billing.subscribe("ada");
  expect(calls).toBe(1);
});

function shuffle(items: number[], numbers: Iterable<number>): number[] {
  const draws = numbers[Symbol.iterator]();
  const rest = [...items];
  const order: number[] = [];
  while (rest.length > 0) order.push(...rest.splice((draws.next().value ?? 0) % rest.length, 1));
  return order;
}

test("a replica processes events that another replica stored as soon as PostgreSQL notifies it", async () => {
  const billing = await createTestHarness({ dialect: "postgres" });
  const asleep = billing.addReplica({
    runWorker: true,
    runtime: sleeping(billing.emulator.now, (ms, wake) => {
      // In this test, only a notification from PostgreSQL wakes the replica's worker. Short sleeps of the worker end
      // immediately in this test.
      if (ms < 1_000) wake();
    }),
  });
  await asleep.start();
  await billing.buy("ada");
  await billing.emulator.drain();
  await expect.poll(() => billing.features("ada"), { timeout: 10_000 }).toContain("exports");
});

test("a worker immediately processes events that were stored before its start", async () => {
  const calls: string[] = [];
  const billing = await createTestHarness({
    options: { hooks: { onPaymentSucceeded: ({ id }) => void calls.push(id) } },
  });
  await billing.buy("ada");
  await billing.emulator.drain();
  const service = billing.addReplica({
    runWorker: true,
    runtime: sleeping(billing.emulator.now, () => {}),
  });
  await service.start();
  await expect.poll(() => calls.length).toBe(1);
});

test("a worker yields to the event loop after a few hooks, even if more hooks are due", async () => {
  const billing = await createTestHarness();
  const store = openStore({ url: billing.databaseUrl, mode: "test" });
  onTestFinished(() => store.close());
  const users = Array.from({ length: 200 }, (_, at) => `user-${at}`);
  await store.outbox.add(
    users.map((userId) => ({
      id: `payment:${userId}`,
      owner: userOwner(userId),
      hook: "onPaymentSucceeded",
      payload: JSON.stringify({ id: `payment:${userId}`, owner: userOwner(userId) }),
      createdAt: TEST_START,
    })),
  );
  let calls = 0;
  const service = billing.addReplica({
    runWorker: true,
    hooks: { onPaymentSucceeded: () => void (calls += 1) },
    runtime: sleeping(billing.emulator.now, () => {}),
  });
  await service.start();
  let most = 0;
  for (let before = calls; calls < users.length; before = calls) {
    await new Promise((resolve) => setImmediate(resolve));
    most = Math.max(most, calls - before);
  }
  expect(most).toBeLessThan(20);
});

test("events that arrive shortly after the worker wakes up are processed together with the event that woke the worker", async () => {
  const moments: (() => void)[] = [];
  let asked = 0;
  const billing = await createTestHarness({
    network: (request, next) => {
      if (/\/v1\/customers\/cus_\w+(\?|$)/.test(request.url)) asked += 1;
      return next(request);
    },
  });
  await billing.buy("ada");
  await billing.drain();
  // Prevents the service from reconciling during the test.
  await billing.service.reconcile();
  const service = billing.addReplica({
    runWorker: true,
    runtime: sleeping(billing.emulator.now, (ms, wake) => {
      if (ms < 1_000) moments.push(wake);
    }),
  });
  await service.start();
  const { body: list } = await billing.stripe("GET", "/v1/customers");
  const [{ id: customer } = { id: "" }] = list["data"] as { id: string }[];
  asked = 0;
  const deliverNth = (at: number): Promise<Response> => {
    const event = {
      id: `evt_gathered_${at}`,
      object: "event",
      type: "customer.updated",
      created: Math.floor(billing.emulator.now() / 1_000),
      livemode: false,
      data: { object: { id: customer, object: "customer" } },
    };
    const text = JSON.stringify(event);
    return service.fetch(
      new Request("http://app.test/stripe/webhook", {
        method: "POST",
        headers: { "stripe-signature": signWebhook(text, { now: billing.emulator.now() }) },
        body: text,
      }),
    );
  };
  expect((await deliverNth(1)).status).toBe(200);
  await expect.poll(() => moments.length).toBe(1);
  expect((await deliverNth(2)).status).toBe(200);
  expect((await deliverNth(3)).status).toBe(200);
  moments.shift()?.();
  const store = openStore({ url: billing.databaseUrl, mode: "test" });
  onTestFinished(() => store.close());
  await expect.poll(async () => (await store.inbox.countByState()).pending).toBe(0);
  expect(asked).toBe(1);
});
