/** Defines the API routes of credit notes. @see https://docs.stripe.com/api/credit_notes */
import { z } from "zod";
import type { Api } from "../api.ts";
import { type CreditNoteInput, issueCreditNote, previewCreditNote, voidCreditNote } from "../billing/credit-notes.ts";
import { ApiError } from "../core/errors.ts";
import { emitChange } from "../core/events.ts";
import { round } from "../core/money.ts";
import { hasFields, paginate } from "../core/pagination.ts";
import { expand, integer, listParams, mergeMetadata, metadata, nonNegative, text } from "../core/params.ts";
import { listAll, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { CreditLine } from "../objects/credit-note.ts";
import type { InvoiceLine } from "../objects/invoice-line.ts";
import type { Invoice } from "../objects/invoice.ts";
import { checkCreditTaxes, creditTaxFields, grossAmount, withTaxes } from "./credit-note-taxes.ts";

const line = z.strictObject({
  type: z.enum(["custom_line_item", "invoice_line_item"]),
  amount: nonNegative.optional(),
  description: text.optional(),
  invoice_line_item: text.optional(),
  quantity: nonNegative.optional(),
  unit_amount: nonNegative.optional(),
  ...creditTaxFields,
});
const fields = {
  invoice: text,
  amount: nonNegative.optional(),
  credit_amount: nonNegative.optional(),
  refund_amount: nonNegative.optional(),
  out_of_band_amount: nonNegative.optional(),
  lines: z.array(line).min(1).optional(),
  memo: text.optional(),
  effective_at: integer.optional(),
  reason: z.enum(["duplicate", "fraudulent", "order_change", "product_unsatisfactory"]).optional(),
  metadata: metadata.optional(),
  expand,
};
const CreateParams = z.strictObject(fields);
const UpdateParams = z.strictObject({ memo: text.optional(), metadata: metadata.optional(), expand });
const ListParams = z.strictObject({ ...listParams, customer: text.optional(), invoice: text.optional() });

export function creditNoteRoutes(api: Api): void {
  api.post("/v1/credit_notes", CreateParams, (context, params) => {
    const input = inputOf(context, params);
    return issueCreditNote(context, previewCreditNote(context, input), input);
  });
  api.get("/v1/credit_notes/preview", CreateParams, (context, params) =>
    previewCreditNote(context, inputOf(context, params)),
  );
  api.get("/v1/credit_notes/preview/lines", z.strictObject({ ...fields, ...listParams }), (context, params) => {
    const { data } = previewCreditNote(context, inputOf(context, params)).lines;
    return paginate(context, data.toReversed(), params, { url: "/v1/credit_notes/preview/lines" });
  });
  api.get("/v1/credit_notes", ListParams, (context, params) => {
    return paginate(context, listAll(context, "credit_note"), params, {
      url: "/v1/credit_notes",
      filter: (row) => hasFields(row, { customer: params.customer, invoice: params.invoice }),
    });
  });
  api.get("/v1/credit_notes/:id", z.strictObject({ expand }), (context, _params, id) =>
    retrieve(context, "credit_note", id),
  );
  api.get("/v1/credit_notes/:id/lines", z.strictObject(listParams), (context, params, id) => {
    const { data, url } = retrieve(context, "credit_note", id).lines;
    return paginate(context, data.toReversed(), params, { url });
  });
  api.post("/v1/credit_notes/:id", UpdateParams, (context, params, id) => {
    const note = retrieve(context, "credit_note", id);
    emitChange(context, "credit_note.updated", note, (row) => {
      if (params.memo !== undefined) row.memo = params.memo;
      row.metadata = mergeMetadata(row.metadata, params.metadata);
    });
    return note;
  });
  api.post("/v1/credit_notes/:id/void", z.strictObject({ expand }), (context, _params, id) => {
    const note = retrieve(context, "credit_note", id);
    voidCreditNote(context, note);
    return note;
  });
}

function inputOf(context: Context, params: z.output<typeof CreateParams>): CreditNoteInput {
  const invoice = retrieve(context, "invoice", params.invoice, "invoice");
  if (params.lines && params.amount !== undefined)
    throw new ApiError("You may only specify one of these parameters: amount, lines.", { param: "amount" });
  const given = (params.credit_amount ?? 0) + (params.refund_amount ?? 0) + (params.out_of_band_amount ?? 0);
  const amount = params.amount ?? given;
  if (!params.lines && amount === 0)
    throw new ApiError("You must specify one of `amount`, `lines`, `credit_amount`, `refund_amount`.", {
      code: "parameter_missing",
      param: "amount",
    });
  checkCreditTaxes(invoice, params);
  return {
    invoice,
    lines: params.lines?.map((input, index) => lineFrom(context, invoice, input, `lines[${index}]`)) ?? [
      customLine(amount),
    ],
    creditAmount: params.credit_amount ?? 0,
    refundAmount: params.refund_amount ?? 0,
    outOfBandAmount: params.out_of_band_amount ?? 0,
    memo: params.memo ?? null,
    reason: params.reason ?? null,
    effectiveAt: params.effective_at ?? null,
    metadata: mergeMetadata({}, params.metadata),
  };
}

function customLine(amount: number, description = "Credit", quantity = 1): CreditLine {
  return {
    amount: amount * quantity,
    description,
    invoiceLine: null,
    quantity,
    unitAmount: amount,
    taxes: [],
    discounts: [],
  };
}

function lineFrom(context: Context, invoice: Invoice, input: z.output<typeof line>, param: string): CreditLine {
  if (input.type === "custom_line_item") {
    if (input.unit_amount === undefined)
      throw new ApiError(`Missing required param: ${param}[unit_amount].`, {
        code: "parameter_missing",
        param: `${param}[unit_amount]`,
      });
    return withTaxes(context, invoice, customLine(input.unit_amount, input.description, input.quantity), {
      input,
      param,
    });
  }
  const credited = invoice.lines.data.find(({ id }) => id === input.invoice_line_item);
  if (!credited)
    throw new ApiError(`No such invoice line item: '${input.invoice_line_item ?? ""}'`, {
      code: "resource_missing",
      param: `${param}[invoice_line_item]`,
    });
  return withTaxes(context, invoice, creditOf(invoice, credited, input), { input, param });
}

/** Returns a credit note line for part of an invoice line, with the corresponding share of the line's discounts and taxes. */
function creditOf(invoice: Invoice, credited: InvoiceLine, input: z.output<typeof line>): CreditLine {
  const amount =
    grossAmount(invoice, credited, input.amount) ??
    (input.quantity === undefined
      ? credited.amount
      : round((credited.amount * input.quantity) / (credited.quantity ?? 1)));
  const part = credited.amount === 0 ? 0 : amount / credited.amount;
  return {
    amount,
    description: input.description ?? credited.description,
    invoiceLine: credited.id,
    quantity: input.amount === undefined ? (input.quantity ?? credited.quantity) : null,
    unitAmount: null,
    discounts: credited.discount_amounts.map(({ amount: off, discount }) => ({ amount: round(off * part), discount })),
    taxes: credited.taxes.map((tax) => ({
      ...tax,
      amount: round(tax.amount * part),
      taxable_amount: round(tax.taxable_amount * part),
    })),
  };
}
