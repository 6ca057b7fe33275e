/**
 * Runs the published `@medusajs/payment-stripe` through the whole life of payments and saved cards. The folder `medusa-framework`
 * stands in for `@medusajs/framework`, of which the package uses only `@medusajs/utils`.
 */
import { createRequire } from "node:module";
import Stripe from "stripe";
import { expect, onTestFinished, test } from "vitest";
import { createEmulator, type Emulator } from "../../packages/emulator/src/index.ts";
import { networkOf, useNetwork, type Sdk } from "./network.ts";

const KEY = "sk_test_medusa";
const SECRET = "whsec_medusa";
const SESSION = "payses_1";

/** The methods of the payment provider that Medusa calls, with the inputs and outputs that the tests use. */
interface Provider {
  initiatePayment(input: object): Promise<Answer & { id: string }>;
  updatePayment(input: object): Promise<Answer>;
  authorizePayment(input: object): Promise<Answer>;
  capturePayment(input: object): Promise<Answer>;
  cancelPayment(input: object): Promise<Answer>;
  refundPayment(input: object): Promise<Answer>;
  retrievePayment(input: object): Promise<Answer>;
  createAccountHolder(input: object): Promise<{ id: string; data: object }>;
  updateAccountHolder(input: object): Promise<{ data?: object }>;
  deleteAccountHolder(input: object): Promise<object>;
  savePaymentMethod(input: object): Promise<{ id: string; data: object }>;
  listPaymentMethods(input: object): Promise<{ id: string; data: object }[]>;
  deletePaymentMethod(input: object): Promise<object>;
  getWebhookActionAndData(input: object): Promise<Action>;
}

interface Answer {
  status?: string;
  data: Record<string, unknown>;
}

interface Action {
  action: string;
  data?: { session_id: string; amount: unknown };
}

interface MedusaApp {
  emulator: Emulator;
  stripe: Stripe;
  provider: Provider;
  /** Returns the actions that the provider derived from webhooks since the last call. */
  actions(): Promise<string[]>;
}

function createMedusaApp(options: object = {}): MedusaApp {
  const taken: string[] = [];
  const emulator = createEmulator({
    baseUrl: "http://stripe.test",
    checkResponses: true,
    onWarning: () => {},
    webhooks: [{ url: "http://app.test/hooks/payment/stripe_stripe", secret: SECRET }],
    fetch: async (request) => {
      const rawData = Buffer.from(await request.arrayBuffer());
      const { action } = await provider.getWebhookActionAndData({
        rawData,
        headers: Object.fromEntries(request.headers),
      });
      taken.push(action);
      return new Response(null, { status: 200 });
    },
  });
  onTestFinished(() => expect(emulator.audit()).toEqual([]));
  const provider = createProvider(emulator, options);
  return {
    emulator,
    stripe: new Stripe(KEY, { httpClient: Stripe.createFetchHttpClient(networkOf(emulator)), maxNetworkRetries: 0 }),
    provider,
    async actions() {
      await emulator.drain();
      expect(emulator.deliveries().filter(({ state }) => state !== "delivered")).toEqual([]);
      return taken.splice(0).filter((action) => action !== "not_supported");
    },
  };
}

/** Constructs the provider as Medusa does. The provider accepts no option that sets the network of its Stripe client. */
function createProvider(emulator: Emulator, options: object): Provider {
  const require = createRequire(import.meta.url);
  const { default: module } = require("@medusajs/payment-stripe") as { default: { services: ProviderClass[] } };
  const own = createRequire(require.resolve("@medusajs/payment-stripe"));
  const found = module.services.find(({ identifier }) => identifier === "stripe");
  if (found === undefined) throw new Error("@medusajs/payment-stripe has no provider with the identifier stripe");
  const provider = new found({}, { apiKey: KEY, webhookSecret: SECRET, ...options });
  useNetwork(provider["stripe_"], own("stripe") as Sdk, networkOf(emulator));
  return provider;
}

interface ProviderClass {
  identifier: string;
  new (container: object, options: object): Provider & { stripe_: object };
}

const CUSTOMER = { email: "ada@example.com", first_name: "Ada", last_name: "Lovelace", phone: "+15550100" };

