/**
 * Tests the results of test cards.
 * @see https://docs.stripe.com/testing
 */
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { createSdk, refusal } from "./support/sdk.ts";

function pay(stripe: Stripe, card: string, params: Partial<Stripe.PaymentIntentCreateParams> = {}) {
  return stripe.paymentIntents.create({
    amount: 1_000,
    currency: "usd",
    payment_method: card,
    confirm: true,
    return_url: "http://shop.test/back",
    expand: ["latest_charge.balance_transaction"],
    ...params,
  });
}

const chargeOf = (intent: Stripe.PaymentIntent) => intent.latest_charge as Stripe.Charge;

/** @see https://docs.stripe.com/testing#declined-payments */
test("the card 4000 0000 0000 0341 can be saved, and each charge of it fails", async () => {
  const { stripe } = createSdk();
  const { id: customer } = await stripe.customers.create();
  const setup = await stripe.setupIntents.create({
    customer,
    payment_method: "pm_card_chargeCustomerFail",
    confirm: true,
  });
  expect(setup.status).toBe("succeeded");
  const saved = await stripe.customers.listPaymentMethods(customer);
  expect(saved.data.map(({ card }) => card?.last4)).toEqual(["0341"]);
  const error = await refusal(pay(stripe, saved.data[0]?.id ?? "", { customer }));
  expect(error).toMatchObject({ code: "card_declined", decline_code: "generic_decline" });
});

/** @see https://docs.stripe.com/testing#declined-payments */
test.each([
  ["pm_card_chargeDeclinedVelocityLimitExceeded", "card_declined", "card_velocity_exceeded"],
  ["pm_card_visa_chargeDeclinedVelocityLimitExceeded", "card_declined", "card_velocity_exceeded"],
  ["pm_card_chargeDeclinedLostCard", "card_declined", "lost_card"],
  ["pm_card_threeDSecureRequiredProcessingError", "card_declined", "generic_decline"],
])("the card %s is declined with %s and %s", async (card, code, declineCode) => {
  expect(await refusal(pay(createSdk().stripe, card))).toMatchObject({ code, decline_code: declineCode });
});

/** @see https://docs.stripe.com/testing#declined-payments (incorrect number) and https://docs.stripe.com/declines/codes */
test("a number with a wrong check digit is incorrect, and a number of no test card is declined", async () => {
  const { stripe } = createSdk();
  const create = (number: string) =>
    refusal(stripe.paymentMethods.create({ type: "card", card: { number, exp_month: 12, exp_year: 2034 } }));
  expect(await create("4242424242424241")).toMatchObject({ statusCode: 402, code: "incorrect_number" });
  expect(await create("4111111111111111")).toMatchObject({
    statusCode: 402,
    code: "card_declined",
    decline_code: "test_mode_live_card",
  });
});

/** @see https://docs.stripe.com/testing#fraud-prevention */
test.each(["pm_card_radarBlock", "pm_card_riskLevelHighest"])("Radar blocks the card %s", async (card) => {
  const { stripe } = createSdk();
  const error = await refusal(pay(stripe, card));
  expect(error).toMatchObject({ code: "card_declined", decline_code: "fraudulent" });
  const charge = await stripe.charges.retrieve(error.charge ?? "");
  expect(charge.outcome).toMatchObject({
    network_status: "not_sent_to_network",
    reason: "highest_risk_level",
    risk_level: "highest",
    type: "blocked",
  });
});

/** @see https://docs.stripe.com/testing#fraud-prevention */
test("a payment with the card for elevated risk succeeds with that risk level", async () => {
  const intent = await pay(createSdk().stripe, "pm_card_riskLevelElevated");
  expect(chargeOf(intent).outcome).toMatchObject({ risk_level: "elevated", type: "authorized" });
});

/** @see https://docs.stripe.com/testing#fraud-prevention */
test.each([
  ["4242424242424242", "pass", "pass", "pass"],
  ["4000000000000101", "fail", "pass", "pass"],
  ["4000000000000036", "pass", "pass", "fail"],
  ["4000000000000028", "pass", "fail", "pass"],
  ["4000000000000010", "pass", "fail", "fail"],
  ["4000000000000044", "pass", "unavailable", "unavailable"],
])("the card %s has the checks %s, %s and %s for CVC, line 1 and postal code", async (number, cvc, line1, zip) => {
  const { stripe } = createSdk();
  const method = await stripe.paymentMethods.create({
    type: "card",
    card: { number, exp_month: 12, exp_year: 2034, cvc: "123" },
    billing_details: { address: { line1: "1 Main Street", postal_code: "10001" } },
  });
  const checks = { address_line1_check: line1, address_postal_code_check: zip, cvc_check: cvc };
  expect(method.card?.checks).toEqual(checks);
  const intent = await pay(stripe, method.id);
  expect(chargeOf(intent).payment_method_details?.card?.checks).toEqual(checks);
});

