import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { UnavailableError, type TollkeeperOptions } from "../../packages/tollkeeper/src/index.ts";
import { openStore } from "../../packages/tollkeeper/src/store/open-store.ts";
import { DIALECTS } from "../support/databases.ts";
import { createWorld, DAY, signatureOf, START, type World } from "../support/world.ts";

/** Catches what Stripe would deliver, to deliver it in another way. */
async function catching(options: Parameters<typeof createWorld>[0] = {}) {
  const caught: string[] = [];
  const world = await createWorld({
    ...options,
    deliver: async (request) => {
      caught.push(await request.text());
      return new Response(null, { status: 200 });
    },
  });
  // Each attempt is signed afresh, as Stripe does.
  const deliver = async (index: number, service = world.service): Promise<number> => {
    const body = caught[index] ?? "";
    const headers = { "stripe-signature": signatureOf(body, world.emulator.now()) };
    const request = new Request("http://app.test/stripe/webhook", { method: "POST", headers, body });
    return (await service.fetch(request)).status;
  };
  return { world, caught, deliver };
}

/** Whoever sleeps is woken by a signal, by whoever `asleep` hands `wake` to, or never. */
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

/** Polls, beats and runs out of patience at once, but does not wait for a hook's own time limit. */
function hurrying(now: () => number): NonNullable<TollkeeperOptions["runtime"]> {
  return sleeping(now, (ms, wake) => {
    if (ms < 10_000) setTimeout(wake, 1);
  });
}

async function lifeUntilCanceled(world: World): Promise<void> {
  await world.subscribe("ada");
  await world.stripe("POST", `/v1/subscriptions/${await subscriptionId(world)}`, { cancel_at_period_end: "true" });
  await world.emulator.settle();
  await world.emulator.advance(29 * DAY);
}

async function subscriptionId(world: World): Promise<string> {
  const { body } = await world.stripe("GET", "/v1/subscriptions", { status: "all" });
  return (body["data"] as { id: string }[])[0]?.id ?? "";
}

test("any order and repetition of deliveries ends in the same mirror", async () => {
  await fc.assert(
    fc.asyncProperty(fc.infiniteStream(fc.nat()), fc.boolean(), async (numbers, inBetween) => {
      const { world, caught, deliver } = await catching();
      await lifeUntilCanceled(world);
      const order = shuffle([...caught.keys(), ...caught.keys()], numbers);
      for (const index of order) {
        await deliver(index);
        if (inBetween) await world.service.settle();
      }
      await world.service.settle();
      const { body } = await world.call("ada", "GET", "subscriptions");
      expect(body["subscriptions"]).toMatchObject([
        { status: "canceled", latestInvoice: { status: "paid" }, paymentMethod: { last4: "4242" } },
      ]);
      expect(await world.features("ada")).toEqual([]);
    }),
    { numRuns: 15 },
  );
});

describe.each(DIALECTS)("on %s", (dialect) => {
  test("the same event on two replicas at once is stored once and applied once", async () => {
    const granted: string[] = [];
    const hooks = { onAccessGranted: ({ id }: { id: string }) => void granted.push(id) };
    const { world, caught, deliver } = await catching({ dialect, options: { hooks } });
    await world.subscribe("ada");
    const replica = world.replica();
    const both = caught.map((_body, index) => Promise.all([deliver(index), deliver(index, replica)]));
    expect((await Promise.all(both)).flat().every((status) => status === 200)).toBe(true);
    await Promise.all([world.service.settle(), replica.settle()]);
    await Promise.all([world.service.settle(), replica.settle()]);
    expect(await world.features("ada")).toEqual(["exports", "priority_support"]);
    expect(granted).toHaveLength(1);
  });
});

test("thin notifications end in the same state as snapshots", async () => {
  const states = await Promise.all(
    (["snapshot", "thin"] as const).map(async (payload) => {
      const world = await createWorld({ payload });
      await world.subscribe("ada");
      await world.advance(40 * DAY);
      const { body } = await world.call("ada", "GET", "subscriptions");
      return JSON.parse(JSON.stringify(body).replaceAll(/"(sub|in)_\w+"/g, '"id"')) as typeof body;
    }),
  );
  expect(states[1]).toEqual(states[0]);
  expect(states[0]?.["subscriptions"]).toMatchObject([{ status: "active" }]);
});

