import { describe, expect, onTestFinished, test, vi, type MockInstance } from "vitest";
import { openStore } from "../../packages/tollkeeper/src/store/open-store.ts";
import { createTestHarness, DAY, type TestHarness } from "../support/harness.ts";
import { userOwner } from "../../packages/tollkeeper/src/domain/owner.ts";

const PREMIUM = { plan: "premium", interval: "month" };

interface FailingCall {
  name: string;
  method: string;
  path: RegExp;
  before: (billing: TestHarness) => Promise<unknown>;
  act: (billing: TestHarness) => ReturnType<TestHarness["call"]>;
}

const post =
  (route: string) =>
  (billing: TestHarness): ReturnType<TestHarness["call"]> =>
    billing.call("ada", "POST", route);

async function subscribeAndCancel(billing: TestHarness): Promise<void> {
  await subscribe(billing);
  await billing.call("ada", "POST", "cancel-subscription");
}

/**
 * Lists every call to Stripe that a user's request can cause. Each entry also contains the steps that must run before the
 * user's request.
 */
const CALLS: readonly FailingCall[] = [
  { name: "searching customers", method: "GET", path: /\/v1\/customers\/search/, before: nothing, act: checkout },
  { name: "creating a customer", method: "POST", path: /\/v1\/customers$/, before: nothing, act: checkout },
  { name: "reading a customer", method: "GET", path: /\/v1\/customers\/cus_/, before: nothing, act: checkout },
  { name: "listing subscriptions", method: "GET", path: /\/v1\/subscriptions\?/, before: nothing, act: checkout },
  { name: "finding a price", method: "GET", path: /\/v1\/prices\?/, before: nothing, act: checkout },
  { name: "creating a session", method: "POST", path: /\/v1\/checkout\/sessions$/, before: nothing, act: checkout },
  { name: "reading a session", method: "GET", path: /\/v1\/checkout\/sessions\/cs_/, before: checkout, act: checkout },
  {
    name: "expiring a session",
    method: "POST",
    path: /\/expire$/,
    before: checkout,
    act: (billing) => checkout(billing, { plan: "team", interval: "month" }),
  },
  {
    name: "opening the portal",
    method: "POST",
    path: /\/v1\/billing_portal/,
    before: subscribe,
    act: post("create-portal-session"),
  },
  {
    name: "canceling",
    method: "POST",
    path: /\/v1\/subscriptions\/sub_/,
    before: subscribe,
    act: post("cancel-subscription"),
  },
  {
    name: "reading after canceling",
    method: "GET",
    path: /\/v1\/subscriptions\/sub_/,
    before: subscribe,
    act: post("cancel-subscription"),
  },
  {
    name: "resuming",
    method: "POST",
    path: /\/v1\/subscriptions\/sub_/,
    before: subscribeAndCancel,
    act: post("resume-subscription"),
  },
];

/** Fails a request before or after it takes effect at Stripe, without a response. */
async function lose(
  when: "before" | "after",
  request: Request,
  next: (request: Request) => Promise<Response>,
): Promise<never> {
  if (when === "after") await next(request);
  throw new TypeError("fetch failed");
}

const UNAVAILABLE = { status: 503, body: { error: { code: "stripe_unavailable" } } };

describe.each(CALLS)("when $name fails", ({ name, method, path, before, act }) => {
  test.each(["before", "after"] as const)(
    "%s the request took effect, the service returns 503 and the next call succeeds",
    async (when) => {
      let armed = false;
      const billing = await createTestHarness({
        network: async (request, next) => {
          const url = new URL(request.url);
          if (!armed || request.method !== method || !path.test(url.pathname + url.search)) return next(request);
          armed = false;
          return lose(when, request, next);
        },
      });
      await before(billing);
      armed = true;
      const first = await act(billing);
      // If Stripe expired the checkout session despite the error response, the service need not expire the session again.
      const expected = name === "expiring a session" && when === "after" ? { status: 200 } : UNAVAILABLE;
      expect(first).toMatchObject(expected);
      expect(armed).toBe(false);
      expect((await act(billing)).status).toBe(200);
      const { body: customers } = await billing.stripe("GET", "/v1/customers");
      expect(customers["data"]).toHaveLength(1);
      const { body: sessions } = await billing.stripe("GET", "/v1/checkout/sessions");
      const open = (sessions["data"] as { status: string }[]).filter(({ status }) => status === "open");
      expect(open.length).toBeLessThanOrEqual(1);
    },
  );
});

