/**
 * Tests subscriptions that end at a custom date.
 * @see https://docs.stripe.com/billing/subscriptions/cancel
 * @see The doc comment of `cancel_at` in `SubscriptionUpdateParams` of the SDK.
 */
import { expect, test } from "vitest";
import type Stripe from "stripe";
import { createSdk, DAY, refusal, subscriber } from "./support/sdk.ts";

/** A month of 30 days. With a price of 30.00, each day costs 1.00. */
const APRIL = Date.UTC(2026, 3, 1);
const START = APRIL / 1_000;

async function createApril(more: Partial<Stripe.SubscriptionCreateParams> = {}) {
  const sdk = createSdk({ startAt: APRIL });
  const { stripe } = sdk;
  const { customer, price, product } = await subscriber(stripe, { amount: 3_000 });
  const subscription = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id }],
    ...more,
  });
  /** Returns the lines of all invoices after the first, as invoice reason, amount and days of April. */
  const billed = async (): Promise<string[]> => {
    const { data } = await stripe.invoices.list({ subscription: subscription.id });
    const later = data.filter((invoice) => invoice.billing_reason !== "subscription_create").toReversed();
    return later.flatMap((invoice) => invoice.lines.data.map((line) => `${invoice.billing_reason} ${lineText(line)}`));
  };
  const pending = async (): Promise<string[]> => {
    const { data } = await stripe.invoiceItems.list({ customer: customer.id, pending: true });
    return data.toReversed().map(lineText);
  };
  return { ...sdk, customer, price, product, subscription, billed, pending };
}

function lineText({ amount, period }: { amount: number; period: { start: number; end: number } }): string {
  return `${amount} for days ${(period.start - START) / DAY} to ${(period.end - START) / DAY}`;
}

test("an end within the paid period credits the time after it, and the last invoice contains the credit", async () => {
  const { stripe, emulator, subscription, customer, billed, pending } = await createApril();
  await emulator.advance(5 * DAY);
  await stripe.subscriptions.update(subscription.id, { cancel_at: START + 10 * DAY });
  expect(await pending()).toEqual(["-2000 for days 10 to 30"]);
  await emulator.advance(5 * DAY);
  expect((await stripe.subscriptions.retrieve(subscription.id)).status).toBe("canceled");
  await emulator.advance(DAY);
  expect(await billed()).toEqual(["subscription_cycle -2000 for days 10 to 30"]);
  expect((await stripe.customers.retrieve(customer.id)) as Stripe.Customer).toMatchObject({ balance: -2_000 });
});

test("an end within the paid period credits nothing with `proration_behavior: none`", async () => {
  const { stripe, emulator, subscription, billed, pending } = await createApril();
  await stripe.subscriptions.update(subscription.id, { cancel_at: START + 10 * DAY, proration_behavior: "none" });
  expect(await pending()).toEqual([]);
  await emulator.advance(11 * DAY);
  expect(await billed()).toEqual([]);
});

test("an end within the paid period is invoiced at once with `always_invoice`", async () => {
  const { stripe, subscription, billed } = await createApril();
  const update = { cancel_at: START + 10 * DAY, proration_behavior: "always_invoice" } as const;
  const preview = await stripe.invoices.createPreview({
    subscription: subscription.id,
    subscription_details: update,
  });
  expect(preview.lines.data.map(lineText)).toEqual(["-2000 for days 10 to 30"]);
  await stripe.subscriptions.update(subscription.id, update);
  expect(await billed()).toEqual(["subscription_update -2000 for days 10 to 30"]);
});

test("a later end, or none, charges the credited time again", async () => {
  const { stripe, subscription, pending } = await createApril();
  await stripe.subscriptions.update(subscription.id, { cancel_at: START + 10 * DAY });
  await stripe.subscriptions.update(subscription.id, { cancel_at: START + 15 * DAY });
  await stripe.subscriptions.update(subscription.id, { cancel_at: null });
  expect(await pending()).toEqual(["-2000 for days 10 to 30", "500 for days 10 to 15", "1500 for days 15 to 30"]);
  await stripe.subscriptions.update(subscription.id, { cancel_at: START + 12 * DAY });
  const sum = (await stripe.invoiceItems.list({ pending: true })).data.reduce((total, { amount }) => total + amount, 0);
  expect(sum).toBe(-1_800);
});

