/** Disputes: a cardholder takes a payment back, until the bank has decided. @see https://docs.stripe.com/disputes/how-disputes-work */
import { change, emit } from "../core/events.ts";
import { newId } from "../core/ids.ts";
import { find, insert, now, type World } from "../core/world.ts";
import { addBalanceTransaction, type BalanceTransaction } from "./balance.ts";
import type { Charge } from "./charges.ts";
import { cardByNumber, type DisputeReason } from "./test-cards.ts";

export type Dispute = ReturnType<typeof newDispute>;

const ANSWER_WITHIN = 9 * 86_400;
const DISPUTE_FEE = 1_500;
/** What the evidence says to decide a dispute in a test, as documented. @see https://docs.stripe.com/testing#evidence */
const WINNING = "winning_evidence";
const LOSING = "losing_evidence";

const EVIDENCE = [
  "access_activity_log",
  "billing_address",
  "cancellation_policy",
  "cancellation_policy_disclosure",
  "cancellation_rebuttal",
  "customer_communication",
  "customer_email_address",
  "customer_name",
  "customer_purchase_ip",
  "customer_signature",
  "duplicate_charge_documentation",
  "duplicate_charge_explanation",
  "duplicate_charge_id",
  "product_description",
  "receipt",
  "refund_policy",
  "refund_policy_disclosure",
  "refund_refusal_explanation",
  "service_date",
  "service_documentation",
  "shipping_address",
  "shipping_carrier",
  "shipping_date",
  "shipping_documentation",
  "shipping_tracking_number",
  "uncategorized_file",
  "uncategorized_text",
] as const;
export type EvidenceName = (typeof EVIDENCE)[number];
export const EVIDENCE_NAMES: readonly EvidenceName[] = EVIDENCE;

/** Why the charge's card is one that disputes; null where it is not. */
function disputeReasonOf(world: World, charge: Charge): DisputeReason | null {
  const number = world.account.cardNumbers.get(charge.payment_method ?? "") ?? "";
  return cardByNumber(number)?.disputes ?? null;
}

/** The cardholder complains. An inquiry takes no money yet. */
export function openDispute(world: World, charge: Charge): void {
  const reason = disputeReasonOf(world, charge);
  if (reason === null || charge.disputed) return;
  const dispute = newDispute(world, charge, reason);
  insert(world, "dispute", dispute);
  charge.disputed = true;
  if (reason === "inquiry") return void emit(world, "charge.dispute.created", dispute);
  dispute.balance_transactions.push(moveFunds(world, dispute, -1));
  emit(world, "charge.dispute.created", dispute);
  emit(world, "charge.dispute.funds_withdrawn", dispute);
}

function newDispute(world: World, charge: Charge, reason: DisputeReason) {
  const inquiry = reason === "inquiry";
  const at = now(world);
  const brand = find(world, "payment_method", charge.payment_method)?.card.brand ?? "visa";
  return {
    id: newId(world, "du"),
    object: "dispute" as const,
    amount: charge.amount,
    balance_transactions: [] as BalanceTransaction[],
    charge: charge.id,
    created: at,
    currency: charge.currency,
    enhanced_eligibility_types: [],
    evidence: {
      ...(Object.fromEntries(EVIDENCE.map((name) => [name, null])) as Record<EvidenceName, string | null>),
      enhanced_evidence: {},
    },
    evidence_details: {
      due_by: (at + ANSWER_WITHIN) as number | null,
      enhanced_eligibility: {},
      has_evidence: false,
      past_due: false,
      submission_count: 0,
      submission_method: "manual",
    },
    intended_submission_method: null,
    is_charge_refundable: inquiry,
    livemode: false as const,
    metadata: {} as Record<string, string>,
    payment_intent: charge.payment_intent,
    payment_method_details: {
      card: {
        brand,
        case_type: inquiry ? "inquiry" : "chargeback",
        network: brand,
        network_reason_code: reason === "product_not_received" ? "13.1" : "10.4",
      },
      type: "card",
    },
    reason: inquiry ? "fraudulent" : reason,
    status: (inquiry ? "warning_needs_response" : "needs_response") as string,
  };
}

function moveFunds(world: World, { amount, currency, charge, id }: Dispute, sign: 1 | -1): BalanceTransaction {
  return addBalanceTransaction(world, {
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

/** Keeps the evidence, and hands it in: then the words of the test decide, or it is under review. */
export function answerDispute(
  world: World,
  dispute: Dispute,
  {
    evidence,
    submit,
    metadata,
  }: { evidence: Partial<Dispute["evidence"]>; submit: boolean; metadata: Dispute["metadata"] },
): void {
  const inquiry = dispute.status.startsWith("warning_");
  change(world, "charge.dispute.updated", dispute, (row) => {
    Object.assign(row.evidence, evidence);
    row.metadata = metadata;
    row.evidence_details.has_evidence = EVIDENCE.some((name) => row.evidence[name] !== null);
    if (!submit) return;
    row.evidence_details.submission_count += 1;
    row.status = inquiry ? "warning_under_review" : "under_review";
  });
  const said = dispute.evidence.uncategorized_text;
  if (!submit) return;
  if (said === WINNING) return inquiry ? settle(world, dispute, "warning_closed") : win(world, dispute);
  if (said === LOSING) settle(world, dispute, inquiry ? "warning_closed" : "lost");
}

function win(world: World, dispute: Dispute): void {
  dispute.balance_transactions.push(moveFunds(world, dispute, 1));
  settle(world, dispute, "won");
  emit(world, "charge.dispute.funds_reinstated", dispute);
}

/** It is over; closing it oneself loses it. */
export function settle(world: World, dispute: Dispute, status: "won" | "lost" | "warning_closed"): void {
  dispute.status = status;
  dispute.evidence_details.due_by = null;
  emit(world, "charge.dispute.closed", dispute);
}
