/** Tests the due dates of invoices. @see stripe/esm/resources/Invoices.d.ts: days_until_due and due_date */
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { createSdk, DAY, refusal, START, subscriber } from "./support/sdk.ts";

const NOW = START / 1_000;

async function invoicing() {
  const sdk = createSdk();
  const { customer } = await subscriber(sdk.stripe);
  const create = (params: Partial<Stripe.InvoiceCreateParams>) =>
    sdk.stripe.invoices.create({ customer: customer.id, ...params });
  return { ...sdk, create };
}

test("an invoice has the given due date, and is overdue after it", async () => {
  const { create, stripe, emulator } = await invoicing();
  const { id, customer, due_date } = await create({ collection_method: "send_invoice", due_date: NOW + 2 * DAY });
  expect(due_date).toBe(NOW + 2 * DAY);
  await stripe.invoiceItems.create({ customer: customer as string, invoice: id, amount: 500, currency: "usd" });
  await stripe.invoices.finalizeInvoice(id);
  await emulator.advance(3 * DAY);
  const events = await stripe.events.list({ type: "invoice.overdue" });
  expect(events.data.map(({ data }) => (data.object as Stripe.Invoice).id)).toEqual([id]);
});

test("the due date of a draft can be changed to a date, to a number of days, and away", async () => {
  const { create, stripe } = await invoicing();
  const { id } = await create({ collection_method: "send_invoice", days_until_due: 7 });
  const dated = await stripe.invoices.update(id, { due_date: NOW + DAY });
  expect(dated.due_date).toBe(NOW + DAY);
  const counted = await stripe.invoices.update(id, { days_until_due: 3 });
  expect(counted.due_date).toBe(NOW + 3 * DAY);
  const charged = await stripe.invoices.update(id, { collection_method: "charge_automatically" });
  expect(charged.due_date).toBeNull();
  await stripe.invoices.update(id, { collection_method: "send_invoice", days_until_due: 3 });
  await stripe.invoices.finalizeInvoice(id);
  expect(await refusal(stripe.invoices.update(id, { due_date: NOW + DAY }))).toMatchObject({
    code: "invoice_not_editable",
  });
});

test("a due date is refused together with days, for an invoice that is charged automatically, and in the past", async () => {
  const { create } = await invoicing();
  const due_date = NOW + DAY;
  const sent = { collection_method: "send_invoice" } as const;
  expect(await refusal(create({ due_date }))).toMatchObject({ statusCode: 400, param: "due_date" });
  expect(await refusal(create({ days_until_due: 3 }))).toMatchObject({ statusCode: 400, param: "days_until_due" });
  expect(await refusal(create({ ...sent, due_date, days_until_due: 3 }))).toMatchObject({ statusCode: 400 });
  expect(await refusal(create(sent))).toMatchObject({ code: "parameter_missing" });
  expect(await refusal(create({ ...sent, due_date: NOW - DAY }))).toMatchObject({ statusCode: 501 });
});
