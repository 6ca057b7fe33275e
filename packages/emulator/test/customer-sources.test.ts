/** Tests cards that are saved with a token, such as `tok_visa`. @see https://docs.stripe.com/api/cards */
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { createSdk, refusal, subscriber } from "./support/sdk.ts";

/** @see The doc comment of `source` of `CustomerCreateParams` in the SDK's file Customers.d.ts. */
test("a customer that is created with a token pays subscriptions with the token's card", async () => {
  const { stripe, eventTypes } = createSdk();
  const { price } = await subscriber(stripe);
  const customer = await stripe.customers.create({ source: "tok_visa", expand: ["default_source", "sources"] });
  const card = customer.default_source as Stripe.Card;
  expect(card).toMatchObject({ object: "card", brand: "Visa", last4: "4242", customer: customer.id });
  expect(card.id).toMatch(/^card_/);
  expect(customer.sources?.data).toEqual([card]);
  expect(await eventTypes()).toContain("customer.source.created");
  const subscription = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  expect(subscription.status).toBe("active");
  expect((await stripe.charges.list({ customer: customer.id })).data[0]).toMatchObject({ payment_method: card.id });
});

test("a customer's default payment method pays before its default source", async () => {
  const { stripe } = createSdk();
  const { price, customer, method } = await subscriber(stripe);
  await stripe.customers.createSource(customer.id, { source: "tok_mastercard" });
  await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  expect((await stripe.charges.list({ customer: customer.id })).data[0]).toMatchObject({ payment_method: method.id });
});

/** @see The doc comment of `source` of `CustomerUpdateParams` in the SDK's file Customers.d.ts. */
test("a token in an update replaces the default card of the customer", async () => {
  const { stripe, eventTypes } = createSdk();
  const { id, default_source: first } = await stripe.customers.create({ source: "tok_visa" });
  const changed = await stripe.customers.update(id, { source: "tok_mastercard" });
  expect(changed.default_source).not.toBe(first);
  expect((await stripe.customers.listSources(id)).data).toMatchObject([{ id: changed.default_source }]);
  expect((await eventTypes()).filter((type) => type.startsWith("customer."))).toEqual(
    expect.arrayContaining(["customer.source.created", "customer.updated", "customer.source.deleted"]),
  );
});

test("a customer's cards can be added, changed, chosen and deleted", async () => {
  const { stripe } = createSdk();
  const { id, default_source: first } = await stripe.customers.create({ source: "tok_visa" });
  const second = await stripe.customers.createSource(id, { source: "tok_amex", metadata: { k: "v" } });
  expect(second).toMatchObject({ brand: "American Express", metadata: { k: "v" } });
  expect((await stripe.customers.retrieve(id)) as Stripe.Customer).toMatchObject({ default_source: first });
  expect(await stripe.customers.updateSource(id, second.id, { name: "Ada", exp_month: "7" })).toMatchObject({
    name: "Ada",
    exp_month: 7,
  });
  expect(await stripe.customers.update(id, { default_source: second.id })).toMatchObject({ default_source: second.id });
  expect(await stripe.customers.deleteSource(id, second.id)).toMatchObject({ id: second.id, deleted: true });
  expect((await stripe.customers.retrieve(id)) as Stripe.Customer).toMatchObject({ default_source: first });
  expect(await refusal(stripe.customers.retrieveSource(id, second.id))).toMatchObject({ statusCode: 404 });
});

test("a deleted card no longer pays a subscription that named it", async () => {
  const { stripe } = createSdk();
  const { price, customer } = await subscriber(stripe);
  const { id: card } = await stripe.customers.createSource(customer.id, { source: "tok_visa" });
  const { id } = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id }],
    default_payment_method: card,
  });
  await stripe.customers.deleteSource(customer.id, card);
  expect((await stripe.subscriptions.retrieve(id)).default_payment_method).toBeNull();
});

/** @see https://docs.stripe.com/testing#declined-payments */
test("a token of a card that is declined, or an unknown token, saves nothing", async () => {
  const { stripe } = createSdk();
  expect(await refusal(stripe.customers.create({ source: "tok_chargeDeclined" }))).toMatchObject({
    statusCode: 402,
    code: "card_declined",
  });
  expect(await refusal(stripe.customers.create({ source: "tok_nope" }))).toMatchObject({
    code: "resource_missing",
    param: "source",
    message: "No such token: 'tok_nope'",
  });
  expect((await stripe.customers.list()).data).toEqual([]);
});

test("a payment method cannot be read as a card source", async () => {
  const { stripe } = createSdk();
  const { customer, method } = await subscriber(stripe);
  expect((await stripe.customers.listSources(customer.id)).data).toEqual([]);
  expect(await refusal(stripe.customers.retrieveSource(customer.id, method.id))).toMatchObject({ statusCode: 404 });
});
