/** Confirms, captures and cancels payment intents. @see https://docs.stripe.com/payments/paymentintents/lifecycle */
import { now } from "../core/clock.ts";
import { ApiError } from "../core/errors.ts";
import { emit, emitChange } from "../core/events.ts";
import { find, insert, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import {
  type NewPaymentIntent,
  newPaymentIntent,
  type PaymentError,
  type PaymentIntent,
} from "../objects/payment-intent.ts";
import { addBalanceTransaction } from "./balance.ts";
import { createCharge } from "./charges.ts";
import { openDisputeOfCard } from "./disputes.ts";
import { cardByNumber, type CardOutcome, declineOutcome } from "./test-cards.ts";

export function createPaymentIntent(context: Context, input: NewPaymentIntent): PaymentIntent {
  const intent = insert(context, "payment_intent", newPaymentIntent(context, input));
  emit(context, "payment_intent.created", intent);
  return intent;
}

export interface Confirmation {
  /** True if the customer is present and can complete 3-D Secure. */
  onSession: boolean;
  returnUrl?: string | null;
}

/** Tries to pay a payment intent with a card, and sets the intent's status, for example to `succeeded`. */
export function confirmPayment(context: Context, intent: PaymentIntent, methodId: string, how: Confirmation): void {
  if (intent.status === "succeeded" || intent.status === "canceled" || intent.status === "requires_capture")
    throw unexpectedState(intent, "confirm");
  intent.payment_method = methodId;
  const outcome = consumeNextDecline(context) ?? cardOutcome(context, methodId, how.onSession);
  if (outcome.kind === "succeeds") return succeedPayment(context, intent);
  if (outcome.kind === "authenticates") return requireAction(context, intent, how.returnUrl ?? null);
  declinePayment(context, intent, {
    code: outcome.code,
    decline_code: outcome.declineCode,
    message: outcome.message,
    type: "card_error",
  });
}

function consumeNextDecline({ state }: Context): CardOutcome | null {
  const code = state.nextDecline ?? null;
  state.nextDecline = null;
  return code === null ? null : declineOutcome(code);
}

/** Applies the result of 3-D Secure to a payment intent. */
export function completeChallenge(context: Context, intent: PaymentIntent, authenticated: boolean): void {
  if (intent.status !== "requires_action") return;
  intent.next_action = null;
  if (authenticated) return succeedPayment(context, intent);
  declinePayment(context, intent, {
    code: "payment_intent_authentication_failure",
    message:
      "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
    type: "card_error",
  });
}

export function capturePayment(context: Context, intent: PaymentIntent, amount: number): void {
  if (intent.status !== "requires_capture") throw unexpectedState(intent, "capture");
  if (amount > intent.amount_capturable)
    throw new ApiError(
      `The amount_to_capture (${amount}) is greater than the capturable amount (${intent.amount_capturable}).`,
      { code: "amount_too_large", param: "amount_to_capture" },
    );
  const charge = retrieve(context, "charge", intent.latest_charge ?? "");
  const { currency, description, id: source } = charge;
  const transaction = addBalanceTransaction(context, { amount, currency, description, source, type: "charge" });
  Object.assign(charge, { captured: true, amount_captured: amount, balance_transaction: transaction.id });
  Object.assign(intent, { status: "succeeded", amount_received: amount, amount_capturable: 0 });
  emit(context, "charge.captured", charge);
  emit(context, "payment_intent.succeeded", intent);
  openDisputeOfCard(context, charge);
}

export function cancelPayment(context: Context, intent: PaymentIntent, reason: string | null): void {
  if (intent.status === "succeeded" || intent.status === "canceled") return;
  Object.assign(intent, {
    status: "canceled",
    amount_capturable: 0,
    canceled_at: now(context),
    cancellation_reason: reason,
    next_action: null,
  });
  emit(context, "payment_intent.canceled", intent);
}

/** Returns the result of charging a test card. A `decline` fault overrides the card's result. */
export function cardOutcome(context: Context, methodId: string, onSession: boolean): CardOutcome {
  retrieve(context, "payment_method", methodId, "payment_method");
  if (context.forcedDecline) return declineOutcome(context.forcedDecline);
  const card = cardByNumber(context.account.cardNumbers.get(methodId) ?? "");
  if (!card) throw new Error(`payment method ${methodId} has no test card`);
  return onSession ? card.onSession : card.offSession;
}

export function unexpectedState({ status }: { status: string }, verb: string): ApiError {
  const past = { capture: "captured", cancel: "canceled" }[verb] ?? `${verb}ed`;
  return new ApiError(`This PaymentIntent could not be ${past} because it has a status of ${status}.`, {
    code: "payment_intent_unexpected_state",
  });
}

/** Returns the 402 error for a payment intent whose last attempt was declined. */
export function declineError(context: Context, intent: PaymentIntent): ApiError {
  const failure = intent.last_payment_error;
  if (!failure) throw new Error(`payment intent ${intent.id} was not declined`);
  const { message, code, decline_code: declineCode } = failure;
  return new ApiError(message, {
    status: 402,
    keepsEffects: true,
    type: "card_error",
    code,
    ...(declineCode && { decline_code: declineCode }),
    ...(intent.latest_charge && { charge: intent.latest_charge }),
    payment_intent: { ...intent },
    payment_method: find(context, "payment_method", intent.payment_method) ?? undefined,
  });
}

function succeedPayment(context: Context, intent: PaymentIntent): void {
  const manual = intent.capture_method === "manual";
  const charge = createCharge(context, intent, { paid: true, captured: !manual });
  Object.assign(intent, {
    status: manual ? "requires_capture" : "succeeded",
    amount_capturable: manual ? intent.amount : 0,
    amount_received: manual ? 0 : intent.amount,
    latest_charge: charge.id,
    last_payment_error: null,
    next_action: null,
  });
  emit(context, "charge.succeeded", charge);
  emit(context, manual ? "payment_intent.amount_capturable_updated" : "payment_intent.succeeded", intent);
  if (!manual) openDisputeOfCard(context, charge);
}

function requireAction(context: Context, intent: PaymentIntent, returnUrl: string | null): void {
  emitChange(context, "payment_intent.requires_action", intent, (row) => {
    row.status = "requires_action";
    row.next_action = {
      type: "redirect_to_url",
      redirect_to_url: { url: `${context.baseUrl}/challenge/${intent.id}`, return_url: returnUrl },
    };
  });
}

function declinePayment(context: Context, intent: PaymentIntent, error: PaymentError): void {
  const charge = createCharge(context, intent, { paid: false, captured: false, error });
  const method = find(context, "payment_method", intent.payment_method);
  Object.assign(intent, {
    status: "requires_payment_method",
    last_payment_error: {
      charge: charge.id,
      ...error,
      doc_url: `https://stripe.com/docs/error-codes/${error.code.replaceAll("_", "-")}`,
      ...(method && { payment_method: method }),
    },
    latest_charge: charge.id,
    next_action: null,
    payment_method: null,
  });
  emit(context, "charge.failed", charge);
  emit(context, "payment_intent.payment_failed", intent);
}
