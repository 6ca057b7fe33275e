/** Connects the official SDK to an emulator in the same process, and checks every response against the SDK's types. */
import Stripe from "stripe";
import { expect, onTestFinished } from "vitest";
import { createEmulator, type Emulator, type EmulatorOptions } from "../../src/index.ts";

export const START = Date.UTC(2026, 0, 31, 12);
export const DAY = 86_400;

export interface Sdk {
  emulator: Emulator;
  stripe: Stripe;
  /** Returns an SDK that uses the given API key. */
  as(key: string, options?: Partial<Stripe.StripeConfig>): Stripe;
  /** Returns the types of all events of the account, starting with the oldest event. */
  eventTypes(): Promise<string[]>;
}

export function createSdk(options: EmulatorOptions = {}): Sdk {
  const emulator = createEmulator({
    seed: 3,
    startAt: START,
    wallNow: () => emulator.now(),
    baseUrl: "http://stripe.test",
    checkResponses: true,
    strict: true,
    ...options,
  });
  // After every test, the audit of the emulator's data must find no problem.
  onTestFinished(() => expect(emulator.audit()).toEqual([]));
  const as: Sdk["as"] = (key, config = {}) => connect(emulator, key, config);
  const stripe = as("sk_test_123");
  return {
    emulator,
    stripe,
    as,
    async eventTypes() {
      const events = await stripe.events.list({ limit: 100 }).autoPagingToArray({ limit: 10_000 });
      return events.map(({ type }) => type as string).toReversed();
    },
  };
}

export function connect(
  emulator: Pick<Emulator, "fetch">,
  key: string,
  config: Partial<Stripe.StripeConfig> = {},
): Stripe {
  return new Stripe(key, {
    host: "stripe.test",
    protocol: "http",
    port: 80,
    maxNetworkRetries: 0,
    telemetry: false,
    httpClient: Stripe.createFetchHttpClient((input, init) => emulator.fetch(new Request(input, init))),
    ...config,
  });
}

/** Creates a product with a monthly price, and a customer with a saved card. */
export async function subscriber(
  stripe: Stripe,
  {
    card = "pm_card_visa",
    amount = 2_500,
    currency = "usd",
    testClock,
  }: { card?: string; amount?: number; currency?: string; testClock?: string } = {},
) {
  const product = await stripe.products.create({ name: "Premium" });
  const price = await stripe.prices.create({
    product: product.id,
    unit_amount: amount,
    currency,
    recurring: { interval: "month" },
  });
  const customer = await stripe.customers.create({
    email: "ada@example.com",
    ...(testClock && { test_clock: testClock }),
  });
  const method = await stripe.paymentMethods.attach(card, { customer: customer.id });
  await stripe.customers.update(customer.id, { invoice_settings: { default_payment_method: method.id } });
  return { product, price, customer, method };
}

/** Returns the error with which a call to Stripe fails. Throws if the call succeeds. */
export async function refusal(call: Promise<unknown>): Promise<Stripe.errors.StripeError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof Stripe.errors.StripeError) return error;
    throw error;
  }
  throw new Error("the call succeeded, but an error was expected");
}

/** Returns the URL of the 3-D Secure page of a next action, whether the customer or Stripe.js opens it. */
export function challengeUrl(
  action: Pick<Stripe.PaymentIntent.NextAction, "redirect_to_url" | "use_stripe_sdk"> | null,
): string {
  const { stripe_js: url } = (action?.use_stripe_sdk ?? {}) as { stripe_js?: string };
  return action?.redirect_to_url?.url ?? url ?? "";
}

/** Completes 3-D Secure as the customer. */
export async function authenticate(
  { emulator }: Pick<Sdk, "emulator">,
  action: Parameters<typeof challengeUrl>[0],
  answer: "yes" | "no" = "yes",
): Promise<void> {
  await emulator.fetch(new Request(challengeUrl(action), { method: "POST", body: new URLSearchParams({ answer }) }));
}
