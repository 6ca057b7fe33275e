/**
 * Tests automatic tax of subscriptions and invoices.
 * @see https://docs.stripe.com/tax/how-tax-works
 * @see https://docs.stripe.com/tax/zero-tax
 * @see https://docs.stripe.com/tax/customer-locations
 */
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { DAY, refusal } from "./support/sdk.ts";
import { createTaxSdk, SELLER, subscribeWithTax, type TaxedSale, taxedSale } from "./support/taxes.ts";

/** The message and code of a customer without a location, as reports of Stripe's users show them. */
const NO_LOCATION = {
  statusCode: 400,
  code: "customer_tax_location_invalid",
  message: expect.stringContaining("The customer's location isn't recognized.") as string,
};

test("automatic tax adds the tax of the customer's country to a subscription's invoice", async () => {
  const { stripe } = createTaxSdk();
  const { subscription, invoice } = await subscribeWithTax(stripe);
  expect(subscription.automatic_tax).toEqual({ disabled_reason: null, enabled: true, liability: { type: "self" } });
  expect(invoice).toMatchObject({
    account_country: "DE",
    status: "paid",
    subtotal: 1_000,
    total: 1_190,
    amount_paid: 1_190,
    total_excluding_tax: 1_000,
    automatic_tax: {
      disabled_reason: null,
      enabled: true,
      liability: { type: "self" },
      provider: "stripe",
      status: "complete",
    },
  });
  const [tax] = invoice.total_taxes ?? [];
  expect(tax).toMatchObject({
    amount: 190,
    tax_behavior: "exclusive",
    taxability_reason: "standard_rated",
    taxable_amount: 1_000,
  });
  const rate = await stripe.taxRates.retrieve(tax?.tax_rate_details?.tax_rate ?? "");
  expect(rate).toMatchObject({
    active: false,
    country: "DE",
    display_name: "VAT",
    effective_percentage: 19,
    inclusive: false,
    jurisdiction: "Germany",
    jurisdiction_level: "country",
    percentage: 19,
    tax_type: "vat",
  });
});

const SALES: [string, TaxedSale, { total: number; taxes: [number, string][]; net: number }][] = [
  ["an inclusive price", { behavior: "inclusive" }, { total: 1_000, taxes: [[160, "standard_rated"]], net: 840 }],
  ["a reduced product", { taxCode: "txcd_35010000" }, { total: 1_070, taxes: [[70, "reduced_rated"]], net: 1_000 }],
  [
    "a product that is not taxed",
    { taxCode: "txcd_00000000" },
    { total: 1_000, taxes: [[0, "not_subject_to_tax"]], net: 1_000 },
  ],
  ["a place without a registration", { country: "ES" }, { total: 1_000, taxes: [[0, "not_collecting"]], net: 1_000 }],
  ["a place without an entry", { country: "JP" }, { total: 1_000, taxes: [[0, "not_collecting"]], net: 1_000 }],
  [
    "a postal code with two taxes",
    { country: "US", postalCode: "94107" },
    {
      total: 1_087,
      taxes: [
        [73, "standard_rated"],
        [14, "standard_rated"],
      ],
      net: 1_000,
    },
  ],
  [
    "a state that follows from the postal code",
    { country: "US", postalCode: "90001" },
    { total: 1_073, taxes: [[73, "standard_rated"]], net: 1_000 },
  ],
  ["an exempt customer", { exempt: "exempt" }, { total: 1_000, taxes: [[0, "customer_exempt"]], net: 1_000 }],
  ["a reverse charge customer", { exempt: "reverse" }, { total: 1_000, taxes: [[0, "reverse_charge"]], net: 1_000 }],
  [
    "a business in another country of the EU",
    { country: "FR", taxIds: [{ type: "eu_vat", value: "FR12345678901" }] },
    { total: 1_000, taxes: [[0, "reverse_charge"]], net: 1_000 },
  ],
  [
    "a business with an inclusive price",
    { country: "FR", behavior: "inclusive", taxIds: [{ type: "eu_vat", value: "FR12345678901" }] },
    { total: 1_000, taxes: [[0, "reverse_charge"]], net: 1_000 },
  ],
  [
    "a business in the seller's country",
    { taxIds: [{ type: "eu_vat", value: "DE123456789" }] },
    { total: 1_190, taxes: [[190, "standard_rated"]], net: 1_000 },
  ],
];

for (const [name, sale, { total, taxes, net }] of SALES)
  test(`automatic tax of ${name} totals ${total}`, async () => {
    const { stripe } = createTaxSdk();
    const { invoice } = await subscribeWithTax(stripe, sale);
    expect((invoice.total_taxes ?? []).map((tax) => [tax.amount, tax.taxability_reason])).toEqual(taxes);
    expect(invoice).toMatchObject({ total, total_excluding_tax: net, subtotal: 1_000, subtotal_excluding_tax: net });
  });

