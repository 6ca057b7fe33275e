/** Describes the state of an invoice's payment to the user. */
import type { InvoiceRecord } from "./records.ts";

export const PAYMENT_OUTCOMES = ["succeeded", "failed", "action_required"] as const;
export type PaymentOutcome = (typeof PAYMENT_OUTCOMES)[number];

export interface PaymentNotice {
  outcome: PaymentOutcome | "none";
  /** A sentence about the payment to show to the user; null after a success and if there is no payment. */
  message: string | null;
  /** The URL of the page on which the user can pay or confirm a payment; null if the user has nothing to do. */
  actionUrl: string | null;
}

/**
 * Returns the outcome of a payment, or null if nothing was paid, as for the first invoice of a trial. Returns it from the invoice's current state, not from the event. An invoice that failed and was paid
 * later is a success.
 * @see https://docs.stripe.com/billing/subscriptions/webhooks#payment-failures
 */
export function paymentOutcome(invoice: InvoiceRecord): PaymentOutcome | null {
  if (invoice.status === "paid") return invoice.amountPaid > 0 ? "succeeded" : null;
  if (invoice.status !== "open") return null;
  if (invoice.payment === "requires_action") return "action_required";
  return invoice.payment === "failed" ? "failed" : null;
}

export function paymentNotice(invoice: InvoiceRecord | null): PaymentNotice {
  const outcome = invoice ? paymentOutcome(invoice) : null;
  if (!invoice || outcome === null || outcome === "succeeded")
    return { outcome: outcome ?? "none", message: null, actionUrl: null };
  const actionUrl = invoice.hostedInvoiceUrl;
  if (outcome === "action_required")
    return { outcome, message: "Your bank asks you to confirm this payment.", actionUrl };
  const reason = invoice.failureMessage ?? "Your payment did not go through.";
  const next = invoice.nextPaymentAttemptAt === null ? "" : " We will try again; you can also pay now.";
  return { outcome, message: `${reason}${next}`, actionUrl };
}

/**
 * Returns the id of a hook that reports a payment. The id depends only on the invoice, the outcome and the payment attempt, not
 * on the events that report the payment.
 */
export function paymentHookId(invoice: InvoiceRecord, outcome: PaymentOutcome): string {
  const attempt = outcome === "succeeded" ? "" : `:${invoice.attemptCount}`;
  return `payment_${outcome}:${invoice.id}${attempt}`;
}
