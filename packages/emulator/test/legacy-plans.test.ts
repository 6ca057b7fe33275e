/**
 * Tests the parameter `plan` of subscription items, an older name of `price`.
 * @see https://docs.stripe.com/billing/migration/migrate-prices
 */
import { expect, test } from "vitest";
import { createSdk, refusal, subscriber } from "./support/sdk.ts";

async function twoPlans() {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { price, product, customer } = await subscriber(stripe);
  const recurring = { interval: "month" as const };
  const pro = await stripe.prices.create({ product: product.id, unit_amount: 9_900, currency: "usd", recurring });
  return { stripe, basic: price.id, pro: pro.id, product: product.id, customer: customer.id };
}

/** @see the doc comment of `plan` in Subscriptions.d.ts and SubscriptionItems.d.ts of the SDK */
test("the plan of an item selects the price in each operation that accepts items", async () => {
  const { stripe, basic, pro, customer } = await twoPlans();
  const made = await stripe.subscriptions.create({ customer, items: [{ plan: basic }] });
  const [item] = made.items.data;
  expect(item?.price.id).toBe(basic);
  const id = item?.id ?? "";
  const preview = await stripe.invoices.createPreview({
    subscription: made.id,
    subscription_details: { items: [{ id, plan: pro }], proration_behavior: "always_invoice" },
  });
  expect(preview.total).toBe(9_900 - 2_500);
  const changed = await stripe.subscriptions.update(made.id, { items: [{ id, plan: pro }] });
  expect(changed.items.data[0]?.price.id).toBe(pro);
  expect((await stripe.subscriptionItems.update(id, { plan: basic })).price.id).toBe(basic);
  expect((await stripe.subscriptionItems.create({ subscription: made.id, plan: pro })).price.id).toBe(pro);
});

/** @see the doc comment of `plan` in SubscriptionSchedules.d.ts of the SDK */
test("the plan of a phase's item selects the price of the phase", async () => {
  const { stripe, pro, customer } = await twoPlans();
  const schedule = await stripe.subscriptionSchedules.create({
    customer,
    start_date: "now",
    phases: [{ items: [{ plan: pro }] }],
  });
  expect(schedule.phases[0]?.items).toMatchObject([{ plan: pro, price: pro }]);
  const subscription = await stripe.subscriptions.retrieve(schedule.subscription as string);
  expect(subscription.items.data[0]?.price.id).toBe(pro);
});

test("an unknown plan, a one-time price as plan, and a plan beside a price are refused", async () => {
  const { stripe, basic, pro, product, customer } = await twoPlans();
  const once = await stripe.prices.create({ product, unit_amount: 100, currency: "usd" });
  for (const plan of ["plan_none", once.id])
    expect(await refusal(stripe.subscriptions.create({ customer, items: [{ plan }] }))).toMatchObject({
      message: `No such plan: '${plan}'`,
      code: "resource_missing",
      param: "items[0][plan]",
      statusCode: 400,
    });
  const both = await refusal(stripe.subscriptions.create({ customer, items: [{ plan: basic, price: pro }] }));
  expect(both.message).toBe("You may only specify one of these parameters: plan, price.");
});