test("a late word of the old subscription takes nothing from the new one", async () => {
  const { world, caught, deliver } = await catching();
  await lifeUntilCanceled(world);
  const old = caught.length;
  await world.buy("ada", "team");
  await world.emulator.settle();
  for (let index = old; index < caught.length; index++) await deliver(index);
  await world.service.settle();
  for (let index = 0; index < old; index++) await deliver(index);
  await world.service.settle();
  expect(await world.features("ada")).toEqual(["exports", "seats"]);
});

test("hints for one object that wait together cost one retrieve", async () => {
  let retrieves = 0;
  const { world, caught, deliver } = await catching({
    network: (request, next) => {
      if (/\/v1\/subscriptions\/sub_/.test(request.url)) retrieves += 1;
      return next(request);
    },
  });
  await world.subscribe("ada");
  const id = await subscriptionId(world);
  for (let at = 0; at < 20; at++) await world.stripe("POST", `/v1/subscriptions/${id}`, { "metadata[n]": String(at) });
  await world.emulator.settle();
  const updates = [...caught.keys()].filter((index) => caught[index]?.includes('"customer.subscription.updated"'));
  expect(updates.length).toBeGreaterThanOrEqual(20);
  for (const index of updates) await deliver(index);
  await world.service.settle();
  expect(retrieves).toBe(1);
});

test("a renewal's hints that wait together cost one request, whichever comes first", async () => {
  for (const order of [1, -1]) {
    const asked: string[] = [];
    const { world, caught, deliver } = await catching({
      network: (request, next) => {
        asked.push(`${request.method} ${new URL(request.url).pathname}`);
        return next(request);
      },
    });
    await world.subscribe("ada");
    for (const index of caught.keys()) await deliver(index);
    await world.service.settle();
    const before = caught.length;
    await world.emulator.advance(31 * DAY);
    const told = [...caught.keys()].slice(before);
    asked.length = 0;
    for (const index of told.toSorted((one, other) => order * (one - other))) await deliver(index);
    await world.service.settle();
    expect(asked).toHaveLength(1);
    const { body } = await world.call("ada", "GET", "subscriptions");
    expect(body["subscriptions"]).toMatchObject([
      { currentPeriodEnd: Date.UTC(2026, 2, 31, 12), latestInvoice: { status: "paid" } },
    ]);
  }
});

test("a hint about an object that the answer to its neighbour does not hold is asked about, too", async () => {
  const asked: string[] = [];
  const { world, caught, deliver } = await catching({
    network: (request, next) => {
      asked.push(new URL(request.url).pathname);
      return next(request);
    },
  });
  await world.subscribe("ada");
  const { body } = await world.stripe("GET", "/v1/invoices");
  const [first] = body["data"] as { id: string }[];
  await world.emulator.advance(31 * DAY);
  const renewed = caught.findLastIndex((event) => event.includes('"customer.subscription.updated"'));
  const firstPaid = caught.findIndex((event) => event.includes('"invoice.paid"'));
  for (const index of [renewed, firstPaid]) await deliver(index);
  await world.service.settle();
  expect(asked.filter((path) => path.startsWith("/v1/invoices/"))).toEqual([`/v1/invoices/${first?.id}`]);
});

test("a delivery that failed is tried again by Stripe, and then it counts", async () => {
  let failing = true;
  const world = await createWorld({
    deliver: (request, next) => (failing ? Promise.resolve(new Response(null, { status: 500 })) : next(request)),
  });
  await world.subscribe("ada");
  expect(await world.features("ada")).toEqual([]);
  failing = false;
  await world.advance(5 * 60);
  expect(await world.features("ada")).toEqual(["exports", "priority_support"]);
});

test("an outage of days loses nothing: its events are worked off when Stripe answers again", async () => {
  let down = true;
  const world = await createWorld({
    network: async (request, next) => {
      if (down && request.method === "GET" && /\/v1\/(subscriptions|invoices)\/\w+_/.test(request.url))
        throw new TypeError("fetch failed");
      return next(request);
    },
  });
  await world.subscribe("ada");
  for (let hours = 0; hours < 48; hours++) await world.advance(3_600);
  expect(await world.features("ada")).toEqual([]);
  down = false;
  await world.advance(20 * 60);
  expect(await world.features("ada")).toEqual(["exports", "priority_support"]);
});

