/** Tests accounts, plans and fields of customers. */
import { expect, test } from "vitest";
import { createSdk, DAY, refusal, subscriber } from "./support/sdk.ts";

test("an API key can retrieve its own account and no other account", async () => {
  const { stripe, as } = createSdk();
  const account = await stripe.accounts.retrieveCurrent();
  expect(account).toMatchObject({ object: "account", country: "US", default_currency: "usd", charges_enabled: true });
  expect(await stripe.accounts.retrieve(account.id)).toEqual(account);
  const { id: other } = await as("sk_test_other").accounts.retrieveCurrent();
  expect(other).not.toBe(account.id);
  expect(await refusal(stripe.accounts.retrieve(other))).toMatchObject({ statusCode: 404, code: "resource_missing" });
});

test("a recurring price can be retrieved as a plan, and a one-time price cannot", async () => {
  const { stripe } = createSdk();
  const { price, product } = await subscriber(stripe);
  const once = await stripe.prices.create({ product: product.id, unit_amount: 500, currency: "usd" });
  const { data } = await stripe.plans.list({ product: product.id });
  expect(data).toMatchObject([
    { id: price.id, object: "plan", amount: 2_500, interval: "month", usage_type: "licensed" },
  ]);
  expect(await stripe.plans.retrieve(price.id)).toMatchObject({ id: price.id, product: product.id });
  expect(await refusal(stripe.plans.retrieve(once.id))).toMatchObject({
    statusCode: 404,
    message: `No such plan: '${once.id}'`,
  });
});

test("finalizing an invoice emits customer.updated with the next invoice number and the currency", async () => {
  const { stripe } = createSdk();
  const { customer, price } = await subscriber(stripe);
  await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  const [event] = (await stripe.events.list({ type: "customer.updated" })).data;
  expect(event?.data).toMatchObject({
    object: { currency: "usd", next_invoice_sequence: 2 },
    previous_attributes: { currency: null, next_invoice_sequence: 1 },
  });
});

test("a customer is delinquent from a failed renewal until the invoice is paid", async () => {
  const { stripe, emulator } = createSdk();
  const { customer, price, method } = await subscriber(stripe);
  await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  const bad = await stripe.paymentMethods.attach("pm_card_chargeCustomerFail", { customer: customer.id });
  await stripe.customers.update(customer.id, { invoice_settings: { default_payment_method: bad.id } });
  await emulator.advance(29 * DAY);
  expect(await stripe.customers.retrieve(customer.id)).toMatchObject({ delinquent: true });
  const [event] = (await stripe.events.list({ type: "customer.updated" })).data;
  expect(event?.data.previous_attributes).toMatchObject({ delinquent: false });
  const [open] = (await stripe.invoices.list({ status: "open" })).data;
  await stripe.invoices.pay(open?.id ?? "", { payment_method: method.id });
  expect(await stripe.customers.retrieve(customer.id)).toMatchObject({ delinquent: false });
});

test.each([
  ["a part", -2_000, 500, -2_000],
  ["all", -4_000, 0, -2_500],
  ["none, because the customer owes money,", 300, 2_800, 300],
])("a customer's credit balance pays %s of a checkout", async (_what, balance, paid, applied) => {
  const { stripe, emulator } = createSdk();
  const { customer, price } = await subscriber(stripe);
  await stripe.customers.update(customer.id, { balance });
  const session = await stripe.checkout.sessions.create({
    mode: "subscription",
    customer: customer.id,
    line_items: [{ price: price.id, quantity: 1 }],
    success_url: "http://app.test/ok",
  });
  const page = await (await emulator.fetch(new Request(session.url ?? ""))).text();
  expect(page).toContain(`data-testid="due">$${(paid / 100).toFixed(2)}<`);
  await emulator.fetch(
    new Request(`http://stripe.test/v1/payment_pages/${session.id}/confirm`, {
      method: "POST",
      headers: { authorization: "Bearer sk_test_123" },
      body: new URLSearchParams({ payment_method: "pm_card_visa" }),
    }),
  );
  const [invoice] = (await stripe.invoices.list({ customer: customer.id })).data;
  expect(invoice).toMatchObject({ status: "paid", total: 2_500, amount_paid: paid, starting_balance: balance });
  expect(await stripe.customers.retrieve(customer.id)).toMatchObject({ balance: balance - applied });
});
