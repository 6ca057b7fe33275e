/** Disputes. In a dispute, a cardholder contests a charge. @see https://docs.stripe.com/api/disputes/object */
import { now } from "../core/clock.ts";
import { newId } from "../core/ids.ts";
import type { ObjectSource } from "../core/object-source.ts";
import type { BalanceTransaction } from "./balance-transaction.ts";
import { type Charge, unrefundedAmount } from "./charge.ts";

/** The cardholder's reason for a dispute. An "inquiry" is a question of the bank before a dispute. */
export const DISPUTE_REASONS = ["fraudulent", "product_not_received", "inquiry"] as const;
export type DisputeReason = (typeof DISPUTE_REASONS)[number];

export type Dispute = ReturnType<typeof newDispute>;

const RESPONSE_SECONDS = 9 * 86_400;

export const EVIDENCE_NAMES = [
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

export type EvidenceName = (typeof EVIDENCE_NAMES)[number];

export function newDispute(source: ObjectSource, charge: Charge, reason: DisputeReason, brand: string) {
  const inquiry = reason === "inquiry";
  const at = now(source);
  return {
    id: newId(source, "du"),
    object: "dispute" as const,
    amount: unrefundedAmount(charge),
    balance_transactions: [] as BalanceTransaction[],
    charge: charge.id,
    created: at,
    currency: charge.currency,
    enhanced_eligibility_types: [],
    evidence: {
      ...(Object.fromEntries(EVIDENCE_NAMES.map((name) => [name, null])) as Record<EvidenceName, string | null>),
      enhanced_evidence: {},
    },
    evidence_details: {
      due_by: (at + RESPONSE_SECONDS) as number | null,
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
