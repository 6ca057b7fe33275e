/** Finalizes invoices and marks them paid. */
import { now } from "../core/clock.ts";
import { ApiError } from "../core/errors.ts";
import { emit, emitChange } from "../core/events.ts";
import { find, listBy, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { clearTimer, setTimer } from "../core/timers.ts";
import type { Customer } from "../objects/customer.ts";
import type { InvoicePayment } from "../objects/invoice-payment.ts";
import { customerFields, type Invoice } from "../objects/invoice.ts";
import type { Subscription } from "../objects/subscription.ts";
import { changeBalance } from "./customer-balance.ts";
import { setDelinquent } from "./customers.ts";
import { replaceOriginal } from "./invoice-revisions.ts";
import { continueWithoutTax } from "./invoices-without-tax.ts";
import { recomputeTotals, subscriptionOf, taxIdsOf } from "./invoices.ts";
import { applyPendingChange } from "./pending-changes.ts";
import { useUpDiscounts } from "./subscriber-discounts.ts";
import { paymentRecovered } from "./subscription-changes.ts";

/**
 * Finalizes an invoice and applies the customer's balance. An invoice with a total of 0 is paid at once, without a
 * payment intent.
 */
export function finalizeInvoice(context: Context, invoice: Invoice): void {
  if (invoice.status !== "draft")
    throw new ApiError(`This invoice is already finalized, you can't re-finalize a non-draft invoice.`, {
      code: "invoice_not_editable",
    });
  const at = now(context);
  const customer = retrieve(context, "customer", invoice.customer);
  Object.assign(invoice, customerFields(customer, taxIdsOf(context, customer.id)));
  recomputeTotals(context, invoice);
  if (invoice.automatic_tax.status === "requires_location_inputs" && !continueWithoutTax(context, invoice)) return;
  useUpDiscounts(context, invoice);
  invoice.last_finalization_error = null;
  clearTimer(context, "invoice_finalizes", invoice.id);
  invoice.status = "open";
  invoice.number = assignNumber(context, customer, invoice.currency);
  invoice.effective_at = at;
  // For the PDF page size "auto", Stripe uses the usual paper size of the account's country.
  if (invoice.rendering?.pdf.page_size === "auto") invoice.rendering.pdf.page_size = "letter";
  invoice.automatically_finalizes_at = null;
  invoice.webhooks_delivered_at ??= at;
  invoice.status_transitions.finalized_at = at;
  settleBalance(context, invoice, customer);
  invoice.hosted_invoice_url = `${context.baseUrl}/i/${invoice.id}`;
  invoice.invoice_pdf = `${context.baseUrl}/i/${invoice.id}?print=1`;
  emit(context, "invoice.finalized", invoice);
  replaceOriginal(context, invoice);
  if (invoice.due_date !== null) setTimer(context, "invoice_due", invoice.id, Math.max(invoice.due_date, at));
  if (invoice.amount_due === 0) markPaid(context, invoice);
}

/**
 * Applies the customer's balance to an invoice. If the rest is too small to be charged, the customer owes the rest with the
 * next invoice.
 */
function settleBalance(context: Context, invoice: Invoice, customer: Customer): void {
  const { total, starting_balance: start, currency } = invoice;
  const change = (type: "applied_to_invoice" | "invoice_too_small", amount: number): void => {
    if (amount !== 0) changeBalance(context, customer, { amount, currency, type, invoice: invoice.id });
  };
  change("applied_to_invoice", Math.min(0, total + start) - start);
  if (invoice.amount_due === 0) change("invoice_too_small", Math.max(0, total + start));
  invoice.ending_balance = endingBalance(invoice);
}

/** Returns the customer's balance after an invoice is finalized. */
export function endingBalance({ total, starting_balance: start, amount_due: due }: Invoice): number {
  return total + start - due;
}

/** Returns the customer's next invoice number. Increments `next_invoice_sequence` and emits `customer.updated`. */
function assignNumber(context: Context, customer: Customer, currency: string): string {
  const number = `${customer.invoice_prefix}-${String(customer.next_invoice_sequence).padStart(4, "0")}`;
  emitChange(context, "customer.updated", customer, (row) => {
    row.next_invoice_sequence += 1;
    row.currency ??= currency;
  });
  return number;
}

export function markPaid(context: Context, invoice: Invoice, outOfBand = false): void {
  const at = now(context);
  clearTimer(context, "invoice_retries", invoice.id);
  clearTimer(context, "invoice_due", invoice.id);
  invoice.attempted = true;
  invoice.status = "paid";
  delete invoice.status_details;
  if (!outOfBand) invoice.amount_paid = invoice.amount_due;
  invoice.amount_remaining = 0;
  invoice.auto_advance = false;
  invoice.next_payment_attempt = null;
  invoice.status_transitions.paid_at = at;
  const payments = listBy(context, "invoice_payment", { invoice: invoice.id }, ({ status }) => status === "open");
  for (const payment of payments)
    if (outOfBand) Object.assign(payment, { status: "canceled" });
    else
      Object.assign(payment, {
        status: "paid",
        amount_paid: payment.amount_requested,
        status_transitions: { ...payment.status_transitions, paid_at: at },
      });
  emit(context, "invoice.paid", invoice);
  emit(context, "invoice.payment_succeeded", invoice);
  if (!outOfBand) for (const payment of payments) emit(context, "invoice_payment.paid", payment);
  setDelinquent(context, invoice.customer, false);
  const subscription = subscriptionOf(context, invoice);
  if (!subscription) return;
  applyPendingChange(context, subscription, invoice);
  paymentRecovered(context, subscription, outOfBand ? null : methodToSave(context, subscription, payments));
}

/**
 * Returns the ID of the card that becomes the subscription's default payment method, because the card paid and the payment
 * settings require that. Returns null if there is none.
 */
function methodToSave(
  context: Context,
  { customer, payment_settings: settings }: Subscription,
  payments: readonly InvoicePayment[],
): string | null {
  if (settings.save_default_payment_method !== "on_subscription") return null;
  const intents = payments.map(({ payment }) => find(context, "payment_intent", payment.payment_intent));
  const paid = intents.findLast((intent) => intent?.status === "succeeded");
  const method = find(context, "payment_method", paid?.payment_method ?? null);
  return method?.customer === customer ? method.id : null;
}
