/** What happens when somebody pays on the checkout page. */
import { ApiError } from "../core/errors.ts";
import { emit } from "../core/events.ts";
import { clearTimer } from "../core/timers.ts";
import { find, need, type World } from "../core/world.ts";
import type { CheckoutSession } from "../resources/checkout-sessions.ts";
import { attach, methodFromIdOrToken } from "../resources/payment-methods.ts";
import { attachPaidIntent } from "./invoices.ts";
import {
  cancelPayment,
  cardOutcome,
  completeChallenge,
  confirmPayment,
  createPaymentIntent,
  type PaymentError,
  type PaymentIntent,
} from "./payments.ts";
import { createSubscription } from "./subscriptions.ts";

/** What is bought, and how far the paying is: Stripe keeps this from the API. */
export interface Order {
  items: { price: string; quantity: number }[];
  metadata: Record<string, string>;
  trialDays: number;
  paymentIntent: string | null;
  paymentMethod: string | null;
  /** What the page tells after a failed try. */
  notice: string | null;
}

export type CheckoutOutcome =
  | { kind: "complete" }
  | { kind: "declined"; error: PaymentError }
  | { kind: "challenge"; nextAction: PaymentIntent["next_action"] };

/** Pays an open session. Until it is paid there is no subscription. */
export function confirmCheckout(world: World, session: CheckoutSession, methodOrToken: string): CheckoutOutcome {
  if (session.status !== "open")
    throw new ApiError(`This Checkout Session is ${session.status}; it can't be paid.`, {
      code: "checkout_session_not_open",
    });
  const order = orderOf(world, session);
  const method = methodFromIdOrToken(world, methodOrToken, "payment_method");
  order.paymentMethod = method.id;
  order.notice = null;
  if (session.amount_total === 0) return confirmFree(world, session, order, method.id);
  const intent = intentOf(world, session, order);
  confirmPayment(world, intent, method.id, true);
  return settle(world, session, order, intent);
}

/** What the person did on the bank's page. */
export function answerCheckoutChallenge(
  world: World,
  session: CheckoutSession,
  intent: PaymentIntent,
  authenticated: boolean,
): CheckoutOutcome {
  completeChallenge(world, intent, authenticated);
  return settle(world, session, orderOf(world, session), intent);
}

export function expireCheckout(world: World, session: CheckoutSession): void {
  if (session.status !== "open") return;
  clearTimer(world, "session_expires", session.id);
  session.status = "expired";
  session.url = null;
  const intent = find(world, "payment_intent", orderOf(world, session).paymentIntent ?? "");
  if (intent) cancelPayment(world, intent, "abandoned");
  emit(world, "checkout.session.expired", session);
}

export function orderOf(world: World, session: CheckoutSession): Order {
  const order = world.state.orders.get(session.id);
  if (!order) throw new Error(`session ${session.id} has no order`);
  return order;
}

/** The open session that waits for this intent. */
export function sessionOf(world: World, intent: PaymentIntent): CheckoutSession | null {
  for (const [id, order] of world.state.orders)
    if (order.paymentIntent === intent.id) return find(world, "checkout.session", id) ?? null;
  return null;
}

/** With nothing to pay the card is only checked. */
function confirmFree(world: World, session: CheckoutSession, order: Order, methodId: string): CheckoutOutcome {
  const outcome = cardOutcome(world, methodId, true);
  if (outcome.kind !== "declines" || need(world, "payment_method", methodId).customer !== null)
    return complete(world, session, order, null);
  const { code, declineCode: decline_code, message } = outcome;
  order.notice = message;
  return { kind: "declined", error: { code, decline_code, message, type: "card_error" } };
}

function intentOf(world: World, session: CheckoutSession, order: Order): PaymentIntent {
  const known = find(world, "payment_intent", order.paymentIntent ?? "");
  if (known && known.status !== "canceled") return known;
  const { amount_total: amount, currency, customer } = session;
  const intent = createPaymentIntent(world, { amount, currency, customer, invoice: null });
  order.paymentIntent = intent.id;
  return intent;
}

function settle(world: World, session: CheckoutSession, order: Order, intent: PaymentIntent): CheckoutOutcome {
  if (intent.status === "succeeded") return complete(world, session, order, intent);
  if (intent.status === "requires_action") return { kind: "challenge", nextAction: intent.next_action };
  const error = intent.last_payment_error ?? {
    code: "card_declined",
    message: "Your card was declined.",
    type: "card_error",
  };
  order.notice = error.message;
  return { kind: "declined", error };
}

function complete(world: World, session: CheckoutSession, order: Order, intent: PaymentIntent | null): CheckoutOutcome {
  const method = need(world, "payment_method", order.paymentMethod ?? "");
  attach(world, method, session.customer);
  clearTimer(world, "session_expires", session.id);
  const { subscription, invoice } = createSubscription(world, {
    customer: session.customer,
    items: order.items.map((item) => ({ price: need(world, "price", item.price), quantity: item.quantity })),
    metadata: order.metadata,
    trialDays: order.trialDays,
    defaultPaymentMethod: method.id,
  });
  if (intent) attachPaidIntent(world, invoice, intent);
  session.status = "complete";
  session.url = null;
  session.payment_status = intent ? "paid" : "no_payment_required";
  session.subscription = subscription.id;
  session.invoice = invoice.id;
  emit(world, "checkout.session.completed", session);
  return { kind: "complete" };
}
