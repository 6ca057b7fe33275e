/** Confirms setup intents. @see https://docs.stripe.com/api/setup_intents */
import { emit } from "../core/events.ts";
import { find, insert, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { PaymentError } from "../objects/payment-intent.ts";
import { type NewSetupIntent, newSetupIntent, type SetupIntent } from "../objects/setup-intent.ts";
import { attach } from "./payment-methods.ts";
import { cardOutcome } from "./payments.ts";

export function createSetupIntent(context: Context, input: NewSetupIntent): SetupIntent {
  const intent = insert(context, "setup_intent", newSetupIntent(context, input));
  emit(context, "setup_intent.created", intent);
  return intent;
}

/** Confirms a setup intent: attaches the card to the customer, or requires 3-D Secure first. */
export function confirmSetup(context: Context, intent: SetupIntent, methodId: string, returnUrl: string | null): void {
  intent.payment_method = methodId;
  const outcome = cardOutcome(context, methodId, true);
  if (outcome.kind === "succeeds" || (outcome.kind === "declines" && isCardSaved(context, methodId)))
    return succeedSetup(context, intent);
  if (outcome.kind === "declines") {
    const { code, declineCode, message } = outcome;
    return failSetup(context, intent, { code, decline_code: declineCode, message, type: "card_error" });
  }
  Object.assign(intent, {
    status: "requires_action",
    next_action: {
      type: "redirect_to_url",
      redirect_to_url: { url: `${context.baseUrl}/challenge/${intent.id}`, return_url: returnUrl },
    },
  });
  emit(context, "setup_intent.requires_action", intent);
}

export function completeSetupChallenge(context: Context, intent: SetupIntent, authenticated: boolean): void {
  if (intent.status !== "requires_action") return;
  intent.next_action = null;
  if (authenticated) return succeedSetup(context, intent);
  failSetup(context, intent, {
    code: "setup_intent_authentication_failure",
    message: "The latest attempt to set up the payment method has failed because authentication failed.",
    type: "card_error",
  });
}

/**
 * Returns whether a card is attached to a customer. A test card that fails only when it is charged can still be
 * attached.
 */
function isCardSaved(context: Context, methodId: string): boolean {
  return find(context, "payment_method", methodId)?.customer != null;
}

function succeedSetup(context: Context, intent: SetupIntent): void {
  Object.assign(intent, { status: "succeeded", last_setup_error: null, next_action: null });
  if (intent.customer !== null && intent.payment_method !== null)
    attach(context, retrieve(context, "payment_method", intent.payment_method), intent.customer);
  emit(context, "setup_intent.succeeded", intent);
}

function failSetup(context: Context, intent: SetupIntent, error: PaymentError): void {
  Object.assign(intent, {
    status: "requires_payment_method",
    last_setup_error: error,
    next_action: null,
    payment_method: null,
  });
  emit(context, "setup_intent.setup_failed", intent);
}
