/** Tests subscription schedules. */
import { expect, test } from "vitest";
import { createSdk, DAY, refusal, START, subscriber, type Sdk } from "./support/sdk.ts";

const at = START / 1000;

async function plans(sdk: Sdk) {
  const { price, customer } = await subscriber(sdk.stripe);
  const product = price.product as string;
  const make = (unit_amount: number, interval: "month" | "year") =>
    sdk.stripe.prices.create({ product, currency: "usd", unit_amount, recurring: { interval } });
  return { price, customer, more: await make(2_900, "month"), yearly: await make(9_000, "year") };
}

const phase = (price: { id: string }, months = 1, rest: object = {}) => ({
  items: [{ price: price.id, quantity: 1 }],
  duration: { interval: "month" as const, interval_count: months },
  ...rest,
});

test("each renewal bills the schedule's current phase, and the subscription is released after the last phase", async () => {
  const sdk = createSdk();
  const { stripe, emulator } = sdk;
  const { price, customer, more } = await plans(sdk);
  const schedule = await stripe.subscriptionSchedules.create({
    customer: customer.id,
    start_date: "now",
    phases: [phase(price), phase(more, 2)],
  });
  expect(schedule).toMatchObject({ status: "active", current_phase: { start_date: at }, end_behavior: "release" });
  const id = schedule.subscription as string;
  expect(await stripe.subscriptions.retrieve(id)).toMatchObject({ status: "active", schedule: schedule.id });
  await emulator.advance(29 * DAY);
  const renewed = await stripe.subscriptions.retrieve(id, { expand: ["latest_invoice"] });
  expect(renewed.items.data).toMatchObject([{ price: { id: more.id } }]);
  expect(renewed.latest_invoice).toMatchObject({ total: 2_900, status: "paid", lines: { total_count: 1 } });
  expect(await stripe.subscriptionSchedules.retrieve(schedule.id)).toMatchObject({
    current_phase: { start_date: schedule.phases[1]?.start_date },
  });
  // The test reads events before it advances the clock, because the emulator lists events for only 30 days.
  const types = async () => (await sdk.eventTypes()).filter((type) => type.startsWith("subscription_schedule."));
  expect(await types()).toEqual(["subscription_schedule.created", "subscription_schedule.updated"]);
  await emulator.advance(61 * DAY);
  expect(await stripe.subscriptionSchedules.retrieve(schedule.id)).toMatchObject({
    status: "completed",
    subscription: null,
    released_subscription: id,
    current_phase: null,
  });
  expect(await stripe.subscriptions.retrieve(id)).toMatchObject({ status: "active", schedule: null });
  expect(await types()).toEqual(["subscription_schedule.expiring", "subscription_schedule.completed"]);
});

test("a schedule with a start date in the future creates its subscription on this date", async () => {
  const sdk = createSdk();
  const { price, customer } = await plans(sdk);
  const schedule = await sdk.stripe.subscriptionSchedules.create({
    customer: customer.id,
    start_date: at + 3 * DAY,
    phases: [phase(price)],
    end_behavior: "cancel",
  });
  expect(schedule).toMatchObject({ status: "not_started", subscription: null, current_phase: null });
  await sdk.emulator.advance(3 * DAY);
  const begun = await sdk.stripe.subscriptionSchedules.retrieve(schedule.id, { expand: ["subscription"] });
  expect(begun).toMatchObject({ status: "active", subscription: { status: "active", start_date: at + 3 * DAY } });
  await sdk.emulator.advance(40 * DAY);
  const ended = await sdk.stripe.subscriptionSchedules.retrieve(schedule.id, { expand: ["subscription"] });
  expect(ended).toMatchObject({ status: "completed", subscription: { status: "canceled" } });
  expect((await sdk.stripe.invoices.list({ customer: customer.id })).data).toHaveLength(1);
});

test("a scheduled downgrade takes effect at period end, and a scheduled yearly plan starts a period of one year", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { more, yearly, customer } = await plans(sdk);
  const subscription = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: more.id }] });
  const made = await stripe.subscriptionSchedules.create({ from_subscription: subscription.id });
  const [current] = made.phases;
  await stripe.subscriptionSchedules.update(made.id, {
    phases: [
      { items: [{ price: more.id }], start_date: current?.start_date ?? 0, end_date: current?.end_date ?? 0 },
      { items: [{ price: yearly.id }], duration: { interval: "year", interval_count: 1 } },
    ],
  });
  expect(await refusal(stripe.subscriptions.update(subscription.id, { cancel_at_period_end: true }))).toMatchObject({
    message: expect.stringContaining(made.id) as string,
  });
  await sdk.emulator.advance(29 * DAY);
  const changed = await stripe.subscriptions.retrieve(subscription.id, { expand: ["latest_invoice"] });
  const [item] = changed.items.data;
  expect(item).toMatchObject({ price: { id: yearly.id }, current_period_start: current?.end_date });
  expect((item?.current_period_end ?? 0) - (item?.current_period_start ?? 0)).toBe(365 * DAY);
  expect(changed.latest_invoice).toMatchObject({ total: 9_000, status: "paid" });
});

