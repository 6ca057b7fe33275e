/**
 * Tests the taxes of checkout sessions.
 * @see https://docs.stripe.com/tax/checkout
 * @see https://docs.stripe.com/tax/checkout/tax-ids
 * @see https://docs.stripe.com/payments/checkout/use-manual-tax-rates
 */
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { type Sdk, refusal } from "./support/sdk.ts";
import { createTaxSdk, type TaxedSale, taxedSale } from "./support/taxes.ts";

type Params = Stripe.Checkout.SessionCreateParams;

/** Posts a form of the checkout page, as a browser does. Returns the URL of the next page. */
async function submit(
  { emulator }: Sdk,
  session: Stripe.Checkout.Session,
  action: string,
  form: Record<string, string>,
) {
  const response = await emulator.fetch(
    new Request(`http://stripe.test/c/pay/${session.id}/${action}`, {
      method: "POST",
      body: new URLSearchParams({ number: "4242424242424242", expiry: "12/34", cvc: "123", ...form }),
    }),
  );
  return response.headers.get("location") ?? "";
}

const DONE = "http://app.test/done";
const FRANCE = { name: "Ada SARL", country: "FR", postal_code: "75001" };

async function openSession(stripe: Stripe, params: Partial<Params> = {}, sale: TaxedSale = {}) {
  const sold = await taxedSale(stripe, sale);
  const session = await stripe.checkout.sessions.create({
    mode: "subscription",
    line_items: [{ price: sold.price.id, quantity: 1 }],
    success_url: DONE,
    ...params,
  });
  return { ...sold, session };
}

test("a checkout session computes automatic tax after the customer entered an address", async () => {
  const sdk = createTaxSdk();
  const { stripe } = sdk;
  const { session } = await openSession(stripe, {
    automatic_tax: { enabled: true },
    customer_email: "bob@example.com",
  });
  expect(session).toMatchObject({
    amount_total: 1_000,
    automatic_tax: {
      enabled: true,
      liability: { type: "self" },
      provider: "stripe",
      status: "requires_location_inputs",
    },
    total_details: { amount_tax: 0 },
  });
  await submit(sdk, session, "details", FRANCE);
  const shown = await stripe.checkout.sessions.retrieve(session.id, {
    expand: ["line_items.data.taxes", "total_details.breakdown"],
  });
  expect(shown).toMatchObject({ amount_total: 1_200, automatic_tax: { status: "complete" } });
  const tax = { amount: 200, rate: { country: "FR" }, taxability_reason: "standard_rated", taxable_amount: 1_000 };
  expect(shown.total_details).toMatchObject({ amount_tax: 200, breakdown: { discounts: [], taxes: [tax] } });
  expect(shown.line_items?.data[0]).toMatchObject({ amount_tax: 200, amount_total: 1_200, taxes: [tax] });
  expect(await submit(sdk, session, "pay", FRANCE)).toBe(DONE);

  const paid = await stripe.checkout.sessions.retrieve(session.id, { expand: ["customer", "invoice", "subscription"] });
  expect(paid.customer_details).toMatchObject({
    address: { country: "FR", postal_code: "75001" },
    name: "Ada SARL",
    tax_exempt: "none",
    tax_ids: [],
  });
  expect(paid.customer).toMatchObject({ name: "Ada SARL", address: { country: "FR" }, email: "bob@example.com" });
  expect(paid.invoice).toMatchObject({ total: 1_200, amount_paid: 1_200, automatic_tax: { status: "complete" } });
  expect(paid.subscription).toMatchObject({ automatic_tax: { enabled: true } });
});

test("a payment waits for a second confirmation if the entered address changes the total", async () => {
  const sdk = createTaxSdk();
  const { session } = await openSession(sdk.stripe, { automatic_tax: { enabled: true } });
  const form = { ...FRANCE, email: "bob@example.com", shown_total: "1000" };
  expect(await submit(sdk, session, "pay", form)).toBe(`/c/pay/${session.id}`);
  expect((await sdk.stripe.checkout.sessions.retrieve(session.id)).status).toBe("open");
  expect(await submit(sdk, session, "pay", { ...form, shown_total: "1200" })).toBe(DONE);
});

test("a checkout page without a precise address does not accept a payment", async () => {
  const sdk = createTaxSdk();
  const { session } = await openSession(sdk.stripe, {
    automatic_tax: { enabled: true },
    customer_email: "b@example.com",
  });
  const form = { name: "Bob", country: "US", state: "CA" };
  expect(await submit(sdk, session, "pay", form)).toBe(`/c/pay/${session.id}`);
  const page = await (await sdk.emulator.fetch(new Request(session.url ?? ""))).text();
  expect(page).toContain("Your address is incomplete.");
  const confirm = await sdk.emulator.fetch(
    new Request(`http://stripe.test/v1/payment_pages/${session.id}/confirm`, {
      method: "POST",
      body: new URLSearchParams({ payment_method: "pm_card_visa", key: "pk_test_123" }),
    }),
  );
  expect(await confirm.json()).toMatchObject({ error: { code: "customer_tax_location_invalid" } });
});