test("automatic tax needs a recognized location of the customer", async () => {
  const { stripe } = createTaxSdk();
  const { customer, price } = await taxedSale(stripe, { country: null });
  const subscribe = () =>
    stripe.subscriptions.create({
      customer: customer.id,
      items: [{ price: price.id }],
      automatic_tax: { enabled: true },
    });
  const statusOf = async () =>
    ((await stripe.customers.retrieve(customer.id, { expand: ["tax"] })) as Stripe.Customer).tax;
  expect(await refusal(subscribe())).toMatchObject(NO_LOCATION);
  expect(await statusOf()).toEqual({
    automatic_tax: "unrecognized_location",
    ip_address: null,
    location: null,
    provider: "stripe",
  });
  // The United States need a postal code.
  await stripe.customers.update(customer.id, { address: { country: "US", state: "CA" } });
  expect(await refusal(subscribe())).toMatchObject(NO_LOCATION);
  await stripe.customers.update(customer.id, { address: { country: "US", postal_code: "94107-1234" } });
  expect(await statusOf()).toMatchObject({
    automatic_tax: "supported",
    location: { country: "US", source: "billing_address", state: "CA" },
  });
  // A shipping address decides before the billing address.
  await stripe.customers.update(customer.id, { shipping: { name: "Ada", address: { country: "ES" } } });
  expect(await statusOf()).toMatchObject({
    automatic_tax: "not_collecting",
    location: { country: "ES", source: "shipping_destination", state: null },
  });
  expect((await subscribe()).status).toBe("active");
});

test("the location of a customer without an address comes from the card's billing details or the IP address", async () => {
  const { stripe } = createTaxSdk({ ...SELLER, ip_locations: { "203.0.113.7": { country: "FR" } } });
  const locationOf = async (id: string) =>
    ((await stripe.customers.retrieve(id, { expand: ["tax"] })) as Stripe.Customer).tax?.location;
  const { customer } = await taxedSale(stripe, { country: null });
  await stripe.customers.update(customer.id, { tax: { ip_address: "203.0.113.8" } });
  expect(await locationOf(customer.id)).toBeNull();
  await stripe.customers.update(customer.id, { tax: { ip_address: "203.0.113.7" } });
  expect(await locationOf(customer.id)).toEqual({ country: "FR", source: "ip_address", state: null });
  const method = customer.invoice_settings.default_payment_method as string;
  await stripe.paymentMethods.update(method, { billing_details: { address: { postal_code: "94107" } } });
  expect(await locationOf(customer.id)).toEqual({ country: "US", source: "payment_method", state: "CA" });
});

test("tax[validate_location] refuses a customer whose location is not recognized", async () => {
  const { stripe } = createTaxSdk();
  const address = { country: "US" };
  expect(await refusal(stripe.customers.create({ address, tax: { validate_location: "immediately" } }))).toMatchObject(
    NO_LOCATION,
  );
  expect((await stripe.customers.list()).data).toEqual([]);
  const { customer } = await subscribeWithTax(stripe);
  // With the default `auto`, a customer with automatic tax keeps a recognized location.
  expect(await refusal(stripe.customers.update(customer.id, { address }))).toMatchObject(NO_LOCATION);
  const deferred = { address, tax: { validate_location: "deferred" as const } };
  expect((await stripe.customers.update(customer.id, deferred)).address?.country).toBe("US");
});

test("a renewal without a location is finalized without tax, and turns automatic tax off", async () => {
  const { emulator, stripe } = createTaxSdk();
  const { subscription, customer } = await subscribeWithTax(stripe);
  const address = { country: "US" };
  await stripe.customers.update(customer.id, { address, tax: { validate_location: "deferred" } });
  await emulator.advance(32 * DAY);
  const after = await stripe.subscriptions.retrieve(subscription.id, { expand: ["latest_invoice"] });
  expect(after.automatic_tax).toMatchObject({ enabled: false, disabled_reason: "requires_location_inputs" });
  expect(after.latest_invoice).toMatchObject({
    status: "paid",
    total: 1_000,
    automatic_tax: { enabled: false, disabled_reason: "finalization_requires_location_inputs" },
  });
});

