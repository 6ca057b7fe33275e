/** Credit notes over the API. @see https://docs.stripe.com/api/credit_notes */
import { z } from "zod";
import type { Api } from "../api.ts";
import {
  issueCreditNote,
  newCreditNote,
  voidCreditNote,
  type CreditLine,
  type NewCreditNote,
} from "../billing/credit-notes.ts";
import type { InvoiceLine } from "../billing/invoice-lines.ts";
import type { Invoice } from "../billing/invoices.ts";
import { ApiError } from "../core/errors.ts";
import { change } from "../core/events.ts";
import { page } from "../core/lists.ts";
import { round } from "../core/money.ts";
import { expand, integer, listParams, mergeMetadata, metadata, text, whole } from "../core/params.ts";
import { all, need, type World } from "../core/world.ts";

const line = z.strictObject({
  type: z.enum(["custom_line_item", "invoice_line_item"]),
  amount: whole.optional(),
  description: text.optional(),
  invoice_line_item: text.optional(),
  quantity: whole.optional(),
  unit_amount: whole.optional(),
});
const fields = {
  invoice: text,
  amount: whole.optional(),
  credit_amount: whole.optional(),
  refund_amount: whole.optional(),
  out_of_band_amount: whole.optional(),
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
  api.post("/v1/credit_notes", CreateParams, (world, params) => {
    const input = inputOf(world, params);
    return issueCreditNote(world, newCreditNote(world, input), input);
  });
  api.get("/v1/credit_notes/preview", CreateParams, (world, params) => newCreditNote(world, inputOf(world, params)));
  api.get("/v1/credit_notes/preview/lines", z.strictObject({ ...fields, ...listParams }), (world, params) => {
    const { data } = newCreditNote(world, inputOf(world, params)).lines;
    return page(world, data.toReversed(), params, "/v1/credit_notes/preview/lines");
  });
  api.get("/v1/credit_notes", ListParams, (world, params) => {
    return page(
      world,
      all(world, "credit_note"),
      params,
      "/v1/credit_notes",
      (row) =>
        (params.customer === undefined || row.customer === params.customer) &&
        (params.invoice === undefined || row.invoice === params.invoice),
    );
  });
  api.get("/v1/credit_notes/:id", z.strictObject({ expand }), (world, _params, id) => need(world, "credit_note", id));
  api.get("/v1/credit_notes/:id/lines", z.strictObject(listParams), (world, params, id) => {
    const { data, url } = need(world, "credit_note", id).lines;
    return page(world, data.toReversed(), params, url);
  });
  api.post("/v1/credit_notes/:id", UpdateParams, (world, params, id) => {
    const note = need(world, "credit_note", id);
    change(world, "credit_note.updated", note, (row) => {
      if (params.memo !== undefined) row.memo = params.memo;
      row.metadata = mergeMetadata(row.metadata, params.metadata);
    });
    return note;
  });
  api.post("/v1/credit_notes/:id/void", z.strictObject({ expand }), (world, _params, id) => {
    const note = need(world, "credit_note", id);
    voidCreditNote(world, note);
    return note;
  });
}

function inputOf(world: World, params: z.output<typeof CreateParams>): NewCreditNote {
  const invoice = need(world, "invoice", params.invoice, "invoice");
  if (params.lines && params.amount !== undefined)
    throw new ApiError("You may only specify one of these parameters: amount, lines.", { param: "amount" });
  const given = (params.credit_amount ?? 0) + (params.refund_amount ?? 0) + (params.out_of_band_amount ?? 0);
  const amount = params.amount ?? given;
  if (!params.lines && amount === 0)
    throw new ApiError("You must specify one of `amount`, `lines`, `credit_amount`, `refund_amount`.", {
      code: "parameter_missing",
      param: "amount",
    });
  return {
    invoice,
    lines: params.lines?.map((input, index) => lineFrom(invoice, input, `lines[${index}]`)) ?? [customLine(amount)],
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

function lineFrom(invoice: Invoice, input: z.output<typeof line>, param: string): CreditLine {
  if (input.type === "custom_line_item") {
    if (input.unit_amount === undefined)
      throw new ApiError(`Missing required param: ${param}[unit_amount].`, {
        code: "parameter_missing",
        param: `${param}[unit_amount]`,
      });
    return customLine(input.unit_amount, input.description, input.quantity);
  }
  const credited = invoice.lines.data.find(({ id }) => id === input.invoice_line_item);
  if (!credited)
    throw new ApiError(`No such invoice line item: '${input.invoice_line_item ?? ""}'`, {
      code: "resource_missing",
      param: `${param}[invoice_line_item]`,
    });
  return creditOf(credited, input);
}

/** Part of an invoice's line, with that part of its discounts and taxes. */
function creditOf(credited: InvoiceLine, input: z.output<typeof line>): CreditLine {
  const amount =
    input.amount ??
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
