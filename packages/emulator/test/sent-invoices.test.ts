/**
 * Tests subscriptions whose invoices are sent to the customer.
 * @see https://docs.stripe.com/billing/collection-method
 * @see https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses
 */
import { expect, test } from "vitest";
import { createSdk, DAY, subscriber } from "./support/sdk.ts";

async function createSent(days = 10) {
  const sdk = createSdk();
  const { customer, price } = await subscriber(sdk.stripe);
  const subscription = await sdk.stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id }],
    collection_method: "send_invoice",
    days_until_due: days,
  });
  const status = async (): Promise<string> => (await sdk.stripe.subscriptions.retrieve(subscription.id)).status;
  return { ...sdk, customer, subscription, invoice: subscription.latest_invoice as string, status };
}

test("a sent invoice that is not paid by its due date makes the subscription past due, and its payment makes it active", async () => {
  const { stripe, emulator, invoice, status, eventTypes } = await createSent();
  expect(await stripe.invoices.retrieve(invoice)).toMatchObject({ status: "open", attempted: false });
  expect(await status()).toBe("active");
  await emulator.advance(10 * DAY - 1);
  expect(await status()).toBe("active");
  await emulator.advance(1);
  expect(await status()).toBe("past_due");
  expect((await eventTypes()).slice(-2)).toEqual(["invoice.overdue", "customer.subscription.updated"]);
  await stripe.invoices.pay(invoice);
  expect(await status()).toBe("active");
});

test("a sent invoice is never charged by itself, and a subscription stays past due until it is paid", async () => {
  const { stripe, emulator, customer, subscription, status } = await createSent();
  await emulator.advance(70 * DAY);
  expect(await status()).toBe("past_due");
  expect((await stripe.charges.list({ customer: customer.id })).data).toEqual([]);
  const { data } = await stripe.invoices.list({ subscription: subscription.id });
  expect(data.map((invoice) => invoice.status)).toEqual(["open", "open", "open"]);
  for (const { id } of data) await stripe.invoices.pay(id, { paid_out_of_band: true });
  expect(await status()).toBe("active");
});

test("the payment of all overdue invoices makes a subscription active, even if a later invoice is not due yet", async () => {
  const { stripe, emulator, invoice, status } = await createSent();
  await emulator.advance(32 * DAY);
  expect(await status()).toBe("past_due");
  await stripe.invoices.pay(invoice);
  expect(await status()).toBe("active");
  await emulator.advance(10 * DAY);
  expect(await status()).toBe("past_due");
});

test("a voided invoice does not become overdue", async () => {
  const { stripe, emulator, invoice, status, eventTypes } = await createSent();
  await stripe.invoices.voidInvoice(invoice);
  await emulator.advance(20 * DAY);
  expect(await status()).toBe("active");
  expect(await eventTypes()).not.toContain("invoice.overdue");
});

test("an overdue invoice of one subscription leaves the customer's other subscriptions active", async () => {
  const { stripe, emulator, customer, status } = await createSent();
  const other = await subscriber(stripe);
  const paid = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: other.price.id }] });
  await emulator.advance(11 * DAY);
  expect(await status()).toBe("past_due");
  expect((await stripe.subscriptions.retrieve(paid.id)).status).toBe("active");
});
