/**
 * Tests pauses and resumptions of subscriptions.
 * @see https://docs.stripe.com/billing/subscriptions/pause
 */
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { createSdk, DAY, refusal, START, subscriber, type Sdk } from "./support/sdk.ts";

const at = START / 1000;
/** The first period is 28 days long: it starts on 31 January and ends on 28 February. */
const HALF = 14 * DAY;
const NO_CREDIT = { bill_for: { unused_time_from: { type: "none" as const } } };

async function subscribed(sdk: Sdk, params: object = {}) {
  const { customer, price, product } = await subscriber(sdk.stripe, { amount: 2_800 });
  const items = [{ price: price.id }];
  const subscription = await sdk.stripe.subscriptions.create({ customer: customer.id, items, ...params });
  return { customer, price, product, subscription };
}

const pending = async ({ stripe }: Sdk, customer: { id: string }) =>
  (await stripe.invoiceItems.list({ customer: customer.id, pending: true })).data.map(({ amount }) => amount);
const invoices = async ({ stripe }: Sdk, customer: { id: string }) =>
  (await stripe.invoices.list({ customer: customer.id })).data.map(({ total }) => total);
const itemOf = ({ items }: Stripe.Subscription) => items.data[0];

test("a pause ends the period, credits the unused time with the next invoice, and reports its time and reason", async () => {
  const sdk = createSdk();
  const { stripe, emulator } = sdk;
  const { customer, subscription } = await subscribed(sdk);
  await emulator.advance(HALF);
  const paused = await stripe.subscriptions.pause(subscription.id);
  const status_details = {
    paused: { subscription: { type: "pause_requested" }, transitioned_at: at + HALF, type: "subscription" },
  };
  expect(paused).toMatchObject({ status: "paused", status_details });
  expect(itemOf(paused)?.current_period_end).toBe(at + HALF);
  expect(await pending(sdk, customer)).toEqual([-1_400]);
  const { data } = await stripe.events.list({
    types: ["customer.subscription.updated", "customer.subscription.paused"],
  });
  expect(data.slice(0, 2)).toMatchObject([
    { type: "customer.subscription.paused", data: { object: { status_details } } },
    { data: { object: { status_details }, previous_attributes: { status: "active", status_details: null } } },
  ]);
  await emulator.advance(60 * DAY);
  expect(await invoices(sdk, customer)).toEqual([2_800]);

  const resumed = await stripe.subscriptions.resume(subscription.id, { payment_behavior: "resume_on_payment_success" });
  expect(resumed).toMatchObject({ status: "active", billing_cycle_anchor: at + HALF + 60 * DAY });
  expect(resumed.status_details).toBeUndefined();
  expect(await invoices(sdk, customer)).toEqual([1_400, 2_800]);
});

test("a pause credits and bills what its request names", async () => {
  const pausedWith = async (params: Stripe.SubscriptionPauseParams) => {
    const sdk = createSdk();
    const { customer, subscription } = await subscribed(sdk);
    await sdk.emulator.advance(HALF);
    await sdk.stripe.subscriptions.pause(subscription.id, params);
    return [await pending(sdk, customer), await invoices(sdk, customer)];
  };
  expect(await pausedWith({ bill_for: { unused_time_from: { type: "none" } } })).toEqual([[], [2_800]]);
  expect(await pausedWith({ bill_for: { unused_time_from: { type: "item_current_period_start" } } })).toEqual([
    [-2_800],
    [2_800],
  ]);
  expect(await pausedWith({ invoicing_behavior: "invoice" })).toEqual([[], [-1_400, 2_800]]);
  expect(await pausedWith({ invoicing_behavior: "invoice", bill_for: { unused_time_from: { type: "none" } } })).toEqual(
    [[], [2_800]],
  );
});

