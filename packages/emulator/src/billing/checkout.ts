/** What happens when somebody pays on the checkout page. */
import { findActiveCode } from "./discounts.ts";
import { attach, methodFromIdOrToken } from "./payment-methods.ts";
import { addSold } from "./invoice-items.ts";
import { newCustomer } from "./customers.ts";
import { ApiError } from "../core/errors.ts";
import { emit } from "../core/events.ts";
import { clearTimer } from "../core/timers.ts";
import { find, insert, need, now, remove, type World } from "../core/world.ts";
import type { CheckoutSession } from "../resources/checkout-sessions.ts";

import type { Price } from "../resources/prices.ts";

import { attachPaidIntent } from "./collection.ts";
import { applyDiscounts, couponOf, redeem, redeemAll, type DiscountInput } from "./discounts.ts";
import { cancelPayment, cardOutcome, completeChallenge, confirmPayment, createPaymentIntent } from "./payments.ts";
import type { NextAction, PaymentError, PaymentIntent } from "./payments.ts";
import { amountFor } from "./pricing.ts";
import { answerSetupChallenge, confirmSetup, createSetupIntent, type SetupIntent } from "./setup.ts";
import { createSubscription } from "./subscription-start.ts";

/** What is bought, and how far the paying is: Stripe keeps this from the API. */
export interface Order {
  items: { id: string; price: string; quantity: number }[];
  /** Of the subscription, or of the payment intent. */
  metadata: Record<string, string>;
  description: string | null;
  trialDays: number;
  trialEnd: number | null;
  missingPaymentMethod: "create_invoice" | "cancel" | "pause";
  discounts: DiscountInput[];
  paymentIntent: string | null;
  setupIntent: string | null;
  paymentMethod: string | null;
  /** What the page tells after a failed try. */
  notice: string | null;
}

export type CheckoutOutcome =
  | { kind: "complete" }
  | { kind: "declined"; error: PaymentError }
  | { kind: "challenge"; nextAction: NextAction | null };

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
  if (session.mode === "setup") return confirmSetupMode(world, session, order, method.id);
  if (dueNow(world, session) === 0) return confirmFree(world, session, order, method.id);
  const intent = intentOf(world, session, order);
  confirmPayment(world, intent, method.id, { onSession: true });
  return settle(world, session, order, intent);
}

/** Without a card, where none is needed: a trial or nothing to pay, with `payment_method_collection=if_required`. */
export function confirmWithoutCard(world: World, session: CheckoutSession): CheckoutOutcome {
  const order = orderOf(world, session);
  if (session.status !== "open" || dueNow(world, session) !== 0 || session.payment_method_collection !== "if_required")
    throw new ApiError("This Checkout Session needs a payment method.", {
      code: "parameter_missing",
      param: "payment_method",
    });
  return complete(world, session, order, null);
}

/** What the person did on the bank's page. */
export function answerCheckoutChallenge(
  world: World,
  session: CheckoutSession,
  intent: PaymentIntent | SetupIntent,
  authenticated: boolean,
): CheckoutOutcome {
  const order = orderOf(world, session);
  if (intent.object === "setup_intent") {
    answerSetupChallenge(world, intent, authenticated);
    return settleSetup(world, session, order, intent);
  }
  completeChallenge(world, intent, authenticated);
  return settle(world, session, order, intent);
}

export function expireCheckout(world: World, session: CheckoutSession): void {
  if (session.status !== "open") return;
  clearTimer(world, "session_expires", session.id);
  session.status = "expired";
  session.url = null;
  const intent = find(world, "payment_intent", orderOf(world, session).paymentIntent);
  if (intent) cancelPayment(world, intent, "abandoned");
  emit(world, "checkout.session.expired", session);
}

export function orderOf(world: World, session: CheckoutSession): Order {
  const order = world.account.orders.get(session.id);
  if (!order) throw new Error(`session ${session.id} has no order`);
  return order;
}

/** The open session that waits for this intent. */
export function sessionOf(world: World, intent: { id: string }): CheckoutSession | null {
  for (const [id, order] of world.account.orders)
    if (order.paymentIntent === intent.id || order.setupIntent === intent.id)
      return find(world, "checkout.session", id) ?? null;
  return null;
}

/** What is charged: a subscription's first invoice takes the customer's balance first, as every invoice does. */
export function dueNow(world: World, session: CheckoutSession): number {
  const total = session.amount_total ?? 0;
  if (session.mode !== "subscription" || total === 0) return total;
  return Math.max(0, total + (find(world, "customer", session.customer)?.balance ?? 0));
}