test("an invoice without a location stays a draft and reports the error", async () => {
  const sdk = createTaxSdk();
  const { stripe } = sdk;
  const customer = await stripe.customers.create({ email: "ada@example.com" });
  const draft = await stripe.invoices.create({ customer: customer.id, automatic_tax: { enabled: true } });
  expect(draft.automatic_tax).toMatchObject({ enabled: true, status: "requires_location_inputs" });
  await stripe.invoiceItems.create({
    customer: customer.id,
    invoice: draft.id,
    amount: 500,
    currency: "usd",
    tax_behavior: "exclusive",
  });
  expect(await refusal(stripe.invoices.finalizeInvoice(draft.id))).toMatchObject(NO_LOCATION);
  const failed = await stripe.invoices.retrieve(draft.id);
  expect(failed).toMatchObject({
    status: "draft",
    last_finalization_error: { code: "customer_tax_location_invalid", type: "invalid_request_error" },
  });
  expect(await sdk.eventTypes()).toContain("invoice.finalization_failed");
  await stripe.customers.update(customer.id, { address: { country: "DE" } });
  expect(await stripe.invoices.finalizeInvoice(draft.id)).toMatchObject({
    total: 595,
    customer_address: { country: "DE" },
    automatic_tax: { status: "complete" },
    last_finalization_error: null,
  });
});

test("a price without a tax behavior needs the default of the tax settings", async () => {
  const sale = { behavior: "unspecified" } as const;
  const { stripe } = createTaxSdk();
  expect(await refusal(subscribeWithTax(stripe, sale))).toMatchObject({
    statusCode: 400,
    message: expect.stringContaining("does not have a `tax_behavior` set") as string,
  });
  const totals: Record<string, number> = {};
  for (const behavior of ["exclusive", "inclusive", "inferred_by_currency"] as const) {
    const other = createTaxSdk({ ...SELLER, default_behavior: behavior });
    totals[behavior] = (await subscribeWithTax(other.stripe, sale)).invoice.total;
  }
  // The currency is the euro, whose prices usually include taxes.
  expect(totals).toEqual({ exclusive: 1_190, inclusive: 1_000, inferred_by_currency: 1_000 });
});

test("the tax behavior of a price cannot be changed after it was set", async () => {
  const { stripe } = createTaxSdk();
  const { price } = await taxedSale(stripe, { behavior: "unspecified" });
  expect((await stripe.prices.update(price.id, { tax_behavior: "inclusive" })).tax_behavior).toBe("inclusive");
  expect(await refusal(stripe.prices.update(price.id, { tax_behavior: "exclusive" }))).toMatchObject({
    statusCode: 400,
    param: "tax_behavior",
  });
});

test("automatic tax excludes manual tax rates and other liable accounts", async () => {
  const { stripe } = createTaxSdk();
  const { customer, price } = await taxedSale(stripe);
  const rate = await stripe.taxRates.create({ display_name: "VAT", inclusive: false, percentage: 19 });
  const base = { customer: customer.id, items: [{ price: price.id }] };
  const both = { ...base, automatic_tax: { enabled: true }, default_tax_rates: [rate.id] };
  expect(await refusal(stripe.subscriptions.create(both))).toMatchObject({ statusCode: 400 });
  const liability = { type: "account", account: "acct_1" } as const;
  expect(
    await refusal(stripe.subscriptions.create({ ...base, automatic_tax: { enabled: true, liability } })),
  ).toMatchObject({ statusCode: 501, param: "automatic_tax[liability]" });
  const made = await stripe.subscriptions.create({ ...base, default_tax_rates: [rate.id] });
  expect(await refusal(stripe.subscriptions.update(made.id, { automatic_tax: { enabled: true } }))).toMatchObject({
    statusCode: 400,
  });
  const moved = { automatic_tax: { enabled: true }, default_tax_rates: "" } as const;
  expect((await stripe.subscriptions.update(made.id, moved)).automatic_tax.enabled).toBe(true);
});

test("a change of the plan prorates the tax, and discounts reduce the taxed amount", async () => {
  const { emulator, stripe } = createTaxSdk();
  const { subscription, price } = await subscribeWithTax(stripe);
  const more = await stripe.prices.create({
    product: price.product as string,
    currency: "eur",
    unit_amount: 2_000,
    recurring: { interval: "month" },
    tax_behavior: "exclusive",
  });
  const coupon = await stripe.coupons.create({ percent_off: 50, duration: "forever" });
  await stripe.subscriptions.update(subscription.id, { discounts: [{ coupon: coupon.id }] });
  await emulator.advance(14 * DAY);
  await stripe.subscriptions.update(subscription.id, {
    items: [{ id: subscription.items.data[0]?.id ?? "", price: more.id }],
    proration_behavior: "always_invoice",
  });
  const [invoice] = (await stripe.invoices.list({ subscription: subscription.id })).data;
  const lines = invoice?.lines.data ?? [];
  expect(lines.map((line) => Math.sign(line.amount))).toEqual([-1, 1]);
  expect(lines.map((line) => line.taxes?.[0]?.amount)).toEqual(
    lines.map((line) => Math.sign(line.amount) * Math.round(Math.abs(line.amount) * 0.19)),
  );
  await emulator.advance(31 * DAY);
  const [renewal] = (await stripe.invoices.list({ subscription: subscription.id })).data;
  expect(renewal).toMatchObject({ subtotal: 2_000, total_excluding_tax: 1_000, total: 1_190 });
});
