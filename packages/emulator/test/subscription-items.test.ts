/** Tests subscription items. */
import { expect, test } from "vitest";
import { createSdk, refusal, subscriber } from "./support/sdk.ts";

async function subscribed() {
  const sdk = createSdk();
  const { customer, price, product } = await subscriber(sdk.stripe);
  const seats = await sdk.stripe.prices.create({
    product: product.id,
    unit_amount: 100,
    currency: "usd",
    recurring: { interval: "month" },
  });
  const { id, items } = await sdk.stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id, metadata: { kept: "1", changed: "1" } }],
  });
  return { ...sdk, seats, subscription: id, item: items.data[0]?.id ?? "" };
}

test("an item added to a subscription is charged for the rest of the billing period", async () => {
  const { stripe, subscription, seats } = await subscribed();
  const added = await stripe.subscriptionItems.create({ subscription, price: seats.id, quantity: 3 });
  expect(added).toMatchObject({ object: "subscription_item", quantity: 3, price: { id: seats.id }, subscription });
  expect((await stripe.subscriptionItems.list({ subscription })).data).toHaveLength(2);
  const { data } = await stripe.invoiceItems.list({ pending: true });
  expect(data).toMatchObject([{ amount: 300, quantity: 3 }]);
});

test("a credit for a proration contains the IDs of the invoice lines that it credits", async () => {
  const { stripe, subscription, seats, item } = await subscribed();
  const [first] = (await stripe.invoices.list({ subscription })).data;
  await stripe.subscriptionItems.update(item, { price: seats.id });
  const { data } = await stripe.invoiceItems.list({ pending: true });
  const details = { invoice: first?.id, invoice_line_items: [first?.lines.data[0]?.id] };
  expect(data.map((row) => row.proration_details?.credited_items)).toEqual([
    null,
    { type: "invoice_line_items", invoice_line_item_details: details },
  ]);
  await stripe.subscriptionItems.update(item, { quantity: 2 });
  const [, credit] = (await stripe.invoiceItems.list({ pending: true })).data;
  expect(credit?.proration_details?.credited_items).toEqual({ type: "invoice_item", invoice_item: data[0]?.id });
});

test("an update of a subscription item adds the new metadata to the existing metadata", async () => {
  const { stripe, item } = await subscribed();
  const changed = await stripe.subscriptionItems.update(item, { metadata: { changed: "2", added: "1" } });
  expect(changed.metadata).toEqual({ kept: "1", changed: "2", added: "1" });
  expect((await stripe.subscriptionItems.update(item, { quantity: 2 })).metadata).toEqual(changed.metadata);
  expect((await stripe.subscriptionItems.update(item, { metadata: "" })).metadata).toEqual({});
});

test("a subscription item can be deleted unless it is the subscription's last item", async () => {
  const { stripe, subscription, seats, item } = await subscribed();
  expect(await refusal(stripe.subscriptionItems.del(item))).toMatchObject({
    message: "A subscription must have at least one active plan.",
  });
  await stripe.subscriptionItems.create({ subscription, price: seats.id });
  expect(await stripe.subscriptionItems.del(item)).toMatchObject({ id: item, deleted: true });
  expect(await refusal(stripe.subscriptionItems.retrieve(item))).toMatchObject({ statusCode: 404 });
});

test("a new subscription item requires a price in every operation that accepts items", async () => {
  const { stripe, subscription } = await subscribed();
  const missing = { code: "parameter_missing", param: "items[0][price]" };
  expect(await refusal(stripe.subscriptions.update(subscription, { items: [{ quantity: 2 }] }))).toMatchObject(missing);
  expect(await refusal(stripe.subscriptionItems.create({ subscription, quantity: 2 }))).toMatchObject({
    code: "parameter_missing",
    param: "price",
  });
});