test("a payment is authorized, captured and refunded, and each step reaches Medusa by webhook", async () => {
  const { provider, stripe, actions } = createMedusaApp();
  const started = await provider.initiatePayment({ amount: 20, currency_code: "usd", data: { session_id: SESSION } });
  expect(started).toMatchObject({ status: "pending", data: { amount: 2_000, metadata: { session_id: SESSION } } });
  expect(await actions()).toEqual(["pending"]);
  const { id, data } = started;

  const raised = await provider.updatePayment({ amount: 25, currency_code: "usd", data });
  expect(raised).toMatchObject({ status: "pending", data: { id, amount: 2_500 } });
  await stripe.paymentIntents.confirm(id, { payment_method: "pm_card_visa", return_url: "http://app.test/paid" });
  expect(await actions()).toEqual(["authorized"]);
  expect(await provider.authorizePayment({ data: { id } })).toMatchObject({ status: "authorized" });

  const captured = await provider.capturePayment({ data: { id } });
  expect(captured.data).toMatchObject({ status: "succeeded", amount_received: 2_500 });
  expect(await provider.capturePayment({ data: { id } })).toMatchObject({ data: { id, status: "succeeded" } });
  expect(await actions()).toEqual(["captured"]);
  expect(await provider.retrievePayment({ data: { id } })).toMatchObject({ data: { amount: 25, status: "succeeded" } });

  await provider.refundPayment({ amount: 10, data: captured.data });
  await provider.refundPayment({ amount: 15, data: captured.data });
  expect((await stripe.refunds.list({ payment_intent: id })).data.map(({ amount }) => amount)).toEqual([1_500, 1_000]);
  await expect(provider.refundPayment({ amount: 1, data: captured.data })).resolves.toMatchObject({ data: { id } });
});

test("an authorized payment can be canceled, and a second cancellation returns the canceled payment", async () => {
  const { provider, actions, stripe } = createMedusaApp();
  const { id } = await provider.initiatePayment({ amount: 20, currency_code: "usd", data: { session_id: SESSION } });
  await stripe.paymentIntents.confirm(id, { payment_method: "pm_card_visa", return_url: "http://app.test/paid" });
  expect(await provider.cancelPayment({ data: { id } })).toMatchObject({ data: { id, status: "canceled" } });
  expect(await provider.cancelPayment({ data: { id } })).toMatchObject({ data: { id, status: "canceled" } });
  expect(await provider.authorizePayment({ data: { id } })).toMatchObject({ status: "canceled" });
  expect(await actions()).toEqual(["pending", "authorized", "canceled"]);
});

test("a declined card and a card that needs authentication have the statuses error and requires_more", async () => {
  const { provider, actions } = createMedusaApp({ capture: true });
  const pay = (card: string) =>
    provider.initiatePayment({
      amount: 20,
      currency_code: "usd",
      data: { session_id: SESSION, confirm: true, payment_method: card, return_url: "http://app.test/paid" },
    });
  expect(await pay("pm_card_visa")).toMatchObject({ status: "captured" });
  expect(await actions()).toContain("captured");
  expect(await pay("pm_card_visa_chargeDeclined")).toMatchObject({
    status: "error",
    data: { last_payment_error: { code: "card_declined" } },
  });
  expect(await actions()).toContain("failed");
  expect(await pay("pm_card_authenticationRequired")).toMatchObject({ status: "requires_more" });
  expect(await actions()).toContain("requires_more");
});

test("a saved card pays off session, and is listed until the account holder removes it", async () => {
  const { provider, stripe } = createMedusaApp({ capture: true });
  const holder = await provider.createAccountHolder({ context: { customer: CUSTOMER } });
  const context = { account_holder: holder };
  expect(await stripe.customers.retrieve(holder.id)).toMatchObject({ email: CUSTOMER.email, name: "Ada Lovelace" });
  const customer = { ...CUSTOMER, last_name: "King" };
  expect(await provider.updateAccountHolder({ context: { ...context, customer } })).toMatchObject({
    data: { name: "Ada King" },
  });

  const setup = await provider.savePaymentMethod({ context, data: { usage: "off_session" } });
  await stripe.setupIntents.confirm(setup.id, { payment_method: "pm_card_visa", return_url: "http://app.test/saved" });
  const [card, ...others] = await provider.listPaymentMethods({ context });
  expect(others).toEqual([]);
  expect(card).toMatchObject({ data: { customer: holder.id, card: { last4: "4242" } } });

  const data = { session_id: SESSION, off_session: true, confirm: true, payment_method: card?.id };
  const paid = await provider.initiatePayment({ amount: 30, currency_code: "usd", data, context });
  expect(paid).toMatchObject({ status: "captured", data: { customer: holder.id, amount_received: 3_000 } });

  await provider.deletePaymentMethod({ context, data: { id: card?.id } });
  expect(await provider.listPaymentMethods({ context })).toEqual([]);
  await provider.deleteAccountHolder({ context });
  expect(await stripe.customers.retrieve(holder.id)).toMatchObject({ deleted: true });
});
