/** Refunds charges. @see https://docs.stripe.com/api/refunds */
import { ApiError } from "../core/errors.ts";
import { emit, emitChange } from "../core/events.ts";
import { formatAmount } from "../core/money.ts";
import { insert } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { Charge } from "../objects/charge.ts";
import { newRefund, type Refund, type RefundDetails } from "../objects/refund.ts";
import { addBalanceTransaction } from "./balance.ts";

/** Refunds an amount of a charge. Throws if the amount is more than the charge's unrefunded amount. */
export function refundCharge(context: Context, charge: Charge, amount: number, details: RefundDetails = {}): Refund {
  const left = charge.amount_captured - charge.amount_refunded;
  if (left === 0)
    throw new ApiError(`Charge ${charge.id} has already been refunded.`, { code: "charge_already_refunded" });
  if (amount > left) {
    const [asked, open] = [amount, left].map((value) => formatAmount(value, charge.currency));
    throw new ApiError(`Refund amount (${asked}) is greater than unrefunded amount on charge (${open})`, {
      param: "amount",
    });
  }
  const row = insert(context, "refund", newRefund(context, charge, amount, details));
  row.balance_transaction = addBalanceTransaction(context, {
    amount: -amount,
    currency: charge.currency,
    description: `REFUND FOR CHARGE${charge.description ? ` (${charge.description})` : ""}`,
    source: row.id,
    type: "refund",
  }).id;
  emitChange(context, "charge.refunded", charge, () => {
    charge.amount_refunded += amount;
    charge.refunded = charge.amount_refunded === charge.amount_captured;
  });
  emit(context, "refund.created", row);
  return row;
}
