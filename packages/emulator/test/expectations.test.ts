/** Tests the helpers for tests: `load` plays a fixture, `expectEvent` and `expectWebhook` find what a test expects. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Stripe from "stripe";
import { expect, onTestFinished, test } from "vitest";
import type { EmulatorOptions, Fixture } from "../src/index.ts";
import { createSdk, DAY } from "./support/sdk.ts";

const SECRET = "whsec_expected";

/** A fixture of the Stripe CLI: a customer who subscribes to a monthly price. @see https://docs.stripe.com/cli/fixtures */
const SUBSCRIPTION = {
  fixtures: [
    {
      name: "customer",
      method: "post",
      path: "/v1/customers",
      params: {
        email: "ada@example.com",
        payment_method: "pm_card_visa",
        invoice_settings: { default_payment_method: "pm_card_visa" },
      },
    },
    { name: "product", method: "post", path: "/v1/products", params: { name: "Premium" } },
    {
      name: "price",
      method: "post",
      path: "/v1/prices",
      params: {
        product: "${product:id}",
        unit_amount: 2_500,
        currency: "${currency:code|usd}",
        recurring: { interval: "month" },
      },
    },
    {
      name: "subscription",
      method: "post",
      path: "/v1/subscriptions",
      params: { customer: "${customer:id}", items: [{ price: "${price:id}" }] },
    },
  ],
} as const;

/** The fixture above, without the reference to a request that does not exist. */
const FIXTURE = JSON.parse(JSON.stringify(SUBSCRIPTION).replace("${currency:code|usd}", "usd")) as typeof SUBSCRIPTION;

function receiver(options: EmulatorOptions = {}) {
  return createSdk({
    webhooks: [{ url: "http://app.test/hook", secret: SECRET }],
    fetch: async () => new Response(null, { status: 204 }),
    ...options,
  });
}

test("load plays a fixture against one account and returns the responses by name", async () => {
  const { emulator, as } = receiver();
  const { customer, subscription } = await emulator.load(FIXTURE, { key: "sk_test_fixtures" });
  expect(customer).toMatchObject({ object: "customer", email: "ada@example.com" });
  expect(subscription).toMatchObject({ status: "active", customer: customer["id"] });
  const listed = await as("sk_test_fixtures").subscriptions.list();
  expect(listed.data.map(({ id }) => id)).toEqual([subscription["id"]]);
  expect((await as("sk_test_123").customers.list()).data).toEqual([]);
});

