/**
 * Tests how long the discount of a coupon lasts, and which terms it has.
 * @see https://docs.stripe.com/billing/subscriptions/coupons
 */
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { createEmulator } from "../src/index.ts";
import { connect, createSdk, DAY, refusal, type Sdk, subscriber } from "./support/sdk.ts";

const MONTH = 31 * DAY;

/** Returns the totals of a subscription's invoices, starting with the oldest invoice. */
async function totalsOf({ stripe }: Pick<Sdk, "stripe">, subscription: string): Promise<number[]> {
  const invoices = await stripe.invoices.list({ subscription, limit: 100 });
  return invoices.data.map(({ total }) => total).toReversed();
}

async function subscribe({ stripe }: Sdk, params: Partial<Stripe.SubscriptionCreateParams>) {
  const { product, price, customer } = await subscriber(stripe);
  const subscription = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id }],
    ...params,
  });
  return { product, price, customer, subscription };
}

// A maintainer of Stripe explains this in https://github.com/stripe/stripe-go/issues/944.
test("the first invoice of a subscription uses up a coupon with the duration once", async () => {
  const sdk = createSdk();
  const coupon = await sdk.stripe.coupons.create({ percent_off: 40, duration: "once" });
  const { subscription } = await subscribe(sdk, {
    discounts: [{ coupon: coupon.id }],
    expand: ["latest_invoice.total_discount_amounts.discount"],
  });
  expect(subscription).toMatchObject({
    discounts: [],
    latest_invoice: {
      discounts: [expect.stringMatching(/^di_/)],
      total_discount_amounts: [{ amount: 1_000, discount: { end: null, source: { coupon: coupon.id } } }],
    },
  });
  await sdk.emulator.advance(2 * MONTH);
  expect(await totalsOf(sdk, subscription.id)).toEqual([1_500, 2_500, 2_500]);
});

// Same source: an update of a subscription causes no charge, so that the coupon waits for the next invoice.
test("a coupon with the duration once that is added later waits for the next invoice", async () => {
  const sdk = createSdk();
  const coupon = await sdk.stripe.coupons.create({ percent_off: 40, duration: "once" });
  const { subscription } = await subscribe(sdk, {});
  const updated = await sdk.stripe.subscriptions.update(subscription.id, { discounts: [{ coupon: coupon.id }] });
  expect(updated.discounts).toHaveLength(1);
  await sdk.emulator.advance(2 * MONTH);
  expect(await totalsOf(sdk, subscription.id)).toEqual([2_500, 1_500, 2_500]);
  expect((await sdk.stripe.subscriptions.retrieve(subscription.id)).discounts).toEqual([]);
});

// Derived, see derived-behaviours.mjs: an invoice that a coupon does not reduce does not use up the coupon.
test("the invoice of a free trial does not use up a coupon with the duration once", async () => {
  const sdk = createSdk();
  const coupon = await sdk.stripe.coupons.create({ amount_off: 500, currency: "usd", duration: "once" });
  const { subscription } = await subscribe(sdk, { discounts: [{ coupon: coupon.id }], trial_period_days: 7 });
  expect(subscription.discounts).toHaveLength(1);
  await sdk.emulator.advance(8 * DAY + MONTH);
  expect(await totalsOf(sdk, subscription.id)).toEqual([0, 2_000, 2_500]);
});

// Same source: the lines of prorations are not discountable, according to the doc comment in InvoiceLineItems.d.ts.
test("an invoice with only prorations does not use up a coupon with the duration once", async () => {
  const sdk = createSdk();
  const coupon = await sdk.stripe.coupons.create({ percent_off: 40, duration: "once" });
  const { subscription } = await subscribe(sdk, {});
  const [item] = subscription.items.data;
  const changed = await sdk.stripe.subscriptions.update(subscription.id, {
    discounts: [{ coupon: coupon.id }],
    items: [{ id: item?.id ?? "", quantity: 2 }],
    proration_behavior: "always_invoice",
  });
  expect(changed.discounts).toHaveLength(1);
  await sdk.emulator.advance(MONTH);
  expect((await totalsOf(sdk, subscription.id)).at(-1)).toBe(3_000);
});

