/** Tests credit notes. */
import { expect, test } from "vitest";
import { createSdk, refusal, subscriber, type Sdk } from "./support/sdk.ts";

async function paidInvoice({ stripe }: Sdk) {
  const { price, customer } = await subscriber(stripe);
  const rate = await stripe.taxRates.create({ display_name: "VAT", percentage: 20, inclusive: false });
  const subscription = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id, quantity: 4 }],
    default_tax_rates: [rate.id],
    expand: ["latest_invoice"],
  });
  return {
    customer,
    invoice: subscription.latest_invoice as { id: string; total: number; lines: { data: { id: string }[] } },
  };
}

test("a credit note refunds part of a paid line and its tax to the card and to the customer's balance", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { customer, invoice } = await paidInvoice(sdk);
  const half = invoice.total / 2;
  const params = {
    invoice: invoice.id,
    lines: [{ type: "invoice_line_item" as const, invoice_line_item: invoice.lines.data[0]?.id ?? "", quantity: 2 }],
    refund_amount: half - 100,
    credit_amount: 100,
  };
  expect(await stripe.creditNotes.preview(params)).toMatchObject({ total: half });
  const note = await stripe.creditNotes.create(params);
  expect(note).toMatchObject({ total: half, type: "post_payment", post_payment_amount: half, status: "issued" });
  expect(note.total_taxes?.[0]).toMatchObject({ amount: half / 6 });
  expect(note.refunds).toMatchObject([{ amount_refunded: half - 100 }]);
  expect(await stripe.customers.retrieve(customer.id)).toMatchObject({ balance: -100 });
  expect(await stripe.invoices.retrieve(invoice.id)).toMatchObject({
    status: "paid",
    post_payment_credit_notes_amount: half,
  });
  const again = { invoice: invoice.id, amount: half + 1, out_of_band_amount: half + 1 };
  expect(await refusal(stripe.creditNotes.create(again))).toMatchObject({ param: "amount" });
  expect(await refusal(stripe.creditNotes.create({ ...again, amount: half }))).toMatchObject({
    message: expect.stringContaining("must equal") as string,
  });
  expect((await stripe.creditNotes.list({ invoice: invoice.id })).data).toHaveLength(1);
});

test("a credit note reduces an open invoice until the note is voided, and credit notes for the full amount pay the invoice", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const customer = await stripe.customers.create({ payment_method: "pm_card_visa" });
  await stripe.invoiceItems.create({ customer: customer.id, amount: 1_000, currency: "usd" });
  const draft = await stripe.invoices.create({
    customer: customer.id,
    collection_method: "send_invoice",
    days_until_due: 30,
    pending_invoice_items_behavior: "include",
  });
  expect(await refusal(stripe.creditNotes.create({ invoice: draft.id, amount: 1 }))).toMatchObject({
    param: "invoice",
  });
  await stripe.invoices.finalizeInvoice(draft.id);
  const note = await stripe.creditNotes.create({ invoice: draft.id, amount: 400, reason: "order_change" });
  expect(note).toMatchObject({ type: "pre_payment", pre_payment_amount: 400 });
  const left = () =>
    stripe.invoices.retrieve(draft.id).then(({ amount_remaining, status }) => [amount_remaining, status]);
  expect(await left()).toEqual([600, "open"]);
  expect(await stripe.creditNotes.voidCreditNote(note.id)).toMatchObject({ status: "void" });
  expect(await left()).toEqual([1_000, "open"]);
  await stripe.creditNotes.create({ invoice: draft.id, amount: 300 });
  await stripe.creditNotes.create({ invoice: draft.id, amount: 700 });
  expect(await left()).toEqual([0, "paid"]);
});

test("an open invoice with a credit note charges only the remaining amount", async () => {
  const { stripe } = createSdk();
  const { customer } = await subscriber(stripe);
  await stripe.invoiceItems.create({ customer: customer.id, amount: 1_000, currency: "usd" });
  const draft = await stripe.invoices.create({
    customer: customer.id,
    pending_invoice_items_behavior: "include",
    auto_advance: false,
  });
  await stripe.invoices.finalizeInvoice(draft.id);
  await stripe.creditNotes.create({ invoice: draft.id, amount: 250 });
  expect(await stripe.invoices.pay(draft.id)).toMatchObject({ status: "paid", amount_paid: 750 });
  expect((await stripe.charges.list({ customer: customer.id })).data).toMatchObject([{ amount: 750 }]);
});
