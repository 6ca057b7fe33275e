/**
 * Issues and voids credit notes. A credit note reduces the amount of an open invoice, or gives the customer money of a paid
 * invoice back.
 *
 * @see https://docs.stripe.com/invoicing/integration/programmatic-credit-notes
 */
import { now } from "../core/clock.ts";
import { ApiError } from "../core/errors.ts";
import { emit, emitChange } from "../core/events.ts";
import { sum } from "../core/money.ts";
import { find, insert, listBy, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { type CreditNote, newCreditNote, type NewCreditNote } from "../objects/credit-note.ts";
import type { Invoice } from "../objects/invoice.ts";
import { changeBalance } from "./customer-balance.ts";
import { intentOf } from "./invoices.ts";
import { refundCharge } from "./refunds.ts";
import { markPaid } from "./settlement.ts";

export type CreditNoteInput = Omit<NewCreditNote, "number">;

/** Returns a new credit note without storing it. Throws if the credit note cannot be issued. */
export function previewCreditNote(context: Context, input: CreditNoteInput): CreditNote {
  const note = newCreditNote(context, { ...input, number: nextNumber(context, input.invoice) });
  checkAmounts(context, input, note.total);
  return note;
}

export function nextNumber(context: Context, invoice: Invoice): string {
  const count = listBy(context, "credit_note", { invoice: invoice.id }).length;
  return `${invoice.number}-CN-${String(count + 1).padStart(2, "0")}`;
}

export function checkAmounts(context: Context, input: CreditNoteInput, total: number): void {
  const { invoice, creditAmount, refundAmount, outOfBandAmount } = input;
  if (invoice.status !== "open" && invoice.status !== "paid")
    throw new ApiError(
      `You can only create credit notes for open or paid invoices. This invoice is ${invoice.status}.`,
      { param: "invoice" },
    );
  if (total <= 0) throw new ApiError("A credit note must credit something.", { param: "amount" });
  const left = invoice.status === "open" ? invoice.amount_remaining : creditableOf(context, invoice);
  if (total > left)
    throw new ApiError(
      `The credit note of ${total} is more than the ${left} that can still be credited on ${invoice.id}.`,
      { param: "amount" },
    );
  const back = creditAmount + refundAmount + outOfBandAmount;
  if (invoice.status === "paid" && back !== total)
    throw new ApiError(
      `The sum of credit amount, refund amount and out of band amount (${back}) must equal the credit note amount (${total}).`,
    );
  if (invoice.status === "open" && back > 0)
    throw new ApiError("An open invoice has nothing to give back: leave the refund and credit amounts away.");
}

function creditableOf(context: Context, invoice: Invoice): number {
  const issued = listBy(context, "credit_note", { invoice: invoice.id }, ({ status }) => status === "issued");
  return invoice.total - sum(issued.map(({ amount }) => amount));
}

/**
 * Stores a credit note. The credit note reduces the amount of an open invoice, or gives the customer money of a paid invoice
 * back.
 */
export function issueCreditNote(context: Context, note: CreditNote, input: CreditNoteInput): CreditNote {
  const { invoice } = input;
  const intent = intentOf(context, invoice);
  if (input.refundAmount > 0) {
    const charge = find(context, "charge", intent?.latest_charge ?? null);
    if (!charge)
      throw new ApiError("This invoice was not paid with a charge that can be refunded.", { param: "refund_amount" });
    const refund = refundCharge(context, charge, input.refundAmount);
    note.refunds.push({
      amount_refunded: refund.amount,
      payment_record_refund: null,
      refund: refund.id,
      type: "refund",
    });
  }
  insert(context, "credit_note", note);
  if (input.creditAmount > 0) {
    const customer = retrieve(context, "customer", invoice.customer);
    const change = { type: "credit_note" as const, creditNote: note.id, invoice: invoice.id };
    note.customer_balance_transaction = changeBalance(context, customer, {
      ...change,
      amount: -input.creditAmount,
      currency: invoice.currency,
    }).id;
  }
  emit(context, "credit_note.created", note);
  emitChange(context, "invoice.updated", invoice, (row) => {
    row.post_payment_credit_notes_amount += note.post_payment_amount;
    row.pre_payment_credit_notes_amount += note.pre_payment_amount;
    row.amount_due -= note.pre_payment_amount;
    row.amount_remaining -= note.pre_payment_amount;
  });
  updateRequestedAmount(context, invoice);
  if (invoice.status === "open" && invoice.amount_remaining === 0) markPaid(context, invoice, true);
  return note;
}

/** Voids a credit note. Throws if the credit note's invoice is not open. */
export function voidCreditNote(context: Context, note: CreditNote): void {
  const invoice = retrieve(context, "invoice", note.invoice);
  if (note.status === "void") throw new ApiError("This credit note is already void.");
  if (invoice.status !== "open" || note.type !== "pre_payment")
    throw new ApiError("You can only void credit notes of open invoices.");
  note.status = "void";
  note.voided_at = now(context);
  emit(context, "credit_note.voided", note);
  emitChange(context, "invoice.updated", invoice, (row) => {
    row.pre_payment_credit_notes_amount -= note.pre_payment_amount;
    row.amount_due += note.pre_payment_amount;
    row.amount_remaining += note.pre_payment_amount;
  });
  updateRequestedAmount(context, invoice);
}

/** Sets the amount of the invoice's open payment intent to the invoice's remaining amount. */
function updateRequestedAmount(context: Context, invoice: Invoice): void {
  const intent = intentOf(context, invoice);
  if (invoice.status !== "open" || !intent || intent.status === "canceled") return;
  intent.amount = invoice.amount_remaining;
  for (const payment of listBy(context, "invoice_payment", { payment_intent: intent.id }))
    payment.amount_requested = invoice.amount_remaining;
}