test("an event that is with the dead letters is accepted and worked off when it comes again", async () => {
  let poisoned = true;
  const { world, caught, deliver } = await catching({
    network: async (request, next) => {
      const response = await next(request);
      if (!poisoned || request.method !== "GET" || !/\/v1\/(subscriptions|invoices)\/\w+_/.test(request.url))
        return response;
      const body = (await response.json()) as { status: string };
      return Response.json({ ...body, status: "a status of the future" });
    },
  });
  await world.subscribe("ada");
  const completed = caught.findIndex((body) => JSON.stringify(body).includes("checkout.session.completed"));
  await deliver(completed);
  for (let tries = 0; tries < 20; tries++) await world.advance(600);
  expect(world.log.some(({ message }) => message.includes("dead letters"))).toBe(true);
  expect(await world.features("ada")).toEqual([]);
  poisoned = false;
  expect(await deliver(completed)).toBe(200);
  await world.service.settle();
  expect(await world.features("ada")).toEqual(["exports", "priority_support"]);
});

test("a hook that never answers holds up its own user, and nobody else, and not the end", async () => {
  const world = await createWorld({
    options: {
      hooks: { onAccessGranted: ({ userId }) => (userId === "ada" ? new Promise(() => {}) : undefined) },
      runtime: hurrying(() => world.emulator.now()),
    },
  });
  const service = world.replica({ runWorker: true });
  await service.start();
  for (const user of ["ada", "bob"]) await world.buy(user);
  await world.emulator.settle();
  await expect.poll(() => world.features("bob")).toEqual(["exports", "priority_support"]);
  await service.stop();
});

test("a lease is held on though the store fails when it is renewed", async () => {
  let beats = 0;
  const held = Promise.withResolvers<void>();
  const world = await createWorld({
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
      runtime: hurrying(() => world.emulator.now()),
    },
  });
  const service = world.replica({ runWorker: true });
  await service.start();
  await world.buy("ada");
  await world.emulator.settle();
  await held.promise;
  await service.stop();
  expect(world.log.filter(({ message }) => message.includes("could not be renewed"))).toHaveLength(1);
});

test("work that fails for a while is retried; what never works goes to the dead letters and holds up nobody", async () => {
  let down = true;
  const world = await createWorld({
    network: async (request, next) =>
      down && request.method === "GET" && /\/v1\/(subscriptions|invoices)\/(sub|in)_/.test(request.url)
        ? Response.json({ error: { type: "api_error", message: "down" } }, { status: 500 })
        : next(request),
  });
  await world.subscribe("ada");
  expect(await world.features("ada")).toEqual([]);
  down = false;
  await world.advance(60);
  expect(await world.features("ada")).toEqual(["exports", "priority_support"]);
});

test("an answer that was under way while a newer one was written is not written over it", async () => {
  const waiting: { pass: () => void; asked: Promise<void> }[] = [];
  let hold = false;
  const world = await createWorld({
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
  await world.subscribe("ada");
  const id = await subscriptionId(world);
  await world.stripe("POST", `/v1/subscriptions/${id}`, { "metadata[a]": "1" });
  await world.emulator.settle();
  hold = true;
  const slow = world.service.settle();
  while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve));
  const canceled = await world.call("ada", "POST", "cancel-subscription");
  expect(canceled.body["subscription"]).toMatchObject({ cancelAtPeriodEnd: true });
  waiting[0]?.pass();
  await slow;
  const { body } = await world.call("ada", "GET", "subscriptions");
  expect(body["subscriptions"]).toMatchObject([{ cancelAtPeriodEnd: true }]);
});

test("a hook that throws is told again, in order, with the same id", async () => {
  const told: string[] = [];
  let failures = 2;
  const world = await createWorld({
    options: {
      hooks: {
        onAccessGranted: ({ id }) => {
          told.push(`granted ${id}`);
          if (failures-- > 0) throw new Error("the app was busy");
        },
        onAccessRevoked: () => void told.push("revoked"),
      },
    },
  });
  await world.subscribe("ada");
  await world.stripe("DELETE", `/v1/subscriptions/${await subscriptionId(world)}`);
  await world.settle();
  await world.advance(120);
  await world.advance(31 * DAY);
  expect(new Set(told.slice(0, 3)).size).toBe(1);
  expect(told).toHaveLength(4);
  expect(told.at(-1)).toBe("revoked");
});

test("a hook that takes long is not given to another replica as long as its own one lives", async () => {
  let told = 0;
  const heartbeats: (() => void)[] = [];
  const world = await createWorld({
    options: {
      hooks: {
        async onAccessGranted() {
          if (++told > 1) return;
          for (let slow = 0; slow < 4; slow++) {
            await world.emulator.advance(5);
            for (const beat of heartbeats.splice(0)) beat();
            await new Promise((resolve) => setImmediate(resolve));
            await other.settle();
          }
        },
      },
      runtime: sleeping(
        () => world.emulator.now(),
        (ms, wake) => {
          // The hook's own time limit is not what this is about.
          if (ms < 5_000) heartbeats.push(wake);
        },
      ),
    },
  });
  const other = world.replica();
  await world.subscribe("ada");
  expect(told).toBe(1);
});

