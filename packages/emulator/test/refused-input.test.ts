/** Tests requests that Stripe refuses. Each test names the source of the message or of the rule. */
import { expect, test } from "vitest";
import { createSdk, DAY, refusal, START, subscriber } from "./support/sdk.ts";

const URLS = { success_url: "https://app.test/done" };

/**
 * @see https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts
 * @see https://github.com/EuroPython/epcon/issues/1259 for the message
 */
test.each([
  ["usd", 49, "Amount must be at least $0.50 usd"],
  ["eur", 49, "Amount must be at least €0.50 eur"],
  ["gbp", 29, "Amount must be at least £0.30 gbp"],
  ["jpy", 49, "Amount must be at least ¥50 jpy"],
])("a payment in %s of %i minor units is below the minimum charge", async (currency, amount, message) => {
  const { stripe } = createSdk();
  const refused = { statusCode: 400, code: "amount_too_small", param: "amount", message };
  expect(await refusal(stripe.paymentIntents.create({ currency, amount }))).toMatchObject(refused);
  const { id } = await stripe.paymentIntents.create({ currency, amount: amount + 1 });
  expect(await refusal(stripe.paymentIntents.update(id, { amount }))).toMatchObject(refused);
});

/**
 * @see https://docs.stripe.com/currencies#special-cases
 * @see https://github.com/woocommerce/woocommerce-gateway-stripe/issues/2674 for the message
 */
test("currencies without a minor unit in practice, and with three decimals, are charged in round amounts", async () => {
  const { stripe } = createSdk();
  expect(await refusal(stripe.paymentIntents.create({ currency: "ugx", amount: 550 }))).toMatchObject({
    message:
      "Invalid amount. Currency UGX has become effectively zero-decimal and charged amounts must be evenly divisible by 100. See https://stripe.com/docs/currencies#zero-decimal for more information.",
  });
  expect(await refusal(stripe.paymentIntents.create({ currency: "isk", amount: 50 }))).toMatchObject({
    param: "amount",
  });
  expect(await refusal(stripe.paymentIntents.create({ currency: "kwd", amount: 5_124 }))).toMatchObject({
    param: "amount",
  });
  for (const [currency, amount] of [
    ["kwd", 5_120],
    ["ugx", 500],
    ["huf", 17_550],
    ["twd", 1_050],
  ] as const)
    expect(await stripe.paymentIntents.create({ currency, amount })).toMatchObject({ amount, currency });
});

/** @see https://github.com/stripe/stripe-php/issues/1592 for the message */
test("a checkout session for a payment below the minimum charge is refused", async () => {
  const { stripe } = createSdk();
  const price_data = { currency: "eur", unit_amount: 20, product_data: { name: "Sticker" } };
  const session = { mode: "payment" as const, ...URLS };
  expect(
    await refusal(stripe.checkout.sessions.create({ ...session, line_items: [{ price_data, quantity: 2 }] })),
  ).toMatchObject({
    code: "amount_too_small",
    message: "The Checkout Session's total amount due must add up to at least €0.50 eur",
  });
  const { amount_total } = await stripe.checkout.sessions.create({
    ...session,
    line_items: [{ price_data, quantity: 3 }],
  });
  expect(amount_total).toBe(60);
});

/**
 * @see node_modules/stripe/esm/resources/Invoices.d.ts, `amount_due`
 * @see https://docs.stripe.com/billing/customer/balance#types
 */
test("an invoice below the minimum charge is paid at once, and the next invoice charges its amount", async () => {
  const { stripe } = createSdk();
  const { customer, price } = await subscriber(stripe, { amount: 30 });
  const bill = { customer: customer.id, items: [{ price: price.id }] };
  const first = await stripe.subscriptions.create({ ...bill, expand: ["latest_invoice"] });
  expect(first).toMatchObject({
    status: "active",
    latest_invoice: { status: "paid", total: 30, amount_due: 0, amount_paid: 0, ending_balance: 30 },
  });
  expect((await stripe.charges.list({ customer: customer.id })).data).toEqual([]);
  const { data } = await stripe.customers.listBalanceTransactions(customer.id);
  expect(data).toMatchObject([{ type: "invoice_too_small", amount: 30, ending_balance: 30 }]);
  const second = await stripe.subscriptions.create({ ...bill, expand: ["latest_invoice"] });
  expect(second.latest_invoice).toMatchObject({ total: 30, starting_balance: 30, amount_due: 60, ending_balance: 0 });
  expect((await stripe.charges.list({ customer: customer.id })).data).toMatchObject([{ amount: 60 }]);
});

