/** Tests the emulator's control routes, injected faults, webhook deliveries, clock, snapshots and idempotency keys. */
import Stripe from "stripe";
import { expect, test } from "vitest";
import type { EmulatorOptions } from "../src/index.ts";
import { connect, createSdk, DAY, refusal, START, subscriber, type Sdk } from "./support/sdk.ts";

interface Received {
  type: string;
  id: string;
  verified: boolean;
}

const SECRET = "whsec_control_secret";

/** Creates an emulator with a webhook endpoint that records deliveries and returns the given status. */
function endpoint(answer: () => number = () => 200, options: EmulatorOptions = {}) {
  const received: Received[] = [];
  const sdk: Sdk = createSdk({
    webhooks: [{ url: "http://app.test/hook", secret: SECRET }],
    fetch: async (request) => {
      const body = await request.text();
      const signature = request.headers.get("stripe-signature") ?? "";
      received.push({
        ...(JSON.parse(body) as { id: string; type: string }),
        verified: verify(body, signature, sdk.emulator.now()),
      });
      return new Response(null, { status: answer() });
    },
    ...options,
  });
  const control = (path: string, body?: object, method = "POST") => post(sdk, path, body, method);
  return { ...sdk, received, control };
}

function verify(body: string, signature: string, receivedAt: number): boolean {
  try {
    Stripe.webhooks.constructEvent(body, signature, SECRET, 300, undefined, receivedAt);
    return true;
  } catch {
    return false;
  }
}

