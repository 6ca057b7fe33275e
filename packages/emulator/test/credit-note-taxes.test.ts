/**
 * Tests the taxes of credit notes.
 * @see https://docs.stripe.com/invoicing/integration/programmatic-credit-notes
 * @see The doc comments of `CreditNoteCreateParams.Line` in the file CreditNotes.d.ts of the SDK.
 */
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { createSdk, refusal } from "./support/sdk.ts";
import { createTaxSdk, subscribeWithTax, taxedSale } from "./support/taxes.ts";

async function paidInvoice(stripe: Stripe, inclusive: boolean) {
  const rate = await stripe.taxRates.create({ display_name: "VAT", inclusive, percentage: 25 });
  const { price, customer } = await taxedSale(stripe, { behavior: "unspecified" });
  const made = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id }],
    default_tax_rates: [rate.id],
    expand: ["latest_invoice.payments"],
  });
  return { rate, invoice: made.latest_invoice as Stripe.Invoice };
}

test("a credit note of an invoice line gives its tax back, and the refund includes the tax", async () => {
  const { stripe } = createSdk();
  const { invoice } = await paidInvoice(stripe, false);
  const note = await stripe.creditNotes.create({
    invoice: invoice.id,
    lines: [{ type: "invoice_line_item", invoice_line_item: invoice.lines.data[0]?.id ?? "", amount: 400 }],
    refund_amount: 500,
  });
  expect(note).toMatchObject({ subtotal: 400, total: 500, total_excluding_tax: 400, total_taxes: [{ amount: 100 }] });
  const [refund] = (await stripe.refunds.list()).data;
  expect(refund?.amount).toBe(500);
});

test("custom lines of a credit note have tax rates or tax amounts", async () => {
  const { stripe } = createSdk();
  const { invoice, rate } = await paidInvoice(stripe, false);
  const line = { type: "custom_line_item", unit_amount: 100, quantity: 2, description: "Sorry" } as const;
  const create = (taxes: object) =>
    stripe.creditNotes.create({ invoice: invoice.id, lines: [{ ...line, ...taxes }], credit_amount: 250 });
  const byRate = await create({ tax_rates: [rate.id] });
  expect(byRate).toMatchObject({ subtotal: 200, total: 250, lines: { data: [{ tax_rates: [{ id: rate.id }] }] } });
  const tax_amounts = [{ amount: 50, tax_rate: rate.id, taxable_amount: 200 }];
  const byAmount = await create({ tax_amounts });
  expect(byAmount.total_taxes).toMatchObject([{ amount: 50, taxable_amount: 200, tax_behavior: "exclusive" }]);
  expect(await refusal(create({ tax_amounts, tax_rates: [rate.id] }))).toMatchObject({
    statusCode: 400,
    param: "lines[0][tax_rates]",
  });
});

test("an inclusive tax is part of the credited amount", async () => {
  const { stripe } = createSdk();
  const { invoice } = await paidInvoice(stripe, true);
  const note = await stripe.creditNotes.create({
    invoice: invoice.id,
    lines: [{ type: "invoice_line_item", invoice_line_item: invoice.lines.data[0]?.id ?? "", amount: 500 }],
    credit_amount: 500,
  });
  expect(note).toMatchObject({
    total: 500,
    total_excluding_tax: 400,
    subtotal: 500,
    subtotal_excluding_tax: 400,
    total_taxes: [{ amount: 100, tax_behavior: "inclusive", taxable_amount: 400 }],
  });
});

test("a credit note of an invoice with automatic tax needs invoice lines, with amounts without tax", async () => {
  const { stripe } = createTaxSdk();
  const { invoice } = await subscribeWithTax(stripe, { behavior: "inclusive", amount: 1_190 });
  const create = (params: Partial<Stripe.CreditNoteCreateParams>) =>
    stripe.creditNotes.create({ invoice: invoice.id, credit_amount: 119, ...params });
  expect(await refusal(create({ amount: 119 }))).toMatchObject({ statusCode: 501, param: "amount" });
  const custom = { type: "custom_line_item", unit_amount: 119, quantity: 1, description: "Sorry" } as const;
  expect(await refusal(create({ lines: [custom] }))).toMatchObject({ statusCode: 400, param: "lines[0][type]" });
  const line = { type: "invoice_line_item", invoice_line_item: invoice.lines.data[0]?.id ?? "", amount: 100 } as const;
  expect(await create({ lines: [line] })).toMatchObject({
    total: 119,
    total_excluding_tax: 100,
    total_taxes: [{ amount: 19, taxability_reason: "standard_rated" }],
  });
});