function shuffle(items: number[], numbers: Iterable<number>): number[] {
  const draws = numbers[Symbol.iterator]();
  const rest = [...items];
  const order: number[] = [];
  while (rest.length > 0) order.push(...rest.splice((draws.next().value ?? 0) % rest.length, 1));
  return order;
}

test("a replica that sleeps works off what another has stored, as soon as PostgreSQL tells it", async () => {
  const world = await createWorld({ dialect: "postgres" });
  const asleep = world.replica({
    runWorker: true,
    runtime: sleeping(world.emulator.now, (ms, wake) => {
      // It never wakes by itself; once woken, it does not wait.
      if (ms < 1_000) wake();
    }),
  });
  await asleep.start();
  await world.buy("ada");
  await world.emulator.settle();
  await expect.poll(() => world.features("ada"), { timeout: 10_000 }).toContain("exports");
});

test("what is there already is worked off at once, one piece after the other", async () => {
  const told: string[] = [];
  const world = await createWorld({ options: { hooks: { onPaymentSucceeded: ({ id }) => void told.push(id) } } });
  await world.buy("ada");
  await world.emulator.settle();
  const service = world.replica({
    runWorker: true,
    runtime: sleeping(world.emulator.now, () => {}),
  });
  await service.start();
  await expect.poll(() => told.length).toBe(1);
});

test("however many hooks are due, whoever waits for an answer has a turn between a few of them", async () => {
  const world = await createWorld();
  const store = openStore({ url: world.databaseUrl, mode: "test" });
  onTestFinished(() => store.close());
  const users = Array.from({ length: 200 }, (_, at) => `user-${at}`);
  await store.outbox.add(
    users.map((userId) => ({
      id: `payment:${userId}`,
      userId,
      hook: "onPaymentSucceeded",
      payload: JSON.stringify({ id: `payment:${userId}`, userId }),
      createdAt: START,
    })),
  );
  let told = 0;
  const service = world.replica({
    runWorker: true,
    hooks: { onPaymentSucceeded: () => void (told += 1) },
    runtime: sleeping(world.emulator.now, () => {}),
  });
  await service.start();
  let most = 0;
  for (let before = told; told < users.length; before = told) {
    await new Promise((resolve) => setImmediate(resolve));
    most = Math.max(most, told - before);
  }
  expect(most).toBeLessThan(20);
});

test("hints that come shortly after the one that woke the worker are answered together with it", async () => {
  const moments: (() => void)[] = [];
  let asked = 0;
  const world = await createWorld({
    network: (request, next) => {
      if (/\/v1\/customers\/cus_\w+(\?|$)/.test(request.url)) asked += 1;
      return next(request);
    },
  });
  await world.buy("ada");
  await world.settle();
  // So that none is due meanwhile.
  await world.service.reconcile();
  const service = world.replica({
    runWorker: true,
    runtime: sleeping(world.emulator.now, (ms, wake) => {
      if (ms < 1_000) moments.push(wake);
    }),
  });
  await service.start();
  const { body: list } = await world.stripe("GET", "/v1/customers");
  const [{ id: customer } = { id: "" }] = list["data"] as { id: string }[];
  asked = 0;
  const hint = (at: number): Promise<Response> => {
    const event = {
      id: `evt_gathered_${at}`,
      object: "event",
      type: "customer.updated",
      created: Math.floor(world.emulator.now() / 1_000),
      livemode: false,
      data: { object: { id: customer, object: "customer" } },
    };
    const text = JSON.stringify(event);
    return service.fetch(
      new Request("http://app.test/stripe/webhook", {
        method: "POST",
        headers: { "stripe-signature": signatureOf(text, world.emulator.now()) },
        body: text,
      }),
    );
  };
  expect((await hint(1)).status).toBe(200);
  await expect.poll(() => moments.length).toBe(1);
  expect((await hint(2)).status).toBe(200);
  expect((await hint(3)).status).toBe(200);
  moments.shift()?.();
  const store = openStore({ url: world.databaseUrl, mode: "test" });
  onTestFinished(() => store.close());
  await expect.poll(async () => (await store.inbox.countByState()).pending).toBe(0);
  expect(asked).toBe(1);
});
