/** Refunds. A refund returns money of a charge to the customer. @see https://docs.stripe.com/api/refunds/object */
import { now } from "../core/clock.ts";
import { newId } from "../core/ids.ts";
import type { ObjectSource } from "../core/object-source.ts";
import type { Charge } from "./charge.ts";

export type Refund = ReturnType<typeof newRefund>;

export interface RefundDetails {
  reason?: "duplicate" | "expired_uncaptured_charge" | "fraudulent" | "requested_by_customer" | null;
  metadata?: Record<string, string>;
  /** The status of the new refund. Default "succeeded". */
  status?: "pending" | "succeeded";
}

interface LaterFields {
  pending_reason?: "processing";
  failure_balance_transaction?: string;
  failure_reason?: string;
}

export function newRefund(source: ObjectSource, charge: Charge, amount: number, details: RefundDetails) {
  const { metadata = {}, reason = null, status = "succeeded" } = details;
  return {
    id: newId(source, "re"),
    object: "refund" as const,
    amount,
    balance_transaction: null as string | null,
    charge: charge.id,
    created: now(source),
    currency: charge.currency,
    customer: charge.customer,
    customer_account: null,
    destination_details: {
      card: { reference_status: "pending", reference_type: "acquirer_reference_number", type: "refund" },
      type: "card",
    },
    metadata,
    payment_intent: charge.payment_intent,
    payment_method: charge.payment_method,
    reason,
    receipt_number: null,
    source_transfer_reversal: null,
    status: status as "pending" | "succeeded" | "failed",
    transfer_reversal: null,
    ...((status === "pending" ? { pending_reason: "processing" } : {}) as LaterFields),
  };
}
