/**
 * Tests the settings of a portal configuration that decide how a customer can change or cancel a subscription.
 * @see https://docs.stripe.com/api/customer_portal/configurations/create
 */
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { authenticate, createSdk, DAY, refusal, subscriber, type Sdk } from "./support/sdk.ts";

type Features = Stripe.BillingPortal.ConfigurationCreateParams.Features;
type UpdateFeature = Stripe.BillingPortal.ConfigurationCreateParams.Features.SubscriptionUpdate;

/** Creates a subscriber of a plan for $25 per month, with a session of a portal that offers other prices. */
async function visit(
  { stripe }: Sdk,
  feature: Partial<UpdateFeature>,
  given: Partial<Stripe.SubscriptionCreateParams> = {},
) {
  const { customer, price, product, method } = await subscriber(stripe);
  const monthly = (unit_amount: number) =>
    stripe.prices.create({ product: product.id, unit_amount, currency: "usd", recurring: { interval: "month" } });
  const cheaper = await monthly(1_000);
  const dearer = await monthly(4_000);
  const subscription = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id, quantity: 1 }],
    ...given,
  });
  const { id: configuration } = await stripe.billingPortal.configurations.create({
    features: {
      subscription_update: {
        enabled: true,
        default_allowed_updates: ["price", "quantity"],
        proration_behavior: "always_invoice",
        products: [{ product: product.id, prices: [price.id, cheaper.id, dearer.id] }],
        ...feature,
      },
    },
  });
  const session = await stripe.billingPortal.sessions.create({ customer: customer.id, configuration });
  return { customer, price, product, method, cheaper, dearer, subscription, session, configuration };
}

/** Advances the clock, and opens the portal again, because a session that is not used expires. */
async function revisit<Made extends Pick<Awaited<ReturnType<typeof visit>>, "customer" | "configuration">>(
  { stripe, emulator }: Sdk,
  made: Made,
  seconds: number,
): Promise<Made> {
  await emulator.advance(seconds);
  const { customer, configuration } = made;
  return { ...made, session: await stripe.billingPortal.sessions.create({ customer: customer.id, configuration }) };
}

/** Confirms a change in the portal. Returns the home page after the change. */
async function confirm(
  { emulator }: Sdk,
  { session, subscription }: { session: { url: string }; subscription: { id: string } },
  change: Record<string, string>,
): Promise<string> {
  const body = new URLSearchParams({ subscription: subscription.id, ...change });
  await emulator.fetch(new Request(`${session.url}/change`, { method: "POST", body }));
  return (await emulator.fetch(new Request(session.url))).text();
}

async function previewed(
  { emulator }: Sdk,
  { session, subscription }: { session: { url: string }; subscription: { id: string } },
  change: Record<string, string>,
): Promise<string> {
  const query = new URLSearchParams({ subscription: subscription.id, ...change });
  return (await emulator.fetch(new Request(`${session.url}/preview?${query.toString()}`))).text();
}

/** @see https://docs.stripe.com/changelog/acacia/2024-10-28/customer-portal-schedule-downgrades */
test("the portal schedules a cheaper plan for the end of the period and changes to a dearer plan at once", async () => {
  const sdk = createSdk();
  const conditions = [{ type: "decreasing_item_amount" as const }];
  const made = await visit(sdk, { schedule_at_period_end: { conditions } });
  await confirm(sdk, made, { price: made.dearer.id });
  const upgraded = await sdk.stripe.subscriptions.retrieve(made.subscription.id);
  expect(upgraded).toMatchObject({ schedule: null, items: { data: [{ price: { id: made.dearer.id } }] } });

  const page = await previewed(sdk, made, { price: made.cheaper.id });
  expect(page).toContain("You keep your current plan until 28 Feb 2026.");
  expect(page).toMatch(/data-testid="change-total">\$10\.00/);
  const home = await confirm(sdk, made, { price: made.cheaper.id });
  expect(home).toContain("From 28 Feb 2026:");
  const waiting = await sdk.stripe.subscriptions.retrieve(made.subscription.id, { expand: ["schedule"] });
  expect(waiting.items.data[0]?.price.id).toBe(made.dearer.id);
  expect(waiting.schedule).toMatchObject({
    status: "active",
    end_behavior: "release",
    phases: [{ items: [{ price: made.dearer.id }] }, { items: [{ price: made.cheaper.id, quantity: 1 }] }],
  });

  await sdk.emulator.advance(29 * DAY);
  const renewed = await sdk.stripe.subscriptions.retrieve(made.subscription.id, { expand: ["latest_invoice"] });
  expect(renewed.items.data[0]?.price.id).toBe(made.cheaper.id);
  expect(renewed.latest_invoice).toMatchObject({ total: 1_000, billing_reason: "subscription_cycle" });
  await sdk.emulator.advance(31 * DAY);
  expect((await sdk.stripe.subscriptions.retrieve(made.subscription.id)).schedule).toBeNull();
});

