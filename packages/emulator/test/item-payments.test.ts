/** Tests the payments of subscription items that are added, changed and deleted. */
import { expect, test } from "vitest";
import { createSdk, refusal, subscriber } from "./support/sdk.ts";

async function subscribed(laterCard?: string) {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { customer, price, product } = await subscriber(stripe);
  const recurring = { interval: "month" as const };
  const seats = await stripe.prices.create({ product: product.id, unit_amount: 900, currency: "usd", recurring });
  const { id, items } = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  if (laterCard !== undefined) {
    const card = await stripe.paymentMethods.attach(laterCard, { customer: customer.id });
    await stripe.subscriptions.update(id, { default_payment_method: card.id });
  }
  return { stripe, seats: seats.id, id, item: items.data[0]?.id ?? "" };
}

const FAILS = "pm_card_chargeCustomerFail";
const AT_ONCE = { proration_behavior: "always_invoice" } as const;

/** @see the doc comment of `payment_behavior` in SubscriptionItems.d.ts of the SDK */
test("an item added with error_if_incomplete is refused with 402 and not added if the card fails", async () => {
  const { stripe, seats, id } = await subscribed(FAILS);
  const added = { subscription: id, price: seats, ...AT_ONCE, payment_behavior: "error_if_incomplete" } as const;
  expect(await refusal(stripe.subscriptionItems.create(added))).toMatchObject({
    statusCode: 402,
    code: "card_declined",
  });
  expect((await stripe.subscriptions.retrieve(id)).items.data).toHaveLength(1);
});

/** @see https://docs.stripe.com/billing/subscriptions/pending-updates */
test("an item changed with pending_if_incomplete stays unchanged until its invoice is paid", async () => {
  const { stripe, seats, id, item } = await subscribed(FAILS);
  const pending = { ...AT_ONCE, payment_behavior: "pending_if_incomplete" } as const;
  const changed = await stripe.subscriptionItems.update(item, { price: seats, quantity: 9, ...pending });
  expect(changed.price.id).not.toBe(seats);
  const subscription = await stripe.subscriptions.retrieve(id);
  expect(subscription.pending_update?.subscription_items?.[0]).toMatchObject({ price: { id: seats }, quantity: 9 });
  await stripe.invoices.pay(subscription.latest_invoice as string, { payment_method: "pm_card_visa" });
  expect((await stripe.subscriptionItems.retrieve(item)).price.id).toBe(seats);
});

/** @see https://docs.stripe.com/billing/subscriptions/pending-updates: only a change with an invoice can wait for it */
test("an item changed with pending_if_incomplete changes at once if the change creates no invoice", async () => {
  for (const proration_behavior of ["create_prorations", "none"] as const) {
    const { stripe, id, item } = await subscribed(FAILS);
    const pending = { proration_behavior, payment_behavior: "pending_if_incomplete" } as const;
    const changed = await stripe.subscriptionItems.update(item, { quantity: 2, ...pending });
    expect(changed.quantity).toBe(2);
    expect((await stripe.subscriptions.retrieve(id)).pending_update).toBeNull();
    expect((await stripe.invoices.list({ subscription: id })).data).toHaveLength(1);
  }
});

/** @see the doc comment of `payment_behavior` in SubscriptionItems.d.ts of the SDK */
test("an item changed with default_incomplete leaves its invoice open until a client confirms the payment", async () => {
  const { stripe, id, item } = await subscribed();
  await stripe.subscriptionItems.update(item, { quantity: 2, ...AT_ONCE, payment_behavior: "default_incomplete" });
  const { status, latest_invoice: latest } = await stripe.subscriptions.retrieve(id, { expand: ["latest_invoice"] });
  expect([status, latest]).toMatchObject(["past_due", { status: "open", attempted: false, amount_due: 2_500 }]);
});

/** @see the doc comment of `off_session` in SubscriptionItems.d.ts of the SDK, and https://docs.stripe.com/testing */
test("an item changed with off_session charges a card that needs 3-D Secure only on setup", async () => {
  const paid = [];
  for (const off_session of [true, false]) {
    const { stripe, id, item } = await subscribed("pm_card_authenticationRequiredOnSetup");
    await stripe.subscriptionItems.update(item, { quantity: 2, ...AT_ONCE, off_session });
    const { latest_invoice: latest } = await stripe.subscriptions.retrieve(id, { expand: ["latest_invoice"] });
    paid.push(typeof latest === "object" && latest?.status);
  }
  expect(paid).toEqual(["paid", "open"]);
});

/** @see the doc comment of `payment_behavior` in SubscriptionItemDeleteParams of the SDK: only an unpaid invoice is refused */
test("an item is deleted with error_if_incomplete although the card fails, because the credit needs no payment", async () => {
  const { stripe, seats, id } = await subscribed(FAILS);
  const added = await stripe.subscriptionItems.create({ subscription: id, price: seats, proration_behavior: "none" });
  await stripe.subscriptionItems.del(added.id, { ...AT_ONCE, payment_behavior: "error_if_incomplete" });
  expect((await stripe.subscriptions.retrieve(id)).items.data).toHaveLength(1);
});