/** @see https://docs.stripe.com/testing#available-balance */
test.each(["pm_card_bypassPending", "pm_card_bypassPendingInternational"])(
  "the money of a payment with %s is available at once",
  async (card) => {
    const { stripe, emulator } = createSdk();
    const { balance_transaction } = chargeOf(await pay(stripe, card, { capture_method: "automatic" }));
    const available_on = Math.floor(emulator.now() / 1000);
    expect(balance_transaction).toMatchObject({ status: "available", available_on });
    const later = await pay(stripe, card, { capture_method: "manual" });
    const captured = await stripe.paymentIntents.capture(later.id, { expand: ["latest_charge.balance_transaction"] });
    expect(chargeOf(captured).balance_transaction).toMatchObject({ status: "available" });
  },
);

/** @see https://docs.stripe.com/testing#cards and https://docs.stripe.com/testing#international-cards */
test.each([
  ["pm_card_ar", "visa", "AR", "credit"],
  ["pm_card_de", "visa", "DE", "credit"],
  ["pm_card_gb", "visa", "GB", "credit"],
  ["pm_card_us", "visa", "US", "credit"],
  ["pm_card_jp", "visa", "JP", "credit"],
  ["pm_card_visa_debit", "visa", "US", "debit"],
  ["pm_card_mastercard_debit", "mastercard", "US", "debit"],
  ["pm_card_mastercard_prepaid", "mastercard", "US", "prepaid"],
  ["pm_card_diners", "diners", "US", "credit"],
  ["pm_card_jcb", "jcb", "JP", "credit"],
  ["pm_card_unionpay", "unionpay", "CN", "credit"],
])("the test ID %s is a %s card of %s (%s), and pays", async (id, brand, country, funding) => {
  const intent = await pay(createSdk().stripe, id);
  expect(intent.status).toBe("succeeded");
  expect(chargeOf(intent).payment_method_details?.card).toMatchObject({ brand, country, funding });
});

/** @see https://docs.stripe.com/co-badged-cards-compliance */
test("a co-branded card names its networks, and the Diners card with 14 digits is accepted", async () => {
  const { stripe } = createSdk();
  const cobranded = await stripe.paymentMethods.retrieve("pm_card_visa_cartesBancaires");
  expect(cobranded.card).toMatchObject({
    brand: "visa",
    country: "FR",
    networks: { available: ["cartes_bancaires", "visa"] },
  });
  const diners = await stripe.paymentMethods.create({
    type: "card",
    card: { number: "36227206271667", exp_month: 12, exp_year: 2034 },
  });
  expect(diners.card).toMatchObject({ brand: "diners", display_brand: "diners_club", last4: "1667" });
});

/** @see https://docs.stripe.com/testing#cards: the test IDs of payment methods stand for new payment methods. */
test("a test ID of a payment method can be retrieved", async () => {
  const method = await createSdk().stripe.paymentMethods.retrieve("pm_card_visa");
  expect(method).toMatchObject({ object: "payment_method", type: "card", customer: null, card: { last4: "4242" } });
});

/** @see https://docs.stripe.com/testing#regulatory-cards */
test("the card 4000 0084 0000 1629 is declined after 3-D Secure", async () => {
  const { stripe, emulator } = createSdk();
  const intent = await pay(stripe, "pm_card_threeDSecureRequiredChargeDeclined");
  expect(intent.status).toBe("requires_action");
  await emulator.fetch(challenge(intent));
  expect(await stripe.paymentIntents.retrieve(intent.id)).toMatchObject({
    status: "requires_payment_method",
    last_payment_error: { code: "card_declined", decline_code: "generic_decline" },
  });
});

/** @see https://docs.stripe.com/testing#regulatory-cards */
test("the card 4000 0082 6000 3178 can be saved with 3-D Secure, and has insufficient funds later", async () => {
  const { stripe, emulator } = createSdk();
  const { id: customer } = await stripe.customers.create();
  const setup = await stripe.setupIntents.create({
    customer,
    payment_method: "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",
    confirm: true,
    return_url: "http://shop.test/back",
  });
  await emulator.fetch(challenge(setup));
  const saved = await stripe.setupIntents.retrieve(setup.id);
  expect(saved.status).toBe("succeeded");
  const error = await refusal(pay(stripe, saved.payment_method as string, { customer, off_session: true }));
  expect(error).toMatchObject({ code: "card_declined", decline_code: "insufficient_funds" });
});

