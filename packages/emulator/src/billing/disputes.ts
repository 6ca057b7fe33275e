/** Opens, updates and closes disputes. @see https://docs.stripe.com/disputes/how-disputes-work */
import { ApiError } from "../core/errors.ts";
import { emit, emitChange } from "../core/events.ts";
import { find, insert, listBy } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { BalanceTransaction } from "../objects/balance-transaction.ts";
import { type Charge, unrefundedAmount } from "../objects/charge.ts";
import { type Dispute, type DisputeReason, EVIDENCE_NAMES, newDispute } from "../objects/dispute.ts";
import { addBalanceTransaction } from "./balance.ts";
import { cardByNumber } from "./test-cards.ts";

const DISPUTE_FEE = 1_500;
/** The two evidence texts that make the merchant win or lose a test dispute. @see https://docs.stripe.com/testing#evidence */
const WINNING = "winning_evidence";
const LOSING = "losing_evidence";

/** The status that a bank can give to a dispute. */
export const DISPUTE_OUTCOMES = ["under_review", "won", "lost"] as const;
export type DisputeOutcome = (typeof DISPUTE_OUTCOMES)[number];

/** Returns the reason of the dispute that the charge's test card causes; null if the card causes none. */
function disputeReasonOf(context: Context, charge: Charge): DisputeReason | null {
  const number = context.account.cardNumbers.get(charge.payment_method ?? "") ?? "";
  return cardByNumber(number)?.disputes ?? null;
}

/** Opens a dispute of a charge if its test card causes disputes. */
export function openDisputeOfCard(context: Context, charge: Charge): void {
  const reason = disputeReasonOf(context, charge);
  if (reason !== null && !charge.disputed) openDispute(context, charge, reason);
}

/**
 * Opens a dispute of the unrefunded amount of a charge. A dispute that is only an inquiry withdraws no money. Throws if the
 * charge is disputed already, or has no money that a dispute can withdraw.
 */
export function openDispute(context: Context, charge: Charge, reason: DisputeReason): Dispute {
  if (charge.disputed) throw new ApiError(`Charge ${charge.id} is already disputed.`);
  if (unrefundedAmount(charge) <= 0)
    throw new ApiError(`Charge ${charge.id} has no captured amount that is not refunded.`);
  const brand = find(context, "payment_method", charge.payment_method)?.card.brand ?? "visa";
  const dispute = newDispute(context, charge, reason, brand);
  insert(context, "dispute", dispute);
  charge.disputed = true;
  if (reason !== "inquiry") dispute.balance_transactions.push(moveFunds(context, dispute, -1));
  emit(context, "charge.dispute.created", dispute);
  if (reason !== "inquiry") emit(context, "charge.dispute.funds_withdrawn", dispute);
  return dispute;
}

/** Returns the dispute of a charge; null if the charge has none. */
export function disputeOf(context: Context, charge: Charge): Dispute | null {
  return charge.disputed ? (listBy(context, "dispute", { charge: charge.id })[0] ?? null) : null;
}

function moveFunds(context: Context, { amount, currency, charge, id }: Dispute, sign: 1 | -1): BalanceTransaction {
  return addBalanceTransaction(context, {
    amount: sign * amount,
    currency,
    description: `${sign < 0 ? "Chargeback withdrawal" : "Chargeback reversal"} for ${charge}`,
    source: id,
    type: "adjustment",
    fee: sign < 0 ? DISPUTE_FEE : 0,
  });
}

export function isOpen({ status }: Dispute): boolean {
  return status === "needs_response" || status === "warning_needs_response";
}

/** Returns whether a dispute is only a question of the bank, which withdraws no money. */
export function isInquiry({ status }: Dispute): boolean {
  return status.startsWith("warning_");
}

/**
 * Decides a dispute as the cardholder's bank does. An inquiry can only be closed. A dispute that no evidence was submitted for
 * is under review before it is won. Throws if the dispute was decided before.
 */
export function decideDispute(context: Context, dispute: Dispute, outcome: DisputeOutcome): void {
  if (outcome === "under_review" ? !isOpen(dispute) : isDecided(dispute))
    throw new ApiError(`Dispute ${dispute.id} is already ${dispute.status}.`);
  const reviewed = isInquiry(dispute) ? "warning_under_review" : "under_review";
  if (outcome !== "lost" && dispute.status !== reviewed)
    emitChange(context, "charge.dispute.updated", dispute, (row) => {
      row.status = reviewed;
    });
  if (outcome === "under_review") return;
  if (isInquiry(dispute)) closeDispute(context, dispute, "warning_closed");
  else if (outcome === "won") winDispute(context, dispute);
  else closeDispute(context, dispute, "lost");
}

function isDecided({ status }: Dispute): boolean {
  return status === "won" || status === "lost" || status === "warning_closed";
}

/**
 * Stores the evidence of a dispute. If submitted evidence has one of Stripe's test texts, the dispute ends at once. Submitted
 * evidence with any other text sets the dispute's status to "under review".
 */
export function updateDispute(
  context: Context,
  dispute: Dispute,
  {
    evidence,
    submit,
    metadata,
  }: { evidence: Partial<Dispute["evidence"]>; submit: boolean; metadata: Dispute["metadata"] },
): void {
  const inquiry = isInquiry(dispute);
  emitChange(context, "charge.dispute.updated", dispute, (row) => {
    Object.assign(row.evidence, evidence);
    row.metadata = metadata;
    row.evidence_details.has_evidence = EVIDENCE_NAMES.some((name) => row.evidence[name] !== null);
    if (!submit) return;
    row.evidence_details.submission_count += 1;
    row.status = inquiry ? "warning_under_review" : "under_review";
  });
  const said = dispute.evidence.uncategorized_text;
  if (!submit) return;
  if (said === WINNING)
    return inquiry ? closeDispute(context, dispute, "warning_closed") : winDispute(context, dispute);
  if (said === LOSING) closeDispute(context, dispute, inquiry ? "warning_closed" : "lost");
}

function winDispute(context: Context, dispute: Dispute): void {
  dispute.balance_transactions.push(moveFunds(context, dispute, 1));
  closeDispute(context, dispute, "won");
  emit(context, "charge.dispute.funds_reinstated", dispute);
}

/** Closes a dispute with the given status. If the merchant closes a dispute, the merchant loses it. */
export function closeDispute(context: Context, dispute: Dispute, status: "won" | "lost" | "warning_closed"): void {
  dispute.status = status;
  dispute.evidence_details.due_by = null;
  emit(context, "charge.dispute.closed", dispute);
}
