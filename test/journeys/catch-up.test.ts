/** Where much waits, renewals are read by the page: one request answers what would have been one for each customer. */
import { describe, expect, onTestFinished, test } from "vitest";
import { DEFAULT_ACCESS_POLICY } from "../../packages/tollkeeper/src/domain/access.ts";
import { createMetrics } from "../../packages/tollkeeper/src/metrics.ts";
import type { Runtime } from "../../packages/tollkeeper/src/runtime.ts";
import type { StripeGateway } from "../../packages/tollkeeper/src/stripe/gateway/gateway.ts";
import { openStore } from "../../packages/tollkeeper/src/store/open-store.ts";
import { createCatchUp } from "../../packages/tollkeeper/src/reconcile/catch-up.ts";
import { STRIPE_ENDS } from "../../packages/tollkeeper/src/reconcile/read-ranges.ts";
import { handleSubscriptions, type SweepContext } from "../../packages/tollkeeper/src/reconcile/sweep-lists.ts";
import { createSync } from "../../packages/tollkeeper/src/sync/sync.ts";
import { createTrace } from "../../packages/tollkeeper/src/tracing.ts";
import { createWorld, DAY, PLANS, type World, type WorldOptions } from "../support/world.ts";

const USERS = ["ada", "bob", "cyd", "dee", "eve"];

/** Everybody has bought; what is asked of Stripe from then on is noted. */
async function bought(setup: WorldOptions = {}) {
  const asked: string[] = [];
  const paid: string[] = [];
  const world = await createWorld({
    catchUpAbove: 3,
    network: (request, next) => {
      const { pathname, search } = new URL(request.url);
      asked.push(`${pathname}${search}`);
      return next(request);
    },
    ...setup,
    options: { hooks: { onPaymentSucceeded: ({ userId }) => void paid.push(userId) }, ...setup.options },
  });
  for (const user of USERS) await world.subscribe(user);
  asked.length = 0;
  paid.length = 0;
  return { world, asked, paid };
}

/** To the day after everybody's renewal: Stripe has told of it, and nothing of that is worked off yet. */
async function renew({ emulator }: World): Promise<void> {
  await emulator.advance(29 * DAY);
  await emulator.advance(DAY);
}

async function endsOf(world: World): Promise<unknown[]> {
  const answers = await Promise.all(USERS.map((user) => world.call(user, "GET", "subscriptions")));
  return answers.map(({ body }) => (body["subscriptions"] as { currentPeriodEnd: number }[])[0]?.currentPeriodEnd);
}

describe.each(["sqlite", "postgres"] as const)("renewals that wait, on %s", (dialect) => {
  test("one request answers all of them, and everybody's payment is told once", async () => {
    const { world, asked, paid } = await bought({ dialect });
    const before = await endsOf(world);
    await renew(world);
    await world.service.tidyUp();
    expect(asked.map((path) => path.split("?")[0])).toEqual(["/v1/subscriptions"]);
    expect(await endsOf(world)).not.toEqual(before);
    await world.service.settle();
    expect(asked).toHaveLength(1);
    expect(paid.toSorted()).toEqual(USERS);
    expect(await world.service.reconcile({ sweep: true })).toMatchObject({ drift: [] });
  });

  test("where few wait, each is asked about by itself", async () => {
    const { world, asked } = await bought({ dialect, catchUpAbove: USERS.length });
    await renew(world);
    await world.service.tidyUp();
    expect(asked).toEqual([]);
    await world.service.settle();
    expect(asked).toHaveLength(USERS.length);
  });

  test("an invoice that is not paid yet is left to be asked about", async () => {
    const { world, paid } = await bought({ dialect });
    const { body } = await world.call("ada", "GET", "subscriptions");
    const [{ id = "" } = {}] = body["subscriptions"] as { id?: string }[];
    const { body: subscription } = await world.stripe("GET", `/v1/subscriptions/${id}`);
    const customer = String(subscription["customer"]);
    const { body: card } = await world.stripe("POST", "/v1/payment_methods/pm_card_chargeCustomerFail/attach", {
      customer,
    });
    const failing = { default_payment_method: String(card["id"]) };
    await world.stripe("POST", `/v1/subscriptions/${id}`, failing);
    await world.settle();
    await renew(world);
    await world.service.tidyUp();
    await world.service.settle();
    expect(paid.toSorted()).toEqual(USERS.slice(1));
    const answer = await world.call("ada", "GET", "subscriptions");
    expect(answer.body["subscriptions"]).toMatchObject([{ status: "past_due" }]);
    expect(await world.service.reconcile({ sweep: true })).toMatchObject({ drift: [] });
  });

  test("what somebody writes between a page and its use is not overwritten", async () => {
    let world: World | null = null;
    let isLate = false;
    const setup = await bought({
      dialect,
      network: async (request, next) => {
        const answer = await next(request);
        const isPage = new URL(request.url).searchParams.has("current_period_start[gte]");
        if (isPage && isLate && world) {
          isLate = false;
          const { data } = (await answer.clone().json()) as { data: { id: string }[] };
          await world.stripe("DELETE", `/v1/subscriptions/${data[0]?.id}`);
          await world.settle();
        }
        return answer;
      },
    });
    world = setup.world;
    await renew(world);
    isLate = true;
    await world.service.tidyUp();
    expect(isLate).toBe(false);
    await world.service.settle();
    expect(await world.service.reconcile({ sweep: true })).toMatchObject({ drift: [] });
  });

  test("an invoice that is a draft yet is told of by the page, too", async () => {
    const { world, asked } = await bought({ dialect });
    await world.emulator.advance(28 * DAY);
    const [first] = (await endsOf(world)) as number[];
    await world.emulator.advance(Math.ceil(((first ?? 0) - world.emulator.now()) / 1_000) + 120);
    asked.length = 0;
    await world.service.tidyUp();
    await world.service.settle();
    expect(asked).toHaveLength(1);
    expect(await world.service.reconcile({ sweep: true })).toMatchObject({ drift: [] });
  });

  test("hints that no page answers are neither counted as done nor held up", async () => {
    const { world } = await bought({ dialect });
    for (const user of USERS) {
      const { body } = await world.stripe("GET", "/v1/customers", { email: `${user}@example.com` });
      const [customer] = body["data"] as { id: string }[];
      await world.stripe("POST", "/v1/payment_methods/pm_card_visa/attach", { customer: customer?.id ?? "" });
    }
    await world.emulator.settle();
    await world.service.tidyUp();
    const told = world.log.filter(({ message }) => message === "renewals that waited were read by the page");
    expect(told.map(({ fields }) => fields)).toMatchObject([{ lanes: USERS.length, done: 0 }]);
    await world.service.settle();
    expect(await world.service.reconcile({ sweep: true })).toMatchObject({ drift: [] });
  });
});

