/** Tests the bodies of errors. Recordings of Stripe show the fields of declines and of refused requests. */
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { createSdk, refusal, subscriber } from "./support/sdk.ts";

const DECLINE = {
  advice_code: "try_again_later",
  code: "card_declined",
  decline_code: "generic_decline",
  doc_url: "https://stripe.com/docs/error-codes/card-declined",
  message: "Your card was declined.",
  network_decline_code: "01",
  type: "card_error",
};

function rawOf(error: Stripe.errors.StripeError): Record<string, unknown> {
  return error.raw as Record<string, unknown>;
}

/** A recording of Stripe: the URL names the account and the request. */
test("an error contains the URL of the request's log, and no request ID", async () => {
  const { stripe } = createSdk();
  const error = await refusal(stripe.customers.retrieve("cus_unknown"));
  const log = `https://dashboard.stripe.com/acct_123/test/workbench/logs?object=${error.requestId}`;
  expect(rawOf(error)).toMatchObject({ code: "resource_missing", param: "id", request_log_url: log });
  expect(rawOf(error)).not.toHaveProperty("request_id");
});

/** A recording of Stripe: a request with an invalid key has no log. */
test("the error of an invalid API key contains no log URL", async () => {
  const error = await refusal(createSdk().as("sk_live_123").customers.list());
  expect(rawOf(error)).not.toHaveProperty("request_log_url");
});

/** A recording of Stripe shows the decline of `invoices.pay`. */
test("a declined invoice payment contains advice, the charge, the payment method and the payment intent", async () => {
  const { stripe } = createSdk();
  const { customer, method } = await subscriber(stripe, { card: "pm_card_chargeCustomerFail" });
  await stripe.invoiceItems.create({ customer: customer.id, amount: 5_000, currency: "usd" });
  const invoice = await stripe.invoices.create({ customer: customer.id, pending_invoice_items_behavior: "include" });
  const error = await refusal(stripe.invoices.pay(invoice.id));
  expect(rawOf(error)).toMatchObject({
    ...DECLINE,
    charge: expect.stringMatching(/^ch_/),
    payment_method: { id: method.id, card: { last4: "0341" } },
    payment_intent: {
      status: "requires_payment_method",
      payment_method: null,
      last_payment_error: { ...DECLINE, payment_method: { id: method.id } },
    },
  });
  const charge = await stripe.charges.retrieve(error.charge ?? "");
  expect(charge.outcome).toMatchObject({ advice_code: "try_again_later", network_decline_code: "01" });
});

/** A recording of Stripe shows the decline of a setup intent. */
test("a declined setup contains advice, the payment method and the setup intent", async () => {
  const { stripe } = createSdk();
  const customer = await stripe.customers.create();
  const error = await refusal(
    stripe.setupIntents.create({ customer: customer.id, payment_method: "pm_card_chargeDeclined", confirm: true }),
  );
  expect(rawOf(error)).toMatchObject({
    ...DECLINE,
    payment_method: { card: { last4: "0002" } },
    setup_intent: {
      status: "requires_payment_method",
      last_setup_error: { ...DECLINE, payment_method: { card: { last4: "0002" } } },
    },
  });
  expect(rawOf(error)).not.toHaveProperty("charge");
});

/** @see https://docs.stripe.com/declines/card#retrying-issuer-declines */
test.each([
  ["pm_card_chargeDeclinedInsufficientFunds", "try_again_later"],
  ["pm_card_chargeDeclinedStolenCard", "do_not_try_again"],
  ["pm_card_chargeDeclinedExpiredCard", "confirm_card_data"],
])("the decline of %s advises %s", async (token, advice) => {
  const { stripe } = createSdk();
  const customer = await stripe.customers.create();
  const attached = await refusal(stripe.paymentMethods.attach(token, { customer: customer.id }));
  const paid = await refusal(
    stripe.paymentIntents.create({ amount: 2_000, currency: "usd", payment_method: token, confirm: true }),
  );
  expect([rawOf(attached)["advice_code"], rawOf(paid)["advice_code"]]).toEqual([advice, advice]);
});

/** @see https://docs.stripe.com/payments/without-card-authentication */
test.each([
  [{ off_session: true }, "authentication_required"],
  [{ error_on_requires_action: true }, "authentication_not_handled"],
])("a payment with %j that needs 3-D Secure fails at once", async (params, declineCode) => {
  const { stripe, eventTypes } = createSdk();
  const { customer, method } = await subscriber(stripe, { card: "pm_card_authenticationRequired" });
  const payment = { amount: 2_000, currency: "usd", customer: customer.id, payment_method: method.id, confirm: true };
  const error = await refusal(stripe.paymentIntents.create({ ...payment, ...params }));
  expect(error).toMatchObject({ statusCode: 402, code: "authentication_required", decline_code: declineCode });
  expect(await eventTypes()).not.toContain("payment_intent.requires_action");
});

/** @see https://docs.stripe.com/changelog/endive/2026-09-30/removes-the-payment-method-types-parameter-from-payment-intents-and-setup-intents */
test.each(["/v1/payment_intents", "/v1/setup_intents"])(
  "POST %s refuses payment_method_types with the code of its removal",
  async (path) => {
    const { stripe } = createSdk();
    const params = { amount: 2_000, currency: "usd", payment_method_types: ["card"] };
    const { amount: _amount, currency: _currency, ...setup } = params;
    const error = await refusal(stripe.rawRequest("POST", path, path.includes("setup") ? setup : params));
    expect(error).toMatchObject({
      statusCode: 400,
      code: "payment_method_types_no_longer_supported",
      param: "payment_method_types",
    });
  },
);
