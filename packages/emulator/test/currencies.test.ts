/**
 * Tests prices with several currencies, and the rule that a customer has one currency.
 * @see https://docs.stripe.com/products-prices/how-products-and-prices-work#multiple-currencies
 * @see https://docs.stripe.com/invoicing/multi-currency-customers
 */
import { expect, test } from "vitest";
import { createSdk, DAY, refusal, type Sdk, subscriber } from "./support/sdk.ts";

/** Creates a customer with a card, a monthly price and a fee. Both prices cost $10.00, €9.00 or ¥1,500. */
async function multiCurrency(sdk: Sdk = createSdk()) {
  const { stripe } = sdk;
  const { customer, product, method } = await subscriber(stripe);
  const amounts = {
    product: product.id,
    unit_amount: 1_000,
    currency: "usd",
    currency_options: { eur: { unit_amount: 900 }, jpy: { unit_amount: 1_500 } },
  };
  const price = await stripe.prices.create({ ...amounts, recurring: { interval: "month" } });
  const fee = await stripe.prices.create(amounts);
  return { ...sdk, customer: customer.id, method: method.id, product: product.id, price: price.id, fee: fee.id };
}

test("a subscription bills the amounts of its currency in every invoice, and shows the price's default currency", async () => {
  const { stripe, customer, price, fee, emulator } = await multiCurrency();
  const subscription = await stripe.subscriptions.create({
    customer,
    currency: "eur",
    items: [{ price, quantity: 2 }],
    add_invoice_items: [{ price: fee }],
    expand: ["latest_invoice"],
  });
  expect(subscription).toMatchObject({ currency: "eur", status: "active" });
  expect(subscription.items.data[0]?.price).toMatchObject({ id: price, currency: "usd", unit_amount: 1_000 });
  expect(subscription.latest_invoice).toMatchObject({ currency: "eur", total: 2_700, amount_paid: 2_700 });
  const [intent] = (await stripe.paymentIntents.list({ customer })).data;
  expect(intent).toMatchObject({ currency: "eur", amount: 2_700, status: "succeeded" });
  await emulator.advance(32 * DAY);
  const [renewal] = (await stripe.invoices.list({ subscription: subscription.id })).data;
  expect(renewal).toMatchObject({ currency: "eur", total: 1_800, status: "paid" });
  expect(renewal?.lines.data[0]?.description).toBe("2 × Premium (at €9.00 / month)");
});

test("prorations and previews of a subscription use the amounts of its currency", async () => {
  const { stripe, customer, price } = await multiCurrency();
  const { id, items } = await stripe.subscriptions.create({ customer, currency: "jpy", items: [{ price }] });
  const change = {
    items: [{ id: items.data[0]?.id ?? "", quantity: 3 }],
    proration_behavior: "always_invoice" as const,
  };
  const preview = await stripe.invoices.createPreview({ subscription: id, subscription_details: change });
  expect(preview).toMatchObject({ currency: "jpy", total: 3_000 });
  const { latest_invoice: latest } = await stripe.subscriptions.update(id, { ...change, expand: ["latest_invoice"] });
  expect(latest).toMatchObject({ currency: "jpy", total: 3_000, status: "paid" });
});

test("a checkout session charges in the currency that the request names", async () => {
  const { stripe, customer, price, fee } = await multiCurrency();
  const session = await stripe.checkout.sessions.create({
    mode: "subscription",
    customer,
    currency: "eur",
    line_items: [
      { price, quantity: 2 },
      { price: fee, quantity: 1 },
    ],
    success_url: "https://app.test/done",
  });
  expect(session).toMatchObject({ currency: "eur", amount_total: 2_700 });
  const lines = await stripe.checkout.sessions.listLineItems(session.id);
  expect(lines.data.map(({ currency, amount_total }) => [currency, amount_total])).toEqual([
    ["eur", 1_800],
    ["eur", 900],
  ]);
  await stripe.rawRequest("POST", `/v1/payment_pages/${session.id}/confirm`, { payment_method: "pm_card_visa" });
  const [subscription] = (await stripe.subscriptions.list({ customer, expand: ["data.latest_invoice"] })).data;
  expect(subscription).toMatchObject({ currency: "eur", latest_invoice: { currency: "eur", amount_paid: 2_700 } });
});

