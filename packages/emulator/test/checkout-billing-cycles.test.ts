/**
 * Tests the billing cycle anchor and the recovery of checkout sessions.
 * @see https://docs.stripe.com/payments/checkout/billing-cycle
 * @see https://docs.stripe.com/payments/checkout/abandoned-carts
 */
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { createSdk, DAY, refusal, type Sdk, START, subscriber } from "./support/sdk.ts";

type Params = Stripe.Checkout.SessionCreateParams;
const DONE = "http://app.test/done";
const NOW = START / 1_000;
/** Half of the period from 31 January to 28 February. */
const ANCHOR = NOW + 14 * DAY;

async function open({ stripe }: Sdk, params: Partial<Params> = {}) {
  const { price } = await subscriber(stripe, { amount: 3_100 });
  return stripe.checkout.sessions.create({
    mode: "subscription",
    customer_email: "ada@example.com",
    line_items: [{ price: price.id, quantity: 1 }],
    success_url: DONE,
    ...params,
  });
}

async function pay({ emulator, stripe }: Sdk, { id }: { id: string }, number = "4242424242424242") {
  const body = new URLSearchParams({ number, expiry: "12/34", cvc: "123" });
  await emulator.fetch(new Request(`http://stripe.test/c/pay/${id}/pay`, { method: "POST", body }));
  const expand = ["subscription.latest_invoice"];
  const session = await stripe.checkout.sessions.retrieve(id, { expand });
  return { session, subscription: session.subscription as Stripe.Subscription | null };
}

async function pageOf({ emulator }: Sdk, { id }: { id: string }): Promise<string> {
  return (await emulator.fetch(new Request(`http://stripe.test/c/pay/${id}`))).text();
}

test("a checkout with a billing cycle anchor charges the time until the anchor, and then full periods", async () => {
  const sdk = createSdk();
  const opened = await open(sdk, { subscription_data: { billing_cycle_anchor: ANCHOR } });
  // The period before the anchor has 31 days.
  expect(opened.amount_total).toBe(1_400);
  expect(await pageOf(sdk, opened)).toContain("From 14 Feb 2026, $31.00 per month");
  await sdk.emulator.advance(3_600);
  const { session, subscription } = await pay(sdk, opened);
  expect(session).toMatchObject({ amount_total: 1_400, payment_status: "paid" });
  expect(subscription).toMatchObject({
    status: "active",
    billing_cycle_anchor: ANCHOR,
    items: { data: [{ current_period_end: ANCHOR }] },
    latest_invoice: { total: 1_400, status: "paid" },
  });
  await sdk.emulator.advance(15 * DAY);
  const [renewal] = (await sdk.stripe.invoices.list({ subscription: subscription?.id ?? "" })).data;
  expect(renewal).toMatchObject({ total: 3_100, billing_reason: "subscription_cycle" });
});

test("a checkout without prorations is free until the billing cycle anchor and creates no invoice", async () => {
  const sdk = createSdk();
  const opened = await open(sdk, {
    subscription_data: { billing_cycle_anchor: ANCHOR, proration_behavior: "none" },
  });
  expect(opened).toMatchObject({ amount_subtotal: 0, amount_total: 0, payment_status: "no_payment_required" });
  const { session, subscription } = await pay(sdk, opened);
  expect(session).toMatchObject({ status: "complete", invoice: null, payment_status: "no_payment_required" });
  expect(subscription).toMatchObject({ status: "active", latest_invoice: null, billing_cycle_anchor: ANCHOR });
  await sdk.emulator.advance(15 * DAY);
  const invoices = await sdk.stripe.invoices.list({ subscription: subscription?.id ?? "" });
  expect(invoices.data.map(({ total, status }) => [total, status])).toEqual([[3_100, "paid"]]);
});

test("a checkout that is paid after its billing cycle anchor charges the full period that starts at the anchor", async () => {
  const sdk = createSdk();
  const anchor = NOW + 3_600;
  const opened = await open(sdk, { subscription_data: { billing_cycle_anchor: anchor } });
  await sdk.emulator.advance(7_200);
  expect(await pageOf(sdk, opened)).toMatch(/data-testid="due">\$31\.00/);
  const { session, subscription } = await pay(sdk, opened);
  expect(session.amount_total).toBe(3_100);
  expect(subscription?.items.data[0]?.current_period_start).toBe(anchor);
  expect(subscription?.latest_invoice).toMatchObject({ total: 3_100, status: "paid" });
});

