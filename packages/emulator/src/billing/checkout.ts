/** Confirms, completes and expires checkout sessions. */
import { now } from "../core/clock.ts";
import { amountDue } from "../core/currencies.ts";
import { ApiError } from "../core/errors.ts";
import { emit } from "../core/events.ts";
import type { CheckoutOrder } from "../core/records.ts";
import { find, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { clearTimer } from "../core/timers.ts";
import type { CheckoutSession } from "../objects/checkout-session.ts";
import type { LineTax } from "../objects/invoice-line.ts";
import { taxTotal } from "../objects/line-taxes.ts";
import type { NextAction, PaymentError, PaymentIntent } from "../objects/payment-intent.ts";
import type { Price } from "../objects/price.ts";
import type { SetupIntent } from "../objects/setup-intent.ts";
import { paymentErrorOf } from "./card-errors.ts";
import { couponsOf, findTypedCode, redeemCheckedDiscounts, setDiscounts } from "./checkout-discounts.ts";
import { attachPaidIntent } from "./collection.ts";
import { balanceIn } from "./customer-balance.ts";
import { applyDiscounts } from "./discounts.ts";
import { asksForAddress, checkoutRates, existingRates, needTaxLocation, setTaxStatus } from "./checkout-taxes.ts";
import { amountUntilAnchor } from "./first-period.ts";
import { needFields, saveFields } from "./checkout-fields.ts";
import { saveCustomer } from "./checkout-customer.ts";
import { applyTaxes } from "./taxes.ts";
import { addOneTimeItem } from "./invoice-items.ts";
import { attach, methodFromIdOrToken } from "./payment-methods.ts";
import { cancelPayment, completeChallenge, confirmPayment, createPaymentIntent } from "./payments.ts";
import { priceIn } from "./presentment.ts";
import { amountFor } from "./pricing.ts";
import { completeSetupChallenge, confirmSetup, createSetupIntent } from "./setup.ts";
import { createSubscription } from "./subscription-start.ts";
import { declineOutcome } from "./test-cards.ts";

export type CheckoutOutcome =
  | { kind: "complete" }
  | { kind: "declined"; error: PaymentError }
  | { kind: "challenge"; nextAction: NextAction | null };

/** Pays an open checkout session with a card. The checkout session's subscription is created only after the payment. */
export function confirmCheckout(context: Context, session: CheckoutSession, methodOrToken: string): CheckoutOutcome {
  if (session.status !== "open")
    throw new ApiError(`This Checkout Session is ${session.status}; it can't be paid.`, {
      code: "checkout_session_not_open",
    });
  const order = orderOf(context, session);
  refreshAmounts(context, session);
  setDiscounts(context, session, order, order.discounts);
  const method = methodFromIdOrToken(context, methodOrToken, "payment_method");
  needTaxLocation(session);
  needFields(session, order);
  order.paymentMethod = method.id;
  order.notice = null;
  if (session.mode === "setup") return confirmSetupMode(context, session, order, method.id);
  if (amountDueNow(context, session) === 0) return confirmFree(context, session, order, method.id);
  const intent = intentOf(context, session, order);
  confirmPayment(context, intent, method.id, { onSession: true });
  return settlePayment(context, session, order, intent);
}

/**
 * Takes the customer's address from the billing details of a payment method, if the session asks for an address and has none.
 */
export function collectFromMethod(context: Context, session: CheckoutSession, methodId: string): void {
  const order = orderOf(context, session);
  const { address, name } = find(context, "payment_method", methodId)?.billing_details ?? {};
  if (order.collected || address?.country == null || !asksForAddress(context, session, order)) return;
  order.collected = { name: name ?? null, address: { ...address }, taxId: null };
  setAmounts(context, session, order);
}

/**
 * Completes a checkout session without a card. Throws if the session has an amount due, or if its `payment_method_collection`
 * is not `if_required`.
 */
export function confirmWithoutCard(context: Context, session: CheckoutSession): CheckoutOutcome {
  const order = orderOf(context, session);
  refreshAmounts(context, session);
  if (
    session.status !== "open" ||
    amountDueNow(context, session) !== 0 ||
    session.payment_method_collection !== "if_required"
  )
    throw new ApiError("This Checkout Session needs a payment method.", {
      code: "parameter_missing",
      param: "payment_method",
    });
  needTaxLocation(session);
  needFields(session, order);
  setDiscounts(context, session, order, order.discounts);
  return completeSession(context, session, order, null);
}

/** Applies the result of 3-D Secure to a checkout session. */
export function completeCheckoutChallenge(
  context: Context,
  session: CheckoutSession,
  intent: PaymentIntent | SetupIntent,
  authenticated: boolean,
): CheckoutOutcome {
  const order = orderOf(context, session);
  if (intent.object === "setup_intent") {
    completeSetupChallenge(context, intent, authenticated);
    return settleSetup(context, session, order, intent);
  }
  completeChallenge(context, intent, authenticated);
  return settlePayment(context, session, order, intent);
}

export function expireCheckout(context: Context, session: CheckoutSession): void {
  if (session.status !== "open") return;
  clearTimer(context, "session_expires", session.id);
  session.status = "expired";
  session.url = null;
  offerRecovery(context, session);
  const intent = find(context, "payment_intent", orderOf(context, session).paymentIntent);
  if (intent) cancelPayment(context, intent, "abandoned");
  emit(context, "checkout.session.expired", session);
}

/** The time for which a recovery URL creates new sessions. @see https://docs.stripe.com/payments/checkout/abandoned-carts */
const RECOVERY_SECONDS = 30 * 86_400;

/** Adds a URL to an expired session that opens a copy of the session, if the session's settings ask for it. */
function offerRecovery(context: Context, session: CheckoutSession): void {
  const recovery = session.after_expiration?.recovery;
  if (!recovery?.enabled) return;
  recovery.expires_at = now(context) + RECOVERY_SECONDS;
  recovery.url = `${context.baseUrl}/c/recover/${session.id}`;
}

export function orderOf(context: Context, session: CheckoutSession): CheckoutOrder {
  const order = context.account.checkoutOrders.get(session.id);
  if (!order) throw new Error(`checkout session ${session.id} has no order`);
  return order;
}

/** Returns the checkout session that created a payment intent or setup intent; null if there is none. */
export function sessionOf(context: Context, intent: { id: string }): CheckoutSession | null {
  for (const [id, order] of context.account.checkoutOrders)
    if (order.paymentIntent === intent.id || order.setupIntent === intent.id)
      return find(context, "checkout.session", id) ?? null;
  return null;
}

/**
 * Returns the amount that a checkout session charges now. If the session starts a subscription, the customer's credit
 * balance reduces the amount, as for every invoice.
 */
export function amountDueNow(context: Context, session: CheckoutSession): number {
  const total = session.amount_total ?? 0;
  if (session.mode !== "subscription" || total === 0) return total;
  const currency = session.currency ?? "usd";
  return amountDue(total + balanceIn(context, session.customer, currency), currency);
}

/**
 * Applies the promotion code that the customer typed on the checkout page. Returns an error message if the code is
 * invalid; null otherwise.
 */
export function usePromotionCode(context: Context, session: CheckoutSession, typed: string): string | null {
  const order = orderOf(context, session);
  if (!session.allow_promotion_codes) return "This code is invalid.";
  const code = findTypedCode(context, session, order, typed);
  if (!code) return "This code is invalid.";
  setDiscounts(context, session, order, [code]);
  setAmounts(context, session, order);
  return null;
}

/**
 * Sets the amounts of a checkout session, such as its total. The amounts contain only what is due now, after discounts
 * and trials.
 */
export function setAmounts(context: Context, session: CheckoutSession, order: CheckoutOrder): void {
  order.pricedAt = now(context);
  const lines = checkoutLines(context, session, order);
  const sum = (field: "amount_subtotal" | "amount_discount" | "amount_tax" | "amount_total") =>
    lines.reduce((total, line) => total + line[field], 0);
  const free = session.mode === "setup";
  session.amount_subtotal = free ? null : sum("amount_subtotal");
  session.amount_total = free ? null : sum("amount_total");
  session.total_details = free
    ? null
    : { amount_discount: sum("amount_discount"), amount_shipping: 0, amount_tax: sum("amount_tax") };
  setTaxStatus(context, session, order);
  session.payment_status = free || session.amount_total === 0 ? "no_payment_required" : "unpaid";
  if (!free)
    session.discounts = order.discounts.map(({ coupon, promotion_code: code }) => ({
      coupon: coupon ?? null,
      promotion_code: code ?? null,
    }));
}

export type CheckoutLine = ReturnType<typeof checkoutLines>[number];

export function checkoutLines(context: Context, session: CheckoutSession, order: CheckoutOrder) {
  const trial = order.trialDays > 0 || order.trialEnd !== null;
  const lines = order.items.map((item) => {
    const itemPrice = retrieve(context, "price", item.price);
    const currency = session.currency ?? itemPrice.currency;
    const full = isFreeNow(itemPrice, trial) ? 0 : amountFor(priceIn(itemPrice, currency), item.quantity);
    const amount = itemPrice.recurring ? firstAmount(context, full, itemPrice, order) : full;
    return {
      item,
      price: itemPrice,
      line: {
        amount,
        currency,
        discountable: true,
        discounts: [] as string[],
        discount_amounts: [] as { amount: number; discount: string }[],
        pretax_credit_amounts: [] as { amount: number; discount: string; type: "discount" }[],
        pricing: { price_details: { product: itemPrice.product } },
        taxes: [] as LineTax[],
      },
    };
  });
  const coupons = couponsOf(context, order);
  // The ID of a discount is known only after its redemption. Until then, the position of a discount stands for its ID.
  applyDiscounts(
    lines.map(({ line }) => line),
    [...order.discounts.keys()].map(String),
    (index) => coupons[Number(index)] ?? null,
  );
  const ratesOf = checkoutRates(context, session, order);
  for (const { item, price: itemPrice, line } of lines) applyTaxes([line], () => ratesOf(item, itemPrice));
  return lines.map(({ item, price: itemPrice, line }) => {
    const off = line.discount_amounts.reduce((sum, { amount }) => sum + amount, 0);
    return {
      id: item.id,
      object: "item" as const,
      adjustable_quantity: item.adjustable ? { enabled: true, ...item.adjustable } : null,
      amount_discount: off,
      amount_subtotal: line.amount,
      amount_tax: taxTotal(line.taxes),
      amount_total: line.amount - off + taxTotal(line.taxes, "exclusive"),
      currency: line.currency,
      description: retrieve(context, "product", itemPrice.product).name,
      metadata: {},
      price: itemPrice,
      quantity: item.quantity,
      discount_amounts: line.discount_amounts,
      taxes: line.taxes,
    };
  });
}

/** Returns the amount that a recurring price costs now: only the time before the billing cycle anchor, if that lies ahead. */
function firstAmount(context: Context, full: number, itemPrice: Price, order: CheckoutOrder): number {
  const { anchor, isFreeUntilAnchor, pricedAt: at = now(context) } = order;
  if (anchor === undefined || anchor <= at) return full;
  return isFreeUntilAnchor ? 0 : amountUntilAnchor(full, itemPrice, { anchor, at });
}

/** Computes the amounts again if the billing cycle anchor has passed since the last time. Then a full period is due. */
export function refreshAmounts(context: Context, session: CheckoutSession): void {
  const order = orderOf(context, session);
  const { anchor, pricedAt = 0 } = order;
  if (anchor !== undefined && pricedAt < anchor && anchor <= now(context)) setAmounts(context, session, order);
}

function isFreeNow(itemPrice: Price, trial: boolean): boolean {
  return itemPrice.recurring !== null && (trial || itemPrice.recurring.usage_type === "metered");
}

function confirmSetupMode(
  context: Context,
  session: CheckoutSession,
  order: CheckoutOrder,
  methodId: string,
): CheckoutOutcome {
  const intent = retrieve(context, "setup_intent", order.setupIntent ?? "");
  confirmSetup(context, intent, methodId, {});
  return settleSetup(context, session, order, intent);
}

function settleSetup(
  context: Context,
  session: CheckoutSession,
  order: CheckoutOrder,
  intent: SetupIntent,
): CheckoutOutcome {
  if (intent.status === "succeeded") return completeSession(context, session, order, null);
  if (intent.status === "requires_action") return { kind: "challenge", nextAction: intent.next_action };
  return recordDecline(order, intent.last_setup_error);
}

/** Completes a checkout session with no amount due: saves the card, which may require 3-D Secure first. */
function confirmFree(
  context: Context,
  session: CheckoutSession,
  order: CheckoutOrder,
  methodId: string,
): CheckoutOutcome {
  const known = find(context, "setup_intent", order.setupIntent);
  const intent =
    known?.status === "requires_payment_method" ? known : createSetupIntent(context, { customer: session.customer });
  order.setupIntent = intent.id;
  confirmSetup(context, intent, methodId, {});
  return settleSetup(context, session, order, intent);
}

function intentOf(context: Context, session: CheckoutSession, order: CheckoutOrder): PaymentIntent {
  const known = find(context, "payment_intent", order.paymentIntent);
  const amount = amountDueNow(context, session);
  if (known && known.status !== "canceled" && known.amount === amount) return known;
  if (known) cancelPayment(context, known, "abandoned");
  const payment = session.mode === "payment";
  const intent = createPaymentIntent(context, {
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

function settlePayment(
  context: Context,
  session: CheckoutSession,
  order: CheckoutOrder,
  intent: PaymentIntent,
): CheckoutOutcome {
  if (intent.status === "succeeded") return completeSession(context, session, order, intent);
  if (intent.status === "requires_action") return { kind: "challenge", nextAction: intent.next_action };
  return recordDecline(order, intent.last_payment_error);
}

function recordDecline(order: CheckoutOrder, failure: PaymentError | null): CheckoutOutcome {
  const error = failure ?? paymentErrorOf(declineOutcome("generic_decline"));
  order.notice = error.message;
  return { kind: "declined", error };
}

function completeSession(
  context: Context,
  session: CheckoutSession,
  order: CheckoutOrder,
  intent: PaymentIntent | null,
): CheckoutOutcome {
  saveCustomer(context, session, order, intent);
  clearTimer(context, "session_expires", session.id);
  const method = order.paymentMethod === null ? null : retrieve(context, "payment_method", order.paymentMethod);
  if (method && session.customer !== null && session.mode !== "payment") attach(context, method, session.customer);
  if (session.mode === "subscription") startSubscription(context, session, order, intent);
  if (session.mode === "payment" && intent) session.payment_intent = intent.id;
  if (session.mode === "payment") redeemCheckedDiscounts(context, session, order);
  saveFields(session, order);
  session.status = "complete";
  session.url = null;
  session.payment_status = intent ? "paid" : "no_payment_required";
  emit(context, "checkout.session.completed", session);
  return { kind: "complete" };
}

function startSubscription(
  context: Context,
  session: CheckoutSession,
  order: CheckoutOrder,
  intent: PaymentIntent | null,
): void {
  const customer = session.customer ?? "";
  const items = order.items.map((item) => ({
    price: retrieve(context, "price", item.price),
    quantity: item.quantity,
    taxRates: existingRates(context, item.taxRates),
  }));
  const recurring = items.filter(({ price: one }) => one.recurring !== null);
  for (const { price: one, quantity, taxRates } of items.filter((item) => item.price.recurring === null))
    addOneTimeItem(context, { customer, price: one, quantity, taxRates, currency: session.currency ?? one.currency });
  const { subscription, invoice } = createSubscription(context, {
    customer,
    items: recurring,
    currency: session.currency ?? undefined,
    automaticTax: session.automatic_tax.enabled,
    defaultTaxRates: existingRates(context, order.defaultTaxRates),
    metadata: order.metadata,
    description: order.description,
    trialEnd: order.trialEnd ?? (order.trialDays > 0 ? now(context) + order.trialDays * 86_400 : null),
    anchor: order.anchor ?? null,
    prorate: !order.isFreeUntilAnchor,
    pricedAt: order.pricedAt,
    defaultPaymentMethod: order.paymentMethod,
    discounts: order.discounts,
    checkedCoupons: couponsOf(context, order),
    missingPaymentMethod: order.missingPaymentMethod,
  });
  if (intent && invoice?.status === "open") attachPaidIntent(context, invoice, intent);
  session.subscription = subscription.id;
  session.invoice = invoice?.id ?? null;
}
