/** Confirms setup intents. @see https://docs.stripe.com/api/setup_intents */
import { type ApiError, docUrl } from "../core/errors.ts";
import { emit } from "../core/events.ts";
import { find, insert, listBy, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { PaymentError } from "../objects/payment-intent.ts";
import { type NewSetupIntent, newSetupIntent, type SetupIntent } from "../objects/setup-intent.ts";
import { cardError, paymentErrorOf } from "./card-errors.ts";
import { type ActionClient, challengeAction } from "./next-actions.ts";
import { attach } from "./payment-methods.ts";
import { setupOutcome } from "./payments.ts";
import { updateSubscription } from "./subscription-changes.ts";

export function createSetupIntent(context: Context, input: NewSetupIntent): SetupIntent {
  const intent = insert(context, "setup_intent", newSetupIntent(context, input));
  emit(context, "setup_intent.created", intent);
  return intent;
}

/** Confirms a setup intent: attaches the card to the customer, or requires 3-D Secure first. */
export function confirmSetup(context: Context, intent: SetupIntent, methodId: string, client: ActionClient): void {
  intent.payment_method = methodId;
  const outcome = setupOutcome(context, methodId);
  if (outcome.kind === "succeeds") return succeedSetup(context, intent);
  if (outcome.kind === "declines") return failSetup(context, intent, paymentErrorOf(outcome));
  Object.assign(intent, { status: "requires_action", next_action: challengeAction(context, intent.id, client) });
  emit(context, "setup_intent.requires_action", intent);
}

export function completeSetupChallenge(context: Context, intent: SetupIntent, authenticated: boolean): void {
  if (intent.status !== "requires_action") return;
  intent.next_action = null;
  if (authenticated) return succeedSetup(context, intent);
  failSetup(context, intent, {
    code: "setup_intent_authentication_failure",
    doc_url: docUrl("setup_intent_authentication_failure"),
    message: "The latest attempt to set up the payment method has failed because authentication failed.",
    type: "card_error",
  });
}

/** Returns the 402 error for a setup intent whose last attempt failed. */
export function setupFailure(intent: SetupIntent): ApiError {
  if (!intent.last_setup_error) throw new Error(`setup intent ${intent.id} has no failed attempt`);
  const { payment_method: method, ...error } = intent.last_setup_error;
  return cardError(error, { payment_method: method, setup_intent: { ...intent } });
}

function succeedSetup(context: Context, intent: SetupIntent): void {
  Object.assign(intent, { status: "succeeded", last_setup_error: null, next_action: null });
  if (intent.customer !== null && intent.payment_method !== null)
    attach(context, retrieve(context, "payment_method", intent.payment_method), intent.customer);
  emit(context, "setup_intent.succeeded", intent);
  completePendingSetup(context, intent);
}

/**
 * Removes a succeeded setup intent from the subscription that waits for it. The card becomes the subscription's default payment
 * method if the subscription's payment settings require that.
 * @see https://docs.stripe.com/billing/subscriptions/deferred-payment
 */
function completePendingSetup(context: Context, intent: SetupIntent): void {
  if (intent.customer === null) return;
  const waits = listBy(
    context,
    "subscription",
    { customer: intent.customer },
    (row) => row.pending_setup_intent === intent.id,
  );
  for (const subscription of waits) {
    const saves = subscription.payment_settings.save_default_payment_method === "on_subscription";
    updateSubscription(context, subscription, {
      pending_setup_intent: null,
      ...(saves && { default_payment_method: intent.payment_method }),
    });
  }
}

function failSetup(context: Context, intent: SetupIntent, error: PaymentError): void {
  const method = find(context, "payment_method", intent.payment_method);
  Object.assign(intent, {
    status: "requires_payment_method",
    last_setup_error: { ...error, ...(method && { payment_method: { ...method } }) },
    next_action: null,
    payment_method: null,
  });
  emit(context, "setup_intent.setup_failed", intent);
}
