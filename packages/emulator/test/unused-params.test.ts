/** Tests parameters that Stripe supports and the emulator does not use, other API versions, and connected accounts. */
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { findClassificationProblems } from "../src/fidelity.ts";
import { createEmulator } from "../src/index.ts";
import { connect, createSdk, refusal } from "./support/sdk.ts";

const CHECKOUT: Stripe.Checkout.SessionCreateParams = {
  mode: "payment",
  success_url: "https://app.example/done",
  line_items: [{ quantity: 1, price_data: { currency: "usd", unit_amount: 900, product_data: { name: "Book" } } }],
};

function warnings() {
  const messages: string[] = [];
  const emulator = createEmulator({ onWarning: (message) => void messages.push(message) });
  return { messages, emulator, stripe: connect(emulator, "sk_test_123") };
}

test("every unused parameter is classified as cosmetic or refused, and no used parameter is", () => {
  expect(findClassificationProblems()).toEqual([]);
});

test("a parameter that changes money is refused with 501 and its name, and nothing is written", async () => {
  const { stripe } = createSdk({ strict: false });
  const call = stripe.checkout.sessions.create({ ...CHECKOUT, adaptive_pricing: { enabled: true } });
  expect(await refusal(call)).toMatchObject({
    statusCode: 501,
    code: "parameter_not_implemented",
    param: "adaptive_pricing[enabled]",
    message: expect.stringContaining("POST /v1/checkout/sessions"),
  });
  expect((await stripe.checkout.sessions.list()).data).toEqual([]);
});

test("a refused parameter inside a list is named with its position", async () => {
  const { stripe } = createSdk();
  const [item = {}] = CHECKOUT.line_items ?? [];
  const described = { ...item, metadata: { shelf: "3" } };
  const call = stripe.checkout.sessions.create({ ...CHECKOUT, line_items: [item, described] });
  expect(await refusal(call)).toMatchObject({
    statusCode: 501,
    param: "line_items[1][metadata][shelf]",
  });
});

test("a value that describes the emulator's behavior is accepted", async () => {
  const { stripe } = createSdk();
  const session = await stripe.checkout.sessions.create({ ...CHECKOUT, adaptive_pricing: { enabled: false } });
  expect(session.status).toBe("open");
});

test("a refused parameter is reported once by the SDK, without retries", async () => {
  const { emulator } = createSdk();
  let requests = 0;
  const counted = (request: Request): Promise<Response> => {
    requests += 1;
    return emulator.fetch(request);
  };
  const stripe = connect({ fetch: counted }, "sk_test_123", { maxNetworkRetries: 2 });
  const call = stripe.subscriptions.list({ customer_account: "acct_1" });
  expect(await refusal(call)).toMatchObject({ statusCode: 501 });
  expect(requests).toBe(1);
});

test("a cosmetic parameter is ignored, with one warning for each parameter", async () => {
  const { stripe, messages } = warnings();
  for (let times = 0; times < 2; times++) await stripe.checkout.sessions.create({ ...CHECKOUT, submit_type: "donate" });
  expect(messages).toEqual(["ignored: the parameter submit_type of POST /v1/checkout/sessions has no effect"]);
});

test("strict refuses a cosmetic parameter", async () => {
  const { stripe } = createSdk({ strict: true });
  const call = stripe.checkout.sessions.create({ ...CHECKOUT, submit_type: "donate" });
  expect(await refusal(call)).toMatchObject({ statusCode: 501, param: "submit_type" });
});

test("a request in another API version gets the emulator's version, with one warning for each version", async () => {
  const { emulator, messages } = warnings();
  const stripe = connect(emulator, "sk_test_123", { apiVersion: "2024-06-20" as Stripe.LatestApiVersion });
  const { lastResponse } = await stripe.customers.create({});
  await stripe.customers.list();
  expect(lastResponse.apiVersion).toBe("2026-10-28.endive");
  expect(messages).toEqual(["API version 2024-06-20 requested: the emulator responds in version 2026-10-28.endive"]);
  const viewer = await emulator.fetch(new Request("http://127.0.0.1:12111/"));
  expect(await viewer.text()).toContain("2024-06-20");
});

test("strict refuses another API version", async () => {
  const { as } = createSdk({ strict: true });
  const stripe = as("sk_test_123", { apiVersion: "2025-09-30.clover" as Stripe.LatestApiVersion });
  expect(await refusal(stripe.customers.list())).toMatchObject({
    statusCode: 501,
    code: "api_version_not_implemented",
    message: expect.stringContaining("2025-09-30.clover"),
  });
});

/** @see https://docs.stripe.com/connect/authentication */
test("a connected account has its own objects and events", async () => {
  const { stripe } = createSdk();
  const connected = { stripeAccount: "acct_shop" };
  const own = await stripe.customers.create({ name: "own" });
  const foreign = await stripe.customers.create({ name: "connected" }, connected);
  expect((await stripe.customers.list()).data.map(({ id }) => id)).toEqual([own.id]);
  expect((await stripe.customers.list({}, connected)).data.map(({ id }) => id)).toEqual([foreign.id]);
  expect(await refusal(stripe.customers.retrieve(foreign.id))).toMatchObject({ statusCode: 404 });
  expect(await stripe.accounts.retrieveCurrent({}, connected)).toMatchObject({ id: "acct_shop" });
  const [event] = (await stripe.events.list({}, connected)).data;
  expect(event).toMatchObject({ type: "customer.created", account: "acct_shop" });
  expect((await stripe.events.list()).data.map((one) => one.account)).toEqual([undefined]);
});

test("a connected account belongs to one platform", async () => {
  const { stripe, as } = createSdk();
  await stripe.customers.create({}, { stripeAccount: "acct_shop" });
  expect((await as("sk_test_456").customers.list({}, { stripeAccount: "acct_shop" })).data).toEqual([]);
});

test("the ID of the platform's own account selects the platform's own objects", async () => {
  const { stripe } = createSdk();
  const own = await stripe.customers.create({});
  expect((await stripe.customers.list({}, { stripeAccount: "acct_123" })).data.map(({ id }) => id)).toEqual([own.id]);
});

test("events of a connected account are not sent to the endpoints of the platform", async () => {
  const { emulator, stripe } = createSdk({ webhooks: [{ url: "http://app.test/webhook" }] });
  await stripe.customers.create({}, { stripeAccount: "acct_shop" });
  expect(emulator.deliveries()).toEqual([]);
});

test("a header Stripe-Account that is no account ID gets a 403", async () => {
  const { stripe } = createSdk();
  expect(await refusal(stripe.customers.list({}, { stripeAccount: "acct_../x" }))).toMatchObject({
    statusCode: 403,
    code: "account_invalid",
  });
});
