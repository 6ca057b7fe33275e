/** Tests the payment behavior of subscription changes, and the setup intents of subscriptions that need no payment yet. */
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { authenticate, createSdk, DAY, type Sdk, START, subscriber } from "./support/sdk.ts";

async function invoiceOf({ stripe }: Sdk, { id }: Stripe.Subscription) {
  const { status, latest_invoice: latest } = await stripe.subscriptions.retrieve(id);
  const invoice = await stripe.invoices.retrieve(latest as string, {
    expand: ["confirmation_secret", "payments.data.payment.payment_intent"],
  });
  const intent = invoice.payments?.data.at(-1)?.payment.payment_intent as Stripe.PaymentIntent;
  return { status, invoice, intent };
}

/** @see https://docs.stripe.com/api/subscriptions/update#update_subscription-payment_behavior */
test("an update with default_incomplete charges nothing and is past due until the payment intent is confirmed", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { price, product, customer, method } = await subscriber(stripe);
  const dearer = await stripe.prices.create({
    product: product.id,
    unit_amount: 9_900,
    currency: "usd",
    recurring: { interval: "month" },
  });
  const subscription = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  await stripe.subscriptions.update(subscription.id, {
    items: [{ id: subscription.items.data[0]?.id ?? "", price: dearer.id }],
    proration_behavior: "always_invoice",
    payment_behavior: "default_incomplete",
  });
  const { status, invoice, intent } = await invoiceOf(sdk, subscription);
  expect([status, invoice.status, invoice.attempted, invoice.amount_paid]).toEqual(["past_due", "open", false, 0]);
  expect(intent).toMatchObject({
    status: "requires_confirmation",
    payment_method: method.id,
    amount: invoice.amount_due,
    latest_charge: null,
    setup_future_usage: "off_session",
  });
  expect(invoice.confirmation_secret).toEqual({ client_secret: intent.client_secret, type: "payment_intent" });
  await stripe.paymentIntents.confirm(intent.id);
  expect((await invoiceOf(sdk, subscription)).invoice.status).toBe("paid");
  expect((await stripe.subscriptions.retrieve(subscription.id)).status).toBe("active");
});

/** @see https://docs.stripe.com/api/subscriptions/update#update_subscription-payment_behavior */
test("the end of a trial with default_incomplete leaves the invoice open", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { price, customer } = await subscriber(stripe);
  const trial = { customer: customer.id, items: [{ price: price.id }], trial_period_days: 7 };
  const subscription = await stripe.subscriptions.create(trial);
  await stripe.subscriptions.update(subscription.id, { trial_end: "now", payment_behavior: "default_incomplete" });
  const { status, invoice, intent } = await invoiceOf(sdk, subscription);
  expect([status, invoice.status, intent.status]).toEqual(["past_due", "open", "requires_confirmation"]);
});

/** @see https://docs.stripe.com/api/subscriptions/update#update_subscription-off_session */
test("an update with off_session charges a card that needs 3-D Secure only on setup", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { price, customer } = await subscriber(stripe, { card: "pm_card_authenticationRequiredOnSetup" });
  const subscription = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id }],
    off_session: true,
  });
  const item = subscription.items.data[0]?.id ?? "";
  await stripe.subscriptions.update(subscription.id, {
    items: [{ id: item, quantity: 2 }],
    proration_behavior: "always_invoice",
    off_session: true,
  });
  expect((await invoiceOf(sdk, subscription)).invoice.status).toBe("paid");
});

