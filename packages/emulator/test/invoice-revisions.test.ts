/**
 * Tests revisions of finalized invoices.
 * @see https://docs.stripe.com/invoicing/invoice-edits
 */
import { expect, test } from "vitest";
import { createSdk, refusal, subscriber } from "./support/sdk.ts";

async function createOpen() {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { customer, price } = await subscriber(stripe);
  const { id } = await stripe.invoices.create({
    customer: customer.id,
    collection_method: "send_invoice",
    days_until_due: 10,
    description: "Work in January",
    metadata: { project: "a" },
  });
  await stripe.invoiceItems.create({ customer: customer.id, invoice: id, amount: 5_000, currency: "usd" });
  const open = await stripe.invoices.finalizeInvoice(id);
  // A pending invoice item belongs to the next invoice, not to the revision.
  await stripe.invoiceItems.create({ customer: customer.id, amount: 700, currency: "usd" });
  const revise = (more = {}) => stripe.invoices.create({ from_invoice: { action: "revision", invoice: id }, ...more });
  return { ...sdk, customer, price, open, revise };
}

test("a revision is a draft with the lines of its original, which stays open", async () => {
  const { stripe, open, revise } = await createOpen();
  const revision = await revise({ description: "Work in January and February" });
  expect(revision).toMatchObject({
    status: "draft",
    from_invoice: { action: "revision", invoice: open.id },
    customer: open.customer,
    collection_method: "send_invoice",
    due_date: open.due_date,
    description: "Work in January and February",
    metadata: { project: "a" },
    total: 5_000,
  });
  expect(await stripe.invoices.retrieve(open.id)).toMatchObject({ status: "open", latest_revision: null });
});

test("a revision that is changed and finalized voids its original", async () => {
  const { stripe, customer, open, revise } = await createOpen();
  const revision = await revise();
  const [line] = revision.lines.data;
  await stripe.invoiceItems.update(line?.parent?.invoice_item_details?.invoice_item ?? "", { amount: 4_000 });
  await stripe.invoiceItems.create({ customer: customer.id, invoice: revision.id, amount: 300, currency: "usd" });
  expect(await stripe.invoices.finalizeInvoice(revision.id)).toMatchObject({ status: "open", total: 4_300 });
  expect(await stripe.invoices.retrieve(open.id)).toMatchObject({
    status: "void",
    total: 5_000,
    latest_revision: revision.id,
  });
});

test("an uncollectible invoice can be revised", async () => {
  const { stripe, open, revise } = await createOpen();
  await stripe.invoices.markUncollectible(open.id);
  expect((await revise()).status).toBe("draft");
});

test("a paid or void invoice can't be revised", async () => {
  const { stripe, open, revise } = await createOpen();
  await stripe.invoices.pay(open.id);
  expect(await refusal(revise())).toMatchObject({ statusCode: 400, param: "from_invoice[invoice]" });
});

test("the invoice of a subscription can't be revised", async () => {
  const { stripe, customer, price } = await createOpen();
  const { latest_invoice } = await stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id }],
    payment_behavior: "default_incomplete",
  });
  const call = stripe.invoices.create({ from_invoice: { action: "revision", invoice: latest_invoice as string } });
  expect(await refusal(call)).toMatchObject({ statusCode: 400, param: "from_invoice[invoice]" });
});

test("a parameter that the emulator does not change in a revision is refused, and an invoice needs a customer", async () => {
  const { stripe, revise } = await createOpen();
  expect(await refusal(revise({ currency: "eur" }))).toMatchObject({ statusCode: 501, param: "currency" });
  expect(await refusal(stripe.invoices.create())).toMatchObject({ statusCode: 400, param: "customer" });
});