test("a checkout session without a currency keeps the currency of the customer's subscriptions", async () => {
  const { stripe, customer, price, fee } = await multiCurrency();
  await stripe.subscriptions.create({ customer, currency: "eur", items: [{ price }] });
  const session = await stripe.checkout.sessions.create({
    mode: "payment",
    customer,
    line_items: [{ price: fee, quantity: 1 }],
    success_url: "https://app.test/done",
  });
  expect(session).toMatchObject({ currency: "eur", amount_total: 900 });
});

test("a schedule, an invoice item and an inline price use the currency that the request names", async () => {
  const { stripe, customer, price, fee, product } = await multiCurrency();
  const schedule = await stripe.subscriptionSchedules.create({
    customer,
    start_date: "now",
    phases: [{ items: [{ price }], currency: "eur", add_invoice_items: [{ price: fee }] }],
    expand: ["subscription.latest_invoice"],
  });
  expect(schedule.phases[0]?.currency).toBe("eur");
  expect(schedule.subscription).toMatchObject({ currency: "eur", latest_invoice: { currency: "eur", total: 1_800 } });
  const item = await stripe.invoiceItems.create({ customer, pricing: { price: fee }, currency: "jpy" });
  expect(item).toMatchObject({ currency: "jpy", amount: 1_500 });
  const single = { currency: "usd", product, unit_amount: 500, recurring: { interval: "month" as const } };
  const { id: other } = await stripe.customers.create({ payment_method: "pm_card_visa" });
  const refused = stripe.subscriptions.create({ customer: other, currency: "eur", items: [{ price_data: single }] });
  expect(await refusal(refused)).toMatchObject({ param: "items[0][price]" });
});

/** A recorded refusal of subscription items: a public test suite that quotes Stripe's responses of 2026-08-26.dahlia. */
test("items, fees and lines without an amount in the currency are refused", async () => {
  const { stripe, customer, price, product, fee } = await multiCurrency();
  const recurring = { interval: "month" as const };
  const usd = await stripe.prices.create({ product, unit_amount: 500, currency: "usd", recurring });
  const gbp = await stripe.prices.create({ product, unit_amount: 400, currency: "gbp", recurring });
  const only = (found: string, wanted: string) =>
    `The price specified only supports \`${found}\`. This doesn't match the expected currency: \`${wanted}\`.`;
  expect(
    await refusal(stripe.subscriptions.create({ customer, items: [{ price: usd.id }, { price: gbp.id }] })),
  ).toMatchObject({
    message:
      "This `price` has `currency=gbp`, but other items use `currency=usd`. All items must have pricing in the same currency. When using multi-currency prices, you can specify `currency` at the top level, to be used by all items.",
    param: "items[1][price]",
  });
  const { id, items } = await stripe.subscriptions.create({ customer, currency: "eur", items: [{ price }] });
  const refused = [
    [stripe.subscriptionItems.create({ subscription: id, price: usd.id }), "price", only("usd", "eur")],
    [
      stripe.subscriptions.update(id, { items: [{ id: items.data[0]?.id ?? "", price: gbp.id }] }),
      "items[0][price]",
      only("gbp", "eur"),
    ],
    [
      stripe.checkout.sessions.create({
        mode: "subscription",
        currency: "eur",
        line_items: [{ price: usd.id, quantity: 1 }],
        success_url: "https://app.test/done",
      }),
      "line_items[0][price]",
      only("usd", "eur"),
    ],
    [stripe.invoiceItems.create({ customer, pricing: { price: fee }, currency: "gbp" }), "pricing[price]", null],
    [stripe.invoiceItems.create({ customer, amount: 100, currency: "usd", subscription: id }), "currency", null],
    [stripe.invoices.create({ customer, subscription: id, currency: "usd" }), "currency", null],
  ] as const;
  for (const [call, param, message] of refused)
    expect(await refusal(call)).toMatchObject({ param, ...(message && { message }) });
});

