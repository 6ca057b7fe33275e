/**
 * Tests the filters of list and search operations. Source of the filters: the doc comments of the `…ListParams` in Stripe's SDK,
 * for example in `resources/Prices.d.ts`.
 */
import { expect, test } from "vitest";
import { createSdk, DAY, refusal, START, subscriber } from "./support/sdk.ts";

const at = START / 1000;
const ids = ({ data }: { data: readonly { id: string }[] }) => data.map(({ id }) => id);

test("a list of prices can be filtered by interval, meter and usage type", async () => {
  const { stripe } = createSdk();
  const { product, price } = await subscriber(stripe);
  const meter = await stripe.billing.meters.create({
    display_name: "Calls",
    event_name: "calls",
    default_aggregation: { formula: "sum" },
  });
  const make = (recurring?: object) =>
    stripe.prices.create({ product: product.id, currency: "usd", unit_amount: 900, ...recurring });
  const yearly = await make({ recurring: { interval: "year" } });
  const metered = await make({ recurring: { interval: "month", usage_type: "metered", meter: meter.id } });
  await make();
  expect(ids(await stripe.prices.list({ recurring: { interval: "year" } }))).toEqual([yearly.id]);
  expect(ids(await stripe.prices.list({ recurring: { interval: "month" } }))).toEqual([metered.id, price.id]);
  expect(ids(await stripe.prices.list({ recurring: { usage_type: "metered" } }))).toEqual([metered.id]);
  expect(ids(await stripe.prices.list({ recurring: { meter: meter.id } }))).toEqual([metered.id]);
});

test("a list of subscriptions can be filtered by plan, automatic tax and status, and omits test clocks", async () => {
  const { stripe } = createSdk();
  const { customer, price, product } = await subscriber(stripe);
  const other = await stripe.prices.create({
    product: product.id,
    currency: "usd",
    unit_amount: 900,
    recurring: { interval: "year" },
  });
  const made = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  const second = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: other.id }] });
  expect(ids(await stripe.subscriptions.list({ plan: price.id }))).toEqual([made.id]);
  expect(ids(await stripe.subscriptions.list({ plan: "price_none" }))).toEqual([]);
  expect(ids(await stripe.subscriptions.list({ automatic_tax: { enabled: true } }))).toEqual([]);
  expect(ids(await stripe.subscriptions.list({ automatic_tax: { enabled: false } }))).toEqual([second.id, made.id]);
  expect(await refusal(stripe.subscriptions.list({ status: "activ" }))).toMatchObject({ param: "status" });

  const clock = await stripe.testHelpers.testClocks.create({ frozen_time: at });
  const clocked = await subscriber(stripe, { testClock: clock.id });
  const hidden = await stripe.subscriptions.create({
    customer: clocked.customer.id,
    items: [{ price: clocked.price.id }],
  });
  expect(ids(await stripe.subscriptions.list())).toEqual([second.id, made.id]);
  expect(ids(await stripe.subscriptions.list({ test_clock: clock.id }))).toEqual([hidden.id]);
  expect(ids(await stripe.subscriptions.list({ customer: clocked.customer.id }))).toEqual([hidden.id]);
  expect(ids(await stripe.customers.list({ email: "ada@example.com" }))).toEqual([customer.id]);
  expect(ids(await stripe.customers.list({ email: "ada@example.com", test_clock: clock.id }))).toEqual([
    clocked.customer.id,
  ]);
});

test("a list of invoices can be filtered by due date, and a search finds the invoices of a subscription", async () => {
  const { stripe } = createSdk();
  const { customer, price } = await subscriber(stripe);
  const subscription = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  const due = await stripe.invoices.create({
    customer: customer.id,
    collection_method: "send_invoice",
    days_until_due: 10,
  });
  const later = await stripe.invoices.create({
    customer: customer.id,
    collection_method: "send_invoice",
    days_until_due: 40,
  });
  expect(ids(await stripe.invoices.list({ due_date: { lte: at + 20 * DAY } }))).toEqual([due.id]);
  expect(ids(await stripe.invoices.list({ due_date: { gt: at } }))).toEqual([later.id, due.id]);
  expect(ids(await stripe.invoices.list({ due_date: at + 10 * DAY }))).toEqual([due.id]);
  const found = await stripe.invoices.search({ query: `subscription:'${subscription.id}'` });
  expect(ids(found)).toEqual([subscription.latest_invoice]);
});

test("a list of subscription schedules can be filtered by the times of its final states", async () => {
  const { stripe, emulator } = createSdk();
  const { customer, price } = await subscriber(stripe);
  const make = (endBehavior: "release" | "cancel" = "release") =>
    stripe.subscriptionSchedules.create({
      customer: customer.id,
      start_date: "now",
      end_behavior: endBehavior,
      phases: [{ items: [{ price: price.id }], duration: { interval: "day", interval_count: 10 } }],
    });
  const [completed, canceled, released, live] = [await make(), await make(), await make(), await make("cancel")];
  await emulator.advance(DAY);
  await stripe.subscriptionSchedules.cancel(canceled.id);
  await stripe.subscriptionSchedules.release(released.id);
  const list = (filter: object) => stripe.subscriptionSchedules.list(filter);
  expect(ids(await list({ canceled_at: { gte: at } }))).toEqual([canceled.id]);
  expect(ids(await list({ canceled_at: { gt: at + DAY } }))).toEqual([]);
  expect(ids(await list({ released_at: { lte: at + DAY } }))).toEqual([released.id]);
  expect(ids(await list({ completed_at: { gte: at } }))).toEqual([]);
  await emulator.advance(10 * DAY);
  expect(ids(await list({ completed_at: { gte: at } }))).toEqual([live.id, completed.id]);
});

