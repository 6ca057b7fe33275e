import { expect, test } from "vitest";
import { createRateBudget, type BudgetOptions } from "../../src/stripe/limits/request-budget.ts";
import { createTrace } from "../../src/tracing.ts";

/**
 * Creates a request budget with a clock that the test controls. `lateness` returns how many milliseconds late the request
 * budget's timer fires.
 */
function stand(options: Partial<BudgetOptions> = {}, lateness = () => 0) {
  let now = 0;
  let sleepers: { at: number; wake: () => void }[] = [];
  const asked: { at: number; url: string }[] = [];
  const budget = createRateBudget({
    requestsPerSecond: 10,
    requestsPerEndpoint: 1_000,
    inFlight: 100,
    fetch: async (input) => {
      asked.push({ at: now, url: input instanceof Request ? input.url : input.toString() });
      return new Response("{}");
    },
    now: () => now,
    sleep: (ms) => new Promise((wake) => void sleepers.push({ at: now + ms + lateness(), wake })),
    trace: createTrace(undefined),
    onResponse: () => {},
    ...options,
  });
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  };
  const pass = async (ms: number): Promise<void> => {
    await settle();
    const until = now + ms;
    for (;;) {
      const next = sleepers.toSorted((one, other) => one.at - other.at)[0];
      if (!next || next.at > until) break;
      sleepers = sleepers.filter((one) => one !== next);
      now = Math.max(now, next.at);
      next.wake();
      await settle();
    }
    now = until;
  };
  return { budget, asked, pass, now: () => now };
}

test("a burst of requests is sent at the configured number of requests per second", async () => {
  const { budget, asked, pass } = stand();
  for (let index = 0; index < 50; index += 1) void budget.fetch("background")(`http://a/${index}`);
  await pass(1_000);
  expect(asked).toHaveLength(10);
  await pass(4_100);
  expect(asked).toHaveLength(50);
});

test("if the timers of a busy process are late, delayed requests are sent without exceeding the limit in any second", async () => {
  let late = 0;
  const { budget, asked, pass } = stand({ requestsPerSecond: 25 }, () => (late = (late + 37) % 120));
  for (let index = 0; index < 250; index += 1) void budget.fetch("sweep")(`http://a/${index}`);
  await pass(10_700);
  expect(asked).toHaveLength(250);
  for (const { at } of asked)
    expect(asked.filter((one) => one.at >= at && one.at <= at + 1_000).length).toBeLessThanOrEqual(25);
});

test("requests from users are sent before background requests that have waited longer", async () => {
  const { budget, asked, pass } = stand({ requestsPerSecond: 1 });
  for (const name of ["http://first", "http://second"]) void budget.fetch("sweep")(name);
  void budget.fetch("background")("http://event");
  void budget.fetch("user")("http://user");
  await pass(3_500);
  expect(asked.map(({ url }) => url)).toEqual(["first", "user", "event", "second"].map((name) => `http://${name}`));
});

test("while the maximum number of requests is in flight, a new request waits until one of these requests ends", async () => {
  const answers: (() => void)[] = [];
  const { budget, pass } = stand({
    inFlight: 2,
    requestsPerSecond: 100,
    fetch: () => new Promise((resolve) => void answers.push(() => resolve(new Response("{}")))),
  });
  for (let index = 0; index < 3; index += 1) void budget.fetch("user")("http://a");
  await pass(1_000);
  expect(answers).toHaveLength(2);
  answers[0]?.();
  await pass(100);
  expect(answers).toHaveLength(3);
});

test("background sweeps never use all permitted concurrent requests, even if responses are slow", async () => {
  const asked: unknown[] = [];
  const { budget, pass } = stand({
    inFlight: 4,
    fetch: (input) => {
      asked.push(input);
      return new Promise(() => {});
    },
  });
  for (let index = 0; index < 10; index += 1) void budget.fetch("sweep")("http://list");
  await pass(2_000);
  void budget.fetch("user")("http://user");
  await pass(200);
  expect(asked).toEqual(["http://list", "http://list", "http://list", "http://user"]);
});