/** Redeems what was typed in on the page; answers what is wrong with it, or null. */
export function usePromotionCode(world: World, session: CheckoutSession, typed: string): string | null {
  const order = orderOf(world, session);
  const code = findActiveCode(world, typed.trim());
  if (!session.allow_promotion_codes || !code) return "This code is invalid.";
  order.discounts = [{ promotion_code: code.id }];
  price(world, session, order);
  return null;
}

/** Writes the session's amounts: what is due now, after discounts and trials. */
export function price(world: World, session: CheckoutSession, order: Order): void {
  const lines = checkoutLines(world, session, order);
  const sum = (field: "amount_subtotal" | "amount_discount" | "amount_total") =>
    lines.reduce((total, line) => total + line[field], 0);
  const free = session.mode === "setup";
  session.amount_subtotal = free ? null : sum("amount_subtotal");
  session.amount_total = free ? null : sum("amount_total");
  session.total_details = free ? null : { amount_discount: sum("amount_discount"), amount_shipping: 0, amount_tax: 0 };
  session.payment_status = free || session.amount_total === 0 ? "no_payment_required" : "unpaid";
  if (!free)
    session.discounts = order.discounts.map(({ coupon, promotion_code: code }) => ({
      coupon: coupon ?? null,
      promotion_code: code ?? null,
    }));
}

export type CheckoutLine = ReturnType<typeof checkoutLines>[number];

export function checkoutLines(world: World, session: CheckoutSession, order: Order) {
  const trial = order.trialDays > 0 || order.trialEnd !== null;
  const lines = order.items.map((item) => {
    const itemPrice = need(world, "price", item.price);
    const amount = isFreeNow(itemPrice, trial) ? 0 : amountFor(itemPrice, item.quantity);
    return {
      item,
      price: itemPrice,
      line: {
        amount,
        currency: itemPrice.currency,
        discountable: true,
        discounts: [] as string[],
        discount_amounts: [] as { amount: number; discount: string }[],
        pretax_credit_amounts: [] as { amount: number; discount: string; type: "discount" }[],
        pricing: { price_details: { product: itemPrice.product } },
      },
    };
  });
  applyDiscounts(
    world,
    lines.map(({ line }) => line),
    previewDiscounts(world, session, order),
  );
  return lines.map(({ item, price: itemPrice, line }) => {
    const off = line.discount_amounts.reduce((sum, { amount }) => sum + amount, 0);
    return {
      id: item.id,
      object: "item" as const,
      adjustable_quantity: null,
      amount_discount: off,
      amount_subtotal: line.amount,
      amount_tax: 0,
      amount_total: line.amount - off,
      currency: itemPrice.currency,
      description: need(world, "product", itemPrice.product).name,
      metadata: {},
      price: itemPrice,
      quantity: item.quantity,
    };
  });
}

function isFreeNow(itemPrice: Price, trial: boolean): boolean {
  return itemPrice.recurring !== null && (trial || itemPrice.recurring.usage_type === "metered");
}

/** Discounts as they would be, without redeeming anything. */
function previewDiscounts(world: World, session: CheckoutSession, order: Order): string[] {
  return order.discounts.flatMap((input, index) => {
    const code = find(world, "promotion_code", input.promotion_code ?? null);
    const coupon = find(world, "coupon", code?.promotion.coupon ?? input.coupon ?? null);
    if (!coupon) return [];
    const id = `di_preview_${session.id}_${index}`;
    if (couponOf(world, id)) return [id];
    const used = coupon.times_redeemed;
    const discount = redeem(world, coupon, { customer: session.customer ?? "" }, null);
    coupon.times_redeemed = used;
    remove(world, "discount", discount.id);
    world.account.tables.discount.set(id, { ...discount, id });
    return [id];
  });
}

function confirmSetupMode(world: World, session: CheckoutSession, order: Order, methodId: string): CheckoutOutcome {
  const intent = need(world, "setup_intent", order.setupIntent ?? "");
  confirmSetup(world, intent, methodId, null);
  return settleSetup(world, session, order, intent);
}

function settleSetup(world: World, session: CheckoutSession, order: Order, intent: SetupIntent): CheckoutOutcome {
  if (intent.status === "succeeded") return complete(world, session, order, null);
  if (intent.status === "requires_action") return { kind: "challenge", nextAction: intent.next_action };
  return declined(order, intent.last_setup_error);
}