/** @see stripe/esm/resources/BillingPortal/Configurations.d.ts: conditions, "when any condition is true" */
test("the portal schedules a change to a shorter interval and leaves a smaller quantity unscheduled", async () => {
  const sdk = createSdk();
  const conditions = [{ type: "shortening_interval" as const }];
  const made = await visit(sdk, { schedule_at_period_end: { conditions }, products: "" }, {});
  const { product, price, customer } = made;
  const yearly = await sdk.stripe.prices.create({
    product: product.id,
    unit_amount: 20_000,
    currency: "usd",
    recurring: { interval: "year" },
  });
  const subscription = await sdk.stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: yearly.id, quantity: 2 }],
  });
  await confirm(sdk, { ...made, subscription }, { price: yearly.id, quantity: "1" });
  const smaller = await sdk.stripe.subscriptions.retrieve(subscription.id);
  expect(smaller).toMatchObject({ schedule: null, items: { data: [{ quantity: 1 }] } });
  await confirm(sdk, { ...made, subscription }, { price: price.id, quantity: "1" });
  const waiting = await sdk.stripe.subscriptions.retrieve(subscription.id);
  expect(waiting.schedule).not.toBeNull();
  expect(waiting.items.data[0]?.price.id).toBe(yearly.id);
});

test("the portal does not change a subscription again while a change is scheduled, and cancels it with its schedule", async () => {
  const sdk = createSdk();
  const made = await visit(sdk, { schedule_at_period_end: { conditions: [{ type: "decreasing_item_amount" }] } });
  await confirm(sdk, made, { price: made.cheaper.id });
  const home = await confirm(sdk, made, { price: made.dearer.id });
  expect(home).not.toContain("change-open");
  const before = await sdk.stripe.subscriptions.retrieve(made.subscription.id);
  expect(before.items.data[0]?.price.id).toBe(made.price.id);
  await sdk.stripe.billingPortal.configurations.update(made.configuration, {
    features: { subscription_cancel: { enabled: true } },
  });
  const body = new URLSearchParams({ subscription: made.subscription.id });
  await sdk.emulator.fetch(new Request(`${made.session.url}/cancel`, { method: "POST", body }));
  const ending = await sdk.stripe.subscriptions.retrieve(made.subscription.id);
  expect(ending).toMatchObject({ schedule: null, cancel_at: before.items.data[0]?.current_period_end });
  await sdk.emulator.advance(29 * DAY);
  expect((await sdk.stripe.subscriptions.retrieve(made.subscription.id)).status).toBe("canceled");
});

/** @see https://docs.stripe.com/changelog/clover/2025-09-30/customer-portal-trial-behavior */
test("a change of plan in the portal ends the trial and charges the new price, unless trials continue", async () => {
  const sdk = createSdk();
  const made = await visit(sdk, { proration_behavior: "none" }, { trial_period_days: 10 });
  const page = await previewed(sdk, made, { price: made.dearer.id });
  expect(page).toContain("Your free trial ends now.");
  expect(page).toMatch(/Due now[\s\S]*data-testid="change-total">\$40\.00/);
  await confirm(sdk, made, { price: made.dearer.id });
  const ended = await sdk.stripe.subscriptions.retrieve(made.subscription.id, { expand: ["latest_invoice"] });
  const at = sdk.emulator.now() / 1_000;
  expect(ended).toMatchObject({ status: "active", trial_end: at, billing_cycle_anchor: at });
  expect(ended.latest_invoice).toMatchObject({ total: 4_000, status: "paid" });

  const other = await visit(sdk, { trial_update_behavior: "continue_trial" }, { trial_period_days: 10 });
  await confirm(sdk, other, { price: other.dearer.id });
  const continued = await sdk.stripe.subscriptions.retrieve(other.subscription.id, { expand: ["latest_invoice"] });
  expect(continued).toMatchObject({ status: "trialing", trial_end: other.subscription.trial_end });
  expect(continued.items.data[0]?.price.id).toBe(other.dearer.id);
  expect(continued.latest_invoice).toMatchObject({ total: 0 });
});

