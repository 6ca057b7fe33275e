/**
 * Every order in which the seven events of a subscription's life can come. The emulator plays the life once; it is lived by
 * as many users as there are orders, whose ids differ and nothing else, all of them on one service.
 */
import { expect, test } from "vitest";
import type { Emulator } from "../../packages/emulator/src/index.ts";
import { createWorld, signatureOf, START, WEBHOOK_SECRET, type World } from "../support/world.ts";

const TOLD = /"type": "(customer\.subscription\.(created|updated|deleted)|invoice\.(finalized|paid))"/;
const EVENTS = [0, 1, 2, 3, 4, 5, 6];
const USER = "user_of_the_life";

/** What happens at Stripe; it tells of the first two in two events each. */
type Step = (stripe: World["stripe"], ids: Ids) => Promise<unknown>;
interface Ids {
  customer: string;
  subscription: string;
  item: string;
  invoice: string;
}

const subscribe: Step = async (stripe, ids) => {
  const { body: customer } = await stripe("POST", "/v1/customers", {
    payment_method: "pm_card_visa",
    "invoice_settings[default_payment_method]": "pm_card_visa",
    "metadata[auth0_user_id]": USER,
  });
  ids.customer = String(customer["id"]);
  const { body } = await stripe("POST", "/v1/subscriptions", {
    customer: ids.customer,
    payment_behavior: "default_incomplete",
    "items[0][price]": await priceOf(stripe, "premium_month"),
  });
  ids.subscription = String(body["id"]);
  ids.item = (body["items"] as { data: { id: string }[] }).data[0]?.id ?? "";
  ids.invoice = String(body["latest_invoice"]);
};
const pay: Step = (stripe, { invoice }) => stripe("POST", `/v1/invoices/${invoice}/pay`);
const changePlan: Step = async (stripe, { subscription, item }) =>
  stripe("POST", `/v1/subscriptions/${subscription}`, {
    "items[0][id]": item,
    "items[0][price]": await priceOf(stripe, "team_month"),
    proration_behavior: "none",
  });
const planEnd: Step = (stripe, { subscription }) =>
  stripe("POST", `/v1/subscriptions/${subscription}`, { cancel_at_period_end: "true" });
const stay: Step = (stripe, { subscription }) =>
  stripe("POST", `/v1/subscriptions/${subscription}`, { cancel_at_period_end: "false" });
const end: Step = (stripe, { subscription }) => stripe("DELETE", `/v1/subscriptions/${subscription}`);

async function priceOf(stripe: World["stripe"], key: string): Promise<string> {
  const { body } = await stripe("GET", "/v1/prices", { "lookup_keys[0]": key });
  return (body["data"] as { id: string }[])[0]?.id ?? "";
}

function permutations(items: readonly number[]): number[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((first) => permutations(items.filter((item) => item !== first)).map((rest) => [first, ...rest]));
}

/** The fourth comes twice in a row, and the first once more at the end. */
function withDuplicates(order: readonly number[]): number[] {
  return [...order.slice(0, 4), ...order.slice(3), ...order.slice(0, 1)];
}

/** Names of the life's own objects as they are for one of its users. */
function named(text: string, user: number): string {
  return text.replaceAll(/\b(?:cus|sub|si|in|evt|pm|user)_\w{8,}/g, (id) => `${id}__${user}`);
}

/** What a life has come to: mirror and access as the service tells them, and what the hooks have said. */
interface End {
  subscriptions: unknown;
  features: string[];
  hooks: string[];
}

/**
 * Deliveries begin when all is over at Stripe, or each comes as soon as it can in its order, and is worked off before Stripe
 * goes on.
 */
type Begin = "late" | "early";

async function live(steps: readonly Step[], orders: readonly number[][], begin: Begin): Promise<End[]> {
  const events: string[] = [];
  const told = new Map<string, string[]>();
  const hear = (hook: string) => (event: { userId: string; features?: readonly string[] }) =>
    void told.set(event.userId, [...(told.get(event.userId) ?? []), `${hook} ${(event.features ?? []).join()}`.trim()]);
  let stripe: Recorded | null = null;
  let looks = 0;
  const world = await createWorld({
    deliver: async (request) => {
      const body = await request.text();
      if (TOLD.test(body)) events.push(body);
      return new Response();
    },
    network: (request, next) => stripe?.answer(request) ?? next(request),
    options: {
      databaseUrl: "file::memory:",
      hooks: { onAccessGranted: hear("granted"), onAccessRevoked: hear("revoked"), onPaymentSucceeded: hear("paid") },
      // Each look takes a moment: the budget of requests gives none where time stands still.
      runtime: { now: () => START + Math.floor((looks += 1) / 20), billingNow: () => START },
    },
  });
  const ids: Ids = { customer: "", subscription: "", item: "", invoice: "" };
  const next = orders.map(() => 0);
  for (const step of steps) {
    await step(world.stripe, ids);
    await world.emulator.settle();
    if (begin === "late" && step !== steps.at(-1)) continue;
    stripe = record(world.emulator);
    await Promise.all(
      orders.map(async (order, user) => {
        next[user] = await deliver(world, { events, user, order: withDuplicates(order), from: next[user] ?? 0 });
      }),
    );
    await world.service.settle();
  }
  expect(events).toHaveLength(EVENTS.length);
  expect(new Set(next)).toEqual(new Set([EVENTS.length + 2]));
  return Promise.all(orders.map((_order, user) => endOf(world, named(USER, user), told)));
}