/** @see https://github.com/restrictcontentpro/restrict-content-pro/issues/148 for the message */
test("a currency that Stripe does not support is refused in every request", async () => {
  const { stripe } = createSdk();
  const { customer, product, price } = await subscriber(stripe);
  const calls = [
    stripe.prices.create({ product: product.id, currency: "xyz", unit_amount: 100 }),
    stripe.paymentIntents.create({ currency: "xyz", amount: 100 }),
    stripe.invoiceItems.create({ customer: customer.id, currency: "xyz", amount: 100 }),
    stripe.invoices.create({ customer: customer.id, currency: "xyz" }),
    stripe.subscriptions.create({ customer: customer.id, currency: "xyz", items: [{ price: price.id }] }),
    stripe.customers.createBalanceTransaction(customer.id, { currency: "xyz", amount: 100 }),
  ];
  for (const call of calls)
    expect(await refusal(call)).toMatchObject({
      statusCode: 400,
      param: "currency",
      message: expect.stringMatching(/^Invalid currency: xyz\. Stripe currently supports these currencies: usd, aed, /),
    });
  const options = (name: string) =>
    stripe.prices.create({
      product: product.id,
      currency: "usd",
      unit_amount: 100,
      currency_options: { [name]: { unit_amount: 90 } },
    });
  expect(await refusal(options("EUR"))).toMatchObject({
    message: "Currencies must be lowercase when used as keys in a map. Use `eur` instead of `EUR`.",
  });
  expect(await refusal(options("xyz"))).toMatchObject({ message: expect.stringMatching(/^Invalid currency: xyz/) });
});

const month = { interval: "month" };
const tiers = [{ up_to: "inf", unit_amount: 5 }];
const CASES: [Record<string, unknown>, object][] = [
  [{ product_data: { name: "x" }, unit_amount: 1 }, { param: "product" }],
  [
    { unit_amount: 1, unit_amount_decimal: "1" },
    {
      param: "unit_amount",
      message: "You may only specify one of these parameters: unit_amount, unit_amount_decimal.",
    },
  ],
  [{}, { message: "Prices require an `unit_amount` or `unit_amount_decimal` parameter to be set." }],
  [{ unit_amount: -1 }, { param: "unit_amount" }],
  [
    { unit_amount_decimal: "1.0000000000001" },
    {
      param: "unit_amount_decimal",
      message: "Invalid decimal: 1.0000000000001; must contain at maximum 12 decimal places.",
    },
  ],
  [
    { unit_amount: 1, recurring: { ...month, interval_count: 37 } },
    {
      param: "recurring[interval_count]",
      message: "The interval_count for monthly prices can't be greater than 36",
    },
  ],
  [{ unit_amount: 1, recurring: { interval: "year", interval_count: 4 } }, { param: "recurring[interval_count]" }],
  [{ unit_amount: 1, recurring: { interval: "week", interval_count: 157 } }, { param: "recurring[interval_count]" }],
  [
    { billing_scheme: "tiered", tiers_mode: "volume", tiers },
    { message: "Prices with `type=one_time` are not supported with tiered billing." },
  ],
  [{ billing_scheme: "tiered", tiers, recurring: month }, { param: "tiers" }],
  [{ unit_amount: 1, tiers_mode: "volume" }, { param: "tiers_mode" }],
  [
    { billing_scheme: "tiered", tiers_mode: "volume", tiers, unit_amount: 1, recurring: month },
    { param: "unit_amount" },
  ],
  [
    {
      billing_scheme: "tiered",
      tiers_mode: "volume",
      tiers: [{ up_to: 5, unit_amount: 1 }, { up_to: 5, unit_amount: 1 }, ...tiers],
      recurring: month,
    },
    { param: "tiers[1][up_to]" },
  ],
  [{ unit_amount: 1, currency_options: { eur: { tax_behavior: "inclusive" } } }, {}],
  [{ custom_unit_amount: { enabled: true } }, { statusCode: 501, param: "custom_unit_amount" }],
];

/**
 * The messages are quoted in the public tests of two other local Stripes, which were compared with Stripe.
 * @see node_modules/stripe/esm/resources/Prices.d.ts, `interval_count`, `unit_amount_decimal`, `tiers`
 */
