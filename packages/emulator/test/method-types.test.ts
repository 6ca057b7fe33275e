/** Tests the parameters that limit the types of payment methods, and payment intents that the server confirms. */
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { createSdk, refusal } from "./support/sdk.ts";

const PAYMENT = { amount: 1_000, currency: "usd" };

/** The doc comments of `allowed_payment_method_types` and `excluded_payment_method_types` in the SDK's PaymentIntents.d.ts. */
test("payment intents and setup intents show the allowed and excluded types of payment methods", async () => {
  const { stripe } = createSdk();
  const types = { allowed_payment_method_types: ["card"] } satisfies Stripe.PaymentIntentCreateParams | object;
  const intent = await stripe.paymentIntents.create({
    ...PAYMENT,
    ...types,
    payment_method: "pm_card_visa",
    confirm: true,
    return_url: "http://shop.test",
  });
  expect(intent).toMatchObject({ ...types, status: "succeeded" });
  const setup = await stripe.setupIntents.create({ excluded_payment_method_types: ["sepa_debit"] });
  expect(setup).toMatchObject({ allowed_payment_method_types: null, excluded_payment_method_types: ["sepa_debit"] });
});

/** The same doc comments: without cards, Stripe offers payment methods that the emulator lacks. */
test("intents and checkout sessions that forbid cards are refused with 501", async () => {
  const { stripe } = createSdk();
  const refused = async (request: Promise<unknown>, param: string) =>
    expect(await refusal(request)).toMatchObject({ statusCode: 501, param });
  const allowed = { allowed_payment_method_types: ["sepa_debit" as const] };
  const excluded = { excluded_payment_method_types: ["card" as never] };
  await refused(stripe.paymentIntents.create({ ...PAYMENT, ...allowed }), "allowed_payment_method_types");
  await refused(stripe.paymentIntents.create({ ...PAYMENT, ...excluded }), "excluded_payment_method_types");
  await refused(stripe.setupIntents.create(allowed), "allowed_payment_method_types");
  const { id } = await stripe.paymentIntents.create(PAYMENT);
  await refused(stripe.paymentIntents.update(id, allowed), "allowed_payment_method_types");
  const session = { mode: "setup", currency: "eur", success_url: "http://shop.test" } as const;
  await refused(stripe.checkout.sessions.create({ ...session, ...allowed }), "allowed_payment_method_types");
  await refused(stripe.checkout.sessions.create({ ...session, ...excluded }), "excluded_payment_method_types");
  const open = await stripe.checkout.sessions.create({ ...session, allowed_payment_method_types: ["card"] });
  expect(open).toMatchObject({ allowed_payment_method_types: ["card"] });
  await expect(stripe.paymentIntents.retrieve(id)).resolves.toMatchObject({ allowed_payment_method_types: null });
});

/** The doc comment of `confirmation_method` in the SDK's PaymentIntents.d.ts: `manual` needs a secret key. */
test("a payment intent with `confirmation_method: manual` is confirmed with a secret key only", async () => {
  const { stripe, as } = createSdk();
  const intent = await stripe.paymentIntents.create({
    ...PAYMENT,
    confirmation_method: "manual",
    payment_method: "pm_card_visa",
  });
  expect(intent).toMatchObject({ confirmation_method: "manual", status: "requires_confirmation" });
  const params = { client_secret: intent.client_secret, return_url: "http://shop.test" } as object;
  const error = await refusal(as("pk_test_123").paymentIntents.confirm(intent.id, params));
  expect(error).toMatchObject({ statusCode: 400, type: "StripeInvalidRequestError" });
  expect(await stripe.paymentIntents.confirm(intent.id)).toMatchObject({ status: "succeeded" });
});

/** The same doc comment: after 3-D Secure, the server confirms again, which the emulator does not implement. */
test("a payment intent with `confirmation_method: manual` refuses cards that need 3-D Secure with 501", async () => {
  const { stripe } = createSdk();
  const error = await refusal(
    stripe.paymentIntents.create({
      ...PAYMENT,
      confirmation_method: "manual",
      confirm: true,
      payment_method: "pm_card_authenticationRequired",
    }),
  );
  expect(error).toMatchObject({ statusCode: 501, param: "confirmation_method" });
});