test("load plays the JSON file of a fixture and waits for its deliveries", async () => {
  const { emulator } = receiver();
  const folder = mkdtempSync(join(tmpdir(), "fixture-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "subscription.json");
  writeFileSync(file, JSON.stringify(FIXTURE));
  const bodies = await emulator.load(file);
  expect(Object.keys(bodies)).toEqual(["customer", "product", "price", "subscription"]);
  expect(emulator.deliveries().every(({ state }) => state === "delivered")).toBe(true);
});

test("load rejects with the name of the failed request and Stripe's message", async () => {
  const { emulator } = receiver();
  await expect(
    emulator.load({ fixtures: [{ name: "missing", method: "get", path: "/v1/customers/cus_none" }] }),
  ).rejects.toThrow(
    "The request \"missing\" of the fixture (GET /v1/customers/cus_none) failed with 404 invalid_request_error: No such customer: 'cus_none'",
  );
});

test("load rejects a fixture that refers to an unknown request", async () => {
  const { emulator } = receiver();
  await expect(emulator.load(SUBSCRIPTION)).rejects.toThrow("it refers to currency");
});

test("load accepts an expected error, and rejects if the request succeeds", async () => {
  const { emulator } = receiver();
  const declined = (card: string): Fixture<"charge"> => ({
    fixtures: [
      {
        name: "charge",
        method: "post",
        path: "/v1/payment_intents",
        params: {
          amount: 500,
          currency: "usd",
          payment_method: card,
          confirm: true,
          return_url: "http://app.test/back",
        },
        expected_error_type: "card_error",
      },
    ],
  });
  const { charge } = await emulator.load(declined("pm_card_chargeDeclined"));
  expect(charge.error).toMatchObject({ type: "card_error", message: "Your card was declined." });
  await expect(emulator.load(declined("pm_card_visa"))).rejects.toThrow(
    'The request "charge" of the fixture (POST /v1/payment_intents) returned 200. The fixture expects the error type card_error.',
  );
});

test("expectEvent returns each matching event once, oldest first", async () => {
  const { emulator } = receiver();
  const { customer } = await emulator.load(FIXTURE);
  const where = { customer: customer["id"], lines: { data: [{ quantity: 1 }] } };
  const first = await emulator.expectEvent("invoice.paid", where);
  expect(first.data.object).toMatchObject({ billing_reason: "subscription_create" });
  await expect(emulator.expectEvent("invoice.paid", where)).rejects.toThrow(
    `Expected another event of the type invoice.paid. Nearest of 1:\n- ${first.id}: an earlier call returned it`,
  );
  await emulator.advance(31 * DAY);
  const second = await emulator.expectEvent("invoice.paid", (object) => object["amount_paid"] === 2_500);
  expect(second.data.object).toMatchObject({ billing_reason: "subscription_cycle" });
});

test("the events that expectEvent returned are part of snapshots and forks", async () => {
  const { emulator } = receiver();
  await emulator.load(FIXTURE);
  const before = emulator.snapshot();
  const { id } = await emulator.expectEvent("invoice.paid");
  await expect(emulator.fork().expectEvent("invoice.paid")).rejects.toThrow("an earlier call returned it");
  emulator.restore(before);
  expect((await emulator.expectEvent("invoice.paid")).id).toBe(id);
});

test("expectEvent rejects with the nearest differences first", async () => {
  const { emulator, stripe } = receiver();
  await stripe.customers.create({ name: "Grace", email: "grace@example.com" });
  await stripe.customers.create({ name: "Ada", email: "other@example.com" });
  const error = await emulator.expectEvent("customer.created", { name: "Ada", email: "ada@example.com" }).catch(String);
  const [grace, ada] = emulator.events();
  expect(error).toBe(
    [
      "Error: Expected another event of the type customer.created. Nearest of 2:",
      `- ${ada?.id}: email is "other@example.com", expected "ada@example.com"`,
      `- ${grace?.id}: name is "Grace", expected "Ada"; email is "grace@example.com", expected "ada@example.com"`,
    ].join("\n"),
  );
});

test("expectEvent rejects with the types that occurred if no event has the type", async () => {
  const { emulator, stripe } = receiver();
  await expect(emulator.expectEvent("invoice.paid")).rejects.toThrow("There is no event at all.");
  await stripe.customers.create({ name: "Ada" });
  await stripe.products.create({ name: "Premium" });
  await expect(emulator.expectEvent("invoice.paid")).rejects.toThrow(
    "Expected one event of the type invoice.paid. The types are: customer.created, product.created.",
  );
});

test("expectWebhook returns the request that the endpoint received and the status of its response", async () => {
  const { emulator, stripe } = receiver();
  const customer = await stripe.customers.create({ name: "Ada" });
  const { event, request, status } = await emulator.expectWebhook("customer.created", { id: customer.id });
  expect(status).toBe(204);
  expect(request.url).toBe("http://app.test/hook");
  const verified = Stripe.webhooks.constructEvent(
    request.body,
    request.headers["stripe-signature"] ?? "",
    SECRET,
    300,
    undefined,
    emulator.now(),
  );
  expect(verified.id).toBe(event.id);
});

/** Stripe tries a failed delivery again. @see https://docs.stripe.com/webhooks#retry-behavior */
test("expectWebhook returns each attempt of a delivery once", async () => {
  let status = 500;
  const { emulator, stripe } = receiver({ fetch: async () => new Response(null, { status }) });
  await stripe.customers.create({ name: "Ada" });
  const failed = await emulator.expectWebhook("customer.created");
  expect(failed.status).toBe(500);
  await expect(emulator.expectWebhook("customer.created")).rejects.toThrow("an earlier call returned it");
  status = 200;
  await emulator.advance(60);
  const retried = await emulator.expectWebhook("customer.created");
  expect(retried).toMatchObject({ status: 200, deliveryId: failed.deliveryId });
});

test("expectWebhook does not return a delivery that a fault drops", async () => {
  const { emulator, stripe } = receiver();
  await emulator.fetch(
    new Request("http://stripe.test/_emulator/faults/deliveries", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ type: "customer.created", effect: "drop" }),
    }),
  );
  await stripe.customers.create({ name: "Ada" });
  await emulator.expectEvent("customer.created");
  await expect(emulator.expectWebhook("customer.created")).rejects.toThrow("There is no webhook request at all.");
});
