import { describe, expect, onTestFinished, test, vi, type MockInstance } from "vitest";
import { openStore } from "../../packages/tollkeeper/src/store/open-store.ts";
import { createWorld, DAY, type World } from "../support/world.ts";

const PREMIUM = { plan: "premium", interval: "month" };

/** Every call to Stripe that a user's request makes, with how to come to it. */
const CALLS: [
  name: string,
  method: string,
  path: RegExp,
  before: (world: World) => Promise<unknown>,
  act: (world: World) => ReturnType<World["call"]>,
][] = [
  ["searching customers", "GET", /\/v1\/customers\/search/, nothing, checkout],
  ["making a customer", "POST", /\/v1\/customers$/, nothing, checkout],
  ["reading a customer", "GET", /\/v1\/customers\/cus_/, nothing, checkout],
  ["listing subscriptions", "GET", /\/v1\/subscriptions\?/, nothing, checkout],
  ["finding a price", "GET", /\/v1\/prices\?/, nothing, checkout],
  ["making a session", "POST", /\/v1\/checkout\/sessions$/, nothing, checkout],
  ["reading a session", "GET", /\/v1\/checkout\/sessions\/cs_/, checkout, checkout],
  [
    "expiring a session",
    "POST",
    /\/expire$/,
    checkout,
    (world) => checkout(world, { plan: "team", interval: "month" }),
  ],
  [
    "opening the portal",
    "POST",
    /\/v1\/billing_portal/,
    subscribe,
    (world) => world.call("ada", "POST", "create-portal-session"),
  ],
  [
    "canceling",
    "POST",
    /\/v1\/subscriptions\/sub_/,
    subscribe,
    (world) => world.call("ada", "POST", "cancel-subscription"),
  ],
  [
    "reading after canceling",
    "GET",
    /\/v1\/subscriptions\/sub_/,
    subscribe,
    (world) => world.call("ada", "POST", "cancel-subscription"),
  ],
  [
    "resuming",
    "POST",
    /\/v1\/subscriptions\/sub_/,
    async (world) => {
      await subscribe(world);
      await world.call("ada", "POST", "cancel-subscription");
    },
    (world) => world.call("ada", "POST", "resume-subscription"),
  ],
];

/** A request of which nothing is heard again. */
async function lose(
  when: "before" | "after",
  request: Request,
  next: (request: Request) => Promise<Response>,
): Promise<never> {
  if (when === "after") await next(request);
  throw new TypeError("fetch failed");
}

const UNAVAILABLE = { status: 503, body: { error: { code: "stripe_unavailable" } } };

describe.each(CALLS)("when %s fails", (name, method, path, before, act) => {
  test.each(["before", "after"] as const)(
    "%s its effect, the answer is 503 and the next try ends as if nothing had failed",
    async (when) => {
      let armed = false;
      const world = await createWorld({
        network: async (request, next) => {
          const url = new URL(request.url);
          if (!armed || request.method !== method || !path.test(url.pathname + url.search)) return next(request);
          armed = false;
          return lose(when, request, next);
        },
      });
      await before(world);
      armed = true;
      const first = await act(world);
      // A session that turns out to be expired needs no second try.
      const expected = name === "expiring a session" && when === "after" ? { status: 200 } : UNAVAILABLE;
      expect(first).toMatchObject(expected);
      expect(armed).toBe(false);
      expect((await act(world)).status).toBe(200);
      const { body: customers } = await world.stripe("GET", "/v1/customers");
      expect(customers["data"]).toHaveLength(1);
      const { body: sessions } = await world.stripe("GET", "/v1/checkout/sessions");
      const open = (sessions["data"] as { status: string }[]).filter(({ status }) => status === "open");
      expect(open.length).toBeLessThanOrEqual(1);
    },
  );
});

test("a refusal by Stripe is told as one, and does not lock the user out", async () => {
  let refuse = true;
  const world = await createWorld({
    network: async (request, next) =>
      refuse && request.url.endsWith("/v1/checkout/sessions")
        ? Response.json(
            { error: { type: "invalid_request_error", code: "secret_detail", message: "internal words" } },
            { status: 400 },
          )
        : next(request),
  });
  const refused = await checkout(world);
  expect(refused).toMatchObject({ status: 400, body: { error: { code: "stripe_rejected" } } });
  expect(JSON.stringify(refused.body)).not.toContain("internal words");
  refuse = false;
  expect((await checkout(world)).status).toBe(200);
});

