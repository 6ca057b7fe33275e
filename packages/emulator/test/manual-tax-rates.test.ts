/**
 * Tests manual tax rates.
 * @see https://docs.stripe.com/billing/taxes/tax-rates
 */
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { createSdk, DAY, refusal } from "./support/sdk.ts";
import { taxedSale } from "./support/taxes.ts";

const rate = (stripe: Stripe, percentage: number, inclusive = false) =>
  stripe.taxRates.create({ display_name: "VAT", inclusive, percentage, tax_type: "vat" });

/** Returns the taxes of the lines of an invoice: amount, behavior and taxable amount. */
const taxesOf = (invoice: Stripe.Invoice | undefined) =>
  invoice?.lines.data.map((line) =>
    (line.taxes ?? []).map((tax) => [tax.amount, tax.tax_behavior, tax.taxable_amount]),
  );

test("a tax rate keeps its tax type, and a request can change the tax type", async () => {
  const { stripe } = createSdk();
  const made = await rate(stripe, 19);
  expect(made.tax_type).toBe("vat");
  expect((await stripe.taxRates.update(made.id, { tax_type: "gst" })).tax_type).toBe("gst");
});

test("inclusive and exclusive tax rates on one line share the amount without the inclusive tax", async () => {
  const { stripe } = createSdk();
  const { price, customer } = await taxedSale(stripe, { behavior: "unspecified" });
  const [inclusive, exclusive] = [await rate(stripe, 25, true), await rate(stripe, 10)];
  const made = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id, tax_rates: [inclusive.id, exclusive.id] }],
    expand: ["latest_invoice"],
  });
  const invoice = made.latest_invoice as Stripe.Invoice;
  expect(taxesOf(invoice)).toEqual([
    [
      [200, "inclusive", 800],
      [80, "exclusive", 800],
    ],
  ]);
  expect(invoice).toMatchObject({
    subtotal: 1_000,
    subtotal_excluding_tax: 800,
    total: 1_080,
    total_excluding_tax: 800,
  });
});

test("a discount on the whole invoice does not change the subtotal without tax", async () => {
  const { stripe } = createSdk();
  const { price, customer } = await taxedSale(stripe, { behavior: "unspecified" });
  const inclusive = await rate(stripe, 25, true);
  const coupon = await stripe.coupons.create({ percent_off: 50, duration: "once" });
  const made = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id }],
    default_tax_rates: [inclusive.id],
    discounts: [{ coupon: coupon.id }],
    expand: ["latest_invoice"],
  });
  expect(made.latest_invoice).toMatchObject({
    subtotal: 1_000,
    subtotal_excluding_tax: 800,
    total: 500,
    total_excluding_tax: 400,
  });
});

test("each line rounds its own taxes", async () => {
  const { stripe } = createSdk();
  const customer = await stripe.customers.create();
  const fifteen = await rate(stripe, 15);
  for (const amount of [43, 484])
    await stripe.invoiceItems.create({ customer: customer.id, amount, currency: "usd", tax_rates: [fifteen.id] });
  const invoice = await stripe.invoices.create({
    customer: customer.id,
    currency: "usd",
    pending_invoice_items_behavior: "include",
  });
  expect(taxesOf(invoice)).toEqual([[[6, "exclusive", 43]], [[73, "exclusive", 484]]]);
  expect(invoice).toMatchObject({ subtotal: 527, total: 606, total_taxes: [{ amount: 79, taxable_amount: 527 }] });
});

test("an exempt customer pays no manual tax", async () => {
  const { stripe } = createSdk();
  const reasons: unknown[] = [];
  for (const exempt of ["exempt", "reverse"] as const) {
    const { price, customer } = await taxedSale(stripe, { exempt });
    const made = await stripe.subscriptions.create({
      customer: customer.id,
      items: [{ price: price.id }],
      default_tax_rates: [(await rate(stripe, 19)).id],
      expand: ["latest_invoice"],
    });
    const invoice = made.latest_invoice as Stripe.Invoice;
    expect(invoice).toMatchObject({ total: 1_000, customer_tax_exempt: exempt });
    reasons.push(invoice.total_taxes?.map((tax) => [tax.amount, tax.taxability_reason]));
  }
  expect(reasons).toEqual([[[0, "customer_exempt"]], [[0, "reverse_charge"]]]);
});

test("a tax rate that is archived or contradicts the price's tax behavior is refused", async () => {
  const { stripe } = createSdk();
  const { price, customer } = await taxedSale(stripe, { behavior: "exclusive" });
  const inclusive = await rate(stripe, 19, true);
  const subscribe = () =>
    stripe.subscriptions.create({
      customer: customer.id,
      items: [{ price: price.id }],
      default_tax_rates: [inclusive.id],
    });
  expect(await refusal(subscribe())).toMatchObject({
    statusCode: 400,
    message:
      "One or more prices has a `tax_behavior` that conflicts with the tax rates that apply to the corresponding line item.",
  });
  await stripe.taxRates.update(inclusive.id, { active: false });
  expect(await refusal(subscribe())).toMatchObject({ statusCode: 400, param: "default_tax_rates[0]" });
});

test("the tax rates of an item apply to its prorations and win over the default tax rates", async () => {
  const { emulator, stripe } = createSdk();
  const { price, customer } = await taxedSale(stripe);
  const [own, other] = [await rate(stripe, 10), await rate(stripe, 50)];
  const made = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id, tax_rates: [own.id] }],
    default_tax_rates: [other.id],
  });
  await emulator.advance(14 * DAY);
  await stripe.subscriptions.update(made.id, {
    items: [{ id: made.items.data[0]?.id ?? "", quantity: 3 }],
    proration_behavior: "always_invoice",
  });
  const [invoice] = (await stripe.invoices.list({ subscription: made.id })).data;
  expect(invoice?.lines.data.map((line) => line.amount)).toEqual([-500, 1_500]);
  expect(taxesOf(invoice)).toEqual([[[-50, "exclusive", -500]], [[150, "exclusive", 1_500]]]);
});

test("added invoice items, invoice items and schedules have tax rates", async () => {
  const { emulator, stripe } = createSdk();
  const { price, product, customer } = await taxedSale(stripe);
  const setup = await stripe.prices.create({ product: product.id, currency: "eur", unit_amount: 400 });
  const [ten, twenty] = [await rate(stripe, 10), await rate(stripe, 20)];
  const schedule = await stripe.subscriptionSchedules.create({
    customer: customer.id,
    start_date: "now",
    phases: [
      {
        items: [{ price: price.id, tax_rates: [ten.id] }],
        add_invoice_items: [{ price: setup.id, tax_rates: [twenty.id] }],
        duration: { interval: "month", interval_count: 1 },
      },
      {
        items: [{ price: price.id }],
        default_tax_rates: [twenty.id],
        duration: { interval: "month", interval_count: 1 },
      },
    ],
  });
  expect(schedule.phases[0]).toMatchObject({
    items: [{ tax_rates: [{ id: ten.id }] }],
    add_invoice_items: [{ tax_rates: [{ id: twenty.id }] }],
  });
  expect(schedule.phases[1]?.default_tax_rates).toMatchObject([{ id: twenty.id }]);
  const invoices = async () =>
    (await stripe.invoices.list({ subscription: schedule.subscription as string })).data.toReversed();
  expect(taxesOf((await invoices())[0])).toEqual([[[80, "exclusive", 400]], [[100, "exclusive", 1_000]]]);
  await emulator.advance(30 * DAY);
  expect(taxesOf((await invoices())[1])).toEqual([[[200, "exclusive", 1_000]]]);
});