test("an old event that comes late has no more listed than what has renewed lately", async () => {
  const { world, asked } = await bought({ catchUpAbove: 3 });
  await renew(world);
  const store = openStore({ url: world.databaseUrl, mode: "test" });
  onTestFinished(() => store.close());
  const now = world.emulator.now();
  const old = { eventId: "evt_old", type: "customer.updated", objectId: "cus_old", lane: "cus_old" };
  const more = Array.from({ length: 6 }, (_, at) => ({
    ...old,
    eventId: `evt_${at}`,
    lane: `cus_${at}`,
    eventCreatedAt: now,
  }));
  await store.inbox.add([{ ...old, eventCreatedAt: now - 25 * DAY * 1_000 }, ...more], now);
  await world.service.tidyUp();
  const [page = ""] = asked;
  const since = Number(new URLSearchParams(page.split("?")[1]).get("current_period_start[gte]"));
  expect(now / 1_000 - since).toBeLessThan(3 * DAY);
});

/** What catches up, in the service's place: on its store, by this way to Stripe. */
function reach({ emulator, gateway, databaseUrl }: World): SweepContext {
  const store = openStore({ url: databaseUrl, mode: "test" });
  onTestFinished(() => store.close());
  const runtime: Runtime = {
    now: () => emulator.now(),
    billingNow: () => emulator.now(),
    random: () => 0.5,
    newId: () => crypto.randomUUID(),
    sleep: async () => {},
    log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    metrics: createMetrics(),
    trace: createTrace(undefined),
  };
  const sync = createSync({ plans: PLANS, policy: DEFAULT_ACCESS_POLICY, runtime, store, gateway });
  return { store, gateway, sync, runtime };
}

test("told to stop, it leaves the rest to the next, which may begin at once", async () => {
  const { world, asked, paid } = await bought();
  await renew(world);
  const context = reach(world);
  const stopping = new AbortController();
  const pages: number[] = [];
  const listRenewedPage: StripeGateway["listRenewedPage"] = async (since, after) => {
    const page = await context.gateway.listRenewedPage(since, after);
    pages.push(page.rows.length);
    stopping.abort();
    return page;
  };
  const catchUp = createCatchUp({ ...context, gateway: { ...context.gateway, listRenewedPage } }, { above: 3 });
  expect(await catchUp(stopping.signal)).toBe(0);
  expect(pages).toEqual([USERS.length]);
  await world.service.tidyUp();
  expect(asked.map((path) => path.split("?")[0])).toEqual(["/v1/subscriptions"]);
  await world.service.settle();
  expect(paid.toSorted()).toEqual(USERS);
  expect(await world.service.reconcile({ sweep: true })).toMatchObject({ drift: [] });
});

test("of two pages that share a card the older does not undo what the newer has written", async () => {
  const { world } = await bought();
  const { body } = await world.call("ada", "GET", "subscriptions");
  const [{ id = "" } = {}] = body["subscriptions"] as { id?: string }[];
  const { body: first } = await world.stripe("GET", `/v1/subscriptions/${id}`);
  const card = String(first["default_payment_method"]);
  const { data } = first["items"] as { data: { price: { id: string } }[] };
  await world.stripe("POST", "/v1/subscriptions", {
    customer: String(first["customer"]),
    "items[0][price]": data[0]?.price.id ?? "",
    default_payment_method: card,
  });
  await world.settle();
  const context = reach(world);
  const versions = await context.store.lanes.all();
  const handle = handleSubscriptions(context, { versions, signal: new AbortController().signal });
  const listAdas = async () => {
    const { rows } = await context.gateway.listSubscriptionPage({ from: 0, until: STRIPE_ENDS }, null);
    return rows.filter(({ subscription }) => subscription.customerId === first["customer"]);
  };
  await world.stripe("POST", `/v1/payment_methods/${card}`, { "card[exp_year]": "2041" });
  const older = await listAdas();
  await world.stripe("POST", `/v1/payment_methods/${card}`, { "card[exp_year]": "2042" });
  const newer = await listAdas();
  await handle(newer.slice(1), 0);
  await handle(older.slice(0, 1), 0);
  expect(await context.store.customers.findPaymentMethods([card])).toEqual(
    new Map([[card, expect.objectContaining({ expYear: 2042 })]]),
  );
});
