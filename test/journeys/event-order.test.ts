/**
 * Delivers the seven events of a subscription's life in every possible order. The emulator plays the whole life of one
 * subscription once. One service receives copies of the subscription's events for many users, in a different order for each
 * user. The Stripe objects of different users differ only in their ids.
 */
import { expect, test } from "vitest";
import type { Emulator } from "../../packages/emulator/src/index.ts";
import { signWebhook, TEST_START } from "../../packages/tollkeeper/src/testing/harness/index.ts";
import { createTestHarness, type TestHarness } from "../support/harness.ts";

const DELIVERED = /"type": "(customer\.subscription\.(created|updated|deleted)|invoice\.(finalized|paid))"/;
const EVENTS = [0, 1, 2, 3, 4, 5, 6];
const USER = "user_of_the_life";

/**
 * One change at Stripe during the life of the test's subscription. The first two changes of the subscription cause two events
 * each.
 */
type Step = (stripe: TestHarness["stripe"], ids: Ids) => Promise<unknown>;
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

async function priceOf(stripe: TestHarness["stripe"], key: string): Promise<string> {
  const { body } = await stripe("GET", "/v1/prices", { "lookup_keys[0]": key });
  return (body["data"] as { id: string }[])[0]?.id ?? "";
}

function permutations(items: readonly number[]): number[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((first) => permutations(items.filter((item) => item !== first)).map((rest) => [first, ...rest]));
}

/**
 * Adds two repeated deliveries to an order of events. The fourth event is repeated immediately, and the first event is repeated
 * at the end.
 */
function withDuplicates(order: readonly number[]): number[] {
  return [...order.slice(0, 4), ...order.slice(3), ...order.slice(0, 1)];
}

/** Returns the text with all of its Stripe ids changed to ids of the given user. */
function named(text: string, user: number): string {
  return text.replaceAll(/\b(?:cus|sub|si|in|evt|pm|user)_\w{8,}/g, (id) => `${id}__${user}`);
}

/** The final state after all events: the subscriptions and the access that the service returns, and the hooks that ran. */
interface End {
  subscriptions: unknown;
  features: string[];
  hooks: string[];
}

/**
 * The value "late" means that webhook deliveries begin after the last change at Stripe. The value "early" means that each
 * webhook arrives as soon as the order allows, and is processed before the next change at Stripe.
 */
type Begin = "late" | "early";

async function live(steps: readonly Step[], orders: readonly number[][], begin: Begin): Promise<End[]> {
  const events: string[] = [];
  const hooks = new Map<string, string[]>();
  const recordHook =
    (hook: string) =>
    ({ owner, features }: { owner: { id: string }; features?: readonly string[] }) =>
      void hooks.set(owner.id, [...(hooks.get(owner.id) ?? []), `${hook} ${(features ?? []).join()}`.trim()]);
  let stripe: Recorded | null = null;
  let readings = 0;
  const billing = await createTestHarness({
    deliver: async (request) => {
      const body = await request.text();
      if (DELIVERED.test(body)) events.push(body);
      return new Response();
    },
    network: (request, next) => stripe?.respond(request) ?? next(request),
    options: {
      databaseUrl: "file::memory:",
      hooks: {
        onAccessGranted: recordHook("granted"),
        onAccessRevoked: recordHook("revoked"),
        onPaymentSucceeded: recordHook("paid"),
      },
      // The test clock advances each time it is read, so that the service's budget of Stripe requests recovers.
      runtime: { now: () => TEST_START + Math.floor((readings += 1) / 20), billingNow: () => TEST_START },
    },
  });
  const ids: Ids = { customer: "", subscription: "", item: "", invoice: "" };
  const next = orders.map(() => 0);
  for (const step of steps) {
    await step(billing.stripe, ids);
    await billing.emulator.drain();
    if (begin === "late" && step !== steps.at(-1)) continue;
    stripe = record(billing.emulator);
    await Promise.all(
      orders.map(async (order, user) => {
        next[user] = await deliver(billing, { events, user, order: withDuplicates(order), from: next[user] ?? 0 });
      }),
    );
    await billing.service.drain();
  }
  expect(events).toHaveLength(EVENTS.length);
  expect(new Set(next)).toEqual(new Set([EVENTS.length + 2]));
  return Promise.all(orders.map((_order, user) => endOf(billing, named(USER, user), hooks)));
}

