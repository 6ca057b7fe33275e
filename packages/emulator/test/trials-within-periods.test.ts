/**
 * Tests trials that start or end while a subscription runs.
 * @see https://docs.stripe.com/billing/subscriptions/trials
 */
import { expect, test } from "vitest";
import { createSdk, DAY, subscriber } from "./support/sdk.ts";

/** A month of 30 days. With a price of 30.00, each day costs 1.00. */
const APRIL = Date.UTC(2026, 3, 1);
const START = APRIL / 1_000;

async function createApril(trialDays?: number) {
  const sdk = createSdk({ startAt: APRIL });
  const { customer, price, product } = await subscriber(sdk.stripe, { amount: 3_000 });
  const subscription = await sdk.stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id }],
    ...(trialDays !== undefined && { trial_period_days: trialDays }),
  });
  return { ...sdk, customer, price, product, subscription };
}

test("a trial that starts within a paid period credits the unused time", async () => {
  const { stripe, emulator, subscription } = await createApril();
  await emulator.advance(10 * DAY);
  const trialing = await stripe.subscriptions.update(subscription.id, { trial_end: START + 20 * DAY });
  expect(trialing).toMatchObject({
    status: "trialing",
    items: { data: [{ current_period_start: START + 10 * DAY, current_period_end: START + 20 * DAY }] },
  });
  const { data } = await stripe.invoiceItems.list({ pending: true });
  expect(data).toMatchObject([{ amount: -2_000, period: { start: START + 10 * DAY, end: START + 30 * DAY } }]);
  await emulator.advance(11 * DAY);
  const [renewal] = (await stripe.invoices.list({ subscription: subscription.id })).data;
  expect(renewal).toMatchObject({ billing_reason: "subscription_cycle", total: 1_000, status: "paid" });
});

test.each([
  ["none", 0, []],
  ["always_invoice", 0, [-2_000]],
] as const)("a trial that starts within a paid period, with %s", async (proration, pending, invoiced) => {
  const { stripe, emulator, subscription } = await createApril();
  await emulator.advance(10 * DAY);
  await stripe.subscriptions.update(subscription.id, {
    trial_end: START + 20 * DAY,
    proration_behavior: proration,
  });
  expect((await stripe.invoiceItems.list({ pending: true })).data).toHaveLength(pending);
  const { data } = await stripe.invoices.list({ subscription: subscription.id });
  expect(data.slice(0, -1).map(({ total }) => total)).toEqual(invoiced);
});

test("a trial that is extended credits nothing", async () => {
  const { stripe, emulator, subscription } = await createApril(5);
  await emulator.advance(DAY);
  await stripe.subscriptions.update(subscription.id, { trial_end: START + 20 * DAY });
  expect((await stripe.invoiceItems.list({ pending: true })).data).toEqual([]);
});

test("usage before a trial that starts within a period is billed at once", async () => {
  const { stripe, emulator, customer, product, subscription } = await createApril();
  const meter = await stripe.billing.meters.create({
    display_name: "Calls",
    event_name: "calls",
    default_aggregation: { formula: "sum" },
  });
  const metered = await stripe.prices.create({
    product: product.id,
    currency: "usd",
    unit_amount: 100,
    recurring: { interval: "month", usage_type: "metered", meter: meter.id },
  });
  await stripe.subscriptionItems.create({ subscription: subscription.id, price: metered.id });
  await stripe.billing.meterEvents.create({
    event_name: "calls",
    payload: { stripe_customer_id: customer.id, value: "30" },
  });
  await emulator.advance(10 * DAY);
  await stripe.subscriptions.update(subscription.id, { trial_end: START + 20 * DAY });
  const [invoice] = (await stripe.invoices.list({ subscription: subscription.id })).data;
  expect(invoice).toMatchObject({ billing_reason: "subscription_update", total: 1_000 });
});

test("the end of a trial and a change of items in one request make one invoice", async () => {
  const { stripe, product, subscription } = await createApril(5);
  const better = await stripe.prices.create({
    product: product.id,
    currency: "usd",
    unit_amount: 5_000,
    recurring: { interval: "month" },
  });
  const [item] = subscription.items.data;
  const update = { trial_end: "now" as const, items: [{ id: item?.id ?? "", price: better.id }] };
  const preview = await stripe.invoices.createPreview({
    subscription: subscription.id,
    subscription_details: update,
  });
  expect(preview.total).toBe(5_000);
  expect(await stripe.subscriptions.update(subscription.id, update)).toMatchObject({ status: "active" });
  const { data } = await stripe.invoices.list({ subscription: subscription.id });
  expect(data.map(({ total }) => total)).toEqual([5_000, 0]);
});