test("contradicting parameters of a price are refused", async () => {
  const { stripe } = createSdk();
  const { product } = await subscriber(stripe);
  const base = { product: product.id, currency: "usd" };
  const raw = (fields: Record<string, unknown>) => stripe.rawRequest("POST", "/v1/prices", { ...base, ...fields });
  for (const [fields, error] of CASES) {
    const thrown = await raw(fields).catch((refused: unknown) => refused);
    expect(thrown, JSON.stringify(fields)).toMatchObject({ statusCode: 400, ...error });
  }
});

/** A public test suite quotes the message. @see https://docs.stripe.com/products-prices/pricing-models#usage-based-pricing */
test("a metered price needs an active meter, and only a metered price has a meter", async () => {
  const { stripe } = createSdk();
  const { product } = await subscriber(stripe);
  const meter = await stripe.billing.meters.create({
    display_name: "Calls",
    event_name: "calls",
    default_aggregation: { formula: "sum" },
  });
  await stripe.billing.meters.deactivate(meter.id);
  const metered = { ...month, usage_type: "metered" };
  const cases: [Record<string, unknown>, object][] = [
    [metered, { message: "Starting with Stripe version `2025-03-31.basil`, metered prices must be backed by meters." }],
    [{ ...metered, meter: "mtr_none" }, { code: "resource_missing" }],
    [{ ...metered, meter: meter.id }, { param: "recurring[meter]" }],
    [{ ...month, meter: meter.id }, { param: "recurring[meter]" }],
  ];
  for (const [recurring, error] of cases) {
    const fields = { product: product.id, currency: "usd", unit_amount: 1, recurring };
    const thrown = await stripe.rawRequest("POST", "/v1/prices", fields).catch((refused: unknown) => refused);
    expect(thrown, JSON.stringify(recurring)).toMatchObject({ statusCode: 400, ...error });
  }
});

/**
 * @see https://github.com/stripe/stripe-java/issues/1584
 * @see https://github.com/invertase/stripe-firebase-extensions/issues/134
 * @see https://github.com/pay-rails/pay/issues/193
 */
test("a metered price has no quantity, and a line of a checkout session needs one for any other price", async () => {
  const { stripe } = createSdk();
  const { customer, product, price } = await subscriber(stripe);
  const { id: meter } = await stripe.billing.meters.create({
    display_name: "Calls",
    event_name: "calls",
    default_aggregation: { formula: "sum" },
  });
  const metered = await stripe.prices.create({
    product: product.id,
    currency: "usd",
    unit_amount: 1,
    recurring: { interval: "month", usage_type: "metered", meter },
  });
  const session = (line: { price: string; quantity?: number }) =>
    stripe.checkout.sessions.create({ mode: "subscription", line_items: [line], ...URLS });
  expect(await refusal(session({ price: price.id }))).toMatchObject({
    message: "Quantity is required. Add `quantity` to `line_items[0]`",
  });
  expect(await refusal(session({ price: metered.id, quantity: 1 }))).toMatchObject({
    message: "Quantity should not be specified where usage_type is `metered`. Remove quantity from `line_items[0]`",
  });
  const items = [{ price: metered.id, quantity: 1 }];
  expect(await refusal(stripe.subscriptions.create({ customer: customer.id, items }))).toMatchObject({
    message: "You cannot set the quantity for metered plans.",
    param: "items[0][quantity]",
  });
});

/**
 * @see https://github.com/stripe/stripe-go/issues/1031
 * @see https://github.com/stripe/stripe-node/issues/2131
 */
test("archived prices, and prices of archived products, cannot be sold", async () => {
  const { stripe } = createSdk();
  const { customer, product, price } = await subscriber(stripe);
  const fee = await stripe.prices.create({ product: product.id, currency: "usd", unit_amount: 500 });
  const owner = { customer: customer.id };
  const calls = () => ({
    subscription: stripe.subscriptions.create({ ...owner, items: [{ price: price.id }] }),
    session: stripe.checkout.sessions.create({
      mode: "subscription",
      line_items: [{ price: price.id, quantity: 1 }],
      ...URLS,
    }),
    item: stripe.invoiceItems.create({ ...owner, pricing: { price: fee.id } }),
  });
  await stripe.products.update(product.id, { active: false });
  const archived = calls();
  expect(await refusal(archived.subscription)).toMatchObject({
    message: `The product ${product.id} is marked as inactive, and thus no new subscriptions can be create to any plans of this product. You provided the plan ${price.id}.`,
  });
  expect(await refusal(archived.session)).toMatchObject({
    param: "line_items[0][price]",
    message: `Price \`${price.id}\` is not available to be purchased because its product is not active.`,
  });
  expect(await refusal(archived.item)).toMatchObject({ param: "pricing[price]" });
  await stripe.products.update(product.id, { active: true });
  await stripe.prices.update(price.id, { active: false });
  await stripe.prices.update(fee.id, { active: false });
  const inactive = "The price specified is inactive. This field only accepts active prices.";
  for (const call of Object.values(calls())) expect(await refusal(call)).toMatchObject({ message: inactive });
});

