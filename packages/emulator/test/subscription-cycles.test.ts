/**
 * Tests the parameters of a new subscription that set its billing cycle and its trial.
 * @see stripe/esm/resources/Subscriptions.d.ts: billing_cycle_anchor_config, billing_mode and trial_from_plan
 */
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { createSdk, DAY, refusal, type Sdk, START, subscriber } from "./support/sdk.ts";

type Params = Partial<Stripe.SubscriptionCreateParams>;
const NOW = START / 1_000;

async function seller({ stripe }: Sdk, recurring: Stripe.PriceCreateParams.Recurring = { interval: "month" }) {
  const { customer, product } = await subscriber(stripe);
  const { id } = await stripe.prices.create({ product: product.id, unit_amount: 3_100, currency: "usd", recurring });
  return (params: Params) =>
    stripe.subscriptions.create({
      customer: customer.id,
      items: [{ price: id }],
      expand: ["latest_invoice"],
      ...params,
    });
}

test("a day of the month sets the billing cycle anchor to the next such day at the current time or a given time", async () => {
  const sdk = createSdk();
  const create = await seller(sdk);
  const tenth = await create({ billing_cycle_anchor_config: { day_of_month: 10 } });
  expect(tenth).toMatchObject({
    billing_cycle_anchor: Date.UTC(2026, 1, 10, 12) / 1_000,
    billing_cycle_anchor_config: { day_of_month: 10, hour: null, minute: null, month: null, second: null },
    // Ten of the 31 days before the anchor.
    latest_invoice: { total: 1_000, status: "paid" },
  });
  const config = { day_of_month: 31, hour: 18, minute: 30, second: 5 };
  const evening = await create({ billing_cycle_anchor_config: config });
  expect(evening.billing_cycle_anchor).toBe(Date.UTC(2026, 0, 31, 18, 30, 5) / 1_000);
  await sdk.emulator.advance(40 * DAY);
  const { items } = await sdk.stripe.subscriptions.retrieve(tenth.id);
  expect(items.data[0]?.current_period_start).toBe(Date.UTC(2026, 2, 10, 12) / 1_000);
});

test("a month and a day set the billing cycle anchor of a yearly subscription", async () => {
  const sdk = createSdk();
  const create = await seller(sdk, { interval: "year" });
  const yearly = await create({
    billing_cycle_anchor_config: { month: 1, day_of_month: 1 },
    proration_behavior: "none",
  });
  expect(yearly).toMatchObject({ billing_cycle_anchor: Date.UTC(2027, 0, 1, 12) / 1_000, latest_invoice: null });
});

test("a billing cycle anchor that contradicts other parameters or is unknown to the emulator is refused", async () => {
  const sdk = createSdk();
  const refused = async (params: Params, recurring?: Stripe.PriceCreateParams.Recurring) =>
    refusal((await seller(sdk, recurring))(params));
  const config = { day_of_month: 10 };
  const both = { billing_cycle_anchor: NOW + DAY, billing_cycle_anchor_config: config };
  expect(await refused(both)).toMatchObject({ statusCode: 400 });
  expect(await refused({ billing_cycle_anchor_config: config }, { interval: "week" })).toMatchObject({
    statusCode: 400,
  });
  const day32 = { billing_cycle_anchor_config: { day_of_month: 32 } };
  expect(await refused(day32)).toMatchObject({ param: "billing_cycle_anchor_config[day_of_month]" });
  const short = { billing_cycle_anchor_config: { day_of_month: 31, hour: 1, minute: 0, second: 0 } };
  expect(await refused(short)).toMatchObject({ statusCode: 501 });
  expect(await refused({ billing_cycle_anchor_config: config, trial_period_days: 3 })).toMatchObject({
    statusCode: 501,
  });
});

test("a subscription takes the trial of its price only if the request asks for it", async () => {
  const sdk = createSdk();
  const create = await seller(sdk, { interval: "month", trial_period_days: 5 });
  expect(await create({})).toMatchObject({ status: "active", trial_end: null });
  expect(await create({ trial_from_plan: false })).toMatchObject({ status: "active" });
  const trial = await create({ trial_from_plan: true });
  expect(trial).toMatchObject({ status: "trialing", trial_end: NOW + 5 * DAY, latest_invoice: { total: 0 } });
  const both = create({ trial_from_plan: true, trial_end: NOW + DAY });
  expect(await refusal(both)).toMatchObject({ statusCode: 400 });
});

test("a subscription accepts the billing mode of the emulator and refuses the classic mode", async () => {
  const sdk = createSdk();
  const create = await seller(sdk);
  const flexible = await create({ billing_mode: { type: "flexible", flexible: { proration_discounts: "included" } } });
  expect(flexible.billing_mode).toMatchObject({ type: "flexible", flexible: { proration_discounts: "included" } });
  const classic = create({ billing_mode: { type: "classic" } });
  expect(await refusal(classic)).toMatchObject({ statusCode: 501, param: "billing_mode[type]" });
});