test("an end at the end of the paid period, and `cancel_at_period_end`, credit nothing", async () => {
  const { stripe, subscription, pending } = await createApril();
  await stripe.subscriptions.update(subscription.id, { cancel_at: START + 30 * DAY });
  await stripe.subscriptions.update(subscription.id, { cancel_at_period_end: true });
  await stripe.subscriptions.update(subscription.id, { cancel_at_period_end: false });
  expect(await pending()).toEqual([]);
});

test("an end within a later period always charges only a part of that period", async () => {
  const { stripe, emulator, subscription, billed, pending } = await createApril();
  await stripe.subscriptions.update(subscription.id, { cancel_at: START + 40 * DAY, proration_behavior: "none" });
  const preview = await stripe.invoices.createPreview({ subscription: subscription.id });
  // May has 31 days: 30.00 / 31 * 10.
  expect(preview.lines.data.map(lineText)).toEqual(["968 for days 30 to 40"]);
  expect(await pending()).toEqual([]);
  await emulator.advance(41 * DAY);
  expect(await billed()).toEqual(["subscription_cycle 968 for days 30 to 40"]);
  expect((await stripe.subscriptions.retrieve(subscription.id)).status).toBe("canceled");
});

test.each([
  ["create_prorations", "1000 for days 0 to 10"],
  ["none", "3000 for days 0 to 30"],
] as const)("a new subscription that ends within its first period costs with %s: %s", async (behavior, line) => {
  const { stripe, subscription } = await createApril({
    cancel_at: START + 10 * DAY,
    proration_behavior: behavior,
  });
  const { data } = await stripe.invoices.list({ subscription: subscription.id, expand: ["data.lines"] });
  expect(data.flatMap(({ lines }) => lines.data.map(lineText))).toEqual([line]);
});

test("a change of items after an end was planned is charged until the end", async () => {
  const { stripe, emulator, subscription, pending } = await createApril();
  await stripe.subscriptions.update(subscription.id, { cancel_at: START + 10 * DAY });
  await emulator.advance(5 * DAY);
  await stripe.subscriptions.update(subscription.id, {
    items: [{ id: subscription.items.data[0]?.id ?? "", quantity: 2 }],
  });
  expect(await pending()).toEqual(["-2000 for days 10 to 30", "-500 for days 5 to 10", "1000 for days 5 to 10"]);
});

test("the last invoice of a subscription that ends with its period contains its pending items and its usage", async () => {
  const { stripe, emulator, customer, product, subscription, billed } = await createApril();
  const meter = await stripe.billing.meters.create({
    display_name: "Calls",
    event_name: "calls",
    default_aggregation: { formula: "sum" },
  });
  const metered = await stripe.prices.create({
    product: product.id,
    currency: "usd",
    unit_amount: 7,
    recurring: { interval: "month", usage_type: "metered", meter: meter.id },
  });
  await stripe.subscriptionItems.create({ subscription: subscription.id, price: metered.id });
  await stripe.billing.meterEvents.create({
    event_name: "calls",
    payload: { stripe_customer_id: customer.id, value: "3" },
  });
  await stripe.invoiceItems.create({
    customer: customer.id,
    subscription: subscription.id,
    amount: 250,
    currency: "usd",
    description: "Setup",
  });
  await stripe.subscriptions.update(subscription.id, { cancel_at_period_end: true });
  await emulator.advance(31 * DAY);
  expect(await billed()).toEqual(["subscription_cycle 250 for days 0 to 0", "subscription_cycle 21 for days 0 to 30"]);
  const [last] = (await stripe.invoices.list({ subscription: subscription.id })).data;
  expect(last).toMatchObject({ status: "paid", amount_paid: 271 });
});

test.each(["min_period_end", "max_period_end"] as const)("`cancel_at` accepts %s", async (at) => {
  const { stripe, product, subscription } = await createApril();
  const year = await stripe.prices.create({
    product: product.id,
    currency: "usd",
    unit_amount: 9_000,
    recurring: { interval: "year" },
  });
  const added = await stripe.subscriptionItems.create({ subscription: subscription.id, price: year.id });
  const { cancel_at: time } = await stripe.subscriptions.update(subscription.id, {
    cancel_at: at,
    proration_behavior: "none",
  });
  expect(time).toBe(at === "min_period_end" ? START + 30 * DAY : added.current_period_end);
});

test.each(["create", "update"] as const)("an end in the past is refused on %s", async (way) => {
  const { stripe, customer, price, subscription } = await createApril();
  const call =
    way === "create"
      ? stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }], cancel_at: START - 1 })
      : stripe.subscriptions.update(subscription.id, { cancel_at: START - 1 });
  expect(await refusal(call)).toMatchObject({ statusCode: 400, param: "cancel_at" });
});
