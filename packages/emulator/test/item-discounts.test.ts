/**
 * Tests the discounts of subscription items, added invoice items, invoice items and schedule phases.
 * @see https://docs.stripe.com/billing/subscriptions/coupons
 */
import { expect, test } from "vitest";
import { createSdk, DAY, refusal, type Sdk, subscriber } from "./support/sdk.ts";

const MONTH = 31 * DAY;

async function sellerWithCoupon(sdk: Sdk, duration: "forever" | "once" = "forever") {
  const seller = await subscriber(sdk.stripe);
  const coupon = await sdk.stripe.coupons.create({ percent_off: 20, duration });
  const setup = await sdk.stripe.prices.create({
    product_data: { name: "Setup" },
    unit_amount: 1_000,
    currency: "usd",
  });
  return { ...seller, setup, discounts: [{ coupon: coupon.id }] };
}

async function totalsOf({ stripe }: Sdk, subscription: string): Promise<number[]> {
  const invoices = await stripe.invoices.list({ subscription, limit: 100 });
  return invoices.data.map(({ total }) => total).toReversed();
}

// Subscriptions.d.ts: `items[].discounts` are "the coupons to redeem into discounts for the subscription item".
test("an update of a subscription sets and removes the discounts of its items", async () => {
  const sdk = createSdk();
  const { stripe, emulator } = sdk;
  const { customer, price, discounts } = await sellerWithCoupon(sdk);
  const { id, items } = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  const item = items.data[0]?.id ?? "";
  const updated = await stripe.subscriptions.update(id, {
    items: [{ id: item, discounts }],
    expand: ["items.data.discounts"],
  });
  expect(updated.items.data).toMatchObject([{ discounts: [{ subscription: id, subscription_item: item }] }]);
  await emulator.advance(MONTH);
  await stripe.subscriptions.update(id, { items: [{ id: item, discounts: "" }] });
  await emulator.advance(MONTH);
  expect(await totalsOf(sdk, id)).toEqual([2_500, 2_000, 2_500]);
});

// SubscriptionItems.d.ts has `discounts` for both operations.
test("a subscription item is created and updated with discounts", async () => {
  const sdk = createSdk();
  const { stripe, emulator } = sdk;
  const { customer, price, discounts } = await sellerWithCoupon(sdk, "once");
  const other = await stripe.prices.create({
    product_data: { name: "Other" },
    unit_amount: 1_000,
    currency: "usd",
    recurring: { interval: "month" },
  });
  const { id } = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  const item = await stripe.subscriptionItems.create({
    subscription: id,
    price: other.id,
    discounts,
    proration_behavior: "none",
  });
  expect(item.discounts).toHaveLength(1);
  await emulator.advance(MONTH);
  expect((await stripe.subscriptionItems.retrieve(item.id)).discounts).toEqual([]);
  expect((await stripe.subscriptionItems.update(item.id, { discounts })).discounts).toHaveLength(1);
  await emulator.advance(2 * MONTH);
  expect(await totalsOf(sdk, id)).toEqual([2_500, 3_300, 3_300, 3_500]);
});

test("a new item in an update of a subscription has the discounts of its parameters", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { customer, price, discounts } = await sellerWithCoupon(sdk);
  const { id } = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  const other = await stripe.prices.create({
    product_data: { name: "Other" },
    unit_amount: 1_000,
    currency: "usd",
    recurring: { interval: "month" },
  });
  const updated = await stripe.subscriptions.update(id, { items: [{ price: other.id, discounts }] });
  expect(updated.items.data.map((item) => item.discounts.length)).toEqual([0, 1]);
});

// Subscriptions.d.ts: `add_invoice_items[].discounts` and `discountable`.
test("added invoice items have their own discounts, and an item that is not discountable has none", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { customer, price, setup, discounts } = await sellerWithCoupon(sdk);
  const start = (added: object, own = {}) =>
    stripe.subscriptions.create({
      customer: customer.id,
      items: [{ price: price.id }],
      add_invoice_items: [{ price: setup.id, ...added }],
      ...own,
      expand: ["latest_invoice"],
    });
  expect(await start({ discounts })).toMatchObject({ latest_invoice: { total: 3_300, subtotal: 3_300 } });
  expect(await start({}, { discounts })).toMatchObject({ latest_invoice: { total: 2_800, subtotal: 3_500 } });
  expect(await start({ discountable: false }, { discounts })).toMatchObject({ latest_invoice: { total: 3_000 } });
});

// Subscriptions.d.ts: `add_invoice_items` of an update are part of the next invoice.
test("an update of a subscription adds invoice items to its next invoice", async () => {
  const sdk = createSdk();
  const { stripe, emulator } = sdk;
  const { customer, price, setup, discounts } = await sellerWithCoupon(sdk);
  const { id } = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  await stripe.subscriptions.update(id, { add_invoice_items: [{ price: setup.id, discounts }] });
  await emulator.advance(2 * MONTH);
  expect(await totalsOf(sdk, id)).toEqual([2_500, 3_300, 2_500]);
});