// Discounts.d.ts: `end` is the date that the discount of a `repeating` coupon ends.
// The months start when the coupon is applied, see https://docs.stripe.com/billing/subscriptions/coupons.
test("a repeating coupon reduces the invoices of its months, and then leaves the subscription", async () => {
  const sdk = createSdk();
  const coupon = await sdk.stripe.coupons.create({ percent_off: 20, duration: "repeating", duration_in_months: 2 });
  const { subscription } = await subscribe(sdk, { discounts: [{ coupon: coupon.id }], expand: ["discounts"] });
  expect(subscription.discounts).toMatchObject([{ end: Date.UTC(2026, 2, 31, 12) / 1000 }]);
  await sdk.emulator.advance(3 * MONTH);
  expect(await totalsOf(sdk, subscription.id)).toEqual([2_000, 2_000, 2_500, 2_500]);
  expect((await sdk.stripe.subscriptions.retrieve(subscription.id)).discounts).toEqual([]);
});

test("a trial counts towards the months of a repeating coupon", async () => {
  const sdk = createSdk();
  const coupon = await sdk.stripe.coupons.create({ percent_off: 20, duration: "repeating", duration_in_months: 1 });
  const { subscription } = await subscribe(sdk, { discounts: [{ coupon: coupon.id }], trial_period_days: 40 });
  await sdk.emulator.advance(41 * DAY);
  expect(await totalsOf(sdk, subscription.id)).toEqual([0, 2_500]);
});

/** @see https://docs.stripe.com/api/coupons/delete */
test("deleting a coupon changes nothing for the subscriptions that have it", async () => {
  const sdk = createSdk();
  const { stripe, emulator } = sdk;
  const coupon = await stripe.coupons.create({ percent_off: 20, duration: "forever", name: "Loyal" });
  const { customer, price, subscription } = await subscribe(sdk, { discounts: [{ coupon: coupon.id }] });
  await stripe.coupons.del(coupon.id);
  await emulator.advance(MONTH);
  expect(await totalsOf(sdk, subscription.id)).toEqual([2_000, 2_000]);
  const shown = await stripe.subscriptions.retrieve(subscription.id, { expand: ["discounts.source.coupon"] });
  expect(shown.discounts).toMatchObject([{ source: { coupon: { id: coupon.id, name: "Loyal", valid: false } } }]);
  const again = stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id }],
    discounts: [{ coupon: coupon.id }],
  });
  expect(await refusal(again)).toMatchObject({
    code: "resource_missing",
    message: `No such coupon: '${coupon.id}'`,
    param: "discounts[0][coupon]",
  });
});

test("a paid checkout keeps its discount when the coupon is deleted", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { price, customer } = await subscriber(stripe);
  const coupon = await stripe.coupons.create({ percent_off: 20, duration: "forever" });
  const session = await stripe.checkout.sessions.create({
    mode: "subscription",
    customer: customer.id,
    line_items: [{ price: price.id, quantity: 1 }],
    discounts: [{ coupon: coupon.id }],
    success_url: "http://app.test/done",
  });
  await stripe.coupons.del(coupon.id);
  const lines = await stripe.checkout.sessions.listLineItems(session.id);
  expect(lines.data).toMatchObject([{ amount_discount: 500, amount_total: 2_000 }]);
});

// Events.d.ts describes the three events.
test("discounts of subscriptions emit events when they are added, replaced, used up and removed", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const once = await stripe.coupons.create({ percent_off: 10, duration: "once" });
  const [half, third] = await Promise.all([
    stripe.coupons.create({ percent_off: 50, duration: "forever" }),
    stripe.coupons.create({ percent_off: 33, duration: "forever" }),
  ]);
  const { subscription } = await subscribe(sdk, { discounts: [{ coupon: once.id }] });
  await stripe.subscriptions.update(subscription.id, { discounts: [{ coupon: half.id }] });
  await stripe.subscriptions.update(subscription.id, { discounts: [{ coupon: third.id }] });
  const removed = await stripe.subscriptions.deleteDiscount(subscription.id);
  expect(removed).toMatchObject({ object: "discount", deleted: true, source: { coupon: third.id } });
  const types = (await sdk.eventTypes()).filter((type) => type.startsWith("customer.discount."));
  expect(types.map((type) => type.slice("customer.discount.".length))).toEqual([
    "created",
    "deleted",
    "created",
    "updated",
    "deleted",
  ]);
  const { data } = await stripe.events.list({ type: "customer.discount.updated" });
  expect(data).toMatchObject([
    { data: { object: { source: { coupon: third.id } }, previous_attributes: { source: { coupon: half.id } } } },
  ]);
  expect(Object.keys(data[0]?.data.object ?? {})).not.toContain("terms");
});