test("a pause bills the usage until the pause, and a resumption bills later usage only", async () => {
  for (const [type, billed] of [
    ["now", [300]],
    ["none", []],
  ] as const) {
    const sdk = createSdk();
    const { stripe, emulator } = sdk;
    const { product, customer } = await subscriber(stripe);
    const meter = await stripe.billing.meters.create({
      display_name: "Calls",
      event_name: "calls",
      default_aggregation: { formula: "sum" },
    });
    const price = await stripe.prices.create({
      product: product.id,
      currency: "usd",
      unit_amount: 100,
      recurring: { interval: "month", usage_type: "metered", meter: meter.id },
    });
    const subscription = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
    const use = (value: string) =>
      stripe.billing.meterEvents.create({ event_name: "calls", payload: { stripe_customer_id: customer.id, value } });
    await use("3");
    await emulator.advance(DAY);
    await stripe.subscriptions.pause(subscription.id, { bill_for: { outstanding_usage_through: { type } } });
    expect(await pending(sdk, customer)).toEqual(billed);
    await emulator.advance(DAY);
    await stripe.subscriptions.resume(subscription.id, {
      billing_cycle_anchor: { type: "unchanged" },
      proration_behavior: "none",
    });
    await use("2");
    await emulator.advance(28 * DAY);
    expect((await invoices(sdk, customer))[0]).toBe(200 + (billed[0] ?? 0));
  }
});

test("subscriptions with a schedule, a trial or sent invoices, and subscriptions that are not active can't be paused", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { customer, price, subscription } = await subscribed(sdk);
  const schedule = await stripe.subscriptionSchedules.create({ from_subscription: subscription.id });
  const pause = (id: string) => refusal(stripe.subscriptions.pause(id));
  expect(await pause(subscription.id)).toMatchObject({
    statusCode: 400,
    message: expect.stringContaining(schedule.id) as string,
  });
  await stripe.subscriptionSchedules.release(schedule.id);
  const make = (params: object) =>
    stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }], ...params });
  for (const [params, cause] of [
    [{ trial_period_days: 7 }, "trialing"],
    [{ collection_method: "send_invoice", days_until_due: 7 }, "send_invoice"],
    [{ payment_behavior: "default_incomplete" }, "incomplete"],
  ] as const)
    expect(await pause((await make(params)).id)).toMatchObject({
      message: expect.stringContaining(cause) as string,
    });
  await stripe.subscriptions.pause(subscription.id);
  expect(await pause(subscription.id)).toMatchObject({ message: expect.stringContaining("paused") as string });
  expect(await refusal(stripe.subscriptionSchedules.create({ from_subscription: subscription.id }))).toMatchObject({
    param: "from_subscription",
  });
});

test("a resumption with the old anchor charges the rest of the period, not a second full period", async () => {
  const resumedWith = async (proration_behavior: "always_invoice" | "create_prorations" | "none") => {
    const sdk = createSdk();
    const { customer, subscription } = await subscribed(sdk);
    await sdk.emulator.advance(7 * DAY);
    await sdk.stripe.subscriptions.pause(subscription.id, NO_CREDIT);
    await sdk.emulator.advance(7 * DAY);
    const resumed = await sdk.stripe.subscriptions.resume(subscription.id, {
      billing_cycle_anchor: { type: "unchanged" },
      payment_behavior: "resume_on_payment_success",
      proration_behavior,
    });
    expect(resumed).toMatchObject({ status: "active", billing_cycle_anchor: subscription.billing_cycle_anchor });
    expect(itemOf(resumed)?.current_period_end).toBe(itemOf(subscription)?.current_period_end);
    return [await pending(sdk, customer), await invoices(sdk, customer)];
  };
  expect(await resumedWith("always_invoice")).toEqual([[], [1_400, 2_800]]);
  expect(await resumedWith("create_prorations")).toEqual([[1_400], [2_800]]);
  expect(await resumedWith("none")).toEqual([[], [2_800]]);
});

test("a resumption prorates from the proration date, which must be within the period", async () => {
  const sdk = createSdk();
  const { stripe, emulator } = sdk;
  const { customer, subscription } = await subscribed(sdk);
  await emulator.advance(HALF);
  await stripe.subscriptions.pause(subscription.id, NO_CREDIT);
  const resume = (date: number) =>
    stripe.subscriptions.resume(subscription.id, {
      billing_cycle_anchor: { type: "unchanged" },
      proration_date: date,
    });
  expect(await refusal(resume(at - DAY))).toMatchObject({ param: "proration_date" });
  await resume(at + 21 * DAY);
  expect(await pending(sdk, customer)).toEqual([700]);
});

