/** Tests manual capture, and the parameters of payment intents and setup intents. */
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { authenticate, createSdk, DAY, refusal, type Sdk, subscriber } from "./support/sdk.ts";

const PAYMENT = { amount: 2_000, currency: "usd", payment_method: "pm_card_visa", confirm: true } as const;
const HOLD = { ...PAYMENT, capture_method: "manual" } as const;

async function chargeOf({ stripe }: Sdk, id: string) {
  const { latest_charge: charge } = await stripe.paymentIntents.retrieve(id, {
    expand: ["latest_charge.refunds"],
  });
  return charge as Stripe.Charge;
}

/** A recording of Stripe shows an expired authorization: its payment intent, its charge and its refund. */
test("an authorization that is not captured within 7 days expires, and its amount returns to the customer", async () => {
  const sdk = createSdk();
  const { stripe, emulator } = sdk;
  const held = await stripe.paymentIntents.create(HOLD);
  await emulator.advance(7 * DAY - 1);
  expect((await stripe.paymentIntents.retrieve(held.id)).status).toBe("requires_capture");
  await emulator.advance(1);
  expect(await stripe.paymentIntents.retrieve(held.id)).toMatchObject({
    status: "canceled",
    amount_capturable: 0,
    cancellation_reason: "automatic",
    canceled_at: held.created + 7 * DAY,
  });
  const charge = await chargeOf(sdk, held.id);
  expect(charge).toMatchObject({ captured: false, amount_captured: 0, amount_refunded: 2_000, refunded: true });
  expect(charge.refunds?.data).toMatchObject([
    { amount: 2_000, balance_transaction: null, reason: "expired_uncaptured_charge", status: "succeeded" },
  ]);
  expect((await sdk.eventTypes()).slice(-3)).toEqual(["refund.created", "charge.expired", "payment_intent.canceled"]);
  expect(await refusal(stripe.paymentIntents.capture(held.id))).toMatchObject({
    code: "payment_intent_unexpected_state",
    message:
      "This PaymentIntent could not be captured because it has a status of canceled. Only a PaymentIntent with one of the following statuses may be captured: requires_capture.",
    payment_intent: { id: held.id },
  });
  expect((await stripe.balanceTransactions.list()).data).toEqual([]);
});

/** @see https://docs.stripe.com/api/payment_intents/cancel */
test("a canceled authorization returns its amount to the customer, and a captured one does not expire", async () => {
  const sdk = createSdk();
  const { stripe, emulator } = sdk;
  const [canceled, captured] = [await stripe.paymentIntents.create(HOLD), await stripe.paymentIntents.create(HOLD)];
  await stripe.paymentIntents.cancel(canceled.id, { cancellation_reason: "requested_by_customer" });
  await stripe.paymentIntents.capture(captured.id);
  await emulator.advance(8 * DAY);
  expect(await chargeOf(sdk, canceled.id)).toMatchObject({ captured: false, amount_refunded: 2_000, refunded: true });
  expect(await stripe.paymentIntents.retrieve(canceled.id)).toMatchObject({
    cancellation_reason: "requested_by_customer",
  });
  expect(await chargeOf(sdk, captured.id)).toMatchObject({ captured: true, amount_refunded: 0 });
  expect(await stripe.paymentIntents.retrieve(captured.id)).toMatchObject({ status: "succeeded" });
});

/** @see https://docs.stripe.com/api/payment_intents/capture */
test("a partial capture returns the rest to the customer, and only the captured amount can be refunded", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const held = await stripe.paymentIntents.create(HOLD);
  const captured = await stripe.paymentIntents.capture(held.id, { amount_to_capture: 500, final_capture: true });
  expect(captured).toMatchObject({ status: "succeeded", amount_received: 500, amount_capturable: 0 });
  const partial = { amount: 2_000, amount_captured: 500, amount_refunded: 1_500, refunded: false };
  expect(await chargeOf(sdk, held.id)).toMatchObject(partial);
  expect((await stripe.refunds.create({ payment_intent: held.id })).amount).toBe(500);
  expect(await chargeOf(sdk, held.id)).toMatchObject({ amount_refunded: 2_000, refunded: true });
  const [refund, payment] = (await stripe.balanceTransactions.list()).data;
  expect([payment?.amount, refund?.amount]).toEqual([500, -500]);
});