// SubscriptionUpdateParams.discounts: an empty string clears the discounts.
test("an update with an empty string removes the discounts of a subscription", async () => {
  const sdk = createSdk();
  const coupon = await sdk.stripe.coupons.create({ percent_off: 20, duration: "forever" });
  const { subscription } = await subscribe(sdk, { discounts: [{ coupon: coupon.id }] });
  const updated = await sdk.stripe.subscriptions.update(subscription.id, { discounts: "" });
  expect(updated.discounts).toEqual([]);
  await sdk.emulator.advance(MONTH);
  expect(await totalsOf(sdk, subscription.id)).toEqual([2_000, 2_500]);
});

// SubscriptionUpdateParams.discounts[].discount: an existing discount on the object or one of its ancestors.
test("an existing discount can be reused only on its own object", async () => {
  const sdk = createSdk();
  const coupon = await sdk.stripe.coupons.create({ percent_off: 20, duration: "forever" });
  const { subscription } = await subscribe(sdk, { discounts: [{ coupon: coupon.id }] });
  const [discount] = subscription.discounts;
  const reused = { discounts: [{ discount: discount as string }] };
  expect((await sdk.stripe.subscriptions.update(subscription.id, reused)).discounts).toEqual([discount]);
  expect((await sdk.stripe.coupons.retrieve(coupon.id)).times_redeemed).toBe(1);
  const { subscription: other } = await subscribe(sdk, {});
  expect(await refusal(sdk.stripe.subscriptions.update(other.id, reused))).toMatchObject({
    code: "resource_missing",
    param: "discounts[0][discount]",
  });
});

// CouponCreateParams.currency_options: only supported if `amount_off` is passed.
test("an amount-off coupon reduces purchases in the currencies of its currency options only", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const coupon = await stripe.coupons.create({
    amount_off: 500,
    currency: "usd",
    currency_options: { eur: { amount_off: 400 } },
    duration: "forever",
  });
  const shown = await stripe.coupons.retrieve(coupon.id, { expand: ["currency_options"] });
  expect(shown.currency_options).toEqual({ eur: { amount_off: 400 } });
  expect(await stripe.coupons.retrieve(coupon.id)).not.toHaveProperty("currency_options");
  const buy = async (currency: string) => {
    const { customer, price } = await subscriber(stripe, { currency });
    return stripe.subscriptions.create({
      customer: customer.id,
      items: [{ price: price.id }],
      discounts: [{ coupon: coupon.id }],
      expand: ["latest_invoice"],
    });
  };
  expect(await buy("usd")).toMatchObject({ latest_invoice: { total: 2_000 } });
  expect(await buy("eur")).toMatchObject({ latest_invoice: { total: 2_100 } });
  expect(await refusal(buy("gbp"))).toMatchObject({ statusCode: 400, param: "discounts[0][coupon]" });
  await stripe.coupons.update(coupon.id, { currency_options: { gbp: { amount_off: 300 } } });
  expect(await buy("gbp")).toMatchObject({ latest_invoice: { total: 2_200 } });
  const percent = stripe.coupons.create({ percent_off: 5, currency_options: { eur: { amount_off: 400 } } });
  expect(await refusal(percent)).toMatchObject({ param: "currency_options" });
});