test("a schedule's phase is prorated to the second if it ends within a billing period", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { price, more, customer } = await plans(sdk);
  const schedule = await stripe.subscriptionSchedules.create({
    customer: customer.id,
    start_date: "now",
    phases: [
      { items: [{ price: price.id }], end_date: at + 14 * DAY },
      phase(more, 1, { proration_behavior: "always_invoice" }),
    ],
  });
  await sdk.emulator.advance(14 * DAY);
  const { data } = await stripe.invoices.list({ subscription: schedule.subscription as string });
  const half = (amount: number) => Math.round(amount / 2);
  expect(data[0]?.lines.data.map(({ amount }) => amount)).toEqual([-half(price.unit_amount ?? 0), half(2_900)]);
});

test("a schedule can be released or canceled only once, and ends with a cancellation of its subscription", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { price, customer } = await plans(sdk);
  const make = () =>
    stripe.subscriptionSchedules.create({ customer: customer.id, start_date: "now", phases: [phase(price, 3)] });
  const released = await stripe.subscriptionSchedules.release((await make()).id);
  expect(await stripe.subscriptions.retrieve(released.released_subscription ?? "")).toMatchObject({ status: "active" });
  expect(await refusal(stripe.subscriptionSchedules.cancel(released.id))).toMatchObject({
    message: expect.stringContaining("`released`") as string,
  });
  const canceled = await stripe.subscriptionSchedules.cancel((await make()).id);
  expect(await stripe.subscriptions.retrieve(canceled.subscription as string)).toMatchObject({ status: "canceled" });
  const third = await make();
  await stripe.subscriptions.cancel(third.subscription as string);
  expect(await stripe.subscriptionSchedules.retrieve(third.id)).toMatchObject({ status: "canceled" });
});

test("invalid subscription schedules are rejected and create nothing", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { price, customer } = await plans(sdk);
  const make = (params: object) => refusal(stripe.subscriptionSchedules.create({ customer: customer.id, ...params }));
  expect(await make({ start_date: "now" })).toMatchObject({ param: "phases" });
  expect(await make({ phases: [phase(price)] })).toMatchObject({ param: "start_date" });
  expect(await make({ start_date: at - DAY, phases: [phase(price)] })).toMatchObject({ param: "start_date" });
  expect(await make({ start_date: "now", phases: [phase({ id: "price_none" })] })).toMatchObject({
    param: "phases[0][items][0][price]",
  });
  expect(await make({ start_date: "now", phases: [phase(price, 1, { end_date: at + DAY })] })).toMatchObject({
    message: expect.stringContaining("one of these parameters") as string,
  });
  expect((await stripe.subscriptionSchedules.list()).data).toEqual([]);
  expect((await stripe.subscriptions.list()).data).toEqual([]);
});

test("a schedule's subscription is active immediately, and its first invoice stays a draft for an hour", async () => {
  const { stripe, emulator } = createSdk();
  const { customer, price } = await subscriber(stripe);
  const make = async (id: string) => {
    const params = { customer: id, start_date: "now" as const, phases: [phase(price)] };
    const { subscription } = await stripe.subscriptionSchedules.create(params);
    return stripe.subscriptions.retrieve(subscription as string, { expand: ["latest_invoice"] });
  };
  const paid = await make(customer.id);
  expect(paid).toMatchObject({ status: "active", latest_invoice: { status: "draft", auto_advance: true } });
  const unpaid = await make((await stripe.customers.create({ email: "no-card@example.com" })).id);
  await emulator.advance(3_600);
  expect(await stripe.subscriptions.retrieve(paid.id, { expand: ["latest_invoice"] })).toMatchObject({
    status: "active",
    latest_invoice: { status: "paid", billing_reason: "subscription_create" },
  });
  expect(await stripe.subscriptions.retrieve(unpaid.id, { expand: ["latest_invoice"] })).toMatchObject({
    status: "past_due",
    latest_invoice: { status: "open", attempt_count: 1 },
  });
});