test("what was made and never answered is found, also by a version that words the request otherwise", async () => {
  let tries = 0;
  const world = await createWorld({
    network: async (request, next) => {
      if (request.method !== "POST" || !request.url.endsWith("/v1/checkout/sessions")) return next(request);
      tries += 1;
      const { url, method, headers } = request;
      const body = `${await request.text()}${tries === 1 ? "" : "&metadata[version]=2"}`;
      const response = await next(new Request(url, { method, headers, body }));
      if (tries === 1) throw new TypeError("fetch failed");
      return response;
    },
  });
  expect(await checkout(world)).toMatchObject(UNAVAILABLE);
  const { status, body } = await checkout(world);
  const { body: sessions } = await world.stripe("GET", "/v1/checkout/sessions");
  expect([status, tries]).toEqual([200, 2]);
  expect(sessions["data"]).toMatchObject([{ id: body["sessionId"] }]);
});

describe("a renewal that fails", () => {
  const failingLater = { hooks: {} as Record<string, (event: { userId: string; message?: string | null }) => void> };

  test("leaves grace, tells the user where to pay, and paying ends it", async () => {
    const told: string[] = [];
    failingLater.hooks = {
      onPaymentFailed: ({ userId, message }) => told.push(`failed ${userId}: ${message ?? ""}`),
      onPaymentSucceeded: ({ userId }) => told.push(`succeeded ${userId}`),
    };
    const world = await createWorld({ options: failingLater });
    await subscribe(world);
    await failNextCharges(world);
    await world.advance(28 * DAY + 7200);
    const { body } = await world.call("ada", "GET", "subscriptions");
    const [subscription] = body["subscriptions"] as { latestInvoice: { actionUrl: string } }[];
    expect(subscription).toMatchObject({
      status: "past_due",
      latestInvoice: {
        outcome: "failed",
        message: expect.stringContaining("Your card was declined."),
        actionUrl: expect.stringContaining("/i/in_"),
      },
    });
    expect((await world.call("ada", "GET", "entitlements")).body["entitlements"]).toMatchObject([
      { reason: "past_due_grace" },
      {},
    ]);
    expect(told.at(-1)).toContain("failed ada: Your card was declined.");

    const form = new URLSearchParams({ number: "4242424242424242", expiry: "12/34", cvc: "123" });
    await world.emulator.fetch(
      new Request(subscription?.latestInvoice.actionUrl ?? "", { method: "POST", body: form }),
    );
    await world.settle();
    expect((await world.call("ada", "GET", "entitlements")).body["entitlements"]).toMatchObject([
      { reason: "active" },
      {},
    ]);
    expect(told.at(-1)).toBe("succeeded ada");
  });

  test("closes access when the grace is over, though no event says so, and ends when the tries are used up", async () => {
    const told: string[] = [];
    const world = await createWorld({
      options: {
        hooks: {
          onAccessRevoked: ({ userId }) => void told.push(`revoked ${userId}`),
          onPaymentFailed: ({ id }) => void told.push(id),
        },
      },
    });
    await subscribe(world);
    await failNextCharges(world);
    await world.advance(28 * DAY + 7200);
    expect(await world.features("ada")).not.toEqual([]);
    for (let day = 0; day < 7; day++) await world.advance(DAY);
    expect(await world.features("ada")).toEqual([]);
    expect(told).toContain("revoked ada");
    for (let day = 0; day < 10; day++) await world.advance(DAY);
    const { body } = await world.call("ada", "GET", "subscriptions");
    expect(body["subscriptions"]).toMatchObject([{ status: "canceled" }]);
    expect(await world.features("ada")).toEqual([]);
    const failures = told.filter((line) => line.startsWith("payment_failed"));
    expect(new Set(failures).size).toBe(failures.length);
    expect(failures.length).toBe(8);
  });
});

