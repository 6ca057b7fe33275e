import { describe, expect, test } from "vitest";
import { definePlans } from "../../packages/tollkeeper/src/index.ts";
import { createTestBilling, DAY, type TestBilling } from "../support/billing.ts";
import { DIALECTS } from "../support/databases.ts";
import { findSubscription } from "../support/stripe-subscription.ts";

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

async function plansFor(billing: TestBilling, user: string): Promise<Offered[]> {
  const { status, body } = await billing.call(user, "GET", "offer");
  expect(status).toBe(200);
  return body["plans"] as Offered[];
}

/** Returns the offer in a short form, such as "team month: checkout, 14 days". */
async function summary(billing: TestBilling, user: string): Promise<string[]> {
  return (await plansFor(billing, user)).flatMap(({ id, prices }) =>
    prices.map(
      ({ interval, action, reason, trialDays }) => `${id} ${interval}: ${reason ?? action}, ${trialDays} days`,
    ),
  );
}

async function trialAtStripe(billing: TestBilling, user: string, plan: string): Promise<number> {
  const { body } = await billing.call(user, "POST", "create-checkout-session", { plan, interval: "month" });
  const session = await billing.stripe("POST", `/v1/payment_pages/${String(body["sessionId"])}/confirm`, {
    payment_method: "pm_card_visa",
  });
  await billing.drain();
  expect(session.status).toBe(200);
  const { body: listed } = await billing.call(user, "GET", "subscriptions");
  const [newest] = listed["subscriptions"] as { trialEnd: number | null; currentPeriodStart: number }[];
  return newest?.trialEnd == null ? 0 : (newest.trialEnd - newest.currentPeriodStart) / (DAY * 1000);
}

describe.each(DIALECTS)("the offer on %s", (dialect) => {
  const start = () => createTestBilling({ dialect, options: { plans: PLANS } });

  test("has the trial for a new user, and the checkout gives this trial", async () => {
    const billing = await start();
    expect(await summary(billing, "ada")).toEqual([
      "premium month: checkout, 14 days",
      "premium year: checkout, 0 days",
      "team month: checkout, 14 days",
      "storage month: checkout, 7 days",
    ]);
    expect(await trialAtStripe(billing, "ada", "premium")).toBe(14);
  });

  test("marks the current plan, and has no second trial for a user who has had one", async () => {
    const billing = await start();
    await billing.subscribe("ada");
    expect(await summary(billing, "ada")).toEqual([
      "premium month: current_price, 0 days",
      "premium year: other_interval, 0 days",
      "team month: other_plan, 0 days",
      "storage month: checkout, 0 days",
    ]);
    expect((await plansFor(billing, "ada")).map(({ current }) => current)).toEqual([true, false, false]);
    await billing.call("ada", "POST", "cancel-subscription", {});
    await billing.advance(15 * DAY);
    expect(await summary(billing, "ada")).toEqual([
      "premium month: checkout, 0 days",
      "premium year: checkout, 0 days",
      "team month: checkout, 0 days",
      "storage month: checkout, 0 days",
    ]);
    expect(await trialAtStripe(billing, "ada", "premium")).toBe(0);
  });

  test("has no trial beside an open checkout of another group, until this checkout expires", async () => {
    const billing = await start();
    await billing.call("ada", "POST", "create-checkout-session", { plan: "premium", interval: "month" });
    const trials = async () =>
      (await plansFor(billing, "ada")).map(({ id, prices }) => `${id} ${prices[0]?.trialDays ?? "none"}`);
    expect(await trials()).toEqual(["premium 14", "team 14", "storage 0"]);
    await billing.advance(2 * DAY);
    expect(await trials()).toEqual(["premium 14", "team 14", "storage 7"]);
  });

  test("marks the plan of each live subscription as current until the subscription ends", async () => {
    const billing = await start();
    const current = async () => (await plansFor(billing, "ada")).flatMap((plan) => (plan.current ? [plan.id] : []));
    await billing.subscribe("ada", "team");
    await billing.subscribe("ada", "storage");
    expect(await current()).toEqual(["team", "storage"]);
    const { body } = await billing.call("ada", "GET", "subscriptions");
    for (const { id } of body["subscriptions"] as { id: string }[])
      await billing.stripe("DELETE", `/v1/subscriptions/${id}`);
    await billing.drain();
    expect(await current()).toEqual([]);
  });

  test("marks the plan of a subscription with a price every 3 months as current", async () => {
    const billing = await start();
    await billing.subscribe("ada", "team");
    const { id, items } = await findSubscription(billing);
    const [item] = items.data;
    const price = await billing.stripe("POST", "/v1/prices", {
      product: item?.price.product ?? "",
      currency: "usd",
      unit_amount: "7500",
      "recurring[interval]": "month",
      "recurring[interval_count]": "3",
    });
    const changed = await billing.stripe("POST", `/v1/subscriptions/${id}`, {
      "items[0][id]": item?.id ?? "",
      "items[0][price]": String(price.body["id"]),
    });
    expect(changed.status).toBe(200);
    await billing.drain();
    const team = (await plansFor(billing, "ada")).find((offered) => offered.id === "team");
    expect(team).toMatchObject({ current: true, prices: [{ action: "manage", reason: "other_interval" }] });
  });

  test("of one user does not depend on another user", async () => {
    const billing = await start();
    await billing.subscribe("grace");
    expect((await summary(billing, "ada"))[0]).toBe("premium month: checkout, 14 days");
  });
});

test("the offer writes nothing at Stripe and creates no customer", async () => {
  const writes: string[] = [];
  const billing = await createTestBilling({
    options: { plans: PLANS },
    network: (request, next) => {
      if (request.method !== "GET") writes.push(`${request.method} ${new URL(request.url).pathname}`);
      return next(request);
    },
  });
  writes.length = 0;
  await plansFor(billing, "ada");
  expect(writes).toEqual([]);
  const { body } = await billing.stripe("GET", "/v1/customers");
  expect(body["data"]).toEqual([]);
});

test("the offer sends no request to Stripe about checkouts that expired", async () => {
  const requests: string[] = [];
  const billing = await createTestBilling({
    options: { plans: PLANS },
    network: (request, next) => {
      requests.push(`${request.method} ${new URL(request.url).pathname}`);
      return next(request);
    },
  });
  for (const plan of ["premium", "storage"])
    await billing.call("ada", "POST", "create-checkout-session", { plan, interval: "month" });
  requests.length = 0;
  await plansFor(billing, "ada");
  expect(requests.map((request) => request.replace(/cs_.*/, "cs"))).toEqual([
    "GET /v1/checkout/sessions/cs",
    "GET /v1/checkout/sessions/cs",
  ]);
  await billing.advance(2 * DAY);
  requests.length = 0;
  await plansFor(billing, "ada");
  expect(requests).toEqual([]);
});

test("a visitor gets no offer, and uses the configuration", async () => {
  const billing = await createTestBilling({ options: { plans: PLANS } });
  expect(await billing.call(null, "GET", "offer")).toMatchObject({
    status: 401,
    body: { error: { code: "unauthenticated" } },
  });
});
