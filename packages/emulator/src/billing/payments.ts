/** Confirms, captures and cancels payment intents. @see https://docs.stripe.com/payments/paymentintents/lifecycle */
import { now } from "../core/clock.ts";
import { ApiError, docUrl } from "../core/errors.ts";
import { emit, emitChange } from "../core/events.ts";
import { find, insert, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { clearTimer, setTimer } from "../core/timers.ts";
import { AUTHORIZATION_SECONDS } from "../objects/charge.ts";
import {
  type NewPaymentIntent,
  newPaymentIntent,
  type PaymentError,
  type PaymentIntent,
} from "../objects/payment-intent.ts";
import { cardError, paymentErrorOf } from "./card-errors.ts";
import { createCharge, recordInBalance } from "./charges.ts";
import { openDisputeOfCard } from "./disputes.ts";
import { unexpectedPayment } from "./intent-errors.ts";
import { type ActionClient, challengeAction } from "./next-actions.ts";
import { attach } from "./payment-methods.ts";
import { releaseUncaptured } from "./refunds.ts";
import { cardByNumber, type CardOutcome, type Decline, declineOutcome, type TestCard } from "./test-cards.ts";

export function createPaymentIntent(context: Context, input: NewPaymentIntent): PaymentIntent {
  const intent = insert(context, "payment_intent", newPaymentIntent(context, input));
  emit(context, "payment_intent.created", intent);
  return intent;
}

export interface Confirmation extends ActionClient {
  /** True if the customer is present and can complete 3-D Secure. */
  onSession: boolean;
  /** The parameter because of which a payment that requires 3-D Secure fails. Default: the payment waits for 3-D Secure. */
  failsOnAction?: "off_session" | "error_on_requires_action" | null;
}

/** Tries to pay a payment intent with a card, and sets the intent's status, for example to `succeeded`. */
export function confirmPayment(context: Context, intent: PaymentIntent, methodId: string, how: Confirmation): void {
  if (intent.status === "succeeded" || intent.status === "canceled" || intent.status === "requires_capture")
    throw unexpectedPayment(intent, "confirm");
  intent.payment_method = methodId;
  const outcome = consumeNextDecline(context) ?? cardOutcome(context, methodId, how.onSession);
  if (outcome.kind === "succeeds") return succeedPayment(context, intent);
  if (outcome.kind === "declines") return declinePayment(context, intent, paymentErrorOf(outcome));
  if (intent.confirmation_method === "manual" && !how.failsOnAction) throw manualChallenge();
  if (how.failsOnAction) return failPayment(context, intent, AUTHENTICATION_ERRORS[how.failsOnAction]);
  requireAction(context, intent, how);
}

/** At Stripe, the server confirms such a payment again after 3-D Secure. */
function manualChallenge(): ApiError {
  return new ApiError(
    "The emulator does not implement 3-D Secure for payment intents with `confirmation_method: manual`. Use a card that needs no 3-D Secure, or `confirmation_method: automatic`.",
    { status: 501, type: "api_error", param: "confirmation_method" },
  );
}

/** @see https://docs.stripe.com/payments/without-card-authentication */
const AUTHENTICATION_ERRORS: Record<"off_session" | "error_on_requires_action", PaymentError> = {
  off_session: {
    code: "authentication_required",
    decline_code: "authentication_required",
    doc_url: docUrl("authentication_required"),
    message: "Your card was declined. This transaction requires authentication.",
    type: "card_error",
  },
  error_on_requires_action: {
    code: "authentication_required",
    decline_code: "authentication_not_handled",
    doc_url: docUrl("authentication_required"),
    message:
      "This payment required an authentication action to complete, but `error_on_requires_action` was set. When you're ready, you can upgrade your integration to handle actions at https://stripe.com/docs/payments/payment-intents/upgrade-to-handle-actions.",
    type: "card_error",
  },
};

function consumeNextDecline({ state }: Context): CardOutcome | null {
  const code = state.nextDecline ?? null;
  state.nextDecline = null;
  return code === null ? null : declineOutcome(code);
}

/** Applies the result of 3-D Secure to a payment intent. */
export function completeChallenge(context: Context, intent: PaymentIntent, authenticated: boolean): void {
  if (intent.status !== "requires_action") return;
  intent.next_action = null;
  const declined = authenticated ? declineAfterChallenge(context, intent) : undefined;
  if (declined) return declinePayment(context, intent, paymentErrorOf(declined));
  if (authenticated) return succeedPayment(context, intent);
  declinePayment(context, intent, {
    code: "payment_intent_authentication_failure",
    doc_url: docUrl("payment_intent_authentication_failure"),
    message:
      "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
    type: "card_error",
  });
}

/** Returns the decline that follows 3-D Secure with a test card, although the customer completed 3-D Secure. */
function declineAfterChallenge(context: Context, { payment_method: id }: PaymentIntent): Decline | undefined {
  const card = cardByNumber(context.account.cardNumbers.get(id ?? "") ?? "");
  return card?.onSession.kind === "authenticates" ? card.onSession.afterwards : undefined;
}

/** Captures an amount of an authorized payment. The amount that is not captured returns to the customer. */
export function capturePayment(context: Context, intent: PaymentIntent, amount: number): void {
  if (intent.status !== "requires_capture") throw unexpectedPayment(intent, "capture");
  if (amount > intent.amount_capturable)
    throw new ApiError(
      `The amount_to_capture (${amount}) is greater than the capturable amount (${intent.amount_capturable}).`,
      { code: "amount_too_large", param: "amount_to_capture" },
    );
  clearTimer(context, "authorization_expires", intent.id);
  const charge = retrieve(context, "charge", intent.latest_charge ?? "");
  Object.assign(charge, { captured: true, amount_captured: amount });
  recordInBalance(context, charge, amount);
  const rest = intent.amount_capturable - amount;
  if (rest > 0) releaseUncaptured(context, charge, rest);
  Object.assign(intent, { status: "succeeded", amount_received: amount, amount_capturable: 0 });
  emit(context, "charge.captured", charge);
  emit(context, "payment_intent.succeeded", intent);
  openDisputeOfCard(context, charge);
}

/** Cancels a payment that has not succeeded. An authorized amount returns to the customer. */
export function cancelPayment(context: Context, intent: PaymentIntent, reason: string | null): void {
  if (intent.status === "succeeded" || intent.status === "canceled") return;
  const charge = intent.status === "requires_capture" ? find(context, "charge", intent.latest_charge) : undefined;
  if (charge) {
    clearTimer(context, "authorization_expires", intent.id);
    const expires = reason === "automatic";
    releaseUncaptured(context, charge, intent.amount_capturable, expires ? "expired_uncaptured_charge" : null);
    emit(context, expires ? "charge.expired" : "charge.refunded", charge);
  }
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
  return outcomeOf(context, methodId, onSession ? "onSession" : "offSession");
}

/** Returns the result of saving a test card without a payment. A `decline` fault overrides the card's result. */
export function setupOutcome(context: Context, methodId: string): CardOutcome {
  return outcomeOf(context, methodId, "onSetup");
}

function outcomeOf(context: Context, methodId: string, use: "onSession" | "offSession" | "onSetup"): CardOutcome {
  retrieve(context, "payment_method", methodId, "payment_method");
  if (context.forcedDecline) return declineOutcome(context.forcedDecline);
  const card: TestCard | undefined = cardByNumber(context.account.cardNumbers.get(methodId) ?? "");
  if (!card) throw new Error(`payment method ${methodId} has no test card`);
  return card[use];
}

/** Returns the 402 error for a payment intent whose last attempt was declined. */
export function declineError(context: Context, intent: PaymentIntent): ApiError {
  const failure = intent.last_payment_error;
  if (!failure) throw new Error(`payment intent ${intent.id} was not declined`);
  const { payment_method: method, charge, ...error } = failure;
  const named = { charge: charge ?? null, payment_intent: { ...intent }, payment_method: method };
  return cardError(error, named);
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
  if (manual) setTimer(context, "authorization_expires", intent.id, now(context) + AUTHORIZATION_SECONDS);
  else openDisputeOfCard(context, charge);
  saveMethod(context, intent);
}

/** Attaches the card of a payment to the customer if `setup_future_usage` requires that. */
function saveMethod(
  context: Context,
  { setup_future_usage: usage, customer, payment_method: id }: PaymentIntent,
): void {
  const method = find(context, "payment_method", id);
  if (usage !== null && customer !== null && method) attach(context, method, customer);
}

function requireAction(context: Context, intent: PaymentIntent, client: ActionClient): void {
  emitChange(context, "payment_intent.requires_action", intent, (row) => {
    row.status = "requires_action";
    row.next_action = challengeAction(context, intent.id, client);
  });
}

function declinePayment(context: Context, intent: PaymentIntent, error: PaymentError): void {
  const charge = createCharge(context, intent, { paid: false, captured: false, error });
  intent.latest_charge = charge.id;
  emit(context, "charge.failed", charge);
  failPayment(context, intent, { charge: charge.id, ...error });
}

function failPayment(context: Context, intent: PaymentIntent, error: PaymentError): void {
  const method = find(context, "payment_method", intent.payment_method);
  Object.assign(intent, {
    status: "requires_payment_method",
    last_payment_error: { ...error, ...(method && { payment_method: { ...method } }) },
    next_action: null,
    payment_method: null,
  });
  emit(context, "payment_intent.payment_failed", intent);
}