describe("a card that asks for 3-D Secure", () => {
  test("pays once the person has authenticated", async () => {
    const world = await createWorld();
    const paid = await world.subscribe("ada", "premium", "pm_card_authenticationRequired");
    const challenge = (paid.body["next_action"] as { redirect_to_url: { url: string } }).redirect_to_url.url;
    expect(await world.features("ada")).toEqual([]);
    await world.emulator.fetch(
      new Request(challenge, { method: "POST", body: new URLSearchParams({ answer: "yes" }) }),
    );
    await world.settle();
    expect(await world.features("ada")).toEqual(["exports", "priority_support"]);
  });

  test("gives nothing when the person refuses, and the session takes another card", async () => {
    const world = await createWorld();
    const paid = await world.subscribe("ada", "premium", "pm_card_authenticationRequired");
    const challenge = (paid.body["next_action"] as { redirect_to_url: { url: string } }).redirect_to_url.url;
    await world.emulator.fetch(new Request(challenge, { method: "POST", body: new URLSearchParams({ answer: "no" }) }));
    await world.settle();
    expect(await world.features("ada")).toEqual([]);
    await world.subscribe("ada");
    expect(await world.features("ada")).toEqual(["exports", "priority_support"]);
  });

  test("on a renewal tells the user to confirm", async () => {
    const told: string[] = [];
    const world = await createWorld({
      options: { hooks: { onPaymentActionRequired: ({ message }) => void told.push(message ?? "") } },
    });
    const paid = await world.subscribe("ada", "premium", "pm_card_authenticationRequired");
    const challenge = (paid.body["next_action"] as { redirect_to_url: { url: string } }).redirect_to_url.url;
    await world.emulator.fetch(
      new Request(challenge, { method: "POST", body: new URLSearchParams({ answer: "yes" }) }),
    );
    await world.settle();
    await world.advance(28 * DAY + 7200);
    expect(told).toEqual(["Your bank asks you to confirm this payment."]);
    const { body } = await world.call("ada", "GET", "subscriptions");
    expect(body["subscriptions"]).toMatchObject([
      { status: "past_due", latestInvoice: { outcome: "action_required" } },
    ]);
  });
});

test("a declined card gives nothing, says why, and another card pays", async () => {
  const world = await createWorld();
  const declined = await world.subscribe("ada", "premium", "pm_card_chargeDeclinedInsufficientFunds");
  expect(declined).toMatchObject({
    status: 402,
    body: { error: { code: "card_declined", message: "Your card has insufficient funds." } },
  });
  expect(await world.features("ada")).toEqual([]);
  await world.subscribe("ada");
  expect(await world.features("ada")).toEqual(["exports", "priority_support"]);
});

async function nothing(): Promise<void> {}

function checkout(world: World, body: object = PREMIUM): ReturnType<World["call"]> {
  return world.call("ada", "POST", "create-checkout-session", body);
}

async function subscribe(world: World): Promise<void> {
  await world.subscribe("ada");
}

/** Puts a card in place that saves and then fails. */
async function failNextCharges(world: World): Promise<void> {
  const { body } = await world.stripe("GET", "/v1/subscriptions");
  const [subscription] = body["data"] as { id: string; customer: string }[];
  const method = await world.stripe("POST", "/v1/payment_methods/pm_card_chargeCustomerFail/attach", {
    customer: subscription?.customer ?? "",
  });
  await world.stripe("POST", `/v1/subscriptions/${subscription?.id ?? ""}`, {
    default_payment_method: String(method.body["id"]),
  });
  await world.settle();
}

/** Ada's customer was made, and the word of it was lost; nor do webhooks bring it. */
async function worldWithACustomerOfNobody(): Promise<World> {
  let answered = true;
  const world = await createWorld({
    deliver: async () => new Response(null, { status: 503 }),
    network: async (request, next) => {
      const response = await next(request);
      if (!answered && request.method === "POST") throw new TypeError("fetch failed");
      return response;
    },
  });
  answered = false;
  const broken = await world.call("ada", "POST", "create-checkout-session", { plan: "premium", interval: "month" });
  expect(broken.status).toBe(503);
  answered = true;
  return world;
}

test("what a crash left unfinished towards Stripe is finished, though nobody asks again", async () => {
  const world = await worldWithACustomerOfNobody();
  const store = openStore({ url: world.databaseUrl, mode: "test" });
  onTestFinished(() => store.close());
  expect(await store.operations.findCurrent("customer", "ada")).toMatchObject({ state: "pending" });
  await world.advance(180);
  await world.service.tidyUp();
  expect(await store.operations.findCurrent("customer", "ada")).toMatchObject({ state: "succeeded", params: null });
  const { body } = await world.stripe("GET", "/v1/customers");
  expect(body["data"]).toHaveLength(1);
  expect(await store.customers.findCustomerOf("ada")).toBe((body["data"] as { id: string }[])[0]?.id);
});

test.each(["before", "after"] as const)(
  "a cancel of which nothing was heard, lost %s its effect, does not come after the user has changed their mind",
  async (when) => {
    let isLost = false;
    const world = await createWorld({
      network: async (request, next) => {
        if (!isLost || request.method !== "POST") return next(request);
        return lose(when, request, next);
      },
    });
    await subscribe(world);
    isLost = true;
    expect(await world.call("ada", "POST", "cancel-subscription")).toMatchObject(UNAVAILABLE);
    isLost = false;
    const kept = { status: 200, body: { subscription: { cancelAtPeriodEnd: false } } };
    expect(await world.call("ada", "POST", "resume-subscription")).toMatchObject(kept);
    await world.advance(180);
    await world.service.tidyUp();
    const { body } = await world.stripe("GET", "/v1/subscriptions");
    expect(body["data"]).toMatchObject([{ cancel_at_period_end: false }]);
  },
);