test("requests are not delayed if the system clock is set back", async () => {
  let setBackBy = 0;
  const { budget, asked, pass, now } = stand({ requestsPerSecond: 2, now: () => now() - setBackBy });
  void budget.fetch("user")("http://a");
  void budget.fetch("user")("http://b");
  await pass(100);
  setBackBy = 600_000;
  void budget.fetch("user")("http://c");
  await pass(2_000);
  expect(asked).toHaveLength(3);
});

test("after a 429, requests pause as long as Stripe asks, continue at half the rate, and then recover", async () => {
  const answers = [new Response("{}", { status: 429, headers: { "retry-after": "3" } })];
  const asked: number[] = [];
  const { budget, pass, now } = stand({
    fetch: async () => {
      asked.push(now());
      return answers.shift() ?? new Response("{}");
    },
  });
  void budget.fetch("user")("http://a");
  await pass(10);
  void budget.fetch("user")("http://b");
  await pass(2_900);
  expect(asked).toHaveLength(1);
  expect(budget.state()).toMatchObject({ limited: 1, waiting: { user: 1 } });
  await pass(200);
  expect(asked).toHaveLength(2);
  expect(budget.state().perSecond).toBeLessThan(7);
  await pass(20_000);
  expect(budget.state().perSecond).toBe(10);
});

test("a 429 because of a locked object does not change the request rate", async () => {
  const headers = { "stripe-rate-limited-reason": "resource-specific" };
  const { budget, pass } = stand({ fetch: async () => new Response("{}", { status: 429, headers }) });
  await budget.fetch("user")("http://a");
  await pass(10);
  expect(budget.state()).toMatchObject({ limited: 1, perSecond: 10 });
});

test("each replica gets an equal share of the request budget", () => {
  const { budget } = stand();
  budget.shareAmong(4);
  expect(budget.state().perSecond).toBe(2.5);
});

test("a request that is aborted while it waits is not sent", async () => {
  const { budget, asked, pass } = stand({ requestsPerSecond: 1 });
  const stop = new AbortController();
  void budget.fetch("user")("http://first");
  const late = budget
    .fetch("user")("http://second", { signal: stop.signal })
    .catch((error: unknown) => error);
  stop.abort(new Error("too late"));
  // The promise of an aborted request rejects immediately, even if earlier requests still wait.
  expect(await late).toMatchObject({ message: "too late" });
  expect(budget.state().waiting.user).toBe(0);
  await pass(2_000);
  expect(asked.map(({ url }) => url)).toEqual(["http://first"]);
});

test("a request is not sent after the machine was suspended while the request waited", async () => {
  const NIGHT_MS = 8 * 3_600_000;
  const { budget, asked, pass } = stand({ requestsPerSecond: 1 }, () => NIGHT_MS);
  void budget.fetch("background")("http://a/first");
  const second = budget.fetch("background")("http://a/second");
  await pass(2 * NIGHT_MS);
  const { status, headers } = await second;
  // Without a 503 response and the header `stripe-should-retry: false`, the SDK would retry the request.
  expect([status, headers.get("stripe-should-retry")]).toEqual([503, "false"]);
  expect(asked.map(({ url }) => url)).toEqual(["http://a/first"]);
});

test.each([
  ["is sent after a wait of one minute", 60_000, 200, null],
  ["is refused after a wait of more than one minute", 60_001, 503, "false"],
])("a request %s", async (_name, waitMs, status, shouldRetry) => {
  const responses: (() => void)[] = [];
  const { budget, pass } = stand({
    inFlight: 1,
    fetch: () => new Promise((resolve) => void responses.push(() => resolve(new Response("{}")))),
  });
  void budget.fetch("user")("http://a/first");
  const second = budget.fetch("user")("http://a/second");
  await pass(waitMs);
  responses[0]?.();
  await pass(10);
  responses[1]?.();
  const response = await second;
  expect(response.status).toBe(status);
  expect(response.headers.get("stripe-should-retry")).toBe(shouldRetry);
});

