/** Payment intents: one attempt after another to take one amount. @see https://docs.stripe.com/payments/paymentintents/lifecycle */
import { emit } from "../core/events.ts";
import { copy, find, need, newId, type World } from "../core/world.ts";
import { cardByNumber, type CardOutcome } from "./test-cards.ts";

export interface PaymentError {
  code: string;
  decline_code?: string;
  message: string;
  type: "card_error";
}

export type PaymentIntent = ReturnType<typeof newPaymentIntent>;

export interface NewPaymentIntent {
  amount: number;
  currency: string;
  customer: string;
  invoice: string | null;
}

export function createPaymentIntent(world: World, input: NewPaymentIntent): PaymentIntent {
  const intent = newPaymentIntent(world, input);
  world.state.tables.payment_intent.set(intent.id, intent);
  emit(world, "payment_intent.created", intent);
  return intent;
}

function newPaymentIntent(world: World, { amount, currency, customer, invoice }: NewPaymentIntent) {
  const id = newId(world, "pi");
  return {
    id,
    object: "payment_intent" as const,
    amount,
    amount_capturable: 0,
    amount_received: 0,
    canceled_at: null as number | null,
    cancellation_reason: null as string | null,
    capture_method: "automatic",
    client_secret: `${id}_secret_${newId(world, "s")}`,
    confirmation_method: "automatic",
    created: world.state.now,
    currency,
    customer,
    description: invoice ? "Subscription creation" : null,
    last_payment_error: null as PaymentError | null,
    latest_charge: null as string | null,
    livemode: false as const,
    metadata: {} as Record<string, string>,
    next_action: null as {
      type: "redirect_to_url";
      redirect_to_url: { url: string; return_url: string | null };
    } | null,
    payment_details: { order_reference: invoice },
    payment_method: null as string | null,
    payment_method_types: ["card"],
    setup_future_usage: "off_session" as const,
    status: "requires_payment_method" as "requires_payment_method" | "requires_action" | "succeeded" | "canceled",
  };
}

/** Tries to pay with a card, with the person there or not. The intent tells how it went. */
export function confirmPayment(world: World, intent: PaymentIntent, paymentMethodId: string, onSession: boolean): void {
  intent.payment_method = paymentMethodId;
  const outcome = cardOutcome(world, paymentMethodId, onSession);
  if (outcome.kind === "succeeds") return succeed(world, intent);
  if (outcome.kind === "authenticates") return askForAction(world, intent);
  decline(world, intent, {
    code: outcome.code,
    decline_code: outcome.declineCode,
    message: outcome.message,
    type: "card_error",
  });
}

/** What the person did on the bank's page. */
export function completeChallenge(world: World, intent: PaymentIntent, authenticated: boolean): void {
  if (intent.status !== "requires_action") return;
  intent.next_action = null;
  if (authenticated) return succeed(world, intent);
  decline(world, intent, {
    code: "payment_intent_authentication_failure",
    message:
      "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
    type: "card_error",
  });
}

export function cancelPayment(world: World, intent: PaymentIntent, reason: string): void {
  if (intent.status === "succeeded" || intent.status === "canceled") return;
  Object.assign(intent, {
    status: "canceled",
    canceled_at: world.state.now,
    cancellation_reason: reason,
    next_action: null,
  });
  emit(world, "payment_intent.canceled", intent);
}

export function cardOutcome(world: World, paymentMethodId: string, onSession: boolean): CardOutcome {
  need(world, "payment_method", paymentMethodId, "payment_method");
  const card = cardByNumber(world.state.cardNumbers.get(paymentMethodId) ?? "");
  if (!card) throw new Error(`no test card behind ${paymentMethodId}`);
  return onSession ? card.onSession : card.offSession;
}

function succeed(world: World, intent: PaymentIntent): void {
  const chargeId = newId(world, "ch");
  Object.assign(intent, {
    status: "succeeded",
    amount_received: intent.amount,
    latest_charge: chargeId,
    last_payment_error: null,
    next_action: null,
  });
  emit(world, "charge.succeeded", chargeOf(world, intent, chargeId, "succeeded"));
  emit(world, "payment_intent.succeeded", intent);
}

function askForAction(world: World, intent: PaymentIntent): void {
  const url = `${world.baseUrl}/challenge/${intent.id}`;
  intent.status = "requires_action";
  intent.next_action = { type: "redirect_to_url", redirect_to_url: { url, return_url: null } };
  emit(world, "payment_intent.requires_action", intent);
}

function decline(world: World, intent: PaymentIntent, error: PaymentError): void {
  const chargeId = newId(world, "ch");
  Object.assign(intent, {
    status: "requires_payment_method",
    last_payment_error: error,
    latest_charge: chargeId,
    next_action: null,
  });
  emit(world, "charge.failed", chargeOf(world, intent, chargeId, "failed"));
  emit(world, "payment_intent.payment_failed", intent);
}

function chargeOf(world: World, intent: PaymentIntent, id: string, status: "succeeded" | "failed"): object {
  const method = intent.payment_method === null ? null : find(world, "payment_method", intent.payment_method);
  return {
    id,
    object: "charge",
    amount: intent.amount,
    amount_captured: status === "succeeded" ? intent.amount : 0,
    amount_refunded: 0,
    captured: status === "succeeded",
    created: world.state.now,
    currency: intent.currency,
    customer: intent.customer,
    failure_code: intent.last_payment_error?.code ?? null,
    failure_message: intent.last_payment_error?.message ?? null,
    livemode: false,
    metadata: {},
    paid: status === "succeeded",
    payment_intent: intent.id,
    payment_method: intent.payment_method,
    payment_method_details: method ? { type: "card", card: copy(method.card) } : null,
    refunded: false,
    status,
  };
}