/** With nothing to pay the card is only checked. */
function confirmFree(world: World, session: CheckoutSession, order: Order, methodId: string): CheckoutOutcome {
  const outcome = cardOutcome(world, methodId, true);
  const saved = find(world, "payment_method", methodId)?.customer != null;
  if (outcome.kind !== "declines" || saved) {
    const intent = createSetupIntent(world, { customer: session.customer });
    order.setupIntent = intent.id;
    Object.assign(intent, { payment_method: methodId, status: "succeeded" });
    emit(world, "setup_intent.succeeded", intent);
    return complete(world, session, order, null);
  }
  const { code, declineCode: decline_code, message } = outcome;
  return declined(order, { code, decline_code, message, type: "card_error" });
}

function intentOf(world: World, session: CheckoutSession, order: Order): PaymentIntent {
  const known = find(world, "payment_intent", order.paymentIntent);
  const amount = dueNow(world, session);
  if (known && known.status !== "canceled" && known.amount === amount) return known;
  if (known) cancelPayment(world, known, "abandoned");
  const payment = session.mode === "payment";
  const intent = createPaymentIntent(world, {
    amount,
    currency: session.currency ?? "usd",
    customer: session.customer,
    description: payment ? order.description : "Subscription creation",
    metadata: payment ? order.metadata : {},
    captureMethod: payment ? "automatic_async" : "automatic",
    setupFutureUsage: payment ? null : "off_session",
  });
  order.paymentIntent = intent.id;
  return intent;
}

function settle(world: World, session: CheckoutSession, order: Order, intent: PaymentIntent): CheckoutOutcome {
  if (intent.status === "succeeded") return complete(world, session, order, intent);
  if (intent.status === "requires_action") return { kind: "challenge", nextAction: intent.next_action };
  return declined(order, intent.last_payment_error);
}

function declined(order: Order, failure: PaymentError | null): CheckoutOutcome {
  const error = failure ?? { code: "card_declined", message: "Your card was declined.", type: "card_error" };
  order.notice = error.message;
  return { kind: "declined", error };
}

function complete(world: World, session: CheckoutSession, order: Order, intent: PaymentIntent | null): CheckoutOutcome {
  ensureCustomer(world, session, intent);
  clearTimer(world, "session_expires", session.id);
  const method = order.paymentMethod === null ? null : need(world, "payment_method", order.paymentMethod);
  if (method && session.customer !== null && session.mode !== "payment") attach(world, method, session.customer);
  if (session.mode === "subscription") subscribe(world, session, order, intent, method?.id ?? null);
  if (session.mode === "payment" && intent) session.payment_intent = intent.id;
  if (session.mode === "payment")
    redeemAll(world, order.discounts, { customer: session.customer ?? "", checkout_session: session.id });
  session.status = "complete";
  session.url = null;
  session.payment_status = intent ? "paid" : "no_payment_required";
  emit(world, "checkout.session.completed", session);
  return { kind: "complete" };
}

/** A session without a customer makes one, unless nothing of it is kept. */
function ensureCustomer(world: World, session: CheckoutSession, intent: PaymentIntent | null): void {
  if (session.customer !== null) return;
  if (session.mode === "payment" && session.customer_creation !== "always") return;
  const email = session.customer_email ?? session.customer_details?.email ?? undefined;
  const customer = insert(world, "customer", newCustomer(world, { email }));
  session.customer = customer.id;
  if (intent) intent.customer = customer.id;
  emit(world, "customer.created", customer);
}

function subscribe(
  world: World,
  session: CheckoutSession,
  order: Order,
  intent: PaymentIntent | null,
  method: string | null,
): void {
  const customer = session.customer ?? "";
  const items = order.items.map((item) => ({ price: need(world, "price", item.price), quantity: item.quantity }));
  const recurring = items.filter(({ price: one }) => one.recurring !== null);
  for (const { price: one, quantity } of items.filter((item) => item.price.recurring === null))
    addSold(world, { customer, price: one, quantity });
  const { subscription, invoice } = createSubscription(world, {
    customer,
    items: recurring,
    metadata: order.metadata,
    description: order.description,
    trialEnd: order.trialEnd ?? (order.trialDays > 0 ? now(world) + order.trialDays * 86_400 : null),
    defaultPaymentMethod: method,
    discounts: order.discounts,
    missingPaymentMethod: order.missingPaymentMethod,
  });
  if (intent && invoice.status === "open") attachPaidIntent(world, invoice, intent);
  session.subscription = subscription.id;
  session.invoice = invoice.id;
}
