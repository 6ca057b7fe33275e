/**
 * Tests the restrictions of promotion codes at each place that redeems them.
 * @see https://docs.stripe.com/billing/subscriptions/coupons#promotion-codes
 */
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { createSdk, DAY, refusal, type Sdk, subscriber } from "./support/sdk.ts";

async function codeFor({ stripe }: Sdk, params: Partial<Stripe.PromotionCodeCreateParams> = {}) {
  const coupon = await stripe.coupons.create({ percent_off: 20, duration: "forever" });
  return stripe.promotionCodes.create({ promotion: { type: "coupon", coupon: coupon.id }, ...params });
}

const PRIOR = "This promotion code cannot be redeemed because the associated customer has prior transactions.";

type Seller = Awaited<ReturnType<typeof subscriber>>;

/** Maps each place that redeems a promotion code to a request that redeems it. */
const PLACES: Record<string, (sdk: Sdk, seller: Seller, code: string) => Promise<unknown>> = {
  "a new subscription": ({ stripe }, { customer, price }, code) =>
    stripe.subscriptions.create({
      customer: customer.id,
      items: [{ price: price.id }],
      discounts: [{ promotion_code: code }],
    }),
  "a subscription item": ({ stripe }, { customer, price }, code) =>
    stripe.subscriptions.create({
      customer: customer.id,
      items: [{ price: price.id, discounts: [{ promotion_code: code }] }],
    }),
  "a checkout session": ({ stripe }, { customer, price }, code) =>
    stripe.checkout.sessions.create({
      mode: "subscription",
      customer: customer.id,
      line_items: [{ price: price.id, quantity: 1 }],
      discounts: [{ promotion_code: code }],
      success_url: "http://app.test/done",
    }),
  "an invoice item": ({ stripe }, { customer }, code) =>
    stripe.invoiceItems.create({
      customer: customer.id,
      amount: 2_500,
      currency: "usd",
      discounts: [{ promotion_code: code }],
    }),
  "an invoice": ({ stripe }, { customer }, code) =>
    stripe.invoices.create({ customer: customer.id, discounts: [{ promotion_code: code }] }),
  "a preview": ({ stripe }, { customer }, code) =>
    stripe.invoices.createPreview({ customer: customer.id, discounts: [{ promotion_code: code }] }),
  "a schedule": ({ stripe }, { customer, price }, code) =>
    stripe.subscriptionSchedules.create({
      customer: customer.id,
      start_date: "now",
      phases: [
        {
          items: [{ price: price.id }],
          discounts: [{ promotion_code: code }],
          duration: { interval: "month", interval_count: 1 },
        },
      ],
    }),
};

// The message is quoted in https://github.com/stripe/stripe-node/issues/2349, which also shows that an open invoice counts.
test.each(Object.entries(PLACES))("%s rejects a code for first purchases if the customer has paid", async (_, act) => {
  const sdk = createSdk();
  const code = await codeFor(sdk, { restrictions: { first_time_transaction: true } });
  const seller = await subscriber(sdk.stripe);
  await sdk.stripe.subscriptions.create({ customer: seller.customer.id, items: [{ price: seller.price.id }] });
  const error = await refusal(act(sdk, seller, code.id));
  expect(error).toMatchObject({ statusCode: 400, code: "promotion_code_customer_not_first_time", message: PRIOR });
  expect(error.param).toMatch(/discounts\]?\[0\]\[promotion_code\]$/);
  expect((await sdk.stripe.promotionCodes.retrieve(code.id)).times_redeemed).toBe(0);
});

test.each(Object.entries(PLACES))("%s rejects a code that is restricted to another customer", async (_, act) => {
  const sdk = createSdk();
  const [owner, seller] = [await subscriber(sdk.stripe), await subscriber(sdk.stripe)];
  const code = await codeFor(sdk, { customer: owner.customer.id });
  expect(await refusal(act(sdk, seller, code.id))).toMatchObject({ statusCode: 400 });
});

test.each(Object.entries(PLACES))("%s rejects a code whose minimum amount is above the purchase", async (_, act) => {
  const sdk = createSdk();
  const code = await codeFor(sdk, { restrictions: { minimum_amount: 2_501, minimum_amount_currency: "usd" } });
  expect(await refusal(act(sdk, await subscriber(sdk.stripe), code.id))).toMatchObject({
    message:
      "This promotion code cannot be redeemed because the associated purchase does not meet the minimum amount requirement.",
  });
});

