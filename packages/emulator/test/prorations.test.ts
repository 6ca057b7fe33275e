/** Checks the prorations of subscription changes in flexible billing mode, which is the default of the pinned API version. */
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { createSdk, DAY, type Sdk, subscriber } from "./support/sdk.ts";

type Interval = "day" | "week" | "month" | "year";

/** Creates a function that creates prices of one product. */
function pricesOf({ stripe }: Sdk, product: string) {
  return (amount: number, interval: Interval = "month", count = 1) =>
    stripe.prices.create({
      product,
      unit_amount: amount,
      currency: "usd",
      recurring: { interval, interval_count: count },
    });
}

function itemOf(subscription: Stripe.Subscription): string {
  return subscription.items.data[0]?.id ?? "";
}

/** A recording of Stripe: a monthly price is replaced by a yearly price with `always_invoice`. */
test("the lines of a proration name their subscription item, and have no unit amount and no top-level subscription", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { product, price, customer } = await subscriber(stripe);
  const yearly = await pricesOf(sdk, product.id)(25_000, "year");
  const subscription = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id }],
    expand: ["latest_invoice"],
  });
  const first = subscription.latest_invoice as Stripe.Invoice;
  expect(first.lines.data[0]).not.toHaveProperty("subscription");
  const changed = await stripe.subscriptions.update(subscription.id, {
    items: [{ id: itemOf(subscription), price: yearly.id }],
    proration_behavior: "always_invoice",
    expand: ["latest_invoice"],
  });
  const { lines } = changed.latest_invoice as Stripe.Invoice;
  for (const line of lines.data) {
    expect(line).not.toHaveProperty("subscription");
    expect(line).toMatchObject({ discountable: false, pricing: { unit_amount_decimal: null }, quantity: 1 });
  }
  const credited = { invoice: first.id, invoice_line_items: [first.lines.data[0]?.id] };
  const parent = {
    invoice_item_details: null,
    type: "subscription_item_details",
    subscription_item_details: {
      proration: true,
      subscription: subscription.id,
      subscription_item: itemOf(subscription),
    },
  };
  expect(lines.data.map((line) => line.parent)).toMatchObject([
    { ...parent, subscription_item_details: { proration_details: { credited_items: credited } } },
    { ...parent, subscription_item_details: { proration_details: { credited_items: null } } },
  ]);
  expect(lines.data.every((line) => line.parent?.subscription_item_details?.invoice_item?.startsWith("ii_"))).toBe(
    true,
  );
});

/**
 * In flexible billing mode, the billing cycle anchor is never reset automatically.
 * @see https://docs.stripe.com/billing/subscriptions/billing-mode/compare#reset-the-billing-cycle-anchor
 * @see https://docs.stripe.com/billing/subscriptions/billing-cycle#changing
 */
test.each<[string, [number, Interval, number], [number, Interval, number]]>([
  ["month to year", [2_500, "month", 1], [25_000, "year", 1]],
  ["year to month", [25_000, "year", 1], [2_500, "month", 1]],
  ["week to month", [700, "week", 1], [2_500, "month", 1]],
  ["month to three months", [2_500, "month", 1], [6_900, "month", 3]],
  ["free to paid", [0, "month", 1], [2_500, "month", 1]],
  ["paid to free", [2_500, "month", 1], [0, "month", 1]],
])(
  "a change from %s keeps the billing cycle anchor, and is invoiced at once only on request",
  async (_name, from, to) => {
    for (const behavior of ["create_prorations", "always_invoice", "none"] as const) {
      const sdk = createSdk();
      const { stripe, emulator } = sdk;
      const { product, customer } = await subscriber(stripe);
      const make = pricesOf(sdk, product.id);
      const [old, next] = [await make(...from), await make(...to)];
      const subscription = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: old.id }] });
      await emulator.advance(3 * DAY);
      const changed = await stripe.subscriptions.update(subscription.id, {
        items: [{ id: itemOf(subscription), price: next.id }],
        proration_behavior: behavior,
      });
      expect(changed.billing_cycle_anchor).toBe(subscription.billing_cycle_anchor);
      expect(changed.items.data[0]?.current_period_start).toBe(subscription.billing_cycle_anchor);
      const pending = (await stripe.invoiceItems.list({ pending: true })).data.length;
      expect(pending).toBe(behavior === "create_prorations" ? 2 : 0);
      expect(changed.latest_invoice !== subscription.latest_invoice).toBe(behavior === "always_invoice");
    }
  },
);