test("a payment with 3-D Secure charges the amount that the checkout showed before the billing cycle anchor", async () => {
  const sdk = createSdk();
  const opened = await open(sdk, { subscription_data: { billing_cycle_anchor: ANCHOR } });
  const body = new URLSearchParams({ number: "4000002760003184", expiry: "12/34", cvc: "123" });
  const at = await sdk.emulator.fetch(
    new Request(`http://stripe.test/c/pay/${opened.id}/pay`, { method: "POST", body }),
  );
  await sdk.emulator.advance(7_200);
  const url = new URL(at.headers.get("location") ?? "", "http://stripe.test");
  await sdk.emulator.fetch(new Request(url, { method: "POST", body: new URLSearchParams({ answer: "yes" }) }));
  const paid = await sdk.stripe.checkout.sessions.retrieve(opened.id, { expand: ["invoice"] });
  expect(paid).toMatchObject({ status: "complete", amount_total: 1_400, invoice: { amount_paid: 1_400 } });
});

/** The message of a date that is too late is in published reports of Stripe's error. */
test("a billing cycle anchor in the past, after the first natural period or with a trial is refused", async () => {
  const sdk = createSdk();
  const refused = (subscription_data: Params["subscription_data"]) =>
    refusal(open(sdk, subscription_data && { subscription_data }));
  const natural = Date.UTC(2026, 1, 28, 12) / 1_000;
  expect(await refused({ billing_cycle_anchor: NOW })).toMatchObject({ statusCode: 400 });
  const late = await refused({ billing_cycle_anchor: natural + 1 });
  expect(late.message).toBe(
    `billing_cycle_anchor cannot be later than next natural billing date (${natural}) for plan`,
  );
  const trial = await refused({ billing_cycle_anchor: ANCHOR, trial_period_days: 3 });
  expect(trial).toMatchObject({ statusCode: 400 });
  const { customer, price } = await subscriber(sdk.stripe);
  const create = (params: Partial<Stripe.SubscriptionCreateParams>) =>
    refusal(sdk.stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }], ...params }));
  expect(await create({ billing_cycle_anchor: natural + 1 })).toMatchObject({ param: "billing_cycle_anchor" });
  expect(await create({ billing_cycle_anchor: ANCHOR, trial_period_days: 3 })).toMatchObject({ statusCode: 501 });
});

/** @see https://docs.stripe.com/billing/subscriptions/billing-cycle */
test("a subscription without prorations has no invoice until its billing cycle anchor", async () => {
  const { stripe, emulator } = createSdk();
  const { customer, price } = await subscriber(stripe);
  const subscription = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id }],
    billing_cycle_anchor: ANCHOR,
    proration_behavior: "none",
  });
  expect(subscription).toMatchObject({ status: "active", latest_invoice: null });
  await emulator.advance(15 * DAY);
  const invoices = await stripe.invoices.list({ subscription: subscription.id });
  expect(invoices.data.map(({ total, status }) => [total, status])).toEqual([[2_500, "paid"]]);
});

test("an expired checkout session has a recovery URL that opens a copy of the session for 30 days", async () => {
  const sdk = createSdk();
  const opened = await open(sdk, {
    after_expiration: { recovery: { enabled: true, allow_promotion_codes: true } },
    subscription_data: { metadata: { plan: "pro" } },
  });
  const recovery = { allow_promotion_codes: true, enabled: true };
  expect(opened.after_expiration).toEqual({ recovery: { ...recovery, expires_at: null, url: null } });
  const url = `http://stripe.test/c/recover/${opened.id}`;
  expect((await sdk.emulator.fetch(new Request(url))).status).toBe(404);
  await sdk.emulator.advance(DAY + 1);
  const [event] = (await sdk.stripe.events.list({ type: "checkout.session.expired" })).data;
  const expires = NOW + 31 * DAY;
  expect(event?.data.object).toMatchObject({
    id: opened.id,
    status: "expired",
    after_expiration: { recovery: { ...recovery, expires_at: expires, url } },
  });
  const visit = await sdk.emulator.fetch(new Request(url));
  const id = (visit.headers.get("location") ?? "").replace("/c/pay/", "");
  const copy = await sdk.stripe.checkout.sessions.retrieve(id);
  expect(copy).toMatchObject({
    recovered_from: opened.id,
    status: "open",
    allow_promotion_codes: true,
    amount_total: 3_100,
    url: `http://stripe.test/c/pay/${id}`,
  });
  const { subscription } = await pay(sdk, copy);
  expect(subscription).toMatchObject({ status: "active", metadata: { plan: "pro" } });
  await sdk.emulator.advance(30 * DAY);
  expect((await sdk.emulator.fetch(new Request(url))).status).toBe(404);
});

test("a checkout session that asks for no recovery has no recovery URL", async () => {
  const sdk = createSdk();
  const opened = await open(sdk, { after_expiration: { recovery: { enabled: false } } });
  const expired = await sdk.stripe.checkout.sessions.expire(opened.id);
  expect(expired.after_expiration?.recovery).toMatchObject({ enabled: false, url: null, expires_at: null });
  const visit = await sdk.emulator.fetch(new Request(`http://stripe.test/c/recover/${opened.id}`));
  expect(visit.status).toBe(404);
});