test("an existing customer without an address needs customer_update, as Stripe's message says", async () => {
  const sdk = createTaxSdk();
  const { stripe } = sdk;
  const { customer, price } = await taxedSale(stripe, { country: null });
  const create = (params: Partial<Params>) =>
    stripe.checkout.sessions.create({
      mode: "subscription",
      customer: customer.id,
      line_items: [{ price: price.id, quantity: 1 }],
      success_url: DONE,
      ...params,
    });
  const automatic_tax = { enabled: true };
  expect(await refusal(create({ automatic_tax }))).toMatchObject({
    statusCode: 400,
    code: "customer_tax_location_invalid",
    message:
      "Automatic tax calculation in Checkout requires a valid address on the Customer. Add a valid address to the Customer or set `customer_update[address]` to 'auto' to save the billing address entered in Checkout to the Customer.",
  });
  const tax_id_collection = { enabled: true };
  const taxIdNeedsName = {
    statusCode: 400,
    message:
      "Tax ID collection requires updating business name on the customer. To enable tax ID collection for an existing customer, please set `customer_update[name]` to `auto`.",
  };
  const address = { address: "auto" } as const;
  expect(await refusal(create({ automatic_tax, tax_id_collection, customer_update: address }))).toMatchObject(
    taxIdNeedsName,
  );
  const session = await create({ automatic_tax, tax_id_collection, customer_update: { ...address, name: "auto" } });
  expect(session).toMatchObject({ status: "open", automatic_tax: { status: "requires_location_inputs" } });
  await submit(sdk, session, "pay", { ...FRANCE, tax_id: "FR12345678901" });
  const saved = await stripe.customers.retrieve(customer.id, { expand: ["tax_ids"] });
  expect(saved).toMatchObject({
    name: "Ada SARL",
    address: { country: "FR" },
    tax_ids: { data: [{ type: "eu_vat", value: "FR12345678901" }] },
  });
  // The customer is a business in another country than the seller.
  expect(await stripe.checkout.sessions.retrieve(session.id)).toMatchObject({
    amount_total: 1_000,
    customer_details: { tax_ids: [{ type: "eu_vat", value: "FR12345678901" }], business_name: "Ada SARL" },
    total_details: { amount_tax: 0 },
  });
});

test("an existing customer with an address pays its tax and keeps its address", async () => {
  const sdk = createTaxSdk();
  const { stripe } = sdk;
  const { customer, price } = await taxedSale(stripe);
  const session = await stripe.checkout.sessions.create({
    mode: "subscription",
    customer: customer.id,
    line_items: [{ price: price.id, quantity: 1 }],
    success_url: DONE,
    automatic_tax: { enabled: true },
    billing_address_collection: "required",
  });
  expect(session).toMatchObject({ amount_total: 1_190, automatic_tax: { status: "complete" } });
  const form = { ...FRANCE, line1: "Rue 1", city: "Paris" };
  expect(await submit(sdk, session, "pay", form)).toBe(DONE);
  expect(await stripe.customers.retrieve(customer.id)).toMatchObject({ name: null, address: { country: "DE" } });
});

test("tax_id_collection can require a tax ID in countries that have one", async () => {
  const sdk = createTaxSdk();
  const { session } = await openSession(sdk.stripe, {
    tax_id_collection: { enabled: true, required: "if_supported" },
    customer_email: "b@example.com",
  });
  expect(session.tax_id_collection).toEqual({ enabled: true, required: "if_supported" });
  expect(await submit(sdk, session, "pay", FRANCE)).toBe(`/c/pay/${session.id}`);
  expect(await submit(sdk, session, "pay", { ...FRANCE, tax_id: "12" })).toBe(`/c/pay/${session.id}`);
  expect(await submit(sdk, session, "pay", { ...FRANCE, tax_id: "FR12345678901" })).toBe(DONE);
});

