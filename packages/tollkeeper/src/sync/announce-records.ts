/** Decides which hooks run about written invoices, subscriptions, refunds and disputes. */
import type { DisputeHook, HookName, PaymentHook, RefundHook, TrialHook } from "../domain/hooks.ts";
import { fractionDigitsOf } from "../domain/money.ts";
import type { BillingOwner } from "../domain/owner.ts";
import { declineReason, paymentHookId, paymentNotice, paymentOutcome, type PaymentOutcome } from "../domain/payment.ts";
import type { DisputeRecord, InvoiceRecord, RefundRecord, SubscriptionRecord } from "../domain/records.ts";
import { disputeOutcome, isFullRefund, isRefundCounted } from "../domain/reversals.ts";
import type { RecordedFact } from "./count-facts.ts";

export interface Announcement extends RecordedFact {
  event: { id: string; owner: BillingOwner };
}

export interface WrittenRecords {
  invoices: readonly InvoiceRecord[];
  subscriptions: readonly SubscriptionRecord[];
  refunds: readonly RefundRecord[];
  disputes: readonly DisputeRecord[];
}

/** Records by id, as they were before the current write. */
export interface PreviousRecords {
  invoices: ReadonlyMap<string, InvoiceRecord>;
  subscriptions: ReadonlyMap<string, SubscriptionRecord>;
  refunds: ReadonlyMap<string, RefundRecord>;
  disputes: ReadonlyMap<string, DisputeRecord>;
}

export const NO_RECORDS: PreviousRecords = {
  invoices: new Map(),
  subscriptions: new Map(),
  refunds: new Map(),
  disputes: new Map(),
};

interface RecordsInput extends WrittenRecords {
  previous: PreviousRecords;
  /** All mirrored refunds of the invoices whose refunds were written. */
  refundsOfInvoices: readonly RefundRecord[];
  /** Billing time in epoch milliseconds. */
  now: number;
}

/**
 * Returns the hooks that must run about written records. Compares the records with their previous state, and returns no hook
 * for a state that a hook has already announced. The outbox's unique ids alone do not prevent repeated hooks, because old rows
 * of the outbox are deleted. `onTrialWillEnd` is the exception: it is returned for each write in the last days of a trial, and
 * only the outbox's unique id prevents that it is repeated.
 */
export function announceRecords(owner: BillingOwner, input: RecordsInput): Announcement[] {
  const { invoices, subscriptions, refunds, disputes, previous, now } = input;
  return [
    ...invoices.flatMap((invoice) => announcePayment(owner, invoice, previous.invoices.get(invoice.id))),
    ...subscriptions.flatMap((one) => announceTrialStart(owner, one, previous.subscriptions.get(one.id))),
    ...subscriptions.flatMap((subscription) => announceTrialEnd(owner, subscription, now)),
    ...refunds.flatMap((refund) => announceRefund(owner, refund, input)),
    ...disputes.flatMap((dispute) => announceDispute(owner, dispute, previous.disputes.get(dispute.id))),
  ];
}

const PAYMENT_HOOKS: Record<PaymentOutcome, HookName> = {
  succeeded: "onPaymentSucceeded",
  failed: "onPaymentFailed",
  action_required: "onPaymentActionRequired",
};

/**
 * Returns the hooks about an invoice's payment. Returns no hooks if the payment already had the same outcome before the current
 * write. The error message of a payment attempt may change when Stripe stops retrying the payment, which is no new outcome.
 */
function announcePayment(
  owner: BillingOwner,
  invoice: InvoiceRecord,
  previous: InvoiceRecord | undefined,
): Announcement[] {
  const outcome = paymentOutcome(invoice);
  if (outcome === null) return [];
  const id = paymentHookId(invoice, outcome);
  const previousOutcome = previous ? paymentOutcome(previous) : null;
  if (previous && previousOutcome && paymentHookId(previous, previousOutcome) === id) return [];
  const { message, actionUrl } = paymentNotice(invoice);
  const event: PaymentHook = {
    id,
    owner,
    invoiceId: invoice.id,
    subscriptionId: invoice.subscriptionId,
    amount: outcome === "succeeded" ? invoice.amountPaid : invoice.amountRemaining,
    total: invoice.total,
    currency: invoice.currency,
    fractionDigits: fractionDigitsOf(invoice.currency),
    message,
    actionUrl,
  };
  const reason = outcome === "failed" ? declineReason(invoice) : undefined;
  return [{ hook: PAYMENT_HOOKS[outcome], event, reason }];
}

/**
 * Maximum time in milliseconds before the end of a trial at which the hook about the trial's end runs. Stripe sends its event
 * about the end of a trial three days ahead. One hour is added to the three days because our clock may differ from Stripe's
 * clock.
 */
const TRIAL_NOTICE_MS = (3 * 24 + 1) * 3_600_000;

function announceTrialEnd(
  owner: BillingOwner,
  { id, status, trialEnd }: SubscriptionRecord,
  now: number,
): Announcement[] {
  if (status !== "trialing" || trialEnd === null || trialEnd - now > TRIAL_NOTICE_MS) return [];
  const event: TrialHook = { id: `trial_will_end:${id}:${trialEnd}`, owner, subscriptionId: id, trialEnd };
  return [{ hook: "onTrialWillEnd", event }];
}

function announceTrialStart(
  owner: BillingOwner,
  { id, status, trialStart, trialEnd }: SubscriptionRecord,
  previous: SubscriptionRecord | undefined,
): Announcement[] {
  if (status !== "trialing" || trialStart === null || trialEnd === null) return [];
  if (previous?.status === "trialing" && previous.trialStart === trialStart) return [];
  const event: TrialHook = { id: `trial_started:${id}:${trialStart}`, owner, subscriptionId: id, trialEnd };
  return [{ hook: "onTrialStarted", event }];
}

function announceRefund(
  owner: BillingOwner,
  refund: RefundRecord,
  { previous, invoices, refundsOfInvoices }: RecordsInput,
): Announcement[] {
  const before = previous.refunds.get(refund.id);
  const isCounted = isRefundCounted(refund);
  // A refund that fails before any hook announced it is no news.
  if ((before ? isRefundCounted(before) : false) === isCounted) return [];
  const invoice = invoices.find(({ id }) => id === refund.invoiceId);
  const event: RefundHook = {
    id: isCounted ? `refund:${refund.id}` : `refund_failed:${refund.id}`,
    owner,
    refundId: refund.id,
    ...moneyOf(refund),
    full: invoice !== undefined && isFullRefund(invoice, refundsOfInvoices),
    outcome: isCounted ? "refunded" : "failed",
  };
  return [{ hook: "onRefund", event }];
}

function announceDispute(
  owner: BillingOwner,
  dispute: DisputeRecord,
  previous: DisputeRecord | undefined,
): Announcement[] {
  const outcome = disputeOutcome(dispute);
  if (outcome === null || (previous && disputeOutcome(previous) === outcome)) return [];
  const event: DisputeHook = {
    id: `dispute_${outcome}:${dispute.id}`,
    owner,
    disputeId: dispute.id,
    ...moneyOf(dispute),
    outcome,
  };
  return [{ hook: "onDispute", event }];
}

function moneyOf({ invoiceId, subscriptionId, amount, currency }: RefundRecord | DisputeRecord) {
  return { invoiceId, subscriptionId, amount, currency, fractionDigits: fractionDigitsOf(currency) };
}