test.each(Object.entries(PLACES))("%s rejects a code that has expired", async (_, act) => {
  const sdk = createSdk();
  const seller = await subscriber(sdk.stripe);
  const code = await codeFor(sdk, { expires_at: Math.floor(sdk.emulator.now() / 1000) + DAY });
  await sdk.emulator.advance(2 * DAY);
  expect(await sdk.stripe.promotionCodes.retrieve(code.id)).toMatchObject({ active: false });
  expect(await refusal(act(sdk, seller, code.id))).toMatchObject({ statusCode: 400 });
});

// PromotionCodes.d.ts: a first purchase has no successful payment or invoice before it.
test("a code for first purchases is redeemed by a new customer, once", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const code = await codeFor(sdk, { restrictions: { first_time_transaction: true } });
  const { customer, price } = await subscriber(stripe);
  const buy = () =>
    stripe.subscriptions.create({
      customer: customer.id,
      items: [{ price: price.id }],
      discounts: [{ promotion_code: code.id }],
      expand: ["latest_invoice"],
    });
  expect(await buy()).toMatchObject({ latest_invoice: { total: 2_000 } });
  expect(await refusal(buy())).toMatchObject({ message: PRIOR });
});

test("a checkout with a code for first purchases completes although its own payment precedes the subscription", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const code = await codeFor(sdk, { restrictions: { first_time_transaction: true }, max_redemptions: 1 });
  const { customer, price } = await subscriber(stripe);
  const session = await stripe.checkout.sessions.create({
    mode: "subscription",
    customer: customer.id,
    line_items: [{ price: price.id, quantity: 1 }],
    discounts: [{ promotion_code: code.id }],
    success_url: "http://app.test/done",
  });
  await confirm(sdk, session.id);
  const { invoice } = await stripe.checkout.sessions.retrieve(session.id, { expand: ["invoice"] });
  expect(invoice).toMatchObject({ total: 2_000, status: "paid" });
  expect(await stripe.promotionCodes.retrieve(code.id)).toMatchObject({ times_redeemed: 1, active: false });
});

test("a checkout cannot be paid after its promotion code has expired", async () => {
  const sdk = createSdk();
  const { stripe, emulator } = sdk;
  const code = await codeFor(sdk, { expires_at: Math.floor(emulator.now() / 1000) + 3_600 });
  const { customer, price } = await subscriber(stripe);
  const session = await stripe.checkout.sessions.create({
    mode: "subscription",
    customer: customer.id,
    line_items: [{ price: price.id, quantity: 1 }],
    discounts: [{ promotion_code: code.id }],
    success_url: "http://app.test/done",
  });
  await emulator.advance(7_200);
  expect(await confirm(sdk, session.id)).toBe(400);
  expect((await stripe.paymentIntents.list({ customer: customer.id })).data).toEqual([]);
});

/** Pays a checkout session with a card, as the checkout page does. Returns the status of the response. */
async function confirm({ emulator }: Sdk, session: string): Promise<number> {
  const response = await emulator.fetch(
    new Request(`http://stripe.test/v1/payment_pages/${session}/confirm`, {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded", authorization: "Bearer sk_test_123" },
      body: "payment_method=pm_card_visa",
    }),
  );
  return response.status;
}

test("a promotion code that the customer typed must fit the customer and the order", async () => {
  const sdk = createSdk();
  const { stripe, emulator } = sdk;
  const [owner, other] = [await subscriber(stripe), await subscriber(stripe)];
  await codeFor(sdk, { code: "MINE", customer: owner.customer.id });
  await codeFor(sdk, { code: "BIG", restrictions: { minimum_amount: 9_900, minimum_amount_currency: "usd" } });
  const type = async ({ customer, price }: Seller, code: string) => {
    const { id } = await stripe.checkout.sessions.create({
      mode: "subscription",
      customer: customer.id,
      line_items: [{ price: price.id, quantity: 1 }],
      allow_promotion_codes: true,
      success_url: "http://app.test/done",
    });
    await emulator.fetch(
      new Request(`http://stripe.test/c/pay/${id}/code`, {
        method: "POST",
        headers: { "content-type": "application/x-www-form-urlencoded" },
        body: `code=${code}`,
      }),
    );
    return (await stripe.checkout.sessions.retrieve(id)).amount_total;
  };
  expect(await type(owner, "mine")).toBe(2_000);
  expect(await type(other, "mine")).toBe(2_500);
  expect(await type(owner, "big")).toBe(2_500);
});

