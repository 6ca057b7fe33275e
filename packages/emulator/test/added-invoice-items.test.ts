/**
 * Tests the parameter `add_invoice_items` of subscriptions and schedules.
 * @see https://docs.stripe.com/api/subscriptions/create#create_subscription-add_invoice_items
 */
import { expect, test } from "vitest";
import { createSdk, DAY, refusal, START, subscriber } from "./support/sdk.ts";

async function shop() {
  const sdk = createSdk();
  const { price, product, customer } = await subscriber(sdk.stripe);
  const fee = { currency: "usd", product: product.id, unit_amount: 700 };
  return { ...sdk, fee, customer: customer.id, items: [{ price: price.id }] };
}

/** @see the doc comments of `price_data`, `metadata` and `quantity` of AddInvoiceItem in Subscriptions.d.ts of the SDK */
test("the first invoice contains an added item with price data, its quantity and its metadata", async () => {
  const { stripe, fee, customer, items } = await shop();
  const { latest_invoice: invoice } = await stripe.subscriptions.create({
    customer,
    items,
    add_invoice_items: [{ price_data: fee, quantity: 3, metadata: { kind: "setup" } }],
    expand: ["latest_invoice"],
  });
  expect(invoice).toMatchObject({
    total: 2_500 + 2_100,
    lines: { data: [{ amount: 2_100, quantity: 3, metadata: { kind: "setup" } }, { amount: 2_500 }] },
  });
});

/** @see the doc comment of `unit_amount` of AddInvoiceItem.PriceData in Subscriptions.d.ts of the SDK */
test("an added item with a negative amount reduces the first invoice", async () => {
  const { stripe, fee, customer, items } = await shop();
  const { latest_invoice: invoice } = await stripe.subscriptions.create({
    customer,
    items,
    add_invoice_items: [{ price_data: { ...fee, unit_amount: -500 } }],
    expand: ["latest_invoice"],
  });
  expect(invoice).toMatchObject({ total: 2_000, amount_paid: 2_000 });
});

/** @see the doc comment of `period` of AddInvoiceItem in Subscriptions.d.ts of the SDK */
test("an added item has the chosen period, and the period of the subscription's items by default", async () => {
  const { stripe, emulator, fee, customer, items } = await shop();
  const subscription = await stripe.subscriptions.create({ customer, items });
  const [item] = subscription.items.data;
  await emulator.advance(5 * DAY);
  const at = START / 1000;
  const end = { type: "timestamp", timestamp: at + 9 * DAY } as const;
  await stripe.subscriptions.update(subscription.id, {
    add_invoice_items: [
      { price_data: fee },
      { price_data: fee, period: { start: { type: "now" }, end } },
      { price_data: fee, period: { start: { type: "timestamp", timestamp: at - DAY }, end } },
    ],
  });
  const { data } = await stripe.invoiceItems.list({ pending: true });
  expect(data.map(({ period }) => period).toReversed()).toEqual([
    { start: item?.current_period_start, end: item?.current_period_end },
    { start: at + 5 * DAY, end: at + 9 * DAY },
    { start: at - DAY, end: at + 9 * DAY },
  ]);
});

/** @see the doc comments of AddInvoiceItem.Period in Subscriptions.d.ts of the SDK */
test("a period without its timestamp, and a period that ends before its start are refused", async () => {
  const { stripe, fee, customer, items } = await shop();
  const add = (timestamp?: number) =>
    stripe.subscriptions.create({
      customer,
      items,
      add_invoice_items: [
        {
          price_data: fee,
          period: { start: { type: "now" }, end: { type: "timestamp", ...(timestamp && { timestamp }) } },
        },
      ],
    });
  expect(await refusal(add())).toMatchObject({
    code: "parameter_missing",
    param: "add_invoice_items[0][period][end][timestamp]",
  });
  expect(await refusal(add(START / 1000 - DAY))).toMatchObject({ statusCode: 400, param: "add_invoice_items" });
});

/** @see the doc comments of `price` and `price_data` of AddInvoiceItem in Subscriptions.d.ts of the SDK */
test("an added item needs either a price or price data in the subscription's currency", async () => {
  const { stripe, fee, customer, items } = await shop();
  const price = (await stripe.prices.create(fee)).id;
  const add = (added: { price?: string; price_data?: typeof fee; quantity?: number }) =>
    refusal(stripe.subscriptions.create({ customer, items, add_invoice_items: [added] }));
  expect(await add({ quantity: 2 })).toMatchObject({ code: "parameter_missing", param: "add_invoice_items[0][price]" });
  expect((await add({ price, price_data: fee })).message).toContain("price, price_data");
  expect((await add({ price_data: { ...fee, currency: "eur" } })).statusCode).toBe(400);
  const archived = await stripe.products.create({ name: "Setup", active: false });
  expect((await add({ price_data: { ...fee, product: archived.id } })).message).toContain("product is not active");
});

/** @see the doc comment of `price_data` of AddInvoiceItem in SubscriptionSchedules.d.ts of the SDK */
test("a phase creates the price of an added item from its price data", async () => {
  const { stripe, fee, customer, items } = await shop();
  const schedule = await stripe.subscriptionSchedules.create({
    customer,
    start_date: "now",
    phases: [{ items, add_invoice_items: [{ price_data: fee }] }],
    expand: ["subscription.latest_invoice"],
  });
  expect(schedule.phases[0]?.add_invoice_items[0]?.price).toMatch(/^price_/);
  expect(schedule.subscription).toMatchObject({ latest_invoice: { total: 3_200 } });
});
