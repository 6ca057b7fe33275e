import { describe, expect, onTestFinished, test } from "vitest";
import { definePlans, type Tollkeeper } from "../../packages/tollkeeper/src/index.ts";
import { openStore } from "../../packages/tollkeeper/src/store/open-store.ts";
import { createTestHarness, DAY, type TestHarness } from "../support/harness.ts";
import { userOwner } from "../../packages/tollkeeper/src/domain/owner.ts";
import { findSubscription } from "../support/stripe-subscription.ts";

const PREMIUM = { plan: "premium", interval: "month" };
const ADA = { id: "ada", email: "ada@example.com", name: "Ada" };

interface Row {
  id: string;
  status: string;
  live: boolean;
}

async function checkout(service: Tollkeeper): Promise<number> {
  const response = await service.fetch(
    new Request("http://app.test/stripe/create-checkout-session", {
      method: "POST",
      headers: { authorization: "Bearer ada", "content-type": "application/json" },
      body: JSON.stringify(PREMIUM),
    }),
  );
  return response.status;
}

async function openSessions(billing: TestHarness): Promise<Row[]> {
  const { body } = await billing.stripe("GET", "/v1/checkout/sessions");
  return (body["data"] as Row[]).filter(({ status }) => status === "open");
}

async function customers(billing: TestHarness): Promise<Row[]> {
  return (await billing.stripe("GET", "/v1/customers")).body["data"] as Row[];
}

const aWhile = () => new Promise((resolve) => setTimeout(resolve, 1));

/**
 * Returns a simulated network. On the simulated network, another replica sends a request and gets its response before the first
 * creation request ends.
 */
function slowCreation(path: string) {
  let begin = (): void => {};
  const begun = new Promise<void>((resolve) => (begin = resolve));
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => (end = resolve));
  let first = true;
  const network = async (request: Request, next: (request: Request) => Promise<Response>): Promise<Response> => {
    if (request.method !== "POST" || !request.url.endsWith(path) || !first) return next(request);
    first = false;
    begin();
    await ended;
    return next(request);
  };
  return { network, begun, end: () => end() };
}

describe("a second replica that handles the same request at the same time", () => {
  test("opens no second checkout session", async () => {
    const slow = slowCreation("/v1/checkout/sessions");
    let holdLists = false;
    const billing = await createTestHarness({
      network: async (request, next) => {
        // When the first replica's call ends, the second replica's call has loaded its data, but has not changed any data yet.
        if (holdLists && request.url.includes("/v1/subscriptions")) {
          holdLists = false;
          slow.end();
          for (let turn = 0; turn < 20; turn++) await aWhile();
        }
        return slow.network(request, next);
      },
    });
    const replica = billing.addReplica();
    await billing.service.ensureCustomer(ADA);
    const first = checkout(billing.service);
    await slow.begun;
    holdLists = true;
    expect([await checkout(replica), await first]).toEqual([200, 200]);
    expect(await openSessions(billing)).toHaveLength(1);
  });

  test("creates no second customer, even if the search for existing customers finds nothing", async () => {
    const slow = slowCreation("/v1/customers");
    let searches = 0;
    const billing = await createTestHarness({
      network: async (request, next) => {
        if (!request.url.includes("/customers/search")) return slow.network(request, next);
        if (++searches === 2) {
          slow.end();
          for (let turn = 0; turn < 20; turn++) await aWhile();
        }
        const nothing = { object: "search_result", data: [], has_more: false, next_page: null };
        return Response.json({ ...nothing, url: "/v1/customers/search" });
      },
    });
    const replica = billing.addReplica();
    const first = billing.service.ensureCustomer(ADA);
    await slow.begun;
    const [one, other] = [await replica.ensureCustomer(ADA), await first];
    expect(one).toBe(other);
    expect(await customers(billing)).toHaveLength(1);
  });
});

test("two replicas that finish one interrupted operation create only one customer", async () => {
  let down = true;
  const billing = await createTestHarness({
    network: async (request, next) => {
      if (down && request.method === "POST" && request.url.endsWith("/v1/customers"))
        throw new TypeError("fetch failed");
      await aWhile();
      return next(request);
    },
  });
  const replica = billing.addReplica();
  expect(await checkout(billing.service)).toBe(503);
  down = false;
  await billing.advance(DAY);
  await Promise.all([checkout(billing.service), checkout(replica)]);
  expect(await customers(billing)).toHaveLength(1);
  expect(await checkout(replica)).toBe(200);
  expect(await openSessions(billing)).toHaveLength(1);
});

