/**
 * Tests the routes that browsers and mobile apps call with a publishable key and a client secret.
 * @see https://docs.stripe.com/api/payment_intents/retrieve
 * @see https://docs.stripe.com/keys
 */
import type Stripe from "stripe";
import { expect, onTestFinished, test } from "vitest";
import { freePort } from "../../../test/support/ports.ts";
import { foreignHeaders, sendRaw } from "../../../test/support/raw-request.ts";
import { serveEmulator } from "../src/index.ts";
import { createSdk, refusal, type Sdk, START, subscriber } from "./support/sdk.ts";

const CARD = { number: "4242424242424242", exp_month: 12, exp_year: 2034, cvc: "123" };

/** Sends a request with a publishable key, as Stripe.js does. */
async function client({ emulator }: Sdk, path: string, form?: Record<string, string>, key = "pk_test_123") {
  const response = await emulator.fetch(
    new Request(`http://stripe.test${path}`, {
      headers: { authorization: `Bearer ${key}` },
      ...(form && { method: "POST", body: new URLSearchParams(form) }),
    }),
  );
  const body = (await response.json()) as Record<string, unknown> & { error?: Record<string, unknown> };
  return { status: response.status, body, headers: response.headers };
}

const cardFields = (number: string) => ({
  "payment_method_data[type]": "card",
  "payment_method_data[card][number]": number,
  "payment_method_data[card][exp_month]": "12",
  "payment_method_data[card][exp_year]": "34",
  "payment_method_data[card][cvc]": "123",
  "payment_method_data[billing_details][name]": "Ada",
});

async function subscribe({ stripe }: Sdk) {
  const { price } = await subscriber(stripe);
  const customer = await stripe.customers.create();
  const subscription = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id }],
    payment_behavior: "default_incomplete",
    expand: ["latest_invoice.confirmation_secret"],
  });
  const secret = (subscription.latest_invoice as Stripe.Invoice).confirmation_secret?.client_secret ?? "";
  return { subscription, secret, intent: secret.split("_secret_")[0] ?? "" };
}

test("a client pays a first invoice with its confirmation secret, and sees only the public fields", async () => {
  const sdk = createSdk();
  const { subscription, secret, intent } = await subscribe(sdk);
  const path = `/v1/payment_intents/${intent}`;
  const read = await client(sdk, `${path}?client_secret=${secret}`);
  expect(read).toMatchObject({ status: 200, body: { id: intent, amount: 2_500, status: "requires_payment_method" } });
  for (const hidden of ["customer", "metadata", "latest_charge", "transfer_group", "payment_details"])
    expect(read.body).not.toHaveProperty(hidden);
  expect(read.headers.has("stripe-emulator-time")).toBe(false);
  const paid = await client(sdk, `${path}/confirm`, {
    ...cardFields(CARD.number),
    client_secret: secret,
    use_stripe_sdk: "true",
    "expand[0]": "payment_method",
  });
  expect(paid.body).toMatchObject({ status: "succeeded", payment_method: { billing_details: { name: "Ada" } } });
  expect(paid.body["payment_method"]).not.toHaveProperty("customer");
  expect(JSON.stringify(paid.body)).not.toContain("fingerprint");
  expect((await sdk.stripe.subscriptions.retrieve(subscription.id)).status).toBe("active");
});

test("a decline that a client gets contains only public fields", async () => {
  const sdk = createSdk();
  const { secret, intent } = await subscribe(sdk);
  const declined = await client(sdk, `/v1/payment_intents/${intent}/confirm`, {
    ...cardFields("4000000000000002"),
    client_secret: secret,
  });
  expect(declined).toMatchObject({
    status: 402,
    body: { error: { code: "card_declined", payment_intent: { id: intent, status: "requires_payment_method" } } },
  });
  expect(declined.body.error?.["payment_intent"]).not.toHaveProperty("customer");
  expect(JSON.stringify(declined.body)).not.toContain("fingerprint");
});

test("a client confirms a setup intent, and creates a payment method from a card number", async () => {
  const sdk = createSdk();
  const customer = await sdk.stripe.customers.create();
  const setup = await sdk.stripe.setupIntents.create({ customer: customer.id, metadata: { owner: "user_1" } });
  const secret = setup.client_secret ?? "";
  const read = await client(sdk, `/v1/setup_intents/${setup.id}?client_secret=${secret}`);
  expect(read.body).toMatchObject({ id: setup.id, usage: "off_session" });
  expect(Object.keys(read.body)).not.toEqual(expect.arrayContaining(["metadata"]));
  const created = await client(sdk, "/v1/payment_methods", {
    type: "card",
    "card[number]": CARD.number,
    "card[exp_month]": "12",
    "card[exp_year]": "34",
    "card[cvc]": "123",
  });
  expect(created.body).toMatchObject({ type: "card", card: { brand: "visa", last4: "4242" } });
  const confirmed = await client(sdk, `/v1/setup_intents/${setup.id}/confirm`, {
    payment_method: created.body["id"] as string,
    client_secret: secret,
  });
  expect(confirmed.body).toMatchObject({ status: "succeeded" });
  expect((await sdk.stripe.customers.listPaymentMethods(customer.id)).data).toHaveLength(1);
});