test("by default, a resumption waits for the payment of its invoice for 23 hours", async () => {
  const sdk = createSdk();
  const { stripe, emulator } = sdk;
  const { subscription } = await subscribed(sdk);
  await stripe.subscriptions.pause(subscription.id, NO_CREDIT);
  const resume = () => stripe.subscriptions.resume(subscription.id, { expand: ["latest_invoice"] });
  const waiting = await resume();
  expect(waiting).toMatchObject({
    status: "paused",
    pending_update: { expires_at: at + 23 * 3_600 },
    latest_invoice: { status: "open", attempted: false, total: 2_800 },
  });
  await emulator.advance(23 * 3_600);
  const expired = await stripe.subscriptions.retrieve(subscription.id, { expand: ["latest_invoice"] });
  expect(expired).toMatchObject({ status: "paused", pending_update: null, latest_invoice: { status: "void" } });

  const again = await resume();
  await stripe.invoices.pay((again.latest_invoice as Stripe.Invoice).id);
  const resumed = await stripe.subscriptions.retrieve(subscription.id);
  expect(resumed).toMatchObject({ status: "active", pending_update: null, billing_cycle_anchor: at + 23 * 3_600 });
  expect(await sdk.eventTypes()).toContain("customer.subscription.resumed");
});

test("a resumption ends with its invoice: void keeps the pause, uncollectible resumes, a failed payment is past due", async () => {
  const endedWith = async (end: (stripe: Stripe, invoice: string, customer: string) => Promise<unknown>) => {
    const sdk = createSdk();
    const { stripe } = sdk;
    const { customer, subscription } = await subscribed(sdk);
    await stripe.subscriptions.pause(subscription.id, NO_CREDIT);
    const { latest_invoice: invoice } = await stripe.subscriptions.resume(subscription.id);
    await end(stripe, invoice as string, customer.id);
    const { status, pending_update } = await stripe.subscriptions.retrieve(subscription.id);
    await sdk.emulator.advance(2 * DAY);
    const { next_payment_attempt: next } = await stripe.invoices.retrieve(invoice as string);
    return { status, pending_update, next };
  };
  const none = { pending_update: null, next: null };
  expect(await endedWith((stripe, id) => stripe.invoices.voidInvoice(id))).toEqual({ ...none, status: "paused" });
  expect(await endedWith((stripe, id) => stripe.invoices.markUncollectible(id))).toEqual({ ...none, status: "active" });
  const failed = await endedWith(async (stripe, id, customer) => {
    const declined = await stripe.paymentMethods.attach("pm_card_chargeCustomerFail", { customer });
    await refusal(stripe.invoices.pay(id, { payment_method: declined.id }));
  });
  expect(failed).toEqual({ ...none, status: "past_due" });
});

test("a resumption that needs a successful payment is retried, and is refused without a card", async () => {
  const sdk = createSdk();
  const { stripe, emulator } = sdk;
  const { customer, subscription } = await subscribed(sdk);
  await stripe.subscriptions.pause(subscription.id, NO_CREDIT);
  const decline = await stripe.paymentMethods.attach("pm_card_chargeCustomerFail", { customer: customer.id });
  const pay = (method: string) =>
    stripe.customers.update(customer.id, { invoice_settings: { default_payment_method: method } });
  await pay(decline.id);
  const resume = () => stripe.subscriptions.resume(subscription.id, { payment_behavior: "resume_on_payment_success" });
  expect(await resume()).toMatchObject({ status: "paused", pending_update: { expires_at: at + 365 * DAY } });
  const works = await stripe.paymentMethods.attach("pm_card_visa", { customer: customer.id });
  await pay(works.id);
  await emulator.advance(2 * DAY);
  expect(await stripe.subscriptions.retrieve(subscription.id)).toMatchObject({ status: "active" });

  await stripe.subscriptions.pause(subscription.id);
  await pay("");
  expect(await refusal(resume())).toMatchObject({ code: "resource_missing" });
});