test("the service reports why Stripe rejected a request, and the next checkout succeeds", async () => {
  let refuse = true;
  const billing = await createTestHarness({
    network: async (request, next) =>
      refuse && request.url.endsWith("/v1/checkout/sessions")
        ? Response.json(
            {
              error: {
                type: "invalid_request_error",
                code: "resource_missing",
                param: "line_items[0][price]",
                message: "internal words for ada@example.com",
              },
            },
            { status: 400, headers: { "request-id": "req_stripe_1" } },
          )
        : next(request),
  });
  const refused = await checkout(billing);
  const message = "The payment service did not accept this request. Please contact support.";
  expect(refused).toMatchObject({ status: 400, body: { error: { code: "stripe_rejected", message } } });
  expect(JSON.stringify(refused.body)).not.toMatch(/internal words|resource_missing|Stripe/);
  const lines = billing.log.filter(({ level }) => level === "warn");
  expect(lines).toMatchObject([
    {
      message: "request refused",
      fields: {
        requestId: (refused.body["error"] as { requestId: string }).requestId,
        method: "POST",
        path: "/stripe/create-checkout-session",
        status: 400,
        code: "stripe_rejected",
        stripeMessage: "internal words for (email)",
        stripeError: "resource_missing",
        stripeParam: "line_items[0][price]",
        stripeRequestId: "req_stripe_1",
      },
    },
  ]);
  expect(JSON.stringify(billing.log)).not.toContain("ada@example.com");
  refuse = false;
  expect((await checkout(billing)).status).toBe(200);
});

