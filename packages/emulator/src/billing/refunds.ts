/** Refunds: money given back from a charge. @see https://docs.stripe.com/api/refunds */
import { ApiError } from "../core/errors.ts";
import { change, emit } from "../core/events.ts";
import { formatAmount } from "../core/money.ts";
import { newId } from "../core/ids.ts";
import { insert, now, type World } from "../core/world.ts";
import { addBalanceTransaction } from "./balance.ts";
import type { Charge } from "./charges.ts";

export type Refund = ReturnType<typeof newRefund>;

export interface RefundDetails {
  reason?: "duplicate" | "fraudulent" | "requested_by_customer" | null;
  metadata?: Record<string, string>;
}

function newRefund(world: World, charge: Charge, amount: number, details: RefundDetails) {
  return {
    id: newId(world, "re"),
    object: "refund" as const,
    amount,
    balance_transaction: null as string | null,
    charge: charge.id,
    created: now(world),
    currency: charge.currency,
    customer: charge.customer,
    customer_account: null,
    destination_details: {
      card: { reference_status: "pending", reference_type: "acquirer_reference_number", type: "refund" },
      type: "card",
    },
    metadata: details.metadata ?? {},
    payment_intent: charge.payment_intent,
    payment_method: charge.payment_method,
    reason: details.reason ?? null,
    receipt_number: null,
    source_transfer_reversal: null,
    status: "succeeded" as string | null,
    transfer_reversal: null,
  };
}

/** Throws where less is left on the charge. */
export function refundCharge(world: World, charge: Charge, amount: number, details: RefundDetails = {}): Refund {
  const left = charge.amount_captured - charge.amount_refunded;
  if (left === 0)
    throw new ApiError(`Charge ${charge.id} has already been refunded.`, { code: "charge_already_refunded" });
  if (amount > left) {
    const [asked, open] = [amount, left].map((value) => formatAmount(value, charge.currency));
    throw new ApiError(`Refund amount (${asked}) is greater than unrefunded amount on charge (${open})`, {
      param: "amount",
    });
  }
  const row = insert(world, "refund", newRefund(world, charge, amount, details));
  row.balance_transaction = addBalanceTransaction(world, {
    amount: -amount,
    currency: charge.currency,
    description: `REFUND FOR CHARGE${charge.description ? ` (${charge.description})` : ""}`,
    source: row.id,
    type: "refund",
  }).id;
  change(world, "charge.refunded", charge, () => {
    charge.amount_refunded += amount;
    charge.refunded = charge.amount_refunded === charge.amount_captured;
  });
  emit(world, "refund.created", row);
  return row;
}