test("a trial that ends without a card and a last failed payment give the reason of the pause", async () => {
  const sdk = createSdk({ afterRetries: "pause" });
  const { stripe, emulator } = sdk;
  const { customer, price, subscription } = await subscribed(sdk);
  const other = await stripe.customers.create({ email: "bob@example.com" });
  const trial = await stripe.subscriptions.create({
    customer: other.id,
    items: [{ price: price.id }],
    trial_period_days: 3,
    trial_settings: { end_behavior: { missing_payment_method: "pause" } },
  });
  const card = await stripe.paymentMethods.attach("pm_card_chargeCustomerFail", { customer: customer.id });
  await stripe.customers.update(customer.id, { invoice_settings: { default_payment_method: card.id } });
  await emulator.advance(60 * DAY);
  const reasonOf = async (id: string) =>
    (await stripe.subscriptions.retrieve(id)).status_details?.paused.subscription.type;
  expect(await reasonOf(trial.id)).toBe("trial_end_without_payment_method");
  expect(await reasonOf(subscription.id)).toBe("final_payment_failure");
});

test("a subscription that can't be paused is canceled after the last failed payment", async () => {
  const sdk = createSdk({ afterRetries: "pause" });
  const { stripe, emulator } = sdk;
  const { customer, subscription } = await subscribed(sdk);
  await stripe.subscriptionSchedules.create({ from_subscription: subscription.id });
  const schedule = (await stripe.subscriptions.retrieve(subscription.id)).schedule as string;
  const made = await stripe.subscriptionSchedules.retrieve(schedule);
  const [phase] = made.phases;
  await stripe.subscriptionSchedules.update(schedule, {
    phases: [
      {
        items: [{ price: itemOf(subscription)?.price.id ?? "" }],
        start_date: phase?.start_date ?? 0,
        duration: { interval: "year", interval_count: 1 },
      },
    ],
  });
  const card = await stripe.paymentMethods.attach("pm_card_chargeCustomerFail", { customer: customer.id });
  await stripe.customers.update(customer.id, { invoice_settings: { default_payment_method: card.id } });
  await emulator.advance(60 * DAY);
  expect(await stripe.subscriptions.retrieve(subscription.id)).toMatchObject({ status: "canceled" });
});

/** @see https://docs.stripe.com/changelog/endive/2026-09-30/invoice-uncollectible-status-detail */
test("an uncollectible invoice names its reason until it is paid", async () => {
  const sdk = createSdk();
  const { stripe, emulator } = sdk;
  const { customer, subscription } = await subscribed(sdk);
  await stripe.subscriptions.update(subscription.id, { pause_collection: { behavior: "mark_uncollectible" } });
  await emulator.advance(30 * DAY);
  const [renewal] = (await stripe.invoices.list({ customer: customer.id, status: "uncollectible" })).data;
  expect(renewal?.status_details).toEqual({ uncollectible: { reason: "subscription_paused" } });
  expect((await stripe.invoices.pay(renewal?.id ?? "")).status_details).toBeUndefined();

  const draft = await stripe.invoices.create({ customer: customer.id });
  await stripe.invoiceItems.create({ customer: customer.id, invoice: draft.id, amount: 900, currency: "usd" });
  const open = await stripe.invoices.finalizeInvoice(draft.id);
  expect((await stripe.invoices.markUncollectible(open.id)).status_details).toEqual({
    uncollectible: { reason: "user_forgiven" },
  });
});

/** @see https://docs.stripe.com/changelog/endive/2026-09-30/polymorphic-billing-cycle-anchor */
test("an update and a preview take the billing cycle anchor as an object with a type, and refuse a string", async () => {
  const sdk = createSdk();
  const { stripe, emulator } = sdk;
  const { subscription } = await subscribed(sdk);
  await emulator.advance(HALF);
  const now = { billing_cycle_anchor: { type: "now" as const } };
  const preview = await stripe.invoices.createPreview({
    subscription: subscription.id,
    subscription_details: { ...now, proration_behavior: "always_invoice" },
  });
  expect(preview.lines.data.map(({ amount }) => amount)).toEqual([-1_400, 2_800]);
  expect(await stripe.subscriptions.update(subscription.id, now)).toMatchObject({ billing_cycle_anchor: at + HALF });
  const old = { billing_cycle_anchor: "now" } as unknown as Stripe.SubscriptionUpdateParams;
  expect(await refusal(stripe.subscriptions.update(subscription.id, old))).toMatchObject({
    message: "Invalid object",
    param: "billing_cycle_anchor",
  });
});