test("an object is found after the response to its creation was lost, even if a new version sends new parameters", async () => {
  let tries = 0;
  const billing = await createTestHarness({
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
  expect(await checkout(billing)).toMatchObject(UNAVAILABLE);
  const { status, body } = await checkout(billing);
  const { body: sessions } = await billing.stripe("GET", "/v1/checkout/sessions");
  expect([status, tries]).toEqual([200, 2]);
  expect(sessions["data"]).toMatchObject([{ id: body["sessionId"] }]);
});

async function nothing(): Promise<void> {}

function checkout(billing: TestHarness, body: object = PREMIUM): ReturnType<TestHarness["call"]> {
  return billing.call("ada", "POST", "create-checkout-session", body);
}

async function subscribe(billing: TestHarness): Promise<void> {
  await billing.subscribe("ada");
}

/** Creates a customer for the user Ada, but loses Stripe's response and webhooks. */
async function billingWithUnlinkedCustomer(): Promise<TestHarness> {
  let respond = true;
  const billing = await createTestHarness({
    deliver: async () => new Response(null, { status: 503 }),
    network: async (request, next) => {
      const response = await next(request);
      if (!respond && request.method === "POST") throw new TypeError("fetch failed");
      return response;
    },
  });
  respond = false;
  const broken = await billing.call("ada", "POST", "create-checkout-session", { plan: "premium", interval: "month" });
  expect(broken.status).toBe(503);
  respond = true;
  return billing;
}

test("an operation that a crash interrupted is finished although the user does not repeat the request", async () => {
  const billing = await billingWithUnlinkedCustomer();
  const store = openStore({ url: billing.databaseUrl, mode: "test" });
  onTestFinished(() => store.close());
  expect(await store.operations.findCurrent("customer", "user:ada")).toMatchObject({ state: "pending" });
  await billing.advance(180);
  await billing.service.runMaintenance();
  expect(await store.operations.findCurrent("customer", "user:ada")).toMatchObject({
    state: "succeeded",
    params: null,
  });
  const { body } = await billing.stripe("GET", "/v1/customers");
  expect(body["data"]).toHaveLength(1);
  expect(await store.customers.findPrimaryCustomer(userOwner("ada"))).toBe((body["data"] as { id: string }[])[0]?.id);
});

test.each(["before", "after"] as const)(
  "after the user has resumed the subscription, the service does not repeat a cancellation request that failed %s its effect",
  async (when) => {
    let isLost = false;
    const billing = await createTestHarness({
      network: async (request, next) => {
        if (!isLost || request.method !== "POST") return next(request);
        return lose(when, request, next);
      },
    });
    await subscribe(billing);
    isLost = true;
    expect(await billing.call("ada", "POST", "cancel-subscription")).toMatchObject(UNAVAILABLE);
    isLost = false;
    const kept = { status: 200, body: { subscription: { cancelAtPeriodEnd: false } } };
    expect(await billing.call("ada", "POST", "resume-subscription")).toMatchObject(kept);
    await billing.advance(180);
    await billing.service.runMaintenance();
    const { body } = await billing.stripe("GET", "/v1/subscriptions");
    expect(body["data"]).toMatchObject([{ cancel_at_period_end: false }]);
  },
);

test("a customer that was deleted while its creation was pending is not created again without a user's request", async () => {
  const billing = await billingWithUnlinkedCustomer();
  const { body } = await billing.stripe("GET", "/v1/customers");
  await billing.stripe("DELETE", `/v1/customers/${(body["data"] as { id: string }[])[0]?.id}`);
  await billing.advance(180);
  await billing.service.runMaintenance();
  expect((await billing.stripe("GET", "/v1/customers")).body["data"]).toEqual([]);
});

test("after an operation was interrupted for a day, the service looks for its effect at Stripe instead of repeating the request", async () => {
  let asleep = true;
  const billing: TestHarness = await createTestHarness({
    open: (given) => {
      const store = openStore(given);
      const begin: typeof store.operations.begin = async (operation) => {
        const begun = await store.operations.begin(operation);
        if (asleep) await billing.emulator.advance(DAY);
        return begun;
      };
      return { ...store, operations: { ...store.operations, begin } };
    },
  });
  const ada = { id: "ada", email: null, name: null };
  await expect(billing.service.ensureCustomer(ada)).rejects.toMatchObject({ code: "operation_in_progress" });
  expect((await billing.stripe("GET", "/v1/customers")).body["data"]).toEqual([]);
  asleep = false;
  expect(await billing.service.ensureCustomer(ada)).toMatch(/^cus_/);
});

/**
 * Removes the pauses of Stripe's SDK between its retries. By default, Stripe's SDK pauses for up to five seconds between
 * retries, and its requests time out after twenty seconds.
 */
function skipPausesOfSdk(): void {
  type Timer = (then: () => void, ms: number, ...given: []) => object;
  const { setTimeout: later } = globalThis;
  const timers = vi.spyOn(globalThis, "setTimeout") as unknown as MockInstance<Timer>;
  timers.mockImplementation((then, ms, ...given) =>
    ms < 10_000 ? setImmediate(then, ...given) : later(then, ms, ...given),
  );
  onTestFinished(() => timers.mockRestore());
}

describe("an automatic retry of Stripe's SDK", () => {
  const ada = { id: "ada", email: null, name: null };
  /** Lets the given time pass during the first request, and then loses Stripe's response. */
  async function loseFirstAnswer(seconds: number) {
    skipPausesOfSdk();
    const tried: string[] = [];
    const billing: TestHarness = await createTestHarness({
      options: { stripeNetworkRetries: 3 },
      network: async (request, next) => {
        const response = await next(request);
        if (request.method === "POST" && tried.push(request.headers.get("idempotency-key") ?? "") === 1) {
          await billing.emulator.advance(seconds);
          throw new TypeError("fetch failed");
        }
        return response;
      },
    });
    return { billing, tried };
  }

  test("uses the same idempotency key until the key expires", async () => {
    const { billing, tried } = await loseFirstAnswer(60);
    const id = await billing.service.ensureCustomer(ada);
    expect(tried).toEqual([tried[0], tried[0]]);
    expect((await billing.stripe("GET", "/v1/customers")).body["data"]).toMatchObject([{ id }]);
  });

  test("is not sent if the idempotency key expired while the machine was suspended", async () => {
    const { billing, tried } = await loseFirstAnswer(DAY);
    await expect(billing.service.ensureCustomer(ada)).rejects.toMatchObject({ code: "stripe_unavailable" });
    expect(tried).toHaveLength(1);
    await billing.emulator.advance(180);
    const id = await billing.service.ensureCustomer(ada);
    expect(tried).toHaveLength(1);
    expect((await billing.stripe("GET", "/v1/customers")).body["data"]).toMatchObject([{ id }]);
  });
});

test("an interrupted operation that cannot be finished does not delay the operations of other users", async () => {
  let reachable = false;
  const billing = await createTestHarness({
    network: (request, next) => (reachable ? next(request) : Promise.reject(new TypeError("fetch failed"))),
  });
  const store = openStore({ url: billing.databaseUrl, mode: "test" });
  onTestFinished(() => store.close());
  for (let index = 0; index <= 30; index += 1)
    await store.operations.begin({
      id: `op_${String(index).padStart(2, "0")}`,
      kind: "customer",
      subject: `user:user${index}`,
      generation: 1,
      fingerprint: "f",
      params: JSON.stringify({ userId: `user${index}`, email: null, name: null }),
      idempotencyKey: `op_${index}`,
      state: "pending",
      result: null,
      createdAt: billing.emulator.now(),
      keyEndsAt: billing.emulator.now() + DAY * 1000,
    });
  await billing.advance(180);
  await billing.service.runMaintenance();
  expect((await store.operations.findCurrent("customer", "user:user30"))?.state).toBe("pending");
  reachable = true;
  await billing.service.runMaintenance();
  expect((await store.operations.findCurrent("customer", "user:user30"))?.state).toBe("succeeded");
});