interface Recorded {
  respond(request: Request): Promise<Response>;
}

/** Returns a copy of Stripe's current data that can respond to requests about any user of the test. */
function record(emulator: Emulator): Recorded {
  const now = emulator.fork();
  const responses = new Map<string, Promise<{ status: number; text: string }>>();
  return {
    async respond(request) {
      const user = Number(/__(\d+)/.exec(request.url)?.[1]);
      const url = request.url.replaceAll(/__\d+/g, "");
      const ask = async (): Promise<{ status: number; text: string }> => {
        const response = await now.fetch(new Request(url, request));
        return { status: response.status, text: await response.text() };
      };
      const known = responses.get(url) ?? ask();
      responses.set(url, known);
      const { status, text } = await known;
      return new Response(named(text, user), { status, headers: { "content-type": "application/json" } });
    },
  };
}

/**
 * Delivers the next events in a user's order, up to the first event that Stripe has not created yet. Returns the number of
 * events in the user's order that have been delivered.
 */
async function deliver(
  billing: TestHarness,
  { events, user, order, from }: { events: readonly string[]; user: number; order: readonly number[]; from: number },
): Promise<number> {
  for (let at = from; ; at += 1) {
    const event = events[order[at] ?? Infinity];
    if (event === undefined) return at;
    const body = named(event, user);
    const headers = { "stripe-signature": signWebhook(body, { now: TEST_START }) };
    const request = new Request("http://app.test/stripe/webhook", { method: "POST", headers, body });
    const { status } = await billing.service.fetch(request);
    if (status !== 200) throw new Error(`delivery ${at} of user ${user} returned ${status}`);
  }
}

async function endOf(billing: TestHarness, user: string, hooks: ReadonlyMap<string, string[]>): Promise<End> {
  const { body } = await billing.call(user, "GET", "subscriptions");
  const nameless = JSON.stringify(body["subscriptions"]).replaceAll(/__\d+/g, "");
  const subscriptions = JSON.parse(nameless) as unknown;
  return { subscriptions, features: await billing.features(user), hooks: hooks.get(user) ?? [] };
}

function distinct(ends: readonly End[]): End[] {
  return [...new Set(ends.map((one) => JSON.stringify(one)))].map((text) => JSON.parse(text) as End);
}

/** Returns the features that hooks have granted and have not revoked. */
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
/** Each test in this file takes a few seconds on an idle machine. */
const LONG_MS = 600_000;

test(
  "all 5,040 orders of the seven events of a subscription lead to the same state",
  { timeout: LONG_MS },
  async () => {
    expect(ORDERS).toHaveLength(5_040);
    const ends = await live([subscribe, pay, changePlan, planEnd, stay], ORDERS, "late");
    const active = expect.objectContaining({ plan: "team", status: "active", cancelAtPeriodEnd: false });
    const hooks = ["granted exports,seats", "paid"];
    expect(distinct(ends)).toEqual([{ subscriptions: [active], features: TEAM, hooks }]);
  },
);

test(
  "a tenth of the possible event orders lead to the same final state if Stripe's data changes between the deliveries",
  { timeout: LONG_MS },
  async () => {
    const some = ORDERS.filter((_order, index) => index % 10 === 0);
    const ends = await live([subscribe, pay, changePlan, planEnd, end], some, "early");
    const paid = (one: End): End => ({ ...one, hooks: one.hooks.filter((hook) => hook === "paid") });
    // The expected final state is that the user has access until the end of the paid period.
    const canceled = expect.objectContaining({ plan: "team", status: "canceled" });
    expect(distinct(ends.map(paid))).toEqual([{ subscriptions: [canceled], features: TEAM, hooks: ["paid"] }]);
    // If the event of the plan change arrives before all other events, no hook reports the user's first plan.
    expect(new Set(ends.map(({ hooks }) => accessLeft(hooks).join()))).toEqual(new Set([TEAM.join()]));
  },
);