test.each([
  ["", 400, "parameter_missing"],
  ["?client_secret=wrong", 400, "payment_intent_invalid_parameter"],
])("a client without the intent's client secret (%j) is refused", async (query, status, code) => {
  const sdk = createSdk();
  const { intent } = await subscribe(sdk);
  const { body, ...response } = await client(sdk, `/v1/payment_intents/${intent}${query}`);
  expect(response.status).toBe(status);
  expect(body.error).toMatchObject({ code, param: "client_secret", type: "invalid_request_error" });
  const form = query === "" ? {} : { client_secret: "wrong" };
  const confirmed = await client(sdk, `/v1/payment_intents/${intent}/confirm`, form);
  expect([confirmed.status, confirmed.body.error?.["code"]]).toEqual([status, code]);
});

test("a publishable key of another account finds no intent", async () => {
  const sdk = createSdk();
  const { secret, intent } = await subscribe(sdk);
  const path = `/v1/payment_intents/${intent}?client_secret=${secret}`;
  expect(await client(sdk, path, undefined, "pk_test_456")).toMatchObject({
    status: 404,
    body: { error: { code: "resource_missing", message: `No such payment_intent: '${intent}'`, param: "intent" } },
  });
});

test.each(["/v1/customers", "/v1/payment_intents", "/v1/payment_methods", "/v1/setup_intents", "/v1/events"])(
  "a publishable key is refused by GET %s",
  async (path) => {
    const { status, body } = await client(createSdk(), path);
    expect([status, body.error?.["code"]]).toEqual([401, "secret_key_required"]);
  },
);

test("a publishable key gets no stored response of a secret key", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const intent = await stripe.paymentIntents.create({ amount: 2_000, currency: "usd" });
  const form = { client_secret: intent.client_secret ?? "", payment_method: "pm_card_visa" };
  const confirm = (key: string) =>
    sdk.emulator.fetch(
      new Request(`http://stripe.test/v1/payment_intents/${intent.id}/confirm`, {
        method: "POST",
        headers: { authorization: `Bearer ${key}`, "idempotency-key": "once" },
        body: new URLSearchParams(form),
      }),
    );
  expect(await (await confirm("sk_test_123")).json()).toHaveProperty("metadata");
  const replay = await confirm("pk_test_123");
  expect(replay.headers.has("idempotent-replayed")).toBe(false);
  expect(JSON.stringify(await replay.json())).not.toContain("metadata");
});

test("the server may check the client secret too", async () => {
  const sdk = createSdk();
  const intent = await sdk.stripe.paymentIntents.create({ amount: 2_000, currency: "usd" });
  const read = (secret: string) => sdk.stripe.paymentIntents.retrieve(intent.id, { client_secret: secret });
  expect((await read(intent.client_secret ?? "")).metadata).toEqual({});
  expect(await refusal(read("wrong"))).toMatchObject({ code: "payment_intent_invalid_parameter" });
});

/** Serves an emulator with one payment intent. */
async function served() {
  const port = await freePort();
  const emulator = await serveEmulator({ port, clock: "still", startAt: START, wallNow: () => START });
  onTestFinished(() => emulator.close());
  const auth = { authorization: "Bearer sk_test_123" };
  const intents = `http://127.0.0.1:${port}/v1/payment_intents`;
  const body = new URLSearchParams({ amount: "2000", currency: "usd" });
  const created = await fetch(intents, { method: "POST", headers: auth, body });
  const intent = (await created.json()) as { id: string; client_secret: string };
  const path = `/v1/payment_intents/${intent.id}?client_secret=${intent.client_secret}`;
  const call = (headers: Record<string, string>, method = "GET", at = path) =>
    fetch(`http://127.0.0.1:${port}${at}`, { method, headers });
  return { port, path, call };
}

const PUBLISHABLE = { authorization: "Bearer pk_test_123" };

test("a page of a local app may use a publishable key, and the browser shows it the response", async () => {
  const { call } = await served();
  const page = { origin: "http://localhost:3000", "sec-fetch-site": "cross-site", "sec-fetch-mode": "cors" };
  const asked = { "access-control-request-method": "GET", "access-control-request-headers": "authorization" };
  const preflight = await call({ ...page, ...asked }, "OPTIONS");
  expect([preflight.status, preflight.headers.get("access-control-allow-origin")]).toEqual([204, page.origin]);
  expect(preflight.headers.get("access-control-allow-headers")).toContain("authorization");
  const read = await call({ ...page, ...PUBLISHABLE });
  expect([read.status, read.headers.get("access-control-allow-origin")]).toEqual([200, page.origin]);
});

test("a page of a local app can't use a secret key or another route", async () => {
  const { call } = await served();
  const origin = "http://localhost:3000";
  expect((await call({ origin, authorization: "Bearer sk_test_123" })).status).toBe(403);
  expect((await call({ origin })).status).toBe(403);
  expect((await call({ origin, ...PUBLISHABLE }, "GET", "/v1/customers")).status).toBe(403);
  const asked = { origin, "access-control-request-method": "DELETE" };
  expect((await call(asked, "OPTIONS")).status).toBe(403);
  expect((await call({ ...asked, "access-control-request-method": "GET" }, "OPTIONS", "/v1/customers")).status).toBe(
    403,
  );
});

test("a page of a foreign host can't use a publishable key", async () => {
  const { port, path } = await served();
  const isLocal = ({ origin }: Record<string, string>) => origin === "http://127.0.0.1:1";
  for (const headers of foreignHeaders(port).filter((one) => !isLocal(one))) {
    const request = { port, method: "GET", path, headers: { ...PUBLISHABLE, ...headers } };
    expect([headers, (await sendRaw(request)).status]).toEqual([headers, 403]);
    const preflight = { ...headers, "access-control-request-method": "GET" };
    expect((await sendRaw({ ...request, method: "OPTIONS", headers: preflight })).status).toBe(403);
  }
});