/** The message is quoted in https://github.com/lukevella/rallly/pull/3307 */
test("a customer cannot have billing objects in two currencies at the same time", async () => {
  const { stripe, customer, price } = await multiCurrency();
  const session = {
    mode: "subscription" as const,
    customer,
    line_items: [{ price, quantity: 1 }],
    success_url: "https://app.test/done",
  };
  const combined = (currency: string) => ({
    message: `You cannot combine currencies on a single customer. This customer has an active subscription, subscription schedule, discount, quote, invoice item or active subscription mode checkout session with currency ${currency}.`,
  });
  const open = await stripe.checkout.sessions.create({ ...session, currency: "jpy" });
  expect(await refusal(stripe.checkout.sessions.create({ ...session, currency: "usd" }))).toMatchObject(
    combined("jpy"),
  );
  await stripe.checkout.sessions.expire(open.id);
  const { id } = await stripe.subscriptions.create({ customer, currency: "eur", items: [{ price }] });
  const phases = [{ items: [{ price }] }];
  for (const call of [
    () => stripe.subscriptions.create({ customer, items: [{ price }] }),
    () => stripe.subscriptionSchedules.create({ customer, start_date: "now", phases }),
    () => stripe.checkout.sessions.create({ ...session, currency: "usd" }),
  ])
    expect(await refusal(call())).toMatchObject(combined("eur"));
  await stripe.subscriptions.cancel(id);
  await stripe.subscriptions.create({ customer, items: [{ price }] });
  expect(await stripe.customers.retrieve(customer)).toMatchObject({ currency: "usd" });
});

test("a customer has one credit balance per currency, and an invoice uses only the balance in its currency", async () => {
  const { stripe, customer } = await multiCurrency();
  await stripe.customers.createBalanceTransaction(customer, { amount: -700, currency: "usd" });
  const cad = await stripe.customers.createBalanceTransaction(customer, { amount: -300, currency: "cad" });
  expect(cad.ending_balance).toBe(-300);
  const shown = await stripe.customers.retrieve(customer, { expand: ["invoice_credit_balance"] });
  expect(shown).toMatchObject({ balance: -700, currency: "usd", invoice_credit_balance: { usd: -700, cad: -300 } });
  await stripe.invoiceItems.create({ customer, amount: 1_000, currency: "cad" });
  await stripe.invoiceItems.create({ customer, amount: 1_000, currency: "usd" });
  const draft = await stripe.invoices.create({
    customer,
    currency: "cad",
    pending_invoice_items_behavior: "include",
  });
  expect(draft).toMatchObject({ currency: "cad", total: 1_000, amount_due: 700 });
});

/** The messages are quoted in a public catalog tool that was tested against Stripe on 2026-08-27. */
test("a price takes new currencies later, and its amounts never change", async () => {
  const { stripe, price } = await multiCurrency();
  const added = { currency_options: { gbp: { unit_amount: 800, tax_behavior: "exclusive" as const } } };
  const { currency_options: options } = await stripe.prices.update(price, { ...added, expand: ["currency_options"] });
  expect(options).toMatchObject({
    usd: { unit_amount: 1_000 },
    eur: { unit_amount: 900 },
    gbp: { unit_amount: 800, tax_behavior: "exclusive" },
  });
  expect(await refusal(stripe.prices.update(price, { currency_options: { eur: { unit_amount: 1 } } }))).toMatchObject({
    message: "You are attempting to update an immutable field for an existing currency in currency_options.",
  });
  await stripe.prices.update(price, { tax_behavior: "inclusive" });
  expect(await refusal(stripe.prices.update(price, { tax_behavior: "exclusive" }))).toMatchObject({
    message: "You cannot update `tax_behavior` field once it has been specified",
  });
});

test("tiers and decimals of a currency option set the amounts", async () => {
  const { stripe, customer, product } = await multiCurrency();
  const tier = (unit: string, flat: number) => ({ up_to: "inf", unit_amount_decimal: unit, flat_amount: flat });
  // The SDK does not encode decimals in maps, so the request is a raw one.
  const { id } = (await stripe.rawRequest("POST", "/v1/prices", {
    product,
    currency: "usd",
    recurring: { interval: "month" },
    billing_scheme: "tiered",
    tiers_mode: "volume",
    tiers: [tier("10.5", 100)],
    currency_options: { eur: { tiers: [tier("9.25", 80)] } },
  })) as unknown as { id: string };
  const made = await stripe.subscriptions.create({
    customer,
    currency: "eur",
    items: [{ price: id, quantity: 10 }],
    expand: ["latest_invoice"],
  });
  // 10 × 9.25 = 92.5, which rounds to 93, and the flat fee of 80.
  expect(made.latest_invoice).toMatchObject({ currency: "eur", total: 173 });
});
