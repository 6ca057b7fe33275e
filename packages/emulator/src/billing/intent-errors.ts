/** Builds the errors for payment intents and setup intents whose status forbids a request. */
import { ApiError } from "../core/errors.ts";
import type { PaymentIntent } from "../objects/payment-intent.ts";
import type { SetupIntent } from "../objects/setup-intent.ts";

const CONFIRMABLE = "requires_confirmation, requires_action";
const PENDING = `requires_payment_method, ${CONFIRMABLE}`;

/** Returns the error for a payment intent that can't be confirmed, captured or canceled. */
export function unexpectedPayment(intent: PaymentIntent, verb: "confirm" | "capture" | "cancel"): ApiError {
  const { status } = intent;
  const messages = {
    confirm:
      status === "succeeded"
        ? "You cannot confirm this PaymentIntent because it has already succeeded after being previously confirmed."
        : `You cannot confirm this PaymentIntent because it has a status of ${status}. ${onlyWith("confirmed", CONFIRMABLE)}`,
    capture: `This PaymentIntent could not be captured because it has a status of ${status}. ${onlyWith("captured", "requires_capture")}`,
    cancel: `You cannot cancel this PaymentIntent because it has a status of ${status}. ${onlyWith("canceled", `requires_payment_method, requires_capture, ${CONFIRMABLE}, processing`)}`,
  };
  return paymentError(intent, messages[verb]);
}

function onlyWith(past: string, statuses: string): string {
  return `Only a PaymentIntent with one of the following statuses may be ${past}: ${statuses}.`;
}

/** Returns the error for a change of a field of a payment intent that was already paid or canceled. */
export function notUpdatable(intent: PaymentIntent, field: string): ApiError {
  return paymentError(
    intent,
    `This PaymentIntent's ${field} could not be updated because it has a status of ${intent.status}. You may only update the ${field} of a PaymentIntent with one of the following statuses: ${PENDING}.`,
  );
}

/** Returns the error for a setup intent that can't be confirmed, updated or canceled. */
export function unexpectedSetup(intent: SetupIntent, verb: "confirm" | "update" | "cancel"): ApiError {
  const past = { confirm: "confirmed", update: "updated", cancel: "canceled" }[verb];
  const message =
    verb === "confirm" && intent.status === "succeeded"
      ? "You cannot confirm this SetupIntent because it has already succeeded."
      : `You cannot ${verb} this SetupIntent because it has a status of ${intent.status}. Only a SetupIntent with one of the following statuses may be ${past}: ${PENDING}.`;
  return setupError(intent, message);
}

export function paymentError(intent: PaymentIntent, message: string): ApiError {
  return new ApiError(message, { code: "payment_intent_unexpected_state", payment_intent: { ...intent } });
}

export function setupError(intent: SetupIntent, message: string): ApiError {
  return new ApiError(message, { code: "setup_intent_unexpected_state", setup_intent: { ...intent } });
}

/** Returns the error for a client that confirms a payment intent with `confirmation_method: manual`. */
export function needsSecretKey(intent: PaymentIntent): ApiError {
  return paymentError(
    intent,
    "You cannot confirm this PaymentIntent with a client secret, because its `confirmation_method` is `manual`. Confirm it with a secret key.",
  );
}