test("a customer that was deleted before its making was known is not made again while nobody asks", async () => {
  const world = await worldWithACustomerOfNobody();
  const { body } = await world.stripe("GET", "/v1/customers");
  await world.stripe("DELETE", `/v1/customers/${(body["data"] as { id: string }[])[0]?.id}`);
  await world.advance(180);
  await world.service.tidyUp();
  expect((await world.stripe("GET", "/v1/customers")).body["data"]).toEqual([]);
});

test("what was begun by a machine that then slept for a day is not sent any more, but looked for", async () => {
  let asleep = true;
  const world: World = await createWorld({
    open: (given) => {
      const store = openStore(given);
      const begin: typeof store.operations.begin = async (operation) => {
        const begun = await store.operations.begin(operation);
        if (asleep) await world.emulator.advance(DAY);
        return begun;
      };
      return { ...store, operations: { ...store.operations, begin } };
    },
  });
  const ada = { id: "ada", email: null, name: null };
  await expect(world.service.ensureCustomer(ada)).rejects.toMatchObject({ code: "operation_in_progress" });
  expect((await world.stripe("GET", "/v1/customers")).body["data"]).toEqual([]);
  asleep = false;
  expect(await world.service.ensureCustomer(ada)).toMatch(/^cus_/);
});

/** The SDK pauses for up to five seconds between its tries, and gives a request up after twenty: here the pauses pass at once. */
function skipPausesOfSdk(): void {
  type Timer = (then: () => void, ms: number, ...given: []) => object;
  const { setTimeout: later } = globalThis;
  const timers = vi.spyOn(globalThis, "setTimeout") as unknown as MockInstance<Timer>;
  timers.mockImplementation((then, ms, ...given) =>
    ms < 10_000 ? setImmediate(then, ...given) : later(then, ms, ...given),
  );
  onTestFinished(() => timers.mockRestore());
}

describe("what the SDK asks again by itself", () => {
  const ada = { id: "ada", email: null, name: null };
  /** The first answer is lost; so much time has passed by then. */
  async function loseFirstAnswer(seconds: number) {
    skipPausesOfSdk();
    const tried: string[] = [];
    const world: World = await createWorld({
      options: { stripeNetworkRetries: 3 },
      network: async (request, next) => {
        const answer = await next(request);
        if (request.method === "POST" && tried.push(request.headers.get("idempotency-key") ?? "") === 1) {
          await world.emulator.advance(seconds);
          throw new TypeError("fetch failed");
        }
        return answer;
      },
    });
    return { world, tried };
  }

  test("goes out under the same key while that lasts", async () => {
    const { world, tried } = await loseFirstAnswer(60);
    const id = await world.service.ensureCustomer(ada);
    expect(tried).toEqual([tried[0], tried[0]]);
    expect((await world.stripe("GET", "/v1/customers")).body["data"]).toMatchObject([{ id }]);
  });

  test("after a machine's night is not sent under a key that has ended", async () => {
    const { world, tried } = await loseFirstAnswer(DAY);
    await expect(world.service.ensureCustomer(ada)).rejects.toMatchObject({ code: "stripe_unavailable" });
    expect(tried).toHaveLength(1);
    await world.emulator.advance(180);
    const id = await world.service.ensureCustomer(ada);
    expect(tried).toHaveLength(1);
    expect((await world.stripe("GET", "/v1/customers")).body["data"]).toMatchObject([{ id }]);
  });
});

test("what can't be finished keeps nothing else waiting", async () => {
  let reachable = false;
  const world = await createWorld({
    network: (request, next) => (reachable ? next(request) : Promise.reject(new TypeError("fetch failed"))),
  });
  const store = openStore({ url: world.databaseUrl, mode: "test" });
  onTestFinished(() => store.close());
  for (let index = 0; index <= 30; index += 1)
    await store.operations.begin({
      id: `op_${String(index).padStart(2, "0")}`,
      kind: "customer",
      subject: `user${index}`,
      generation: 1,
      fingerprint: "f",
      params: JSON.stringify({ userId: `user${index}`, email: null, name: null }),
      idempotencyKey: `op_${index}`,
      state: "pending",
      result: null,
      createdAt: world.emulator.now(),
      keyEndsAt: world.emulator.now() + DAY * 1000,
    });
  await world.advance(180);
  await world.service.tidyUp();
  expect((await store.operations.findCurrent("customer", "user30"))?.state).toBe("pending");
  reachable = true;
  await world.service.tidyUp();
  expect((await store.operations.findCurrent("customer", "user30"))?.state).toBe("succeeded");
});