/** A public test suite quotes the message from Stripe's response. */
test("a subscription has at most one item per price", async () => {
  const { stripe } = createSdk();
  const { customer, price } = await subscriber(stripe);
  const { id, items } = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  expect(await refusal(stripe.subscriptions.update(id, { items: [{ price: price.id }] }))).toMatchObject({
    param: "plan",
    message: expect.stringContaining(
      `A new item with Price ${price.id} can't be added to this Subscription because an existing Subscription Item ${items.data[0]?.id} is already using that Price.`,
    ),
  });
});

/** @see https://docs.stripe.com/api/payment_methods/detach: "After a PaymentMethod is detached, it can no longer be used." */
test("a detached card can't be attached or charged again", async () => {
  const { stripe } = createSdk();
  const { customer, method } = await subscriber(stripe);
  await stripe.paymentMethods.detach(method.id);
  const message = expect.stringContaining("may not be used again") as string;
  const attach = stripe.paymentMethods.attach(method.id, { customer: customer.id });
  expect(await refusal(attach)).toMatchObject({ statusCode: 400, message });
  const pay = stripe.paymentIntents.create({
    amount: 900,
    currency: "usd",
    payment_method: method.id,
    confirm: true,
    return_url: "http://app.test/",
  });
  expect(await refusal(pay)).toMatchObject({ statusCode: 400, message });
});

/** Source: the list of event types in the doc comment of `WebhookEndpointCreateParams.enabled_events`. */
test("a webhook endpoint with an unknown event type is refused with the position of the type", async () => {
  const { stripe } = createSdk();
  const call = stripe.webhookEndpoints.create({
    url: "https://app.example/hook",
    enabled_events: ["invoice.paid", "invoice.payed" as "invoice.paid"],
  });
  expect(await refusal(call)).toMatchObject({ statusCode: 400, param: "enabled_events[1]" });
});

/** Source: the doc comments of `trial_end` and `cancel_at` in `SubscriptionCreateParams`. */
test.each([
  ["trial_end", { trial_end: "now", trial_period_days: 7 }],
  ["cancel_at", { cancel_at: Math.floor(START / 1_000) + 40 * DAY, cancel_at_period_end: true }],
] as const)("a new subscription with two settings for one time is refused because of %s", async (param, params) => {
  const { stripe } = createSdk();
  const { customer, price } = await subscriber(stripe);
  const call = stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }], ...params });
  expect(await refusal(call)).toMatchObject({ code: "parameters_exclusive", param });
});

/** Source: Stripe's message, as users report it. */
test("a checkout session with the data of another mode is refused", async () => {
  const { stripe } = createSdk();
  const { price } = await subscriber(stripe);
  const call = stripe.checkout.sessions.create({
    mode: "subscription",
    line_items: [{ price: price.id, quantity: 1 }],
    success_url: "http://app.test/",
    payment_intent_data: { description: "Plan" },
  });
  expect(await refusal(call)).toMatchObject({
    param: "payment_intent_data",
    message: "You can not pass `payment_intent_data` in `subscription` mode.",
  });
});

/** @see https://docs.stripe.com/billing/testing/test-clocks/api-advanced-usage: deleting a clock deletes its customers. */
test("deleting a test clock deletes its customers and cancels their subscriptions", async () => {
  const { stripe } = createSdk();
  const clock = await stripe.testHelpers.testClocks.create({ frozen_time: START / 1_000 });
  const { customer, price } = await subscriber(stripe, { testClock: clock.id });
  const { id } = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  await stripe.testHelpers.testClocks.del(clock.id);
  expect(await stripe.customers.retrieve(customer.id)).toMatchObject({ deleted: true });
  expect((await stripe.subscriptions.retrieve(id)).status).toBe("canceled");
});