test("a capture that keeps the rest of the authorization is refused with 501", async () => {
  const { stripe } = createSdk();
  const held = await stripe.paymentIntents.create(HOLD);
  const error = await refusal(stripe.paymentIntents.capture(held.id, { amount_to_capture: 500, final_capture: false }));
  expect(error).toMatchObject({ statusCode: 501, param: "final_capture" });
  expect((await stripe.paymentIntents.retrieve(held.id)).status).toBe("requires_capture");
});

/** @see node_modules/stripe/esm/resources/PaymentIntents.d.ts (`next_action`, `use_stripe_sdk`) */
test("a payment that needs 3-D Secure redirects if there is a return URL, and otherwise waits for Stripe.js", async () => {
  const { stripe, emulator } = createSdk();
  const payment = { ...PAYMENT, payment_method: "pm_card_authenticationRequired" } as const;
  const return_url = "http://app.test/back";
  const types = [];
  for (const params of [{ return_url }, {}, { return_url, use_stripe_sdk: true }]) {
    const { next_action: action } = await stripe.paymentIntents.create({ ...payment, ...params });
    types.push(action?.type);
  }
  expect(types).toEqual(["redirect_to_url", "use_stripe_sdk", "use_stripe_sdk"]);
  const setup = await stripe.setupIntents.create({ payment_method: payment.payment_method, confirm: true });
  expect(setup.next_action?.type).toBe("use_stripe_sdk");
  await authenticate({ emulator }, setup.next_action);
  expect((await stripe.setupIntents.retrieve(setup.id)).status).toBe("succeeded");
});

/** @see https://docs.stripe.com/payments/save-during-payment */
test("a card that a payment sets up for later is attached, also after 3-D Secure", async () => {
  const { stripe, emulator } = createSdk();
  const customer = await stripe.customers.create();
  const intent = await stripe.paymentIntents.create({
    ...PAYMENT,
    payment_method: "pm_card_authenticationRequiredOnSetup",
    customer: customer.id,
    setup_future_usage: "off_session",
    return_url: "http://app.test/back",
  });
  await authenticate({ emulator }, intent.next_action);
  expect((await stripe.customers.listPaymentMethods(customer.id)).data).toMatchObject([{ card: { last4: "3155" } }]);
});

/** @see https://docs.stripe.com/api/payment_intents/create#create_payment_intent-payment_method_data */
test("payment_method_data creates the card of a payment intent and of a setup intent", async () => {
  const { stripe } = createSdk();
  const customer = await stripe.customers.create();
  const card = { number: "5555555555554444", exp_month: 12, exp_year: 2034, cvc: "123" };
  const payment_method_data = {
    type: "card",
    card,
    billing_details: { name: "Ada", address: { country: "DE" } },
    allow_redisplay: "always",
    metadata: { source: "form" },
  };
  // The types of the server's SDK lack the card, because only Stripe.js sends it.
  const data = { payment_method_data } as object as Stripe.PaymentIntentCreateParams;
  const { payment_method: _token, ...payment } = PAYMENT;
  const paid = await stripe.paymentIntents.create({ ...data, ...payment, expand: ["payment_method"] });
  expect(paid).toMatchObject({
    status: "succeeded",
    payment_method: {
      card: { last4: "4444" },
      allow_redisplay: "always",
      billing_details: { name: "Ada", address: { country: "DE" } },
      metadata: { source: "form" },
    },
  });
  const setup = await stripe.setupIntents.create({ customer: customer.id });
  const confirmed = await stripe.setupIntents.confirm(setup.id, { payment_method_data });
  expect(confirmed.status).toBe("succeeded");
  const both = { ...data, ...PAYMENT };
  expect(await refusal(stripe.paymentIntents.create(both))).toMatchObject({ code: "parameters_exclusive" });
});