// CouponCreateParams.redeem_by: not more than 5 years in the future.
test("redeem_by is in the future, and no customer can redeem the coupon after it", async () => {
  const sdk = createSdk();
  const { stripe, emulator } = sdk;
  const at = Math.floor(emulator.now() / 1000);
  const make = (redeem_by: number) => stripe.coupons.create({ percent_off: 10, duration: "forever", redeem_by });
  expect(await refusal(make(at))).toMatchObject({ param: "redeem_by" });
  expect(await refusal(make(at + 5 * 366 * DAY))).toMatchObject({ param: "redeem_by" });
  const coupon = await make(at + 2 * DAY);
  const { customer, price, subscription } = await subscribe(sdk, { discounts: [{ coupon: coupon.id }] });
  await emulator.advance(MONTH);
  expect(await totalsOf(sdk, subscription.id)).toEqual([2_250, 2_250]);
  const late = stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id }],
    discounts: [{ coupon: coupon.id }],
  });
  expect(await refusal(late)).toMatchObject({ code: "coupon_expired", message: `Coupon expired: ${coupon.id}` });
});

// Coupons.d.ts: `percent_off` is larger than 0, and smaller or equal to 100. `applies_to.products` holds product IDs.
test("a coupon with an impossible percentage or an unknown product is rejected", async () => {
  const { stripe } = createSdk();
  for (const percent_off of [0, -5, 100.5])
    expect(await refusal(stripe.coupons.create({ percent_off }))).toMatchObject({ param: "percent_off" });
  const unknown = stripe.coupons.create({ percent_off: 5, applies_to: { products: ["prod_none"] } });
  expect(await refusal(unknown)).toMatchObject({ code: "resource_missing", param: "applies_to[products][0]" });
});

test("a coupon reduces only the lines of the products that it applies to", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { product, price, customer } = await subscriber(stripe);
  const other = await stripe.prices.create({
    product_data: { name: "Other" },
    unit_amount: 1_000,
    currency: "usd",
    recurring: { interval: "month" },
  });
  const coupon = await stripe.coupons.create({ percent_off: 50, applies_to: { products: [product.id] } });
  const { latest_invoice: invoice } = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id }, { price: other.id }],
    discounts: [{ coupon: coupon.id }],
    expand: ["latest_invoice"],
  });
  expect(invoice).toMatchObject({ subtotal: 3_500, total: 2_250 });
  const shown = await stripe.coupons.retrieve(coupon.id, { expand: ["applies_to"] });
  expect(shown.applies_to).toEqual({ products: [product.id] });
});

// The API has no operation that stores a preview: https://docs.stripe.com/api/invoices/create_preview.
test("a preview with a coupon redeems nothing", async () => {
  const sdk = createSdk();
  const { stripe, eventTypes } = sdk;
  const coupon = await stripe.coupons.create({ percent_off: 20, duration: "once", max_redemptions: 1 });
  const { subscription } = await subscribe(sdk, {});
  const before = await eventTypes();
  const preview = () =>
    stripe.invoices.createPreview({ subscription: subscription.id, discounts: [{ coupon: coupon.id }] });
  expect(await preview()).toMatchObject({ total: 2_000, total_discount_amounts: [{ amount: 500 }] });
  expect(await preview()).toMatchObject({ total: 2_000 });
  expect(await stripe.coupons.retrieve(coupon.id)).toMatchObject({ times_redeemed: 0, valid: true });
  expect(await eventTypes()).toEqual(before);
});

test("a preview of a renewal omits a repeating coupon that ends before the renewal", async () => {
  const sdk = createSdk();
  const coupon = await sdk.stripe.coupons.create({ percent_off: 20, duration: "repeating", duration_in_months: 1 });
  const { subscription } = await subscribe(sdk, { discounts: [{ coupon: coupon.id }] });
  expect(await sdk.stripe.invoices.createPreview({ subscription: subscription.id })).toMatchObject({ total: 2_500 });
});

test("a state that was saved keeps the terms of discounts whose coupon was deleted", async () => {
  const sdk = createSdk();
  const coupon = await sdk.stripe.coupons.create({ percent_off: 20, duration: "forever" });
  const { subscription } = await subscribe(sdk, { discounts: [{ coupon: coupon.id }] });
  await sdk.stripe.coupons.del(coupon.id);
  const restored = createEmulator({ startAt: sdk.emulator.now(), wallNow: () => sdk.emulator.now() });
  restored.restore(sdk.emulator.snapshot());
  await restored.advance(MONTH);
  expect(await totalsOf({ stripe: connect(restored, "sk_test_123") }, subscription.id)).toEqual([2_000, 2_000]);
});
