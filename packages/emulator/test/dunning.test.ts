/** Tests the retries of declined renewal payments, and what happens to the subscription after the last failed retry. */
import { expect, test } from "vitest";
import type { AfterRetries } from "../src/index.ts";
import { createSdk, DAY, subscriber, type Sdk } from "./support/sdk.ts";

/** Creates a subscription whose renewals are declined, and advances the clock by six weeks. */
async function neverPaid(sdk: Sdk): Promise<string> {
  const { stripe, emulator } = sdk;
  const { customer, price } = await subscriber(stripe);
  const { id } = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  const bad = await stripe.paymentMethods.attach("pm_card_chargeCustomerFail", { customer: customer.id });
  await stripe.customers.update(customer.id, { invoice_settings: { default_payment_method: bad.id } });
  await emulator.advance(28 * DAY);
  await emulator.advance(15 * DAY);
  return id;
}

test.each<[AfterRetries, string]>([
  ["cancel", "canceled"],
  ["unpaid", "unpaid"],
  ["past_due", "past_due"],
  ["pause", "paused"],
])(
  "after eight declined attempts of a renewal, the afterRetries setting %s takes effect",
  async (afterRetries, status) => {
    const sdk = createSdk({ afterRetries });
    const id = await neverPaid(sdk);
    const subscription = await sdk.stripe.subscriptions.retrieve(id, { expand: ["latest_invoice"] });
    expect(subscription).toMatchObject({
      status,
      latest_invoice: { status: "open", attempt_count: 8, next_payment_attempt: null, auto_advance: false },
    });
  },
);

test("renewal invoices of an unpaid subscription stay drafts, and the subscription becomes active when its open invoice is paid", async () => {
  const sdk = createSdk({ afterRetries: "unpaid" });
  const { stripe, emulator } = sdk;
  const id = await neverPaid(sdk);
  await emulator.advance(31 * DAY);
  const drafts = await stripe.invoices.list({ subscription: id, status: "draft" });
  expect(drafts.data).toMatchObject([{ auto_advance: false, billing_reason: "subscription_cycle" }]);
  const [open] = (await stripe.invoices.list({ subscription: id, status: "open" })).data;
  const { id: card } = await stripe.paymentMethods.attach("pm_card_visa", { customer: open?.customer as string });
  await stripe.invoices.pay(open?.id ?? "", { payment_method: card });
  expect(await stripe.subscriptions.retrieve(id)).toMatchObject({ status: "active" });
});

test("a control route can change the setting afterRetries, and a reset restores its initial value", async () => {
  const { emulator } = createSdk();
  const ask = async (path: string, method: "GET" | "POST", body?: object) => {
    const text = body === undefined ? {} : { body: JSON.stringify(body) };
    const response = await emulator.fetch(new Request(`http://stripe.test/_emulator/${path}`, { method, ...text }));
    return { status: response.status, body: await response.json() };
  };
  expect(await ask("settings", "POST", { after_retries: "unpaid" })).toMatchObject({ status: 200 });
  expect(await ask("settings", "GET")).toMatchObject({ body: { after_retries: "unpaid" } });
  expect(await ask("settings", "POST", { after_retries: "forgive" })).toMatchObject({ status: 400 });
  await ask("reset", "POST");
  expect(await ask("settings", "GET")).toMatchObject({ body: { after_retries: "cancel" } });
});

test("a subscription whose invoice is sent becomes past due at the invoice's due date, and active when it is paid", async () => {
  const sdk = createSdk();
  const { stripe, emulator } = sdk;
  const { customer, price } = await subscriber(stripe);
  const { id } = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id }],
    collection_method: "send_invoice",
    days_until_due: 10,
  });
  await emulator.advance(9 * DAY);
  expect(await stripe.subscriptions.retrieve(id)).toMatchObject({ status: "active" });
  await emulator.advance(2 * DAY);
  const overdue = await stripe.subscriptions.retrieve(id);
  expect(overdue).toMatchObject({ status: "past_due" });
  expect(await sdk.eventTypes()).toContain("invoice.overdue");
  await stripe.invoices.pay(overdue.latest_invoice as string);
  expect(await stripe.subscriptions.retrieve(id)).toMatchObject({ status: "active" });
});
