/** Runs the published `@stripe/sync-engine`. Checks that PostgreSQL contains the emulator's responses. */
import { describe, expect, test } from "vitest";
import { purchase } from "./purchase.ts";
import { createSyncApp, DAY, MONTH, type SyncApp, type Table } from "./sync-app.ts";

describe("webhooks to sync-engine", () => {
  test("store a purchase in the tables", async () => {
    const app = await createSyncApp();
    await app.receive();
    const { subscription } = await purchase(app);
    await app.emulator.drain();
    await app.expectSame();
    expect((await app.table("subscriptions")).get(subscription)).toMatchObject({ status: "active" });
    expect([...(await app.table("invoices")).values()]).toMatchObject([{ status: "paid", amount_paid: 900 }]);
    expect(await app.table("subscription_items")).toHaveLength(1);
    expect(app.emulator.deliveries().filter(({ state }) => state !== "delivered")).toEqual([]);
    expect(app.errors).toEqual([]);
  });

  test("store a renewal, a failed renewal and the end of a subscription in the tables", async () => {
    const app = await createSyncApp();
    await app.receive();
    const { customer, subscription } = await purchase(app);
    await app.emulator.advance(MONTH);
    await app.expectSame();
    expect(await statuses(app, "invoices")).toEqual(["paid", "paid"]);

    const bad = await app.stripe.paymentMethods.attach("pm_card_chargeCustomerFail", { customer });
    await app.stripe.subscriptions.update(subscription, { default_payment_method: bad.id });
    await app.emulator.advance(MONTH);
    await app.expectSame();
    expect(await statuses(app, "subscriptions")).toEqual(["past_due"]);
    expect(await statuses(app, "charges")).toContain("failed");

    await app.emulator.advance(MONTH);
    await app.expectSame();
    expect(await statuses(app, "subscriptions")).toEqual(["canceled"]);
    expect(app.errors).toEqual([]);
  });

  test("store a trial, a change of plan and quantity, a refund and a cancellation in the tables", async () => {
    const app = await createSyncApp();
    await app.receive();
    const { stripe } = app;
    const { subscription, price } = await purchase(app, { trialDays: 7 });
    await app.emulator.advance(8 * DAY);
    await app.expectSame();
    expect(await statuses(app, "setup_intents")).toEqual(["succeeded"]);

    const { items } = await stripe.subscriptions.retrieve(subscription);
    const coupon = await stripe.coupons.create({ percent_off: 50, duration: "once" });
    const { product } = await stripe.prices.retrieve(price);
    const bigger = await stripe.prices.create({
      product: idOf(product),
      unit_amount: 2_900,
      currency: "usd",
      recurring: { interval: "month" },
    });
    await stripe.subscriptions.update(subscription, {
      items: [{ id: items.data[0]?.id ?? "", price: bigger.id, quantity: 2 }],
      discounts: [{ coupon: coupon.id }],
      proration_behavior: "always_invoice",
    });
    await app.emulator.drain();
    await app.expectSame();
    expect([...(await app.table("subscription_items")).values()]).toMatchObject([{ price: bigger.id, quantity: 2 }]);

    // sync-engine stores only the first of several events about a finished charge in one second.
    await app.emulator.advance(60);
    const [charge] = (await stripe.charges.list()).data;
    await stripe.refunds.create({ charge: charge?.id ?? "", amount: 100 });
    await stripe.subscriptions.cancel(subscription);
    await app.emulator.drain();
    await app.expectSame();
    expect(await statuses(app, "refunds")).toEqual(["succeeded"]);
    expect(app.errors).toEqual([]);
  });

  test("mark or remove the rows of objects that were deleted at Stripe", async () => {
    const app = await createSyncApp();
    await app.receive();
    const { customer } = await purchase(app);
    await app.emulator.drain();
    const product = await app.stripe.products.create({ name: "Never sold" });
    await app.emulator.drain();
    expect((await app.table("products")).has(product.id)).toBe(true);
    await app.emulator.advance(DAY);
    await app.stripe.products.del(product.id);
    await app.stripe.customers.del(customer);
    await app.emulator.drain();
    expect((await app.table("customers")).get(customer)).toMatchObject({ deleted: true });
    expect(await statuses(app, "subscriptions")).toEqual(["canceled"]);
    expect((await app.table("products")).get(product.id)).toMatchObject({ deleted: true });
    expect(app.errors).toEqual([]);
  });

  test("use one webhook endpoint, which sync-engine creates again after the endpoint was deleted", async () => {
    const app = await createSyncApp();
    await app.receive();
    await app.receive();
    const [first, ...others] = (await app.stripe.webhookEndpoints.list()).data;
    expect(others).toEqual([]);
    expect(first).toMatchObject({ metadata: { managed_by: "stripe-sync" }, status: "enabled" });
    await app.stripe.webhookEndpoints.del(first?.id ?? "");
    await app.receive();
    const again = (await app.stripe.webhookEndpoints.list()).data;
    expect(again).toHaveLength(1);
    expect(again[0]?.id).not.toBe(first?.id);
  });
});

describe("a backfill of sync-engine", () => {
  test.each([
    ["in one piece", false],
    ["in segments of time", true],
  ])("fills the tables with all existing objects %s", async (_how, segmented) => {
    const app = await createSyncApp({ startAt: Date.now() - 100 * DAY * 1000 });
    const { customer } = await purchase(app);
    await app.emulator.advance(40 * DAY);
    const [charge] = (await app.stripe.charges.list()).data;
    await app.stripe.refunds.create({ charge: charge?.id ?? "" });
    await app.stripe.coupons.create({ percent_off: 50, duration: "once" });
    await app.stripe.setupIntents.create({ customer });
    await app.emulator.advance(40 * DAY);

    const { totals } = await app.sync.fullSync(BACKFILLED, segmented, 2, 10_000, false);
    await app.expectSame();
    expect(totals).toMatchObject({ customers: 1, subscriptions: 1, charges: 3 });
    const methods = await app.stripe.customers.listPaymentMethods(customer);
    expect([...(await app.table("payment_methods")).keys()]).toEqual(methods.data.map(({ id }) => id));
    const plans = await app.stripe.plans.list();
    expect([...(await app.table("plans")).values()]).toEqual(JSON.parse(JSON.stringify(plans.data)));
    expect(plans.data).toMatchObject([{ object: "plan", amount: 900, interval: "month" }]);
    expect(app.errors).toEqual([]);
  });

  test("reads all pages", async () => {
    const app = await createSyncApp({ startAt: Date.now() - DAY * 1000 });
    for (let at = 0; at < 230; at++) await app.stripe.customers.create({ email: `user${at}@example.com` });
    await app.sync.fullSync(["customer"], false, 2, 10_000, false);
    expect(await app.table("customers")).toHaveLength(230);
  });

  test("syncs a single object by its id", async () => {
    const app = await createSyncApp();
    const { subscription } = await purchase(app);
    await app.sync.syncSingleEntity(subscription);
    expect((await app.table("subscriptions")).get(subscription)).toMatchObject({ status: "active" });
  });
});

const BACKFILLED = [
  "product",
  "coupon",
  "price",
  "plan",
  "customer",
  "subscription",
  "invoice",
  "charge",
  "setup_intent",
  "payment_method",
  "payment_intent",
  "refund",
  "checkout_sessions",
];

async function statuses(app: SyncApp, table: Table): Promise<unknown[]> {
  return [...(await app.table(table)).values()].map((row) => row["status"]);
}

function idOf(link: string | { id: string } | null): string {
  return typeof link === "string" ? link : (link?.id ?? "");
}
