import { describe, expect, test } from "vitest";
import { definePlans } from "../../packages/tollkeeper/src/index.ts";
import type { TestUser } from "../../packages/tollkeeper/src/testing/index.ts";
import { createTestHarness, DAY } from "../support/harness.ts";
import { DIALECTS } from "../support/databases.ts";
import { createKit } from "../support/kit.ts";
import { subscriptionOf } from "../support/stripe-subscription.ts";

const month = (amount: number, trialDays: number) => ({
  interval: "month" as const,
  amount,
  currency: "usd",
  trialDays,
});
const PLANS = definePlans([
  {
    id: "premium",
    name: "Premium",
    features: ["exports"],
    prices: [month(900, 14), { interval: "year", amount: 9_000, currency: "usd" }],
  },
  { id: "team", name: "Team", features: ["seats"], prices: [month(2_900, 14)] },
  { id: "storage", name: "Storage", group: "extras", features: ["storage"], prices: [month(100, 7)] },
]);

interface Offered {
  id: string;
  current: boolean;
  prices: {
    interval: string;
    trialDays: number;
    action: string;
    reason: string | null;
    subscriptionId: string | null;
  }[];
}

async function plansFor({ call }: Pick<TestUser, "call">): Promise<Offered[]> {
  const { status, body } = await call("GET", "offer");
  expect(status).toBe(200);
  return body["plans"] as Offered[];
}

/** Returns the offer in a short form, such as "team month: checkout, 14 days". */
async function summary(user: TestUser): Promise<string[]> {
  return (await plansFor(user)).flatMap(({ id, prices }) =>
    prices.map(
      ({ interval, action, reason, trialDays }) => `${id} ${interval}: ${reason ?? action}, ${trialDays} days`,
    ),
  );
}

/** Buys a plan. Returns the days of its trial at Stripe. */
async function trialOf(user: TestUser, plan: string): Promise<number> {
  await user.subscribe(plan);
  const [newest] = await user.subscriptions();
  return newest?.trialEnd == null ? 0 : (newest.trialEnd - (newest.currentPeriodStart ?? 0)) / (DAY * 1000);
}

describe.each(DIALECTS)("the offer on %s", (dialect) => {
  const start = () => createKit({ dialect, plans: PLANS });

  test("has the trial for a new user, and the checkout gives this trial", async () => {
    const ada = (await start()).user("ada");
    expect(await summary(ada)).toEqual([
      "premium month: checkout, 14 days",
      "premium year: checkout, 0 days",
      "team month: checkout, 14 days",
      "storage month: checkout, 7 days",
    ]);
    expect(await trialOf(ada, "premium")).toBe(14);
  });

  test("marks the current plan, and has no second trial for a user who has had one", async () => {
    const billing = await start();
    const ada = await billing.user("ada").subscribe("premium");
    expect(await summary(ada)).toEqual([
      "premium month: current_price, 0 days",
      "premium year: other_interval, 0 days",
      "team month: other_plan, 0 days",
      "storage month: checkout, 0 days",
    ]);
    expect((await plansFor(ada)).map(({ current }) => current)).toEqual([true, false, false]);
    await ada.cancel();
    await billing.advance({ days: 15 });
    expect(await summary(ada)).toEqual([
      "premium month: checkout, 0 days",
      "premium year: checkout, 0 days",
      "team month: checkout, 0 days",
      "storage month: checkout, 0 days",
    ]);
    expect(await trialOf(ada, "premium")).toBe(0);
  });

  test("has no trial beside an open checkout of another group, until this checkout expires", async () => {
    const billing = await start();
    const ada = billing.user("ada");
    await ada.checkout("premium");
    const trials = async () => (await plansFor(ada)).map(({ id, prices }) => `${id} ${prices[0]?.trialDays ?? "none"}`);
    expect(await trials()).toEqual(["premium 14", "team 14", "storage 0"]);
    await billing.advance({ days: 2 });
    expect(await trials()).toEqual(["premium 14", "team 14", "storage 7"]);
  });

  test("marks the plan of each live subscription as current until the subscription ends", async () => {
    const billing = await start();
    const ada = billing.user("ada");
    const current = async () => (await plansFor(ada)).flatMap((plan) => (plan.current ? [plan.id] : []));
    await ada.subscribe("team");
    await ada.subscribe("storage");
    expect(await current()).toEqual(["team", "storage"]);
    for (const { id } of await ada.subscriptions()) await billing.stripe.subscriptions.cancel(id);
    expect(await current()).toEqual([]);
  });

  test("marks the plan of a subscription with a price every 3 months as current", async () => {
    const billing = await start();
    const ada = await billing.user("ada").subscribe("team");
    const { id, items } = await subscriptionOf(billing, ada);
    const [item] = items.data;
    const price = await billing.stripe.prices.create({
      product: item?.price.product as string,
      currency: "usd",
      unit_amount: 7_500,
      recurring: { interval: "month", interval_count: 3 },
    });
    await billing.stripe.subscriptions.update(id, { items: [{ id: item?.id ?? "", price: price.id }] });
    const team = (await plansFor(ada)).find((offered) => offered.id === "team");
    expect(team).toMatchObject({ current: true, prices: [{ action: "manage", reason: "other_interval" }] });
  });

  test("of one user does not depend on another user", async () => {
    const billing = await start();
    await billing.user("grace").subscribe("premium");
    expect((await summary(billing.user("ada")))[0]).toBe("premium month: checkout, 14 days");
  });
});

test("the offer writes nothing at Stripe and creates no customer", async () => {
  const writes: string[] = [];
  const billing = await createTestHarness({
    options: { plans: PLANS },
    network: (request, next) => {
      if (request.method !== "GET") writes.push(`${request.method} ${new URL(request.url).pathname}`);
      return next(request);
    },
  });
  const ada: Pick<TestUser, "call"> = { call: (...request) => billing.call("ada", ...request) };
  writes.length = 0;
  await plansFor(ada);
  expect(writes).toEqual([]);
  const { body } = await billing.stripe("GET", "/v1/customers");
  expect(body["data"]).toEqual([]);
});

test("the offer sends no request to Stripe about checkouts that expired", async () => {
  const requests: string[] = [];
  const billing = await createTestHarness({
    options: { plans: PLANS },
    network: (request, next) => {
      requests.push(`${request.method} ${new URL(request.url).pathname}`);
      return next(request);
    },
  });
  const ada: Pick<TestUser, "call"> = { call: (...request) => billing.call("ada", ...request) };
  for (const plan of ["premium", "storage"])
    await ada.call("POST", "create-checkout-session", { plan, interval: "month" });
  requests.length = 0;
  await plansFor(ada);
  expect(requests.map((request) => request.replace(/cs_.*/, "cs"))).toEqual([
    "GET /v1/checkout/sessions/cs",
    "GET /v1/checkout/sessions/cs",
  ]);
  await billing.advance(2 * DAY);
  requests.length = 0;
  await plansFor(ada);
  expect(requests).toEqual([]);
});

test("a visitor gets no offer, and uses the configuration", async () => {
  const billing = await createKit({ plans: PLANS });
  const refused = await billing.fetch(billing.service)(null, "/stripe/offer");
  expect(refused.status).toBe(401);
  expect(await refused.json()).toMatchObject({ error: { code: "unauthenticated" } });
});