async function post({ emulator }: Pick<Sdk, "emulator">, path: string, body: object = {}, method = "POST") {
  const response = await emulator.fetch(
    new Request(`http://stripe.test/_emulator/${path}`, {
      method,
      ...(method === "POST" && { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
    }),
  );
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

test.each([
  [429, 429, "StripeRateLimitError"],
  ["lock_timeout", 429, "StripeRateLimitError"],
  [500, 500, "StripeAPIError"],
  [503, 503, "StripeAPIError"],
  ["reset", undefined, "StripeConnectionError"],
  ["cut", 200, "StripeAPIError"],
] as const)(
  "an injected fault with the response %s makes one request fail before the request takes effect",
  async (answer, statusCode, type) => {
    const { stripe, control } = endpoint();
    await control("faults", { path: "/v1/customers", method: "POST", answer });
    expect(await refusal(stripe.customers.create())).toMatchObject({ type, ...(statusCode !== 200 && { statusCode }) });
    expect((await stripe.customers.list()).data).toEqual([]);
    await stripe.customers.create();
  },
);

test("if an injected fault breaks the connection after an object is created, a retry with the same idempotency key returns this object", async () => {
  const { stripe, control } = endpoint();
  await control("faults", { path: "/v1/customers", method: "POST", answer: "reset", when: "after" });
  await refusal(stripe.customers.create({ name: "Ada" }, { idempotencyKey: "k" }));
  const again = await stripe.customers.create({ name: "Ada" }, { idempotencyKey: "k" });
  expect((await stripe.customers.list()).data.map(({ id }) => id)).toEqual([again.id]);
});

test("an injected fault can be limited to requests with a given number, customer ID or idempotency key", async () => {
  const { stripe, control } = endpoint();
  const [ada, bob] = [await stripe.customers.create(), await stripe.customers.create()];
  await control("faults", { answer: 500, customer: bob.id, skip: 1 });
  await stripe.customers.retrieve(ada.id);
  await stripe.customers.retrieve(bob.id);
  expect(await refusal(stripe.customers.retrieve(bob.id))).toMatchObject({ statusCode: 500 });
  await control("faults", { answer: 503, key: "this-one" });
  await stripe.customers.create({}, { idempotencyKey: "another" });
  expect(await refusal(stripe.customers.create({}, { idempotencyKey: "this-one" }))).toMatchObject({
    statusCode: 503,
  });
});

test("an injected fault of the type stale hides recent objects from lists and searches", async () => {
  const { emulator, stripe, control } = endpoint();
  const old = await stripe.customers.create({ metadata: { k: "v" } });
  await emulator.advance(120);
  await stripe.customers.create({ metadata: { k: "v" } });
  const ids = async () => [
    (await stripe.customers.list()).data.length,
    (await stripe.customers.search({ query: "metadata['k']:'v'" })).data.map(({ id }) => id),
  ];
  await control("faults", { path: "/v1/customers", answer: "stale", times: 2 });
  expect(await ids()).toEqual([1, [old.id]]);
  expect((await ids())[0]).toBe(2);
});

test("an injected fault of the type decline declines one payment, and the next payment succeeds", async () => {
  const { stripe, control } = endpoint();
  const { price, customer } = await subscriber(stripe);
  await control("faults", { path: "/v1/subscriptions", answer: "decline", code: "insufficient_funds" });
  const make = () => stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  expect((await make()).status).toBe("incomplete");
  expect((await make()).status).toBe("active");
});

test("control routes reject invalid input and report the reason", async () => {
  const { control } = endpoint();
  expect(await control("faults", { answer: 200 })).toMatchObject({ status: 400 });
  expect(await control("clock/advance", { seconds: -1 })).toMatchObject({
    status: 400,
    body: { error: { message: expect.stringContaining("seconds") as string } },
  });
  expect(await control("restore", { id: "none" })).toMatchObject({ status: 400 });
});

test.each([
  ["drop", []],
  ["duplicate", [true, true]],
  ["twice_at_once", [true, true]],
  ["wrong_signature", [false]],
  ["stale_time", [false]],
] as const)(
  "an injected delivery fault with the effect %s changes the number or the signature of webhook deliveries",
  async (effect, expected) => {
    const { emulator, stripe, received, control } = endpoint();
    await control("faults/deliveries", { effect, type: "customer.created" });
    await stripe.customers.create();
    await emulator.drain();
    expect(received.map(({ verified }) => verified)).toEqual(expected);
  },
);

test("a webhook delivery is sent again with the same event if its response is lost", async () => {
  const { emulator, stripe, received, control } = endpoint();
  await control("faults/deliveries", { effect: "lose_answer" });
  await stripe.customers.create();
  await emulator.drain();
  await emulator.advance(120);
  expect(received.map(({ id }) => id)).toEqual([received[0]?.id, received[0]?.id]);
});

test("an unsuccessful delivery is retried for three days, then its state is failed", async () => {
  const { emulator, stripe, received } = endpoint(() => 500);
  await stripe.customers.create();
  await emulator.advance(4 * DAY);
  expect(received.length).toBeGreaterThan(8);
  expect(emulator.deliveries()).toMatchObject([{ state: "failed" }]);
  expect((await stripe.events.list({ delivery_success: false })).data).toHaveLength(1);
});

test("due webhook deliveries are sent in the order that a control route sets", async () => {
  const orders = new Set<string>();
  for (let order = 0; order < 6; order++) {
    const { emulator, stripe, received, control } = endpoint();
    await control("deliveries/order", { held: true });
    for (const name of ["a", "b", "c"]) await stripe.products.create({ name });
    await control("deliveries/order", { held: false, order });
    await emulator.drain();
    const ids = emulator.deliveries().map(({ eventId }) => eventId);
    orders.add(received.map(({ id }) => ids.indexOf(id)).join(""));
  }
  expect(orders.size).toBe(6);
});

test("a held webhook delivery is sent when a control route requests it", async () => {
  const { emulator, stripe, received, control } = endpoint();
  await control("deliveries/order", { held: true });
  await stripe.customers.create();
  await emulator.advance(DAY);
  expect(received).toEqual([]);
  const [delivery] = emulator.deliveries();
  await control("deliveries/deliver", { ids: [delivery?.id] });
  await control("deliveries/deliver", { ids: [delivery?.id] });
  expect(received).toHaveLength(2);
});

test("an event older than 30 days is kept until its delayed webhook delivery is sent", async () => {
  const { emulator, stripe, received, control } = endpoint();
  await control("faults/deliveries", { effect: "delay", seconds: 30 * DAY });
  await stripe.customers.create();
  await stripe.customers.create();
  await emulator.advance(30 * DAY);
  expect(received).toHaveLength(2);
  await emulator.advance(DAY);
  expect(emulator.deliveries()).toEqual([]);
  expect((await stripe.events.list({ created: { gt: 0 } })).data).toEqual([]);
});

test("after a webhook secret is rolled, deliveries are also signed with the old secret until the old secret expires", async () => {
  const { emulator, stripe, received, control } = endpoint();
  const [hook] = (await stripe.webhookEndpoints.list()).data;
  const { body } = await control("webhook_endpoints/roll", { endpoint: hook?.id, seconds: 3_600 });
  expect(body["secret"]).toMatch(/^whsec_/);
  await stripe.customers.create();
  await emulator.advance(3_601);
  await stripe.customers.create();
  await emulator.drain();
  expect(received.map(({ verified }) => verified)).toEqual([true, false]);
});

test("unsuccessful deliveries of invoice.created delay the payment of a renewal by at most three days", async () => {
  let status = 500;
  const { emulator, stripe } = endpoint(() => status);
  const { price, customer } = await subscriber(stripe);
  await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  const renewal = async () => (await stripe.invoices.list({ limit: 1 })).data[0];
  await emulator.advance(28 * DAY + 2 * 3_600);
  expect(await renewal()).toMatchObject({ billing_reason: "subscription_cycle", status: "draft" });
  await emulator.advance(3 * DAY);
  expect((await renewal())?.status).toBe("paid");
  status = 200;
});

test("the clock can be advanced to the time just before or just after a given event", async () => {
  const { emulator, stripe } = createSdk();
  const { price, customer } = await subscriber(stripe);
  await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  await emulator.advance(60 * DAY, { event: "invoice.created", when: "before" });
  expect((await stripe.invoices.list()).data).toHaveLength(1);
  await emulator.advance(60 * DAY, { event: "invoice.created", when: "after" });
  expect((await stripe.invoices.list()).data[0]?.status).toBe("draft");
  expect(new Date(emulator.now()).toISOString()).toBe("2026-02-28T12:00:00.000Z");
});

test("the clock can be advanced to a given event, even on a day when old events are removed", async () => {
  const { emulator, stripe } = createSdk();
  const { price, customer } = await subscriber(stripe);
  await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  const upcoming = async () => (await stripe.events.list({ type: "invoice.upcoming" })).data.length;
  await emulator.advance(30 * DAY, { event: "invoice.upcoming", when: "after" });
  await emulator.advance(60 * DAY, { event: "invoice.upcoming", when: "before" });
  expect(await upcoming()).toBe(1);
  await emulator.advance(60 * DAY, { event: "invoice.upcoming", when: "after" });
  expect(new Date(emulator.now()).toISOString()).toBe("2026-03-24T12:00:00.000Z");
  expect(await stripe.events.list({ type: "customer.created" })).toMatchObject({ data: [] });
});

test.each([
  ["2026-01-31T00:00:00Z", "month", ["2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]],
  ["2027-12-31T00:00:00Z", "month", ["2028-01-31", "2028-02-29", "2028-03-31", "2028-04-30"]],
  ["2028-02-29T00:00:00Z", "year", ["2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"]],
] as const)(
  "a subscription that starts on %s renews every %s on the same day, or on the last day of a shorter month",
  async (from, interval, days) => {
    const { emulator, stripe } = createSdk({ startAt: Date.parse(from) });
    const { product, customer } = await subscriber(stripe);
    const price = await stripe.prices.create({
      product: product.id,
      unit_amount: 900,
      currency: "usd",
      recurring: { interval },
    });
    const { id } = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
    for (const day of days) {
      const { items } = await stripe.subscriptions.retrieve(id);
      const end = items.data[0]?.current_period_end ?? 0;
      expect(new Date(end * 1000).toISOString().slice(0, 10)).toBe(day);
      await emulator.advance(end - emulator.now() / 1000 + 2 * 3_600);
    }
  },
);

const script = async (sdk: Sdk) => {
  const { price, customer } = await subscriber(sdk.stripe);
  await sdk.stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  await sdk.emulator.advance(40 * DAY);
  // The SDK creates random idempotency keys, so the comparison of two emulators' events ignores these keys.
  const events = JSON.stringify((await sdk.stripe.events.list({ limit: 100 })).data);
  return events.replaceAll(/"idempotency_key":"[^"]*"/g, "");
};

test("two emulators with the same seed produce identical events for the same requests", async () => {
  const bytes = await script(createSdk());
  expect((await script(createSdk())) === bytes).toBe(true);
  expect((await script(createSdk({ seed: 4 }))) === bytes).toBe(false);
});

test("responses to requests with a secret key contain the emulator's time, and no other response does", async () => {
  const { emulator } = createSdk();
  const timeOf = async (path: string, key: string | null) => {
    const headers = new Headers(key === null ? {} : { authorization: `Bearer ${key}` });
    const response = await emulator.fetch(new Request(`http://stripe.test${path}`, { headers }));
    return response.headers.get("stripe-emulator-time");
  };
  await emulator.advance(31 * DAY);
  const now = String(START + 31 * DAY * 1_000);
  for (const path of ["/v1/account", "/v1/customers/cus_missing", "/v1/unknown", "/_emulator/clock"]) {
    expect([path, await timeOf(path, "sk_test_123")]).toEqual([path, now]);
    for (const key of ["pk_test_123", "sk_live_123", null])
      expect([path, await timeOf(path, key)]).toEqual([path, null]);
  }
});

test("a snapshot of the emulator can be restored, and a fork does not affect the original emulator", async () => {
  const { emulator, stripe } = createSdk();
  const { id } = await stripe.customers.create({ name: "Ada" });
  const snapshot = emulator.snapshot();
  const other = emulator.fork();
  const there = connect(other, "sk_test_123");
  await there.customers.update(id, { name: "Eve" });
  await other.advance(DAY);
  expect(await stripe.customers.retrieve(id)).toMatchObject({ name: "Ada" });
  expect(emulator.now()).toBe(START);
  await stripe.customers.del(id);
  emulator.restore(snapshot);
  expect(await stripe.customers.retrieve(id)).toMatchObject({ name: "Ada" });
  expect(await there.customers.retrieve(id)).toMatchObject({ name: "Eve" });
});

test("control routes save and restore the emulator's state", async () => {
  const { stripe, control } = endpoint();
  const { body } = await control("snapshot");
  await stripe.customers.create();
  await control("restore", { id: body["id"] });
  expect((await stripe.customers.list()).data).toEqual([]);
});

test("the emulator stores declines and 500 errors under the request's idempotency key for a day, but stores no validation errors", async () => {
  const { emulator, stripe, control } = endpoint();
  const { customer } = await subscriber(stripe);
  const key = { idempotencyKey: "k1" };
  await refusal(stripe.customers.create({ email: "nonsense" }, key));
  const made = await stripe.customers.create({ email: "a@example.com" }, key);
  await emulator.advance(DAY + 1);
  expect((await stripe.customers.create({ email: "a@example.com" }, key)).id).not.toBe(made.id);
  await control("faults", { path: "/v1/payment_intents", answer: "decline" });
  const pay = () =>
    stripe.paymentIntents.create(
      {
        amount: 900,
        currency: "usd",
        customer: customer.id,
        payment_method: "pm_card_visa",
        confirm: true,
        return_url: "http://a.test",
      },
      { idempotencyKey: "k2" },
    );
  expect(await refusal(pay())).toMatchObject({ statusCode: 402 });
  expect(await refusal(pay())).toMatchObject({
    statusCode: 402,
    headers: expect.objectContaining({ "idempotent-replayed": "true" }) as object,
  });
});

test("a request whose idempotency key is in use by a running request gets a 409", async () => {
  const { stripe, control } = endpoint();
  await control("faults", { path: "/v1/customers", answer: "timeout" });
  void stripe.customers.create({}, { idempotencyKey: "k", timeout: 50 }).catch(() => {});
  await control("faults", { path: "/v1/customers", answer: 500 });
  expect(await refusal(stripe.customers.create({}, { idempotencyKey: "k" }))).toMatchObject({ statusCode: 409 });
});

test("the next instant at which something is due is known, except while deliveries are held", async () => {
  const { emulator, stripe, control } = endpoint(() => 500);
  expect(emulator.nextDueAt()).toBeNull();
  await control("deliveries/order", { held: true });
  const { customer, price } = await subscriber(stripe);
  await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  const renewal = emulator.nextDueAt() ?? 0;
  expect(renewal).toBeGreaterThan(emulator.now());
  await control("deliveries/order", { held: false });
  expect(emulator.nextDueAt()).toBe(emulator.now() + 60_000);
  await emulator.advance(45 * DAY);
  expect(emulator.now()).toBeGreaterThan(renewal);
});

test("the events of the last 30 days can be read without a request", async () => {
  const { emulator, stripe } = createSdk();
  await subscriber(stripe);
  const { data } = await stripe.events.list({ limit: 100 });
  expect(emulator.events().toReversed()).toEqual(JSON.parse(JSON.stringify(data)));
  await emulator.advance(31 * DAY);
  expect(emulator.events().map(({ created }) => created * 1_000 >= emulator.now() - 30 * DAY * 1_000)).not.toContain(
    false,
  );
});
