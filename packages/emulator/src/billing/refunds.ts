/** Refunds charges. @see https://docs.stripe.com/api/refunds */
import { toApiView } from "../core/api-view.ts";
import { now } from "../core/clock.ts";
import { ApiError } from "../core/errors.ts";
import { emit, emitChange, emitChangeAs } from "../core/events.ts";
import { formatAmount } from "../core/money.ts";
import { insert, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { setTimer } from "../core/timers.ts";
import { type Charge, unrefundedAmount } from "../objects/charge.ts";
import { newRefund, type Refund, type RefundDetails } from "../objects/refund.ts";
import { addBalanceTransaction } from "./balance.ts";
import { closeDispute, disputeOf, isInquiry, isOpen } from "./disputes.ts";
import { cardByNumber } from "./test-cards.ts";

/** The seconds after which a pending refund succeeds, or the refund of a failing card fails. */
const SETTLES_AFTER = 60;

/**
 * Refunds an amount of a charge. A full refund closes an inquiry about the charge. Throws if the amount is more than the
 * charge's unrefunded amount, or if the charge is disputed.
 */
export function refundCharge(context: Context, charge: Charge, amount: number, details: RefundDetails = {}): Refund {
  checkRefund(context, charge, amount);
  const later = cardByNumber(context.account.cardNumbers.get(charge.payment_method ?? "") ?? "")?.refunds;
  const status = later === "pending" ? "pending" : "succeeded";
  const row = insert(context, "refund", newRefund(context, charge, amount, { ...details, status }));
  row.balance_transaction = addBalanceTransaction(context, {
    amount: -amount,
    currency: charge.currency,
    description: `REFUND FOR CHARGE${charge.description ? ` (${charge.description})` : ""}`,
    source: row.id,
    type: "refund",
  }).id;
  emitChange(context, "charge.refunded", charge, () => addRefunded(charge, amount));
  emit(context, "refund.created", row);
  if (later !== undefined) setTimer(context, "refund_settles", row.id, now(context) + SETTLES_AFTER);
  const dispute = disputeOf(context, charge);
  if (charge.refunded && dispute && isOpen(dispute)) closeDispute(context, dispute, "warning_closed");
  return row;
}

function addRefunded(charge: Charge, amount: number): void {
  charge.amount_refunded += amount;
  charge.refunded = charge.amount_refunded === charge.amount;
}

/**
 * Refunds an authorized amount that is not captured. No money moves, so the account's balance does not change.
 * @see https://docs.stripe.com/payments/place-a-hold-on-a-payment-method
 */
export function releaseUncaptured(
  context: Context,
  charge: Charge,
  amount: number,
  reason: "expired_uncaptured_charge" | null = null,
): void {
  const row = insert(context, "refund", newRefund(context, charge, amount, { reason }));
  addRefunded(charge, amount);
  emit(context, "refund.created", row);
}

function checkRefund(context: Context, charge: Charge, amount: number): void {
  const dispute = disputeOf(context, charge);
  if (dispute && !isInquiry(dispute) && dispute.status !== "won")
    throw new ApiError(`Charge ${charge.id} has been charged back; cannot issue a refund.`, {
      code: "charge_disputed",
    });
  const left = unrefundedAmount(charge);
  if (left === 0)
    throw new ApiError(`Charge ${charge.id} has already been refunded.`, { code: "charge_already_refunded" });
  if (amount > left) {
    const [asked, open] = [amount, left].map((value) => formatAmount(value, charge.currency));
    throw new ApiError(`Refund amount (${asked}) is greater than unrefunded amount on charge (${open})`, {
      param: "amount",
    });
  }
}

/** Completes a pending refund. A succeeded refund fails, and its amount returns to the account and to the charge. */
export function settleRefund(context: Context, refund: Refund): void {
  if (refund.status === "pending")
    return emitUpdate(context, refund, () => {
      refund.status = "succeeded";
      delete refund.pending_reason;
    });
  const { amount, currency, id: source } = refund;
  const charge = retrieve(context, "charge", refund.charge);
  const returned = addBalanceTransaction(context, {
    amount,
    currency,
    description: "REFUND FAILURE",
    source,
    type: "refund_failure",
  });
  emitChange(context, "charge.updated", charge, () => addRefunded(charge, -amount));
  emitUpdate(context, refund, () => {
    refund.status = "failed";
    refund.failure_reason = "expired_or_canceled_card";
    refund.failure_balance_transaction = returned.id;
  });
  emit(context, "refund.failed", refund);
}

/** Changes a refund and emits both event types of an update. `charge.refund.updated` is the older event type. */
export function emitUpdate(context: Context, refund: Refund, change: () => void): void {
  const types = ["refund.updated", "charge.refund.updated"];
  emitChangeAs(
    context,
    types.map((type) => ({ type, show: toApiView })),
    refund,
    change,
  );
}
