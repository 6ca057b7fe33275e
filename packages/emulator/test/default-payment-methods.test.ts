/**
 * Tests that a card which pays for a subscription becomes the subscription's default payment method.
 * @see https://docs.stripe.com/api/subscriptions/create#create_subscription-payment_settings-save_default_payment_method
 */
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { authenticate, createSdk, DAY, type Sdk, subscriber } from "./support/sdk.ts";

const ON_SUBSCRIPTION = { save_default_payment_method: "on_subscription" } as const;

/** Creates a subscription of a customer without a card. Its first invoice waits for a client. */
async function waiting(sdk: Sdk, settings: Stripe.SubscriptionCreateParams.PaymentSettings = ON_SUBSCRIPTION) {
  const { price } = await subscriber(sdk.stripe);
  const customer = await sdk.stripe.customers.create();
  const subscription = await sdk.stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id }],
    payment_behavior: "default_incomplete",
    payment_settings: settings,
    expand: ["latest_invoice.confirmation_secret"],
  });
  const invoice = subscription.latest_invoice as Stripe.Invoice;
  const secret = invoice.confirmation_secret?.client_secret ?? "";
  return { subscription, invoice: invoice.id, intent: secret.split("_secret_")[0] ?? "" };
}

async function defaultOf({ stripe }: Sdk, { id }: Stripe.Subscription) {
  const { status, default_payment_method: method } = await stripe.subscriptions.retrieve(id, {
    expand: ["default_payment_method"],
  });
  return { status, last4: (method as Stripe.PaymentMethod | null)?.card?.last4 ?? null };
}

async function statusAfterRenewal(sdk: Sdk, subscription: Stripe.Subscription) {
  await sdk.emulator.advance(32 * DAY);
  return defaultOf(sdk, subscription);
}

test("a card that a client confirms becomes the subscription's default, and pays the first renewal", async () => {
  const sdk = createSdk();
  const { subscription, intent } = await waiting(sdk);
  await sdk.stripe.paymentIntents.confirm(intent, { payment_method: "pm_card_mastercard" });
  const expected = { status: "active", last4: "4444" };
  expect(await defaultOf(sdk, subscription)).toEqual(expected);
  const updates = sdk.emulator.events().filter(({ type }) => type === "customer.subscription.updated");
  expect(updates[0]?.data.previous_attributes).toEqual({ default_payment_method: null, status: "incomplete" });
  expect(await statusAfterRenewal(sdk, subscription)).toEqual(expected);
});

test("a card that pays an invoice by invoices.pay becomes the subscription's default", async () => {
  const sdk = createSdk();
  const { subscription, invoice } = await waiting(sdk);
  await sdk.stripe.invoices.pay(invoice, { payment_method: "pm_card_amex" });
  expect(await statusAfterRenewal(sdk, subscription)).toEqual({ status: "active", last4: "8431" });
});

test("a card that pays after 3-D Secure becomes the subscription's default", async () => {
  const sdk = createSdk();
  const { subscription, intent } = await waiting(sdk);
  const asked = await sdk.stripe.paymentIntents.confirm(intent, {
    payment_method: "pm_card_authenticationRequiredOnSetup",
    return_url: "http://app.test/back",
  });
  expect(await defaultOf(sdk, subscription)).toEqual({ status: "incomplete", last4: null });
  await authenticate(sdk, asked.next_action);
  expect(await statusAfterRenewal(sdk, subscription)).toEqual({ status: "active", last4: "3155" });
});

test("a card that pays an open renewal becomes the subscription's default", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { price, customer, method } = await subscriber(stripe);
  const subscription = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id }],
    payment_settings: ON_SUBSCRIPTION,
  });
  expect(await defaultOf(sdk, subscription)).toEqual({ status: "active", last4: "4242" });
  await stripe.paymentMethods.detach(method.id);
  expect(await statusAfterRenewal(sdk, subscription)).toEqual({ status: "past_due", last4: null });
  const { latest_invoice: latest } = await stripe.subscriptions.retrieve(subscription.id);
  const invoice = await stripe.invoices.retrieve(latest as string, {
    expand: ["payments.data.payment.payment_intent"],
  });
  const intent = invoice.payments?.data[0]?.payment.payment_intent as Stripe.PaymentIntent;
  expect(intent.setup_future_usage).toBe("off_session");
  await stripe.paymentIntents.confirm(intent.id, { payment_method: "pm_card_discover" });
  expect(await defaultOf(sdk, subscription)).toEqual({ status: "active", last4: "9424" });
});

test("without on_subscription, a card that pays is saved, but is not the subscription's default", async () => {
  const sdk = createSdk();
  const { subscription, intent } = await waiting(sdk, { save_default_payment_method: "off" });
  await sdk.stripe.paymentIntents.confirm(intent, { payment_method: "pm_card_visa" });
  expect(await defaultOf(sdk, subscription)).toEqual({ status: "active", last4: null });
  const saved = await sdk.stripe.customers.listPaymentMethods(subscription.customer as string);
  expect(saved.data).toHaveLength(1);
  expect(await statusAfterRenewal(sdk, subscription)).toEqual({ status: "past_due", last4: null });
});

test("an invoice that is paid out of band sets no default payment method", async () => {
  const sdk = createSdk();
  const { subscription, invoice } = await waiting(sdk);
  await sdk.stripe.invoices.pay(invoice, { paid_out_of_band: true });
  expect(await defaultOf(sdk, subscription)).toEqual({ status: "active", last4: null });
});
