/**
 * Tests subscriptions that started before their creation.
 * @see https://docs.stripe.com/billing/subscriptions/backdating
 * @see The doc comment of `backdate_start_date` in `SubscriptionCreateParams` of the SDK.
 */
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { createSdk, DAY, refusal, subscriber } from "./support/sdk.ts";

const at = (month: number, day: number): number => Date.UTC(2026, month - 1, day) / 1_000;
/** The subscriptions are created on 15 October. */
const NOW = at(10, 15);

async function createBackdated(params: Partial<Stripe.SubscriptionCreateParams>) {
  const sdk = createSdk({ startAt: NOW * 1_000 });
  const { customer, price } = await subscriber(sdk.stripe, { amount: 3_000 });
  const subscription = await sdk.stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id, quantity: 1 }],
    expand: ["latest_invoice"],
    ...params,
  });
  return { ...sdk, customer, price, subscription, lines: linesOf(subscription.latest_invoice as Stripe.Invoice) };
}

function linesOf(invoice: Stripe.Invoice | null): [number, string, string][] {
  const day = (time: number): string => new Date(time * 1_000).toISOString().slice(5, 10);
  return (invoice?.lines.data ?? []).map(({ amount, period }) => [amount, day(period.start), day(period.end)]);
}

test("the first invoice has a line for each natural period since the start, and the next period", async () => {
  const { subscription, lines } = await createBackdated({ backdate_start_date: at(9, 1) });
  expect(subscription).toMatchObject({ start_date: at(9, 1), billing_cycle_anchor: NOW, created: NOW });
  // The natural period from 15 August to 15 September has 31 days.
  expect(lines).toEqual([
    [1_355, "09-01", "09-15"],
    [3_000, "09-15", "10-15"],
    [3_000, "10-15", "11-15"],
  ]);
});

test("with a future anchor, the first invoice has a line for each natural period until the anchor", async () => {
  const { stripe, emulator, subscription, lines } = await createBackdated({
    backdate_start_date: at(9, 1),
    billing_cycle_anchor: at(11, 1),
  });
  expect(lines).toEqual([
    [3_000, "09-01", "10-01"],
    [3_000, "10-01", "11-01"],
  ]);
  expect(subscription.items.data[0]).toMatchObject({ current_period_start: at(10, 1), current_period_end: at(11, 1) });
  await emulator.advance(18 * DAY);
  const [renewal] = (await stripe.invoices.list({ subscription: subscription.id })).data;
  expect(linesOf(renewal ?? null)).toEqual([[3_000, "11-01", "12-01"]]);
});

test("without prorations, the start date is kept and the time before now is free", async () => {
  const { subscription, lines } = await createBackdated({
    backdate_start_date: at(9, 1),
    proration_behavior: "none",
  });
  expect(subscription.start_date).toBe(at(9, 1));
  expect(lines).toEqual([[3_000, "10-15", "11-15"]]);
});

test("a preview of a backdated subscription has the amounts of its first invoice", async () => {
  const { stripe, customer, price, lines } = await createBackdated({ backdate_start_date: at(8, 3) });
  const preview = await stripe.invoices.createPreview({
    customer: customer.id,
    subscription_details: { items: [{ price: price.id, quantity: 1 }], start_date: at(8, 3) },
  });
  expect(linesOf(preview)).toEqual(lines);
});

test.each([
  ["a start in the future", { backdate_start_date: NOW + DAY }, 400],
  ["a start with more than 250 periods before now", { backdate_start_date: at(1, 1) - 300 * 31 * DAY }, 400],
  ["a start together with a trial", { backdate_start_date: at(9, 1), trial_period_days: 7 }, 501],
] as const)("%s is refused", async (_what, params, status) => {
  expect(await refusal(createBackdated(params))).toMatchObject({ statusCode: status, param: "backdate_start_date" });
});
