/** Decides how refunds and disputes change the state of a subscription's payments. */
import type { DisputeRecord, DisputeStatus, InvoiceRecord, RefundRecord, RefundStatus } from "./records.ts";

/** The refunds and disputes of a subscription's payments, and the subscription's mirrored invoices. */
export interface Reversals {
  refunds: readonly RefundRecord[];
  disputes: readonly DisputeRecord[];
  invoices: readonly Pick<InvoiceRecord, "id" | "status" | "total" | "amountPaid" | "createdAt">[];
}

/** Statuses of a refund whose money is returned or on its way. A refund may still fail afterwards. */
const COUNTED_REFUNDS: readonly RefundStatus[] = ["pending", "requires_action", "succeeded"];

export type DisputeOutcome = "open" | "won" | "lost";

/**
 * The outcome of a dispute in each status. An inquiry takes no money back, so it has no outcome.
 * @see https://docs.stripe.com/api/disputes/object#dispute_object-status
 */
const OUTCOMES: Readonly<Record<DisputeStatus, DisputeOutcome | null>> = {
  warning_needs_response: null,
  warning_under_review: null,
  warning_closed: null,
  needs_response: "open",
  under_review: "open",
  appeal_needs_response: "open",
  appeal_under_review: "open",
  won: "won",
  lost: "lost",
  // The card network returned the money to the cardholder before a dispute was opened.
  prevented: "lost",
};

/**
 * Milliseconds before the start of a period in which an invoice was created that belongs to this period. Stripe creates the
 * first invoice of a subscription in the same second as the subscription, or shortly before or after it.
 */
export const PERIOD_SLACK_MS = 60_000;

export function isRefundCounted({ status }: Pick<RefundRecord, "status">): boolean {
  return COUNTED_REFUNDS.includes(status);
}

export function disputeOutcome({ status }: Pick<DisputeRecord, "status">): DisputeOutcome | null {
  return OUTCOMES[status];
}

/** The part of a period's payments that was refunded. */
export const REFUND_EXTENTS = ["none", "part", "full"] as const;
export type RefundExtent = (typeof REFUND_EXTENTS)[number];

export const DISPUTE_STATES = ["none", "open", "lost"] as const;
export type DisputeState = (typeof DISPUTE_STATES)[number];

/**
 * Returns the part of a period's payments that was refunded. All invoices since the start of the period count together, so that
 * a refund of a small change within the period is not a full refund. An invoice that was paid without Stripe, or with the
 * customer's credit, has no payment that a refund can return. So it is never refunded.
 */
export function refundOfPeriod({ refunds, invoices }: Reversals, periodStart: number): RefundExtent {
  const ofPeriod = invoices.filter(({ createdAt }) => createdAt >= periodStart - PERIOD_SLACK_MS);
  const ids = new Set(ofPeriod.map(({ id }) => id));
  const paid = sum(ofPeriod.map(({ amountPaid }) => amountPaid));
  const counted = refunds.filter((refund) => refund.invoiceId !== null && ids.has(refund.invoiceId));
  const refunded = sum(counted.filter(isRefundCounted).map(({ amount }) => amount));
  if (refunded <= 0) return "none";
  const isPaidOtherwise = ofPeriod.some(
    ({ status, total, amountPaid }) => status === "paid" && total > 0 && amountPaid === 0,
  );
  return refunded >= paid && !isPaidOtherwise ? "full" : "part";
}

/** Returns true if the refunds of an invoice return everything that was paid. */
export function isFullRefund(
  invoice: Pick<InvoiceRecord, "id" | "amountPaid">,
  refunds: readonly Pick<RefundRecord, "invoiceId" | "amount" | "status">[],
): boolean {
  const counted = refunds.filter((refund) => refund.invoiceId === invoice.id && isRefundCounted(refund));
  const refunded = sum(counted.map(({ amount }) => amount));
  return refunded > 0 && refunded >= invoice.amountPaid;
}

/** Returns the worst outcome of a subscription's disputes: an open or lost dispute counts until it is won. */
export function worstDispute({ disputes }: Reversals): DisputeState {
  const outcomes = disputes.map(disputeOutcome);
  if (outcomes.includes("lost")) return "lost";
  return outcomes.includes("open") ? "open" : "none";
}

function sum(amounts: readonly number[]): number {
  return amounts.reduce((total, amount) => total + amount, 0);
}