test("a list of checkout sessions can be filtered by the customer's email and by payment link", async () => {
  const { stripe } = createSdk();
  const { price } = await subscriber(stripe);
  const make = (customer_email: string) =>
    stripe.checkout.sessions.create({
      mode: "subscription",
      success_url: "https://shop.example",
      line_items: [{ price: price.id, quantity: 1 }],
      customer_email,
    });
  const wanted = await make("ada@example.com");
  await make("bob@example.com");
  const list = (filter: object) => stripe.checkout.sessions.list(filter);
  expect(ids(await list({ customer_details: { email: "ada@example.com" } }))).toEqual([wanted.id]);
  expect(ids(await list({ payment_link: "plink_1" }))).toEqual([]);
});

test("a list of balance transactions can be filtered by currency, and no payout is known", async () => {
  const { stripe, emulator } = createSdk();
  const pay = (currency: string) =>
    stripe.paymentIntents.create({
      amount: 900,
      currency,
      payment_method: "pm_card_visa",
      confirm: true,
      return_url: "https://shop.example",
    });
  await pay("usd");
  const { id } = await pay("eur");
  await emulator.advance(DAY);
  const { data } = await stripe.balanceTransactions.list({ currency: "eur" });
  const { data: charges } = await stripe.charges.list({ payment_intent: id });
  expect(data.map(({ source }) => source)).toEqual(charges.map((charge) => charge.id));
  expect(await refusal(stripe.balanceTransactions.list({ payout: "po_1" }))).toMatchObject({
    code: "resource_missing",
    param: "payout",
  });
  expect(ids(await stripe.charges.list({ transfer_group: "group_1" }))).toEqual([]);
});

test("a list of tax IDs contains the tax IDs of the given owner", async () => {
  const { stripe } = createSdk();
  const { customer } = await subscriber(stripe);
  const own = await stripe.taxIds.create({ type: "eu_vat", value: "DE123456789" });
  const owner = { type: "customer" as const, customer: customer.id };
  const theirs = await stripe.taxIds.create({ type: "eu_vat", value: "DE987654321", owner });
  expect(theirs).toMatchObject({ customer: customer.id, owner: { type: "customer", customer: customer.id } });
  expect(ids(await stripe.taxIds.list())).toEqual([own.id]);
  expect(ids(await stripe.taxIds.list({ owner: { type: "self" } }))).toEqual([own.id]);
  expect(ids(await stripe.taxIds.list({ owner }))).toEqual([theirs.id]);
  expect(await refusal(stripe.taxIds.list({ owner: { type: "customer" } }))).toMatchObject({
    param: "owner[customer]",
  });
  expect(await refusal(stripe.taxIds.list({ owner: { type: "application" } }))).toMatchObject({
    statusCode: 501,
    param: "owner[type]",
  });
});

test("a list of products can be filtered by shippable and type, and IDs exclude a cursor", async () => {
  const { stripe } = createSdk();
  const shipped = await stripe.products.create({ name: "Mug", shippable: true, type: "good" });
  const digital = await stripe.products.create({ name: "Premium" });
  expect(ids(await stripe.products.list({ shippable: true }))).toEqual([shipped.id]);
  expect(ids(await stripe.products.list({ shippable: false }))).toEqual([digital.id]);
  expect(ids(await stripe.products.list({ type: "good" }))).toEqual([shipped.id]);
  const both = stripe.products.list({ ids: [shipped.id], starting_after: digital.id });
  expect(await refusal(both)).toMatchObject({ code: "parameters_exclusive", param: "ids" });
});

test("lists of payment methods can be filtered by type and by permission to be shown again", async () => {
  const { stripe } = createSdk();
  const { customer, method } = await subscriber(stripe);
  const own = (filter: object) => stripe.customers.listPaymentMethods(customer.id, filter);
  const list = (filter: object) => stripe.paymentMethods.list({ customer: customer.id, ...filter });
  for (const read of [own, list]) {
    expect(ids(await read({ type: "card" }))).toEqual([method.id]);
    expect(ids(await read({ type: "sepa_debit" }))).toEqual([]);
    expect(ids(await read({ allow_redisplay: "always" }))).toEqual([]);
    expect(ids(await read({ allow_redisplay: "unspecified" }))).toEqual([method.id]);
  }
});

test("a customer's balance transactions can be filtered by invoice, and features by archived", async () => {
  const { stripe } = createSdk();
  const { customer, price } = await subscriber(stripe);
  await stripe.customers.createBalanceTransaction(customer.id, { amount: -500, currency: "usd" });
  const { latest_invoice: invoice } = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id }],
  });
  const { data } = await stripe.customers.listBalanceTransactions(customer.id, { invoice: invoice as string });
  expect(data).toMatchObject([{ type: "applied_to_invoice", amount: 500 }]);

  const feature = await stripe.entitlements.features.create({ name: "A", lookup_key: "a" });
  const archived = await stripe.entitlements.features.create({ name: "B", lookup_key: "b" });
  await stripe.entitlements.features.update(archived.id, { active: false });
  expect(ids(await stripe.entitlements.features.list())).toEqual([archived.id, feature.id]);
  expect(ids(await stripe.entitlements.features.list({ archived: false }))).toEqual([feature.id]);
  expect(ids(await stripe.setupIntents.list({ attach_to_self: true }))).toEqual([]);
});
