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
 * Returns the outcome of an invoice's payment, which depends only on the invoice's current state. So the payment of an invoice
 * that failed and was paid later is a success. Returns null if the payment is pending, or if nothing was to pay, as for the
 * first invoice of a trial.
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

/**
 * The reasons that metrics show: the usual decline codes of cards, and error codes of payments without a decline code. The list
 * is fixed, so that a new code of Stripe or of a bank creates no new time series.
 * @see https://docs.stripe.com/declines/codes
 */
const KNOWN_CODES: ReadonlySet<string> = new Set([
  "authentication_required",
  "call_issuer",
  "card_not_supported",
  "card_velocity_exceeded",
  "currency_not_supported",
  "do_not_honor",
  "expired_card",
  "fraudulent",
  "generic_decline",
  "incorrect_cvc",
  "incorrect_number",
  "insufficient_funds",
  "invalid_account",
  "invoice_payment_intent_requires_action",
  "issuer_not_available",
  "lost_card",
  "payment_intent_authentication_failure",
  "pickup_card",
  "processing_error",
  "restricted_card",
  "stolen_card",
  "transaction_not_allowed",
  "try_again_later",
  "withdrawal_count_limit_exceeded",
]);

/** All reasons of failed payments that metrics show. */
export const DECLINE_REASONS: readonly string[] = [...KNOWN_CODES, "other", "unknown"];

/** Returns the reason of a failed payment for metrics: a known decline code, "other", or "unknown" if Stripe gave none. */
export function declineReason({ declineCode }: Pick<InvoiceRecord, "declineCode">): string {
  if (declineCode === null) return "unknown";
  return KNOWN_CODES.has(declineCode) ? declineCode : "other";
}