/** @see https://docs.stripe.com/testing#regulatory-cards */
test("the card 4000 0038 0000 0446 needs 3-D Secure only while the customer is present", async () => {
  const { stripe } = createSdk();
  const { id: customer } = await stripe.customers.create();
  const { id } = await stripe.paymentMethods.attach("pm_card_authenticationRequiredSetupForOffSession", { customer });
  expect(await pay(stripe, id, { customer })).toMatchObject({ status: "requires_action" });
  expect(await pay(stripe, id, { customer, off_session: true })).toMatchObject({ status: "succeeded" });
});

/** @see https://docs.stripe.com/testing#three-ds-cards */
test.each([
  ["pm_card_threeDSecureOptional", true],
  ["pm_card_threeDSecureOptionalProcessingError", true],
  ["pm_card_amex_threeDSecureNotSupported", false],
])("the card %s pays without 3-D Secure; it supports 3-D Secure: %s", async (card, supported) => {
  const { stripe } = createSdk();
  expect(await pay(stripe, card)).toMatchObject({ status: "succeeded" });
  const method = await stripe.paymentMethods.retrieve(card);
  expect(method.card?.three_d_secure_usage).toEqual({ supported });
});

/** @see https://docs.stripe.com/testing#cards: each test ID of a payment method has a token with the same name. */
test.each(["tok_visa_debit", "tok_mastercard_prepaid", "tok_de", "tok_radarBlock", "tok_visa_chargeDeclinedLostCard"])(
  "the token %s creates a card",
  async (token) => {
    const { stripe } = createSdk();
    const method = await stripe.paymentMethods.create({ type: "card", card: { token } });
    expect(method.type).toBe("card");
  },
);

function challenge(intent: Stripe.PaymentIntent | Stripe.SetupIntent): Request {
  const url = intent.next_action?.redirect_to_url?.url ?? "";
  return new Request(url, { method: "POST", body: new URLSearchParams({ answer: "yes" }) });
}

/** @see https://docs.stripe.com/testing#declined-payments: attaching the card 4000 0000 0000 0341 succeeds. */
test.each(["setup", "trial"])("the checkout page saves the card 4000 0000 0000 0341 in a %s session", async (kind) => {
  const { stripe, emulator } = createSdk();
  const { id: customer } = await stripe.customers.create({ email: "ada@example.com" });
  const session = await stripe.checkout.sessions.create({
    customer,
    success_url: "http://shop.test/done",
    ...(kind === "setup" ? { mode: "setup", currency: "usd" } : await trial(stripe)),
  });
  await emulator.fetch(
    new Request(`${session.url ?? ""}/pay`, {
      method: "POST",
      body: new URLSearchParams({ number: "4000000000000341", expiry: "12/34", cvc: "123" }),
    }),
  );
  expect(await stripe.checkout.sessions.retrieve(session.id)).toMatchObject({ status: "complete" });
  const { data } = await stripe.customers.listPaymentMethods(customer);
  expect(data.map(({ card }) => card?.last4)).toEqual(["0341"]);
});

/** @see https://docs.stripe.com/testing#regulatory-cards: the card 4000 0025 0000 3155 requires 3-D Secure when it is saved. */
test.each(["yes", "no"])("a trial in checkout waits for 3-D Secure, with the answer %s", async (answer) => {
  const { stripe, emulator, eventTypes } = createSdk();
  const { id: customer } = await stripe.customers.create({ email: "ada@example.com" });
  const session = await stripe.checkout.sessions.create({
    customer,
    success_url: "http://shop.test/done",
    ...(await trial(stripe)),
  });
  const card = new URLSearchParams({ number: "4000002500003155", expiry: "12/34", cvc: "123" });
  const response = await emulator.fetch(new Request(`${session.url ?? ""}/pay`, { method: "POST", body: card }));
  const statusOf = async () => (await stripe.checkout.sessions.retrieve(session.id)).status;
  expect(await statusOf()).toBe("open");
  const challengePage = new URL(response.headers.get("location") ?? "", "http://stripe.test");
  await emulator.fetch(new Request(challengePage, { method: "POST", body: new URLSearchParams({ answer }) }));
  expect(await statusOf()).toBe(answer === "yes" ? "complete" : "open");
  expect(await eventTypes()).toContain(answer === "yes" ? "setup_intent.succeeded" : "setup_intent.setup_failed");
  const { data } = await stripe.subscriptions.list({ customer });
  expect(data.map(({ status }) => status)).toEqual(answer === "yes" ? ["trialing"] : []);
});

async function trial(stripe: Stripe): Promise<Partial<Stripe.Checkout.SessionCreateParams>> {
  const price = await stripe.prices.create({
    currency: "usd",
    unit_amount: 900,
    recurring: { interval: "month" },
    product_data: { name: "Plan" },
  });
  return {
    mode: "subscription",
    line_items: [{ price: price.id, quantity: 1 }],
    subscription_data: { trial_period_days: 7 },
  };
}
