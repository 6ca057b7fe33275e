/** Tests the parameter `days_until_due` of subscriptions, and the deletion of test clocks. */
import { expect, test } from "vitest";
import { createSdk, subscriber } from "./support/sdk.ts";

/** @see The doc comment of `days_until_due` in the SDK's Subscriptions.d.ts: valid only for `send_invoice`. */
test("a subscription takes days_until_due exactly if its invoices are sent", async () => {
  const { stripe } = createSdk();
  const { customer, price } = await subscriber(stripe);
  const fields = { customer: customer.id, items: [{ price: price.id }] };
  const wrong = { type: "StripeInvalidRequestError", param: "days_until_due" };
  await expect(stripe.subscriptions.create({ ...fields, collection_method: "send_invoice" })).rejects.toMatchObject(
    wrong,
  );
  await expect(stripe.subscriptions.create({ ...fields, days_until_due: 3 })).rejects.toMatchObject(wrong);

  const { id } = await stripe.subscriptions.create(fields);
  await expect(stripe.subscriptions.update(id, { collection_method: "send_invoice" })).rejects.toMatchObject(wrong);
  await expect(stripe.subscriptions.update(id, { days_until_due: 3 })).rejects.toMatchObject(wrong);
  const sent = await stripe.subscriptions.update(id, { collection_method: "send_invoice", days_until_due: 3 });
  expect(sent).toMatchObject({ collection_method: "send_invoice", days_until_due: 3 });
  expect(await stripe.subscriptions.update(id, { collection_method: "send_invoice" })).toMatchObject({
    days_until_due: 3,
  });
  expect(await stripe.subscriptions.update(id, { collection_method: "charge_automatically" })).toMatchObject({
    days_until_due: null,
  });
});

/** @see https://docs.stripe.com/billing/testing/test-clocks/api-advanced-usage#delete-a-test-clock */
test("deleting a test clock deletes its customers and cancels their subscriptions", async () => {
  const { stripe, emulator } = createSdk();
  const { price } = await subscriber(stripe);
  const { id: clock } = await stripe.testHelpers.testClocks.create({ frozen_time: 1_767_225_600 });
  const customer = await stripe.customers.create({ test_clock: clock, source: "tok_visa" });
  const { id } = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  await stripe.testHelpers.testClocks.del(clock);

  expect(await stripe.customers.retrieve(customer.id)).toEqual(
    expect.objectContaining({ id: customer.id, deleted: true }),
  );
  expect((await stripe.subscriptions.retrieve(id)).status).toBe("canceled");
  const listed = await stripe.customers.list({ limit: 100 });
  expect(listed.data.map((row) => row.id)).not.toContain(customer.id);
  await expect(stripe.testHelpers.testClocks.retrieve(clock)).rejects.toMatchObject({ statusCode: 404 });
  const types = (await stripe.events.list({ limit: 100 })).data.map((event) => event.type);
  expect(types.slice(0, 3)).toEqual([
    "test_helpers.test_clock.deleted",
    "customer.deleted",
    "customer.subscription.deleted",
  ]);
  expect(emulator.audit()).toEqual([]);
});