describe("a cancellation that returns 200 has taken effect", () => {
  test("even if the webhook about an earlier resumption arrives late", async () => {
    let late = false;
    const billing = await createTestHarness({
      deliver: async (request, next) => (late ? new Response(null, { status: 503 }) : next(request)),
    });
    await billing.subscribe("ada");
    await billing.call("ada", "POST", "cancel-subscription");
    await billing.drain();
    late = true;
    const { id } = await findSubscription(billing);
    await billing.stripe("POST", `/v1/subscriptions/${id}`, { cancel_at_period_end: "false" });
    expect(await billing.call("ada", "POST", "cancel-subscription")).toMatchObject({ status: 200 });
    expect(await findSubscription(billing)).toMatchObject({ cancel_at_period_end: true });
  });

  test("even if the user undid an earlier cancellation, and Stripe's response to the earlier cancellation was lost", async () => {
    let loseAnswer = false;
    const billing = await createTestHarness({
      network: async (request, next) => {
        const response = await next(request);
        if (!loseAnswer || request.method !== "POST" || !request.url.includes("/v1/subscriptions/")) return response;
        loseAnswer = false;
        throw new TypeError("fetch failed");
      },
    });
    await billing.subscribe("ada");
    loseAnswer = true;
    expect(await billing.call("ada", "POST", "cancel-subscription")).toMatchObject({ status: 503 });
    await billing.drain();
    const { id } = await findSubscription(billing);
    await billing.stripe("POST", `/v1/subscriptions/${id}`, { cancel_at_period_end: "false" });
    await billing.drain();
    expect(await billing.call("ada", "POST", "cancel-subscription")).toMatchObject({ status: 200 });
    expect(await findSubscription(billing)).toMatchObject({ cancel_at_period_end: true });
  });
});

test("a user is offered only one trial, even in two plan groups", async () => {
  const prices = [{ interval: "month" as const, amount: 900, currency: "usd", trialDays: 14 }];
  const plans = definePlans([
    { id: "notes", name: "Notes", group: "notes", features: ["notes"], prices },
    { id: "mail", name: "Mail", group: "mail", features: ["mail"], prices },
  ]);
  const billing = await createTestHarness({ options: { plans } });
  await billing.call("ada", "POST", "create-checkout-session", { plan: "notes", interval: "month" });
  await billing.call("ada", "POST", "create-checkout-session", { plan: "mail", interval: "month" });
  const { body } = await billing.stripe("GET", "/v1/checkout/sessions");
  const amounts = (body["data"] as { amount_total: number }[]).map((session) => session.amount_total);
  expect(amounts.filter((amount) => amount === 0)).toHaveLength(1);
});

test("a user is linked to a new customer even if the deletion event of the old customer arrives last", async () => {
  const held: Request[] = [];
  let holding = false;
  const billing = await createTestHarness({
    deliver: async (request, next) => {
      if (!holding || !(await request.clone().text()).includes('"customer.deleted"')) return next(request);
      held.push(request.clone());
      return new Response(null, { status: 503 });
    },
  });
  await billing.subscribe("ada");
  const { body } = await billing.stripe("GET", "/v1/customers");
  const old = (body["data"] as { id: string }[])[0]?.id ?? "";
  holding = true;
  await billing.stripe("DELETE", `/v1/customers/${old}`);
  const { body: next } = await billing.stripe("POST", "/v1/customers", { "metadata[auth0_user_id]": "ada" });
  await billing.drain();
  holding = false;
  for (const request of held) await billing.service.fetch(request);
  await billing.service.drain();
  const store = openStore({ url: billing.databaseUrl, mode: "test" });
  onTestFinished(() => store.close());
  expect(await store.customers.findPrimaryCustomer(userOwner("ada"))).toBe(next["id"]);
});

test("a user who has just bought cannot buy again, even with a stale list and without webhooks", async () => {
  let isOld = false;
  const billing = await createTestHarness({
    deliver: async () => new Response(null, { status: 503 }),
    network: (request, next) =>
      isOld && new URL(request.url).pathname === "/v1/subscriptions"
        ? Promise.resolve(Response.json({ object: "list", url: "/v1/subscriptions", has_more: false, data: [] }))
        : next(request),
  });
  await billing.buy("ada");
  isOld = true;
  const again = await billing.call("ada", "POST", "create-checkout-session", PREMIUM);
  expect(again).toMatchObject({ status: 409, body: { error: { code: "already_subscribed" } } });
});

test("the service reads all pages of Stripe's list of a customer's subscriptions", async () => {
  const billing = await createTestHarness({
    deliver: async () => new Response(null, { status: 503 }),
    network: (request, next) => {
      const url = new URL(request.url);
      if (url.searchParams.has("limit")) url.searchParams.set("limit", "1");
      return next(new Request(url, request));
    },
  });
  const customer = await billing.service.ensureCustomer({ id: "ada", email: null, name: null });
  const { body } = await billing.stripe("GET", "/v1/prices", { "lookup_keys[0]": "premium_month" });
  const [price] = body["data"] as { id: string }[];
  for (let sold = 0; sold < 3; sold += 1)
    await billing.stripe("POST", "/v1/subscriptions", {
      customer,
      "items[0][price]": price?.id ?? "",
      trial_period_days: "7",
    });
  await billing.call("ada", "POST", "create-checkout-session", PREMIUM);
  expect(await billing.service.listSubscriptions("ada")).toHaveLength(3);
});
