import { describe, expect, onTestFinished, test } from "vitest";
import { definePlans, type Tollkeeper } from "../../packages/tollkeeper/src/index.ts";
import { openStore } from "../../packages/tollkeeper/src/store/open-store.ts";
import { createWorld, DAY, type World } from "../support/world.ts";

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

async function openSessions(world: World): Promise<Row[]> {
  const { body } = await world.stripe("GET", "/v1/checkout/sessions");
  return (body["data"] as Row[]).filter(({ status }) => status === "open");
}

async function customers(world: World): Promise<Row[]> {
  return (await world.stripe("GET", "/v1/customers")).body["data"] as Row[];
}

const aWhile = () => new Promise((resolve) => setTimeout(resolve, 1));

/** A network on which the creation of one thing takes longer than a whole request of somebody else. */
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

describe("a second replica that comes while the first one's call is under way", () => {
  test("opens no second checkout session", async () => {
    const slow = slowCreation("/v1/checkout/sessions");
    let holdLists = false;
    const world = await createWorld({
      network: async (request, next) => {
        // The second one is overtaken between what it loads and what it does.
        if (holdLists && request.url.includes("/v1/subscriptions")) {
          holdLists = false;
          slow.end();
          for (let turn = 0; turn < 20; turn++) await aWhile();
        }
        return slow.network(request, next);
      },
    });
    const replica = world.replica();
    await world.service.ensureCustomer(ADA);
    const first = checkout(world.service);
    await slow.begun;
    holdLists = true;
    expect([await checkout(replica), await first]).toEqual([200, 200]);
    expect(await openSessions(world)).toHaveLength(1);
  });

  test("makes no second customer, also while search finds nothing", async () => {
    const slow = slowCreation("/v1/customers");
    let searches = 0;
    const world = await createWorld({
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
    const replica = world.replica();
    const first = world.service.ensureCustomer(ADA);
    await slow.begun;
    const [one, other] = [await replica.ensureCustomer(ADA), await first];
    expect(one).toBe(other);
    expect(await customers(world)).toHaveLength(1);
  });
});

test("two replicas that look for what an old operation has made, and find nothing, act once", async () => {
  let down = true;
  const world = await createWorld({
    network: async (request, next) => {
      if (down && request.method === "POST" && request.url.endsWith("/v1/customers"))
        throw new TypeError("fetch failed");
      await aWhile();
      return next(request);
    },
  });
  const replica = world.replica();
  expect(await checkout(world.service)).toBe(503);
  down = false;
  await world.advance(DAY);
  await Promise.all([checkout(world.service), checkout(replica)]);
  expect(await customers(world)).toHaveLength(1);
  expect(await checkout(replica)).toBe(200);
  expect(await openSessions(world)).toHaveLength(1);
});

describe("a cancellation that is answered 200 has been made", () => {
  async function subscription(world: World): Promise<{ id: string; cancel_at_period_end: boolean }> {
    const { body } = await world.stripe("GET", "/v1/subscriptions");
    const [row] = body["data"] as { id: string; cancel_at_period_end: boolean }[];
    if (!row) throw new Error("there is no subscription");
    return row;
  }

  test("also where the webhook is late that would have told of its undoing", async () => {
    let late = false;
    const world = await createWorld({
      deliver: async (request, next) => (late ? new Response(null, { status: 503 }) : next(request)),
    });
    await world.subscribe("ada");
    await world.call("ada", "POST", "cancel-subscription");
    await world.settle();
    late = true;
    const { id } = await subscription(world);
    await world.stripe("POST", `/v1/subscriptions/${id}`, { cancel_at_period_end: "false" });
    expect(await world.call("ada", "POST", "cancel-subscription")).toMatchObject({ status: 200 });
    expect(await subscription(world)).toMatchObject({ cancel_at_period_end: true });
  });

  test("also where an earlier one's answer was lost and it was undone since", async () => {
    let loseAnswer = false;
    const world = await createWorld({
      network: async (request, next) => {
        const response = await next(request);
        if (!loseAnswer || request.method !== "POST" || !request.url.includes("/v1/subscriptions/")) return response;
        loseAnswer = false;
        throw new TypeError("fetch failed");
      },
    });
    await world.subscribe("ada");
    loseAnswer = true;
    expect(await world.call("ada", "POST", "cancel-subscription")).toMatchObject({ status: 503 });
    await world.settle();
    const { id } = await subscription(world);
    await world.stripe("POST", `/v1/subscriptions/${id}`, { cancel_at_period_end: "false" });
    await world.settle();
    expect(await world.call("ada", "POST", "cancel-subscription")).toMatchObject({ status: 200 });
    expect(await subscription(world)).toMatchObject({ cancel_at_period_end: true });
  });
});

test("trials of two plan groups are not both offered to one user", async () => {
  const prices = [{ interval: "month" as const, amount: 900, currency: "usd", trialDays: 14 }];
  const plans = definePlans([
    { id: "notes", name: "Notes", group: "notes", features: ["notes"], prices },
    { id: "mail", name: "Mail", group: "mail", features: ["mail"], prices },
  ]);
  const world = await createWorld({ options: { plans } });
  await world.call("ada", "POST", "create-checkout-session", { plan: "notes", interval: "month" });
  await world.call("ada", "POST", "create-checkout-session", { plan: "mail", interval: "month" });
  const { body } = await world.stripe("GET", "/v1/checkout/sessions");
  const amounts = (body["data"] as { amount_total: number }[]).map((session) => session.amount_total);
  expect(amounts.filter((amount) => amount === 0)).toHaveLength(1);
});

test("a customer whose metadata was moved by hand to another user stays with the one who pays with it", async () => {
  const world = await createWorld();
  await world.subscribe("ada");
  const [hers] = await customers(world);
  await world.stripe("POST", `/v1/customers/${hers?.id ?? ""}`, { "metadata[auth0_user_id]": "bob" });
  expect(await world.call("bob", "POST", "create-checkout-session", PREMIUM)).toMatchObject({ status: 200 });
  expect(await customers(world)).toHaveLength(2);
});

test("a user's next customer is linked when the word of the old one's end comes last", async () => {
  const held: Request[] = [];
  let holding = false;
  const world = await createWorld({
    deliver: async (request, next) => {
      if (!holding || !(await request.clone().text()).includes('"customer.deleted"')) return next(request);
      held.push(request.clone());
      return new Response(null, { status: 503 });
    },
  });
  await world.subscribe("ada");
  const { body } = await world.stripe("GET", "/v1/customers");
  const old = (body["data"] as { id: string }[])[0]?.id ?? "";
  holding = true;
  await world.stripe("DELETE", `/v1/customers/${old}`);
  const { body: next } = await world.stripe("POST", "/v1/customers", { "metadata[auth0_user_id]": "ada" });
  await world.settle();
  holding = false;
  for (const request of held) await world.service.fetch(request);
  await world.service.settle();
  const store = openStore({ url: world.databaseUrl, mode: "test" });
  onTestFinished(() => store.close());
  expect(await store.customers.findCustomerOf("ada")).toBe(next["id"]);
});

test("who has just bought is not sold it again, though Stripe's list does not show it yet and no webhook has come", async () => {
  let isOld = false;
  const world = await createWorld({
    deliver: async () => new Response(null, { status: 503 }),
    network: (request, next) =>
      isOld && new URL(request.url).pathname === "/v1/subscriptions"
        ? Promise.resolve(Response.json({ object: "list", url: "/v1/subscriptions", has_more: false, data: [] }))
        : next(request),
  });
  await world.buy("ada");
  isOld = true;
  const again = await world.call("ada", "POST", "create-checkout-session", PREMIUM);
  expect(again).toMatchObject({ status: 409, body: { error: { code: "already_subscribed" } } });
});

test("a customer's subscriptions are read to the last page", async () => {
  const world = await createWorld({
    deliver: async () => new Response(null, { status: 503 }),
    network: (request, next) => {
      const url = new URL(request.url);
      if (url.searchParams.has("limit")) url.searchParams.set("limit", "1");
      return next(new Request(url, request));
    },
  });
  const customer = await world.service.ensureCustomer({ id: "ada", email: null, name: null });
  const { body } = await world.stripe("GET", "/v1/prices", { "lookup_keys[0]": "premium_month" });
  const [price] = body["data"] as { id: string }[];
  for (let sold = 0; sold < 3; sold += 1)
    await world.stripe("POST", "/v1/subscriptions", {
      customer,
      "items[0][price]": price?.id ?? "",
      trial_period_days: "7",
    });
  await world.call("ada", "POST", "create-checkout-session", PREMIUM);
  expect(await world.service.listSubscriptions("ada")).toHaveLength(3);
});