test("a change of plan that ends a trial changes nothing until its payment succeeds", async () => {
  const sdk = createSdk();
  const made = await visit(sdk, {}, { trial_period_days: 10 });
  const declined = await sdk.stripe.paymentMethods.attach("pm_card_chargeCustomerFail", { customer: made.customer.id });
  await sdk.stripe.customers.update(made.customer.id, { invoice_settings: { default_payment_method: declined.id } });
  const home = await confirm(sdk, made, { price: made.dearer.id });
  expect(home).toContain("Your card was declined. Nothing has changed.");
  const kept = await sdk.stripe.subscriptions.retrieve(made.subscription.id);
  expect(kept).toMatchObject({ status: "trialing", trial_end: made.subscription.trial_end, pending_update: null });
  expect(kept.items.data[0]?.price.id).toBe(made.price.id);
});

test("a new billing cycle without prorations charges the full price after 3-D Secure", async () => {
  const sdk = createSdk();
  const made = await visit(sdk, { billing_cycle_anchor: "now", proration_behavior: "none" });
  const asking = await sdk.stripe.paymentMethods.attach("pm_card_authenticationRequired", {
    customer: made.customer.id,
  });
  await sdk.stripe.customers.update(made.customer.id, { invoice_settings: { default_payment_method: asking.id } });
  expect(await previewed(sdk, made, { price: made.dearer.id })).toMatch(/data-testid="change-total">\$40\.00/);
  await confirm(sdk, made, { price: made.dearer.id });
  const [invoice] = (await sdk.stripe.invoices.list({ subscription: made.subscription.id })).data;
  expect(invoice).toMatchObject({ total: 4_000, status: "open" });
});

test("a change of plan that ends a trial takes effect after 3-D Secure", async () => {
  const sdk = createSdk();
  const made = await visit(sdk, {}, { trial_period_days: 10 });
  const asking = await sdk.stripe.paymentMethods.attach("pm_card_authenticationRequired", {
    customer: made.customer.id,
  });
  await sdk.stripe.customers.update(made.customer.id, { invoice_settings: { default_payment_method: asking.id } });
  await confirm(sdk, made, { price: made.dearer.id });
  const waiting = await sdk.stripe.subscriptions.retrieve(made.subscription.id, { expand: ["latest_invoice"] });
  const at = sdk.emulator.now() / 1_000;
  expect(waiting).toMatchObject({ status: "trialing", pending_update: { trial_end: at, billing_cycle_anchor: at } });
  const invoice = waiting.latest_invoice as Stripe.Invoice;
  const { data } = await sdk.stripe.invoicePayments.list({ invoice: invoice.id });
  const intent = await sdk.stripe.paymentIntents.retrieve(data[0]?.payment.payment_intent as string);
  await authenticate(sdk, intent.next_action);
  const changed = await sdk.stripe.subscriptions.retrieve(made.subscription.id);
  expect(changed).toMatchObject({ status: "active", trial_end: at, pending_update: null });
  expect(changed.items.data[0]?.price.id).toBe(made.dearer.id);
});

/** @see stripe/esm/resources/Subscriptions.d.ts: trial_end, "end the customer's trial immediately" */
test("an update that changes the price and ends the trial creates one invoice with the new price", async () => {
  const sdk = createSdk();
  const { dearer, subscription } = await visit(sdk, {}, { trial_period_days: 10 });
  const change = {
    items: [{ id: subscription.items.data[0]?.id ?? "", price: dearer.id }],
    trial_end: "now" as const,
  };
  const preview = await sdk.stripe.invoices.createPreview({
    subscription: subscription.id,
    subscription_details: change,
  });
  const updated = await sdk.stripe.subscriptions.update(subscription.id, change);
  expect(updated).toMatchObject({ status: "active", items: { data: [{ price: { id: dearer.id } }] } });
  const invoices = await sdk.stripe.invoices.list({ subscription: subscription.id });
  expect(invoices.data.map(({ total }) => total)).toEqual([4_000, 0]);
  expect(preview.total).toBe(4_000);
});

/** @see https://docs.stripe.com/changelog/clover/2025-12-15/customer-portal-billing-cycle-anchor */
test("a portal whose billing cycle anchor is `now` starts a new period with the change and bills it at once", async () => {
  const sdk = createSdk();
  const opened = await visit(sdk, { billing_cycle_anchor: "now", proration_behavior: "none" });
  const made = await revisit(sdk, opened, 10 * DAY);
  expect(await previewed(sdk, made, { price: made.dearer.id })).toMatch(/Due now[\s\S]*\$40\.00/);
  await confirm(sdk, made, { price: made.dearer.id });
  const moved = await sdk.stripe.subscriptions.retrieve(made.subscription.id, { expand: ["latest_invoice"] });
  expect(moved.billing_cycle_anchor).toBe(sdk.emulator.now() / 1_000);
  expect(moved.latest_invoice).toMatchObject({ total: 4_000, status: "paid" });
});

