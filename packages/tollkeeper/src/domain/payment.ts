/** What an invoice's payment means for the person who pays it. */
import type { InvoiceRecord } from "./records.ts";

export type PaymentOutcome = "succeeded" | "failed" | "action_required";

export interface PaymentNotice {
  outcome: PaymentOutcome | "none";
  /** A sentence for the user; null when there is nothing to tell. */
  message: string | null;
  /** Where the user can pay or confirm; null when there is nothing to do. */
  actionUrl: string | null;
}

/**
 * Reads the outcome from the invoice as it is now, not from the event's name: a failure that was paid since is a success.
 * @see https://docs.stripe.com/billing/subscriptions/webhooks#payment-failures
 */
export function paymentOutcome(invoice: InvoiceRecord): PaymentOutcome | null {
  if (invoice.status === "paid") return "succeeded";
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

/** The same outcome of the same attempt has the same id, however many events tell of it. */
export function paymentHookId(invoice: InvoiceRecord, outcome: PaymentOutcome): string {
  const attempt = outcome === "succeeded" ? "" : `:${invoice.attemptCount}`;
  return `payment_${outcome}:${invoice.id}${attempt}`;
}
