/**
 * Revises finalized invoices. A revision is a draft with the same lines, which replaces the invoice when it is finalized.
 * @see https://docs.stripe.com/invoicing/invoice-edits
 */
import { ApiError, notImplemented } from "../core/errors.ts";
import { copy } from "../core/copy.ts";
import { newId } from "../core/ids.ts";
import { find, insert } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { invoiceItemOf, type InvoiceLine } from "../objects/invoice-line.ts";
import type { Invoice, NewInvoice } from "../objects/invoice.ts";
import { lineOfInvoiceItem } from "./invoice-lines.ts";
import { draftInvoice, setLines, storeDraft, voidInvoice } from "./invoices.ts";

/** The fields of a revision that may differ from its original. */
export type RevisionFields = Pick<NewInvoice, "autoAdvance" | "description" | "footer" | "metadata">;

/** Creates and stores the draft of a revision. */
export function createRevision(context: Context, original: Invoice, fields: RevisionFields): Invoice {
  checkRevisable(original);
  const revision = draftInvoice(context, {
    customer: original.customer,
    reason: "manual",
    currency: original.currency,
    collectionMethod: original.collection_method,
    dueDate: original.due_date,
    description: original.description,
    footer: original.footer,
    metadata: { ...original.metadata },
    defaultPaymentMethod: original.default_payment_method,
    defaultTaxRates: original.default_tax_rates,
    automaticTax: original.automatic_tax.enabled,
    ...fields,
  });
  revision.from_invoice = { action: "revision", invoice: original.id };
  const lines = original.lines.data.flatMap((line) => copyLine(context, line, revision.id));
  setLines(context, revision, lines);
  return storeDraft(context, revision, null);
}

function checkRevisable({ id, status, parent, discounts, lines }: Invoice): void {
  const param = "from_invoice[invoice]";
  if (status !== "open" && status !== "uncollectible")
    throw new ApiError(`You can only revise open or uncollectible invoices. The invoice ${id} is ${status}.`, {
      param,
    });
  if (parent)
    throw new ApiError(`You can't revise the invoice ${id}, because it belongs to a subscription.`, { param });
  if (discounts.length > 0 || lines.data.some((line) => line.discounts.length > 0))
    throw notImplemented("The emulator does not revise invoices with discounts.", param);
}

/** Copies the invoice item of a line, so that the revision can be changed without an effect on its original. */
function copyLine(context: Context, line: InvoiceLine, invoice: string): InvoiceLine[] {
  const item = find(context, "invoiceitem", invoiceItemOf(line));
  if (!item) return [];
  const copied = insert(context, "invoiceitem", { ...copy(item), id: newId(context, "ii"), invoice });
  return [lineOfInvoiceItem(context, invoice, copied)];
}

/** Voids the original of a revision that is finalized. */
export function replaceOriginal(context: Context, revision: Invoice): void {
  const original = find(context, "invoice", revision.from_invoice?.invoice ?? null);
  if (!original) return;
  original.latest_revision = revision.id;
  voidInvoice(context, original);
}