// PromotionCodes.d.ts: `restrictions.currency_options`.
test("the minimum amount of a promotion code depends on the currency of the purchase", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const code = await codeFor(sdk, {
    restrictions: {
      minimum_amount: 2_000,
      minimum_amount_currency: "usd",
      currency_options: { eur: { minimum_amount: 3_000 } },
    },
  });
  const buy = async (currency: string) => {
    const { customer, price } = await subscriber(stripe, { currency });
    return stripe.subscriptions.create({
      customer: customer.id,
      items: [{ price: price.id }],
      discounts: [{ promotion_code: code.id }],
    });
  };
  expect((await buy("usd")).discounts).toHaveLength(1);
  expect(await refusal(buy("eur"))).toMatchObject({ statusCode: 400 });
  await stripe.promotionCodes.update(code.id, {
    restrictions: { currency_options: { eur: { minimum_amount: 2_000 } } },
  });
  expect((await buy("eur")).discounts).toHaveLength(1);
  expect(await refusal(buy("gbp"))).toMatchObject({ statusCode: 400 });
  const shown = await stripe.promotionCodes.retrieve(code.id, { expand: ["restrictions.currency_options"] });
  expect(shown.restrictions.currency_options).toEqual({ eur: { minimum_amount: 2_000 } });
});

test("an update that changes the items and adds a code compares the minimum amount with the new items", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const code = await codeFor(sdk, { restrictions: { minimum_amount: 5_000, minimum_amount_currency: "usd" } });
  const { customer, price } = await subscriber(stripe);
  const { id, items } = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  const discounts = [{ promotion_code: code.id }];
  expect(await refusal(stripe.subscriptions.update(id, { discounts }))).toMatchObject({ statusCode: 400 });
  const [item] = items.data;
  const updated = await stripe.subscriptions.update(id, { discounts, items: [{ id: item?.id ?? "", quantity: 2 }] });
  expect(updated.discounts).toHaveLength(1);
});

// PromotionCodeCreateParams: the limits of `expires_at`, `max_redemptions` and `code`.
test("a promotion code cannot exceed the limits of its coupon", async () => {
  const sdk = createSdk();
  const { stripe, emulator } = sdk;
  const at = Math.floor(emulator.now() / 1000);
  const coupon = await stripe.coupons.create({ percent_off: 5, max_redemptions: 2, redeem_by: at + DAY });
  const make = (params: Partial<Stripe.PromotionCodeCreateParams>) =>
    stripe.promotionCodes.create({ promotion: { type: "coupon", coupon: coupon.id }, ...params });
  expect(await refusal(make({ expires_at: at + 2 * DAY }))).toMatchObject({ param: "expires_at" });
  expect(await refusal(make({ expires_at: at }))).toMatchObject({ param: "expires_at" });
  expect(await refusal(make({ max_redemptions: 3 }))).toMatchObject({ param: "max_redemptions" });
  expect(await refusal(make({ code: "UNDER_SCORE" }))).toMatchObject({ param: "code" });
  expect(await refusal(make({ customer: "cus_none" }))).toMatchObject({ code: "resource_missing", param: "customer" });
  expect(await refusal(make({ restrictions: { minimum_amount: 5 } }))).toMatchObject({
    param: "restrictions[minimum_amount_currency]",
  });
});

// PromotionCodeCreateParams.code: unique across all active promotion codes for a specific customer.
test("two customers can have active promotion codes with the same text", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const [one, other] = [await subscriber(stripe), await subscriber(stripe)];
  await codeFor(sdk, { code: "FRIEND", customer: one.customer.id });
  await codeFor(sdk, { code: "friend", customer: other.customer.id });
  expect(await refusal(codeFor(sdk, { code: "FRIEND", customer: one.customer.id }))).toMatchObject({ param: "code" });
  expect(await refusal(codeFor(sdk, { code: "FRIEND" }))).toMatchObject({ param: "code" });
});

// PromotionCodes.d.ts: a promotion code is only active if the coupon is also valid.
test("a promotion code becomes inactive when its coupon is deleted, and cannot be activated again", async () => {
  const sdk = createSdk();
  const code = await codeFor(sdk);
  await sdk.stripe.coupons.del(code.promotion.coupon as string);
  expect(await sdk.stripe.promotionCodes.retrieve(code.id)).toMatchObject({ active: false });
  expect((await sdk.stripe.promotionCodes.list({ active: true })).data).toEqual([]);
  expect(await refusal(sdk.stripe.promotionCodes.update(code.id, { active: true }))).toMatchObject({ param: "active" });
});