test("manual tax rates of checkout items and of the subscription apply to the session and the subscription", async () => {
  const sdk = createTaxSdk();
  const { stripe } = sdk;
  const vat = await stripe.taxRates.create({ display_name: "VAT", inclusive: true, percentage: 25 });
  const city = await stripe.taxRates.create({ display_name: "City", inclusive: false, percentage: 10 });
  const { price, product } = await taxedSale(stripe, { behavior: "unspecified" });
  const setup = await stripe.prices.create({ product: product.id, currency: "eur", unit_amount: 500 });
  const session = await stripe.checkout.sessions.create({
    mode: "subscription",
    customer_email: "bob@example.com",
    line_items: [
      { price: price.id, quantity: 1, tax_rates: [vat.id, city.id] },
      { price: setup.id, quantity: 1 },
    ],
    subscription_data: { default_tax_rates: [city.id] },
    success_url: DONE,
    expand: ["line_items.data.taxes"],
  });
  expect(session).toMatchObject({
    amount_subtotal: 1_500,
    amount_total: 1_630,
    total_details: { amount_tax: 330, amount_discount: 0 },
    automatic_tax: { enabled: false, status: null },
  });
  expect(session.line_items?.data[0]?.taxes).toMatchObject([
    { amount: 200, rate: { id: vat.id }, taxability_reason: null },
    { amount: 80, rate: { id: city.id }, taxability_reason: null },
  ]);
  expect(await submit(sdk, session, "pay", {})).toBe(DONE);
  const paid = await stripe.checkout.sessions.retrieve(session.id, { expand: ["invoice", "subscription"] });
  expect(paid.invoice).toMatchObject({ total: 1_630, amount_paid: 1_630 });
  expect(paid.subscription).toMatchObject({
    default_tax_rates: [{ id: city.id }],
    items: { data: [{ tax_rates: [{ id: vat.id }, { id: city.id }] }] },
  });
});

test("checkout refuses prices without a tax behavior, and tax rates beside automatic tax", async () => {
  const { stripe } = createTaxSdk();
  const automatic_tax = { enabled: true };
  expect(await refusal(openSession(stripe, { automatic_tax }, { behavior: "unspecified" }))).toMatchObject({
    message: expect.stringContaining("does not have a `tax_behavior` set") as string,
  });
  const rate = await stripe.taxRates.create({ display_name: "VAT", inclusive: false, percentage: 25 });
  const subscription_data = { default_tax_rates: [rate.id] };
  expect(await refusal(openSession(stripe, { automatic_tax, subscription_data }))).toMatchObject({ statusCode: 400 });
  // Stripe removed the parameter `dynamic_tax_rates`.
  const items = { line_items: [{ price: "price_1", quantity: 1, dynamic_tax_rates: [rate.id] }] } as object;
  expect(await refusal(openSession(stripe, items))).toMatchObject({
    code: "parameter_unknown",
    param: "line_items[0][dynamic_tax_rates]",
  });
  const price_data = {
    currency: "eur",
    unit_amount: 1_000,
    tax_behavior: "inclusive",
    product_data: { name: "Book", tax_code: "txcd_35010000" },
  } as const;
  const session = await stripe.checkout.sessions.create({
    mode: "payment",
    customer: (await taxedSale(stripe)).customer.id,
    line_items: [{ price_data, quantity: 2 }],
    success_url: DONE,
    automatic_tax,
  });
  expect(session).toMatchObject({ amount_total: 2_000, total_details: { amount_tax: 131 } });
});

test("the breakdown of a session shows its discounts and the taxes of the discounted amounts", async () => {
  const sdk = createTaxSdk();
  const { stripe } = sdk;
  const coupon = await stripe.coupons.create({ percent_off: 50, duration: "once" });
  const { customer, price } = await taxedSale(stripe);
  const session = await stripe.checkout.sessions.create({
    mode: "subscription",
    customer: customer.id,
    line_items: [{ price: price.id, quantity: 1 }],
    discounts: [{ coupon: coupon.id }],
    automatic_tax: { enabled: true },
    success_url: DONE,
  });
  const details = { amount_discount: 500, amount_tax: 95 };
  const breakdown = {
    discounts: [{ amount: 500, discount: { object: "discount", source: { coupon: coupon.id } } }],
    taxes: [{ amount: 95, taxable_amount: 500, rate: { country: "DE" } }],
  };
  const read = () => stripe.checkout.sessions.retrieve(session.id, { expand: ["total_details.breakdown"] });
  expect(await read()).toMatchObject({ amount_total: 595, total_details: { ...details, breakdown } });
  expect(await submit(sdk, session, "pay", {})).toBe(DONE);
  expect(await read()).toMatchObject({ amount_total: 595, total_details: { ...details, breakdown } });
});

test("the confirm route takes the address from the card's billing details, and checks the expected amount", async () => {
  const { emulator, stripe } = createTaxSdk();
  const { session } = await openSession(stripe, { automatic_tax: { enabled: true }, customer_email: "b@example.com" });
  const method = await stripe.paymentMethods.create({
    type: "card",
    card: { token: "tok_visa" },
    billing_details: { name: "Bob", address: { country: "DE" } },
  });
  const confirm = async (expected: number) => {
    const body = new URLSearchParams({ payment_method: method.id, key: "pk_test_123", expected_amount: `${expected}` });
    const url = `http://stripe.test/v1/payment_pages/${session.id}/confirm`;
    return (await emulator.fetch(new Request(url, { method: "POST", body }))).json();
  };
  expect(await confirm(1_000)).toMatchObject({ error: { code: "checkout_amount_mismatch" } });
  expect(await confirm(1_190)).toMatchObject({
    status: "complete",
    amount_total: 1_190,
    customer_details: { name: "Bob", address: { country: "DE" } },
  });
});