const STRIPE = "https://api.stripe.com/v1";

test("requests to one endpoint never exceed the endpoint's limit per second, even for different objects", async () => {
  const { budget, asked, pass } = stand({ requestsPerSecond: 80, requestsPerEndpoint: 25 });
  for (let index = 0; index < 60; index += 1) void budget.fetch("sweep")(`${STRIPE}/subscriptions/sub_${index}`);
  await pass(3_000);
  expect(asked).toHaveLength(60);
  for (const { at } of asked)
    expect(asked.filter((one) => one.at >= at && one.at <= at + 1_000).length).toBeLessThanOrEqual(25);
});

test.each([
  ["a list", `${STRIPE}/subscriptions`],
  ["a search", `${STRIPE}/subscriptions/search`],
  ["a list below an object", `${STRIPE}/subscriptions/sub_1/items`],
  ["an object of another collection", `${STRIPE}/invoices/in_1`],
  ["a collection with a longer path", `${STRIPE}/checkout/sessions`],
])(
  "a background sweep's request to %s is not delayed by the request limit for single objects",
  async (_what, other) => {
    const { budget, asked, pass } = stand({ requestsPerSecond: 80, requestsPerEndpoint: 1 });
    for (let index = 0; index < 3; index += 1) void budget.fetch("user")(`${STRIPE}/subscriptions/sub_${index}`);
    void budget.fetch("sweep")(other);
    await pass(10);
    expect(asked.map(({ url }) => url)).toEqual([`${STRIPE}/subscriptions/sub_0`, other]);
    await pass(2_500);
    expect(asked).toHaveLength(4);
  },
);

test("requests for different objects of a collection count as requests to one endpoint", async () => {
  const { budget, asked, pass } = stand({ requestsPerSecond: 80, requestsPerEndpoint: 1 });
  for (const path of ["products/premium", "products/team", "checkout/sessions/cs_1", "checkout/sessions/cs_2"])
    void budget.fetch("user")(`${STRIPE}/${path}`);
  await pass(10);
  expect(asked.map(({ url }) => url)).toEqual([`${STRIPE}/products/premium`, `${STRIPE}/checkout/sessions/cs_1`]);
});

test("a 429 about one endpoint slows only that endpoint", async () => {
  const headers = { "stripe-rate-limited-reason": "endpoint-rate", "retry-after": "3" };
  const answers = [new Response("{}", { status: 429, headers })];
  const asked: string[] = [];
  const { budget, pass } = stand({
    fetch: async (input) => {
      asked.push(input instanceof Request ? input.url : input.toString());
      return answers.shift() ?? new Response("{}");
    },
  });
  void budget.fetch("sweep")(`${STRIPE}/subscriptions`);
  await pass(10);
  void budget.fetch("sweep")(`${STRIPE}/subscriptions`);
  void budget.fetch("sweep")(`${STRIPE}/invoices`);
  await pass(1_000);
  expect(asked).toEqual([`${STRIPE}/subscriptions`, `${STRIPE}/invoices`]);
  expect(budget.state()).toMatchObject({ limited: 1, perSecond: 10 });
  await pass(2_200);
  expect(asked).toHaveLength(3);
});

test("a request to an idle endpoint does not wait for a request to a busy endpoint", async () => {
  const { budget, asked, pass } = stand({ requestsPerSecond: 10, requestsPerEndpoint: 1 });
  void budget.fetch("user")(`${STRIPE}/a`);
  void budget.fetch("user")(`${STRIPE}/a`);
  await pass(10);
  void budget.fetch("user")(`${STRIPE}/b`);
  void budget.fetch("user")(`${STRIPE}/c`);
  await pass(300);
  expect(asked.map(({ url }) => url.slice(-1))).toEqual(["a", "b", "c"]);
});