/** @see https://docs.stripe.com/billing/subscriptions/prorations#credit-prorations "Calculation logic with no prorations" */
test("a credit is a part of what was charged, not of a price that was never charged", async () => {
  const sdk = createSdk({ startAt: Date.UTC(2026, 3, 1) });
  const { stripe, emulator } = sdk;
  const { product, customer } = await subscriber(stripe);
  const make = pricesOf(sdk, product.id);
  const [ten, twenty] = [await make(1_000), await make(2_000)];
  const subscription = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: ten.id }] });
  const id = itemOf(subscription);
  await emulator.advance(10 * DAY);
  await stripe.subscriptions.update(subscription.id, {
    items: [{ id, price: twenty.id }],
    proration_behavior: "none",
  });
  await emulator.advance(10 * DAY);
  const changed = await stripe.subscriptions.update(subscription.id, {
    items: [{ id, price: ten.id }],
    proration_behavior: "always_invoice",
    expand: ["latest_invoice"],
  });
  const invoice = changed.latest_invoice as Stripe.Invoice;
  expect(invoice.lines.data.map(({ amount }) => amount)).toEqual([-333, 333]);
  expect(invoice.total).toBe(0);
});

/** @see https://docs.stripe.com/billing/subscriptions/prorations#credit-prorations "coupons applied to multiple items" */
test("a credit contains the item's share of a coupon", async () => {
  const sdk = createSdk({ startAt: Date.UTC(2026, 1, 1) });
  const { stripe, emulator } = sdk;
  const { product, customer } = await subscriber(stripe);
  const make = pricesOf(sdk, product.id);
  const [ten, twenty] = [await make(1_000), await make(2_000)];
  const coupon = await stripe.coupons.create({ amount_off: 500, currency: "usd", duration: "forever" });
  const subscription = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: ten.id }, { price: twenty.id }],
    discounts: [{ coupon: coupon.id }],
  });
  await emulator.advance(14 * DAY);
  await stripe.subscriptionItems.del(itemOf(subscription));
  expect((await stripe.invoiceItems.list()).data.map(({ amount }) => amount)).toEqual([-417]);
});

/** @see https://docs.stripe.com/billing/subscriptions/prorations#prorations-and-discounts */
test("the charge for remaining time contains the subscription's discount", async () => {
  const sdk = createSdk({ startAt: Date.UTC(2026, 1, 1) });
  const { stripe, emulator } = sdk;
  const { product, customer } = await subscriber(stripe);
  const make = pricesOf(sdk, product.id);
  const [ten, twenty] = [await make(1_000), await make(2_000)];
  const coupon = await stripe.coupons.create({ percent_off: 20, duration: "forever" });
  const subscription = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: ten.id }],
    discounts: [{ coupon: coupon.id }],
  });
  await emulator.advance(14 * DAY);
  const changed = await stripe.subscriptions.update(subscription.id, {
    items: [{ id: itemOf(subscription), price: twenty.id }],
    proration_behavior: "always_invoice",
    expand: ["latest_invoice"],
  });
  expect((changed.latest_invoice as Stripe.Invoice).lines.data.map(({ amount }) => amount)).toEqual([-400, 800]);
});

/** @see https://docs.stripe.com/billing/subscriptions/billing-mode/compare#credit-proration-calculations */
test("a second change credits the charge of the first change, and only once", async () => {
  const sdk = createSdk({ startAt: Date.UTC(2026, 1, 1) });
  const { stripe, emulator } = sdk;
  const { product, customer } = await subscriber(stripe);
  const make = pricesOf(sdk, product.id);
  const prices = [await make(1_000), await make(2_000), await make(4_000)];
  const subscription = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: prices[0]?.id ?? "" }],
  });
  await emulator.advance(7 * DAY);
  for (const price of prices.slice(1)) {
    await stripe.subscriptions.update(subscription.id, { items: [{ id: itemOf(subscription), price: price.id }] });
    await emulator.advance(7 * DAY);
  }
  const items = (await stripe.invoiceItems.list()).data.toReversed();
  expect(items.map(({ amount }) => amount)).toEqual([-750, 1_500, -1_000, 2_000]);
});

/** @see https://docs.stripe.com/billing/subscriptions/change-price#update "item quantity" */
test("a new price without a quantity sets the quantity to 1", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { product, price, customer } = await subscriber(stripe);
  const dearer = await pricesOf(sdk, product.id)(5_000);
  const subscription = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id, quantity: 4 }],
  });
  const id = itemOf(subscription);
  const same = await stripe.subscriptions.update(subscription.id, { items: [{ id, price: price.id }] });
  expect(same.items.data[0]?.quantity).toBe(4);
  const changed = await stripe.subscriptions.update(subscription.id, { items: [{ id, price: dearer.id }] });
  expect(changed.items.data[0]?.quantity).toBe(1);
});