/** @see https://docs.stripe.com/changelog/basil/2025-07-30/customer-portal-subscription-update-quantity-limits */
test("the portal limits the quantity of each product to its minimum and maximum", async () => {
  const sdk = createSdk();
  const made = await visit(sdk, {});
  const limited = (adjustable_quantity: { enabled: boolean; minimum?: number; maximum?: number }) =>
    sdk.stripe.billingPortal.configurations.update(made.configuration, {
      features: {
        subscription_update: {
          products: [{ product: made.product.id, prices: [made.price.id], adjustable_quantity }],
        },
      },
    });
  const quantity = async () =>
    (await sdk.stripe.subscriptions.retrieve(made.subscription.id)).items.data[0]?.quantity ?? 0;
  const { features } = await limited({ enabled: true, minimum: 2, maximum: 5 });
  expect(features.subscription_update).toMatchObject({
    enabled: true,
    default_allowed_updates: ["price", "quantity"],
    proration_behavior: "always_invoice",
  });
  expect(await confirm(sdk, made, { quantity: "6" })).toContain("The quantity must be a whole number from 2 to 5.");
  expect(await quantity()).toBe(1);
  await confirm(sdk, made, { quantity: "5" });
  expect(await quantity()).toBe(5);
  await limited({ enabled: false });
  await confirm(sdk, made, { quantity: "4" });
  expect(await quantity()).toBe(5);
});

/** @see stripe/esm/resources/BillingPortal/Configurations.d.ts: subscription_cancel.proration_behavior */
test("a portal that cancels at once with prorations leaves a credit for the unused time", async () => {
  const sdk = createSdk();
  const opened = await visit(sdk, {});
  await sdk.stripe.billingPortal.configurations.update(opened.configuration, {
    features: {
      subscription_cancel: { enabled: true, mode: "immediately", proration_behavior: "create_prorations" },
    },
  });
  const made = await revisit(sdk, opened, 14 * DAY);
  const body = new URLSearchParams({ subscription: made.subscription.id });
  await sdk.emulator.fetch(new Request(`${made.session.url}/cancel`, { method: "POST", body }));
  expect((await sdk.stripe.subscriptions.retrieve(made.subscription.id)).status).toBe("canceled");
  const credits = await sdk.stripe.invoiceItems.list({ customer: made.customer.id, pending: true });
  expect(credits.data.map(({ amount }) => amount)).toEqual([-1_250]);
});

/** @see https://docs.stripe.com/api/customer_portal/configurations/create */
test("a portal configuration gets Stripe's defaults, and contradicting settings are refused", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { features } = await stripe.billingPortal.configurations.create({
    features: { subscription_update: { enabled: true } },
  });
  expect(features.subscription_update).toMatchObject({
    billing_cycle_anchor: null,
    proration_behavior: "none",
    trial_update_behavior: "end_trial",
    schedule_at_period_end: { conditions: [] },
  });
  const refused = (given: Features) => refusal(stripe.billingPortal.configurations.create({ features: given }));
  const at = "features[subscription_cancel][proration_behavior]";
  const prorated = { enabled: true, proration_behavior: "create_prorations" } as const;
  expect(await refused({ subscription_cancel: prorated })).toMatchObject({ statusCode: 400, param: at });
  const invoiced = { ...prorated, mode: "immediately", proration_behavior: "always_invoice" } as const;
  expect(await refused({ subscription_cancel: invoiced })).toMatchObject({ statusCode: 400, param: at });
  const { product, price } = await subscriber(stripe);
  const other = await stripe.products.create({ name: "Other" });
  const products = (entry: Partial<NonNullable<Exclude<UpdateFeature["products"], "">>[number]>) => ({
    subscription_update: { enabled: true, products: [{ product: product.id, prices: [price.id], ...entry }] },
  });
  expect(await refused(products({ product: other.id }))).toMatchObject({ statusCode: 400 });
  expect(await refused(products({ prices: ["price_none"] }))).toMatchObject({ code: "resource_missing" });
  const quantity = { enabled: true, minimum: 3, maximum: 2 };
  expect(await refused(products({ adjustable_quantity: quantity }))).toMatchObject({ statusCode: 400 });
});