// InvoiceItems.d.ts: `discountable` defaults to false for negative invoice items.
test("an update of an invoice item replaces its discounts, and a credit is not discountable", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { customer, discounts } = await sellerWithCoupon(sdk);
  const { id: invoice } = await stripe.invoices.create({ customer: customer.id });
  const item = await stripe.invoiceItems.create({ customer: customer.id, invoice, amount: 1_000, currency: "usd" });
  const updated = await stripe.invoiceItems.update(item.id, { discounts });
  expect(updated.discounts).toHaveLength(1);
  expect(await stripe.invoices.retrieve(invoice)).toMatchObject({ total: 800 });
  await stripe.invoiceItems.update(item.id, { discounts: "" });
  expect(await stripe.invoices.retrieve(invoice)).toMatchObject({ total: 1_000 });
  const credit = await stripe.invoiceItems.create({ customer: customer.id, amount: -100, currency: "usd" });
  expect(credit.discountable).toBe(false);
});

// SubscriptionSchedules.d.ts: `phases[].discounts` apply "to the subscription on this phase".
test("the discounts of a phase apply to its invoices only", async () => {
  const sdk = createSdk();
  const { stripe, emulator } = sdk;
  const { customer, price, setup, discounts } = await sellerWithCoupon(sdk);
  const duration = { interval: "month", interval_count: 1 } as const;
  const schedule = await stripe.subscriptionSchedules.create({
    customer: customer.id,
    start_date: "now",
    phases: [
      { items: [{ price: price.id }], discounts, duration },
      { items: [{ price: price.id, discounts }], add_invoice_items: [{ price: setup.id, discounts }], duration },
      { items: [{ price: price.id }], duration },
    ],
  });
  await emulator.advance(3 * MONTH);
  expect(await totalsOf(sdk, schedule.subscription as string)).toEqual([2_000, 2_800, 2_500, 2_500]);
});

test("an update of a schedule does not redeem the unchanged coupon of its current phase again", async () => {
  const sdk = createSdk();
  const { stripe, emulator } = sdk;
  const { customer, price, discounts } = await sellerWithCoupon(sdk, "once");
  const phases = [
    { items: [{ price: price.id }], discounts, duration: { interval: "month", interval_count: 3 } as const },
  ];
  const schedule = await stripe.subscriptionSchedules.create({ customer: customer.id, start_date: "now", phases });
  await stripe.subscriptionSchedules.update(schedule.id, { phases });
  expect(await stripe.coupons.retrieve(discounts[0]?.coupon ?? "")).toMatchObject({ times_redeemed: 1 });
  await emulator.advance(MONTH);
  expect(await totalsOf(sdk, schedule.subscription as string)).toEqual([2_000, 2_500]);
});

test("a phase whose coupon was deleted before its start begins without a discount", async () => {
  const sdk = createSdk();
  const { stripe, emulator } = sdk;
  const { customer, price, discounts } = await sellerWithCoupon(sdk);
  const duration = { interval: "month", interval_count: 1 } as const;
  const schedule = await stripe.subscriptionSchedules.create({
    customer: customer.id,
    start_date: "now",
    phases: [
      { items: [{ price: price.id }], duration },
      { items: [{ price: price.id }], discounts, duration },
    ],
  });
  await stripe.coupons.del(discounts[0]?.coupon ?? "");
  await emulator.advance(MONTH);
  expect(await totalsOf(sdk, schedule.subscription as string)).toEqual([2_500, 2_500]);
});

test("a schedule made from a subscription keeps the subscription's discounts", async () => {
  const sdk = createSdk();
  const { stripe, emulator } = sdk;
  const { customer, price, discounts } = await sellerWithCoupon(sdk);
  const { id, discounts: ids } = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id, discounts }],
    discounts,
  });
  const schedule = await stripe.subscriptionSchedules.create({ from_subscription: id });
  expect(schedule.phases).toMatchObject([{ discounts: [{ discount: ids[0] }], items: [{ discounts: [{}] }] }]);
  await emulator.advance(MONTH);
  expect(await totalsOf(sdk, id)).toEqual([1_600, 1_600]);
});

test("a schedule with an unknown coupon in a later phase is rejected", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { customer, price } = await sellerWithCoupon(sdk);
  const duration = { interval: "month", interval_count: 1 } as const;
  const schedule = stripe.subscriptionSchedules.create({
    customer: customer.id,
    start_date: "now",
    phases: [
      { items: [{ price: price.id }], duration },
      { items: [{ price: price.id, discounts: [{ coupon: "none" }] }], duration },
    ],
  });
  expect(await refusal(schedule)).toMatchObject({
    code: "resource_missing",
    param: "phases[1][items][0][discounts][0][coupon]",
  });
});

// Subscriptions.d.ts: `pending_update.discounts` are applied with the pending update, which the emulator refuses.
test("an update that waits for its payment refuses coupons and redeems none", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { customer, price, discounts } = await sellerWithCoupon(sdk);
  const { id, items } = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  const card = await stripe.paymentMethods.attach("pm_card_chargeCustomerFail", { customer: customer.id });
  await stripe.customers.update(customer.id, { invoice_settings: { default_payment_method: card.id } });
  const item = { id: items.data[0]?.id ?? "", quantity: 2 };
  const behavior = { payment_behavior: "pending_if_incomplete", proration_behavior: "always_invoice" } as const;
  const withCoupon = stripe.subscriptions.update(id, { ...behavior, items: [item], discounts });
  expect(await refusal(withCoupon)).toMatchObject({ statusCode: 501, param: "discounts" });
  const withItemCoupon = stripe.subscriptions.update(id, { ...behavior, items: [{ ...item, discounts }] });
  expect(await refusal(withItemCoupon)).toMatchObject({ statusCode: 501, param: "items[][discounts]" });
  expect(await stripe.coupons.retrieve(discounts[0]?.coupon ?? "")).toMatchObject({ times_redeemed: 0 });
});