/** @see https://docs.stripe.com/billing/subscriptions/deferred-payment */
test("a trial without a card has a pending setup intent, and its card becomes the default and pays the first period", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { price } = await subscriber(stripe);
  const customer = await stripe.customers.create();
  const subscription = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id }],
    trial_period_days: 7,
    payment_behavior: "default_incomplete",
    payment_settings: { save_default_payment_method: "on_subscription" },
    expand: ["pending_setup_intent"],
  });
  const setup = subscription.pending_setup_intent as Stripe.SetupIntent;
  expect(setup).toMatchObject({ status: "requires_payment_method", usage: "off_session", customer: customer.id });
  await stripe.setupIntents.confirm(setup.id, { payment_method: "pm_card_visa" });
  const after = await stripe.subscriptions.retrieve(subscription.id);
  expect(after).toMatchObject({ status: "trialing", pending_setup_intent: null });
  expect(after.default_payment_method).toMatch(/^pm_/);
  await sdk.emulator.advance(8 * DAY);
  expect((await stripe.subscriptions.retrieve(subscription.id)).status).toBe("active");
});

/** @see https://docs.stripe.com/billing/subscriptions/deferred-payment */
test("a free subscription whose card needs 3-D Secure has a pending setup intent until the customer authenticates", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { price, customer, method } = await subscriber(stripe, { card: "pm_card_authenticationRequired", amount: 0 });
  const create = () =>
    stripe.subscriptions.create({
      customer: customer.id,
      items: [{ price: price.id }],
      expand: ["pending_setup_intent"],
    });
  const subscription = await create();
  const setup = subscription.pending_setup_intent as Stripe.SetupIntent;
  expect(setup).toMatchObject({
    status: "requires_action",
    payment_method: method.id,
    next_action: { type: "use_stripe_sdk" },
  });
  await authenticate(sdk, setup.next_action);
  expect((await stripe.subscriptions.retrieve(subscription.id)).pending_setup_intent).toBeNull();
  expect((await create()).pending_setup_intent).toBeNull();
});

/** A recording of Stripe shows a trial with a card: `pending_setup_intent` is null. */
test("a trial with a card that needs no 3-D Secure has no pending setup intent", async () => {
  const { stripe, emulator } = createSdk();
  const { price, customer } = await subscriber(stripe);
  const trial = { customer: customer.id, items: [{ price: price.id }], trial_period_days: 15 };
  expect((await stripe.subscriptions.create(trial)).pending_setup_intent).toBeNull();
  const sent = await stripe.subscriptions.create({
    ...trial,
    customer: (await stripe.customers.create()).id,
    collection_method: "send_invoice",
    days_until_due: 7,
  });
  expect(sent.pending_setup_intent).toBeNull();
  expect(emulator.events().filter(({ type }) => type === "setup_intent.created")).toEqual([]);
});

/** @see https://docs.stripe.com/billing/migration/strong-customer-authentication#scenario-2 */
test("an update to a card that needs 3-D Secure creates a pending setup intent, and another card removes it", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { price, customer, method } = await subscriber(stripe);
  const subscription = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  const secured = await stripe.paymentMethods.attach("pm_card_authenticationRequired", { customer: customer.id });
  const update = (id: string) => stripe.subscriptions.update(subscription.id, { default_payment_method: id });
  const { pending_setup_intent: setup } = await update(secured.id);
  expect(await stripe.setupIntents.retrieve(setup as string)).toMatchObject({ status: "requires_action" });
  expect((await update(method.id)).pending_setup_intent).toBeNull();
});

/** @see https://docs.stripe.com/billing/subscriptions/deferred-payment */
test("a failed authentication leaves the pending setup intent without a card, and a canceled trial keeps it", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { price, customer } = await subscriber(stripe, { card: "pm_card_authenticationRequired" });
  const subscription = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id }],
    trial_end: START / 1_000 + 7 * DAY,
    expand: ["pending_setup_intent"],
  });
  const setup = subscription.pending_setup_intent as Stripe.SetupIntent;
  await authenticate(sdk, setup.next_action, "no");
  expect(await stripe.setupIntents.retrieve(setup.id)).toMatchObject({
    status: "requires_payment_method",
    last_setup_error: { code: "setup_intent_authentication_failure" },
  });
  const canceled = await stripe.subscriptions.cancel(subscription.id);
  expect(canceled).toMatchObject({ status: "canceled", pending_setup_intent: setup.id });
});
