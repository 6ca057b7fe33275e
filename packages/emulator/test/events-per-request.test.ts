/** Checks that one request sends one event for each changed object, with all changes of the request. */
import { expect, test } from "vitest";
import { createSdk, DAY, type Sdk, subscriber } from "./support/sdk.ts";

/** Runs a request. Returns the events of the given type that the request sends. */
async function eventsOf({ emulator }: Sdk, type: string, act: () => Promise<unknown>) {
  const known = emulator.events().length;
  await act();
  return emulator
    .events()
    .slice(known)
    .filter((event) => event.type === type);
}

/** @see https://docs.stripe.com/api/events/object#event_object-data-previous_attributes */
test("one request that changes several fields of a subscription sends one event with all previous values", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { product, price, customer, method } = await subscriber(stripe);
  const dearer = await stripe.prices.create({
    product: product.id,
    unit_amount: 5_000,
    currency: "usd",
    recurring: { interval: "month" },
  });
  const subscription = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  const [event, ...others] = await eventsOf(sdk, "customer.subscription.updated", () =>
    stripe.subscriptions.update(subscription.id, {
      metadata: { seats: "2" },
      default_payment_method: method.id,
      items: [{ id: subscription.items.data[0]?.id ?? "", price: dearer.id, quantity: 2 }],
      cancel_at_period_end: true,
      proration_behavior: "always_invoice",
    }),
  );
  expect(others).toEqual([]);
  const { previous_attributes: previous = {}, object } = event?.data ?? {};
  expect(Object.keys(previous).toSorted()).toEqual(
    [
      "cancel_at",
      "cancel_at_period_end",
      "canceled_at",
      "cancellation_details",
      "default_payment_method",
      "items",
      "latest_invoice",
      "metadata",
      "plan",
      "quantity",
    ].toSorted(),
  );
  expect(previous).toMatchObject({ metadata: { seats: null }, quantity: 1, cancellation_details: { reason: null } });
  const after = await stripe.subscriptions.retrieve(subscription.id);
  expect(JSON.parse(JSON.stringify(object))).toEqual(JSON.parse(JSON.stringify(after)));
});

/** @see https://docs.stripe.com/billing/subscriptions/change-price#immediate-payment */
test("a plan change whose payment fails sends one event, which shows both the new plan and the status past_due", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { price, customer } = await subscriber(stripe);
  const subscription = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  const bad = await stripe.paymentMethods.attach("pm_card_chargeCustomerFail", { customer: customer.id });
  await stripe.subscriptions.update(subscription.id, { default_payment_method: bad.id });
  const [event, ...others] = await eventsOf(sdk, "customer.subscription.updated", () =>
    stripe.subscriptions.update(subscription.id, {
      items: [{ id: subscription.items.data[0]?.id ?? "", quantity: 3 }],
      proration_behavior: "always_invoice",
    }),
  );
  expect(others).toEqual([]);
  expect(event?.data.previous_attributes).toMatchObject({ status: "active", quantity: 1 });
  expect(event?.data.object).toMatchObject({ status: "past_due", quantity: 3 });
});

/** @see https://docs.stripe.com/billing/subscriptions/webhooks#events "customer.subscription.created" */
test("a subscription that is paid by its first request sends its created event as active, and no updated event", async () => {
  const sdk = createSdk();
  const { stripe, emulator } = sdk;
  const { price, customer } = await subscriber(stripe);
  const updates = await eventsOf(sdk, "customer.subscription.updated", () =>
    stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] }),
  );
  expect(updates).toEqual([]);
  const created = emulator.events().filter(({ type }) => type === "customer.subscription.created");
  expect(created.map(({ data }) => data.object)).toMatchObject([{ status: "active" }]);
});

/** @see https://docs.stripe.com/api/events/object#event_object-data-previous_attributes */
test("the event of a renewal names the previous period and the previous invoice", async () => {
  const sdk = createSdk();
  const { stripe, emulator } = sdk;
  const { price, customer } = await subscriber(stripe);
  const subscription = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  const [event, ...others] = await eventsOf(sdk, "customer.subscription.updated", () => emulator.advance(29 * DAY));
  expect(others).toEqual([]);
  expect(Object.keys(event?.data.previous_attributes ?? {}).toSorted()).toEqual(["items", "latest_invoice"]);
  expect(event?.data.previous_attributes).toMatchObject({ latest_invoice: subscription.latest_invoice });
});

/** A recording of Stripe: a subscription with `cancel_at_period_end` is canceled by a DELETE. */
test("a subscription that is canceled before its planned end has no planned end any longer", async () => {
  const { stripe } = createSdk();
  const { price, customer } = await subscriber(stripe);
  const subscription = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  const planned = await stripe.subscriptions.update(subscription.id, { cancel_at_period_end: true });
  expect(await stripe.subscriptions.cancel(subscription.id)).toMatchObject({
    status: "canceled",
    cancel_at: null,
    cancel_at_period_end: false,
    canceled_at: planned.canceled_at,
    cancellation_details: { reason: "cancellation_requested" },
  });
});

/** @see https://docs.stripe.com/api/errors */
test("a request that is refused sends no events of the changes before the refusal", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { price, customer } = await subscriber(stripe);
  const subscription = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  const events = await eventsOf(sdk, "customer.subscription.updated", () =>
    stripe.subscriptions
      .update(subscription.id, { metadata: { a: "b" }, items: [{ id: "si_missing", quantity: 2 }] })
      .catch(() => null),
  );
  expect(events).toEqual([]);
});