interface Recorded {
  answer(request: Request): Promise<Response>;
}

/** Stripe as it is now, for every user of the life. */
function record(emulator: Emulator): Recorded {
  const now = emulator.fork();
  const answers = new Map<string, Promise<{ status: number; text: string }>>();
  return {
    async answer(request) {
      const user = Number(/__(\d+)/.exec(request.url)?.[1]);
      const url = request.url.replaceAll(/__\d+/g, "");
      const ask = async (): Promise<{ status: number; text: string }> => {
        const response = await now.fetch(new Request(url, request));
        return { status: response.status, text: await response.text() };
      };
      const known = answers.get(url) ?? ask();
      answers.set(url, known);
      const { status, text } = await known;
      return new Response(named(text, user), { status, headers: { "content-type": "application/json" } });
    },
  };
}

/** Delivers what comes next in a user's order, as far as it has happened; answers how far that was. */
async function deliver(
  world: World,
  { events, user, order, from }: { events: readonly string[]; user: number; order: readonly number[]; from: number },
): Promise<number> {
  for (let at = from; ; at += 1) {
    const event = events[order[at] ?? Infinity];
    if (event === undefined) return at;
    const body = named(event, user);
    const headers = { "stripe-signature": signatureOf(body, START, { secret: WEBHOOK_SECRET }) };
    const request = new Request("http://app.test/stripe/webhook", { method: "POST", headers, body });
    const { status } = await world.service.fetch(request);
    if (status !== 200) throw new Error(`delivery ${at} of user ${user} was answered ${status}`);
  }
}

async function endOf(world: World, user: string, told: ReadonlyMap<string, string[]>): Promise<End> {
  const { body } = await world.call(user, "GET", "subscriptions");
  const nameless = JSON.stringify(body["subscriptions"]).replaceAll(/__\d+/g, "");
  const subscriptions = JSON.parse(nameless) as unknown;
  return { subscriptions, features: await world.features(user), hooks: told.get(user) ?? [] };
}

function distinct(ends: readonly End[]): End[] {
  return [...new Set(ends.map((one) => JSON.stringify(one)))].map((text) => JSON.parse(text) as End);
}

/** What is left of the access that hooks have granted and revoked, one after the other. */
function accessLeft(hooks: readonly string[]): string[] {
  const left = new Set<string>();
  for (const hook of hooks) {
    const [name, features = ""] = hook.split(" ");
    for (const feature of features.split(","))
      if (name === "granted") left.add(feature);
      else if (name === "revoked") left.delete(feature);
  }
  return [...left].toSorted();
}

const TEAM = ["exports", "seats"];

const ORDERS = permutations(EVENTS);
/** It takes seconds where nothing else runs. */
const LONG_MS = 600_000;

test("all 5,040 orders of a seven-event life with duplicates end in one state", { timeout: LONG_MS }, async () => {
  expect(ORDERS).toHaveLength(5_040);
  const ends = await live([subscribe, pay, changePlan, planEnd, stay], ORDERS, "late");
  const active = expect.objectContaining({ plan: "team", status: "active", cancelAtPeriodEnd: false });
  const hooks = ["granted exports,seats", "paid"];
  expect(distinct(ends)).toEqual([{ subscriptions: [active], features: TEAM, hooks }]);
});

test("every tenth of them ends in one state, too, where Stripe moves on meanwhile", { timeout: LONG_MS }, async () => {
  const some = ORDERS.filter((_order, index) => index % 10 === 0);
  const ends = await live([subscribe, pay, changePlan, planEnd, end], some, "early");
  const paid = (one: End): End => ({ ...one, hooks: one.hooks.filter((hook) => hook === "paid") });
  // The period that was paid is kept.
  const canceled = expect.objectContaining({ plan: "team", status: "canceled" });
  expect(distinct(ends.map(paid))).toEqual([{ subscriptions: [canceled], features: TEAM, hooks: ["paid"] }]);
  // Who hears of the plan's change first never hears of the plan before it.
  expect(new Set(ends.map(({ hooks }) => accessLeft(hooks).join()))).toEqual(new Set([TEAM.join()]));
});