test("an update of a payment intent changes every field that it names", async () => {
  const { stripe } = createSdk();
  const customer = await stripe.customers.create();
  const intent = await stripe.paymentIntents.create({ amount: 2_000, currency: "usd" });
  const changed = {
    amount: 3_000,
    capture_method: "manual",
    currency: "eur",
    customer: customer.id,
    description: "A book",
    receipt_email: "ada@example.com",
    setup_future_usage: "off_session",
    shipping: { name: "Ada", address: { city: "Berlin" }, tracking_number: "T1" },
    statement_descriptor_suffix: "BOOK",
    transfer_group: "group_1",
  } as const;
  expect(await stripe.paymentIntents.update(intent.id, changed)).toMatchObject(changed);
  const paid = await stripe.paymentIntents.confirm(intent.id, { payment_method: "pm_card_visa" });
  expect(paid.status).toBe("requires_capture");
  expect(await stripe.charges.retrieve(paid.latest_charge as string)).toMatchObject({
    amount: 3_000,
    currency: "eur",
    calculated_statement_descriptor: "EMULATOR* BOOK",
    receipt_email: "ada@example.com",
    shipping: { name: "Ada", tracking_number: "T1" },
    transfer_group: "group_1",
  });
});

test("a confirmation sets the fields that it names", async () => {
  const { stripe } = createSdk();
  const customer = await stripe.customers.create();
  const intent = await stripe.paymentIntents.create({ amount: 2_000, currency: "usd", customer: customer.id });
  const paid = await stripe.paymentIntents.confirm(intent.id, {
    payment_method: "pm_card_visa",
    capture_method: "manual",
    receipt_email: "ada@example.com",
    setup_future_usage: "on_session",
    shipping: { name: "Ada", address: { city: "Berlin" } },
  });
  expect(paid).toMatchObject({
    status: "requires_capture",
    receipt_email: "ada@example.com",
    shipping: { name: "Ada" },
  });
  expect((await stripe.customers.listPaymentMethods(customer.id)).data).toHaveLength(1);
});

/** @see https://docs.stripe.com/error-codes/payment-intent-unexpected-state */
test("a payment intent that succeeded keeps its amount, and can't be confirmed or canceled again", async () => {
  const { stripe } = createSdk();
  const { id } = await stripe.paymentIntents.create(PAYMENT);
  const unexpected = { code: "payment_intent_unexpected_state", payment_intent: { id } };
  expect(await refusal(stripe.paymentIntents.update(id, { amount: 5_000 }))).toMatchObject({
    ...unexpected,
    message: expect.stringContaining("This PaymentIntent's amount could not be updated"),
  });
  expect(await refusal(stripe.paymentIntents.confirm(id))).toMatchObject({
    ...unexpected,
    message: "You cannot confirm this PaymentIntent because it has already succeeded after being previously confirmed.",
  });
  expect(await refusal(stripe.paymentIntents.cancel(id))).toMatchObject(unexpected);
  expect((await stripe.paymentIntents.update(id, { description: "A book" })).description).toBe("A book");
});

test("a payment intent keeps its customer, and refuses the card of another customer", async () => {
  const { stripe } = createSdk();
  const { customer, method } = await subscriber(stripe);
  const other = await stripe.customers.create();
  const intent = await stripe.paymentIntents.create({ amount: 2_000, currency: "usd", customer: other.id });
  expect(await refusal(stripe.paymentIntents.update(intent.id, { customer: customer.id }))).toMatchObject({
    param: "customer",
  });
  const refused = { statusCode: 400, param: "payment_method" };
  expect(await refusal(stripe.paymentIntents.confirm(intent.id, { payment_method: method.id }))).toMatchObject(refused);
  expect(await refusal(stripe.paymentIntents.create({ ...PAYMENT, payment_method: method.id }))).toMatchObject(refused);
});

/** @see node_modules/stripe/esm/resources/PaymentIntents.d.ts (`statement_descriptor`) */
test("a card payment refuses a statement descriptor", async () => {
  const { stripe } = createSdk();
  expect(await refusal(stripe.paymentIntents.create({ ...PAYMENT, statement_descriptor: "BOOKS" }))).toMatchObject({
    statusCode: 400,
    param: "statement_descriptor",
  });
});
