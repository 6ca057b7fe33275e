/** Creates charges and records them in the account's balance. @see https://docs.stripe.com/api/charges */
import { now } from "../core/clock.ts";
import { emitChange } from "../core/events.ts";
import { find, insert } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { setTimer } from "../core/timers.ts";
import { type Charge, type ChargeOutcome, newCharge } from "../objects/charge.ts";
import type { PaymentIntent } from "../objects/payment-intent.ts";
import { addBalanceTransaction } from "./balance.ts";
import { cardByNumber, type TestCard } from "./test-cards.ts";

const SETTLES_AFTER = 2;

export function createCharge(
  context: Context,
  intent: PaymentIntent,
  outcome: Omit<ChargeOutcome, "method" | "risk">,
): Charge {
  const method = find(context, "payment_method", intent.payment_method);
  const charge = insert(
    context,
    "charge",
    newCharge(context, intent, { ...outcome, risk: cardOf(context, intent)?.risk, method }),
  );
  // The balance transaction of an asynchronously captured charge is created two seconds after the charge.
  if (outcome.captured && intent.capture_method === "automatic_async")
    setTimer(context, "charge_settles", charge.id, now(context) + SETTLES_AFTER);
  else if (outcome.captured) recordInBalance(context, charge);
  return charge;
}

/** Creates the balance transaction of a charge that was captured asynchronously. */
export function settleCharge(context: Context, charge: Charge): void {
  emitChange(context, "charge.updated", charge, () => recordInBalance(context, charge));
}

/** Records the captured amount of a charge in the account's balance. */
export function recordInBalance(context: Context, charge: Charge, amount = charge.amount): void {
  charge.balance_transaction = addBalanceTransaction(context, {
    amount,
    currency: charge.currency,
    description: charge.description,
    source: charge.id,
    type: "charge",
    available: cardOf(context, charge)?.bypassesPending ?? false,
  }).id;
}

function cardOf(context: Context, paid: Pick<Charge, "payment_method">): TestCard | undefined {
  return cardByNumber(context.account.cardNumbers.get(paid.payment_method ?? "") ?? "");
}
