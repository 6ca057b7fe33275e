/** Collects invoices: finalizes drafts, charges the card, and applies the result of the payment. */
import { now } from "../core/clock.ts";
import { emit, emitChange } from "../core/events.ts";
import { find, listBy } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { clearTimer, setTimer } from "../core/timers.ts";
import type { Invoice } from "../objects/invoice.ts";
import type { PaymentIntent } from "../objects/payment-intent.ts";
import type { Subscription } from "../objects/subscription.ts";
import { defaultCardOf } from "./customer-sources.ts";
import { setDelinquent } from "./customers.ts";
import { attachPayment, intentOf, invoiceOf, markUncollectible, subscriptionOf, voidInvoice } from "./invoices.ts";
import { applyPendingChange, pendingChangeOf } from "./pending-changes.ts";
import { completeChallenge, type Confirmation, confirmPayment, createPaymentIntent } from "./payments.ts";
import { finalizeInvoice, markPaid } from "./settlement.ts";
import { paymentFailed } from "./subscription-changes.ts";

const DAY = 86_400;
const HOUR = 3_600;
/**
 * For each retry of a payment: the number of days after the first failed payment. By default, Stripe makes eight payment
 * attempts in two weeks: the first attempt and seven retries.
 */
const RETRY_DAYS = [1, 3, 5, 7, 9, 11, 14];
/** The longest time that a draft invoice waits for the delivery of its `invoice.created` event. */
const MAX_WAIT_SECONDS = 72 * HOUR;

/** Returns the ID of the card that pays an invoice; null if there is no card. */
export function cardForInvoice(context: Context, invoice: Invoice): string | null {
  const subscription = subscriptionOf(context, invoice);
  const customer = find(context, "customer", invoice.customer);
  return invoice.default_payment_method ?? subscription?.default_payment_method ?? defaultCardOf(customer);
}

/**
 * Finalizes the invoice if it is a draft, then charges it or sends it to the customer. A draft invoice that must not be
 * finalized yet is not charged.
 */
export function collectInvoice(context: Context, invoice: Invoice): void {
  if (invoice.status === "draft" && !finalizeForCollection(context, invoice)) return;
  if (invoice.status !== "open") return;
  if (invoice.collection_method === "send_invoice") return void emit(context, "invoice.sent", invoice);
  payInvoice(context, invoice, cardForInvoice(context, invoice), { onSession: false });
}

/**
 * Finalizes a draft invoice. Returns false if the invoice must not be charged, because the draft must wait or
 * collection is paused.
 */
function finalizeForCollection(context: Context, invoice: Invoice): boolean {
  if (awaitsWebhook(context, invoice)) {
    setTimer(context, "invoice_finalizes", invoice.id, now(context) + HOUR);
    return false;
  }
  const pause = subscriptionOf(context, invoice)?.pause_collection?.behavior;
  if (pause === "keep_as_draft") {
    emitChange(context, "invoice.updated", invoice, (row) => {
      row.auto_advance = false;
    });
    return false;
  }
  finalizeInvoice(context, invoice);
  if (pause === undefined) return true;
  if (invoice.amount_due > 0 && pause === "void") voidInvoice(context, invoice);
  else if (invoice.amount_due > 0) markUncollectible(context, invoice, "subscription_paused");
  return false;
}

/**
 * Returns whether a draft invoice must wait because a webhook endpoint has not yet returned 2xx for its
 * `invoice.created` event.
 * @see https://docs.stripe.com/billing/subscriptions/webhooks#understand
 */
function awaitsWebhook(context: Context, invoice: Invoice): boolean {
  if (now(context) - invoice.created >= MAX_WAIT_SECONDS) return false;
  const event = find(context, "event", context.account.createdEventByInvoice.get(invoice.id) ?? null);
  return event !== undefined && event.pending_webhooks > 0;
}

/** @see https://docs.stripe.com/api/subscriptions/update#update_subscription-payment_behavior */
export type PaymentBehavior =
  | "allow_incomplete"
  | "default_incomplete"
  | "error_if_incomplete"
  | "pending_if_incomplete";

/** The way in which the invoice of a subscription change is paid. */
export interface PaymentChoice {
  behavior: PaymentBehavior;
  onSession: boolean;
}

export const PAYS_AT_ONCE: PaymentChoice = { behavior: "allow_incomplete", onSession: true };

/**
 * Collects the invoice of a subscription change. With `default_incomplete`, the invoice waits until a client confirms its
 * payment intent, and the subscription is past due.
 */
export function collectChange(context: Context, invoice: Invoice, { behavior, onSession }: PaymentChoice): void {
  if (invoice.status !== "open") return;
  if (invoice.collection_method === "send_invoice") return void emit(context, "invoice.sent", invoice);
  if (behavior !== "default_incomplete")
    return void payInvoice(context, invoice, cardForInvoice(context, invoice), { onSession });
  awaitConfirmation(context, invoice);
  const subscription = subscriptionOf(context, invoice);
  if (subscription) paymentFailed(context, subscription);
}

/** Creates the payment intent of an invoice without confirming it. */
export function awaitConfirmation(context: Context, invoice: Invoice): void {
  const intent = getOrCreateIntent(context, invoice);
  const card = cardForInvoice(context, invoice);
  if (card !== null) Object.assign(intent, { payment_method: card, status: "requires_confirmation" });
}

/** Tries to pay an open invoice. A missing card counts as a failed attempt. */
export function payInvoice(context: Context, invoice: Invoice, card: string | null, how: Confirmation): PaymentIntent {
  const intent = getOrCreateIntent(context, invoice);
  if (card !== null) confirmPayment(context, intent, card, how);
  invoice.attempted = true;
  settleAttempt(context, invoice, intent);
  return intent;
}

/**
 * Returns the payment intent that pays the invoice. Creates a payment intent if the invoice has none or if the invoice's last
 * payment intent is canceled.
 */
export function getOrCreateIntent(context: Context, invoice: Invoice): PaymentIntent {
  const known = intentOf(context, invoice);
  if (known && known.status !== "canceled") return known;
  const subscription = subscriptionOf(context, invoice);
  const intent = createPaymentIntent(context, {
    amount: invoice.amount_remaining,
    currency: invoice.currency,
    customer: invoice.customer,
    captureMethod: "automatic",
    invoice: invoice.id,
    description: DESCRIPTIONS[invoice.billing_reason] ?? "Payment for Invoice",
    setupFutureUsage: subscription && savesCard(invoice, subscription) ? "off_session" : null,
  });
  attachPayment(context, invoice, intent);
  return intent;
}

/** Returns whether the payment of an invoice saves its card for later payments of the subscription. */
function savesCard({ billing_reason: reason }: Invoice, { payment_settings: settings }: Subscription): boolean {
  if (settings.save_default_payment_method === "on_subscription") return true;
  return reason === "subscription_create" || reason === "subscription_update";
}

const DESCRIPTIONS: Record<string, string> = {
  subscription_create: "Subscription creation",
  subscription_cycle: "Subscription update",
  subscription_update: "Subscription update",
};

/** Updates the open invoice of a payment intent to match the intent's status. */
export function settleIntent(context: Context, intent: PaymentIntent): void {
  const invoice = invoiceOf(context, intent);
  if (invoice?.status === "open") settleAttempt(context, invoice, intent);
}

/** Applies the result of 3-D Secure to a payment intent and its invoice. */
export function completeInvoiceChallenge(context: Context, intent: PaymentIntent, authenticated: boolean): void {
  completeChallenge(context, intent, authenticated);
  settleIntent(context, intent);
}

function settleAttempt(context: Context, invoice: Invoice, intent: PaymentIntent): void {
  if (intent.status === "succeeded") {
    invoice.attempt_count += 1;
    return markPaid(context, invoice);
  }
  if (intent.status === "requires_capture" || intent.status === "requires_confirmation") return;
  const needsAction = intent.status === "requires_action";
  const { subscription, isRetried, waits, resumesOnAttempt } = attemptOf(context, invoice);
  // If the customer is present, a payment that requires 3-D Secure has not failed yet.
  if (isRetried || !needsAction) {
    emitChange(context, "invoice.updated", invoice, (row) => {
      row.attempt_count += 1;
      if (isRetried) row.next_payment_attempt = nextAttempt(context, row);
    });
    if (isRetried) {
      setTimer(context, "invoice_retries", invoice.id, invoice.next_payment_attempt ?? now(context));
      setDelinquent(context, invoice.customer, true);
    }
    emit(context, "invoice.payment_failed", invoice);
  }
  if (needsAction) emit(context, "invoice.payment_action_required", invoice);
  if (subscription && resumesOnAttempt) applyPendingChange(context, subscription, invoice, "past_due");
  if (subscription && !waits) paymentFailed(context, subscription);
}

/**
 * Returns the effects of a failed payment. The emulator does not retry first payments or payments for pending updates, because
 * the customer is present and can try another card.
 */
function attemptOf(context: Context, invoice: Invoice) {
  const subscription = subscriptionOf(context, invoice);
  const resumes = subscription && pendingChangeOf(context, subscription, invoice)?.resumes;
  const waits = Boolean(subscription?.status === "incomplete" || subscription?.pending_update || resumes);
  const isRenewal = subscription !== null && !waits && invoice.billing_reason !== "subscription_update";
  return {
    subscription,
    waits,
    isRetried: isRenewal || resumes === "resume_on_payment_success",
    resumesOnAttempt: resumes === "resume_on_payment_attempt",
  };
}

function nextAttempt(context: Context, invoice: Invoice): number | null {
  const days = RETRY_DAYS[invoice.attempt_count - 1];
  const first = invoice.status_transitions.finalized_at ?? now(context);
  return days === undefined ? null : Math.max(now(context) + 1, first + days * DAY);
}

/**
 * Reports an invoice that the customer has not paid by its due date, and makes its subscription past due.
 * @see https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses
 */
export function invoiceOverdue(context: Context, invoice: Invoice): void {
  if (invoice.status !== "open") return;
  emit(context, "invoice.overdue", invoice);
  const subscription = subscriptionOf(context, invoice);
  if (subscription) paymentFailed(context, subscription);
}

/** Stops automatic collection of the draft and open invoices of an ended subscription. */
export function stopCollecting(context: Context, subscription: Subscription): void {
  for (const invoice of listBy(context, "invoice", { subscription: subscription.id })) {
    clearTimer(context, "invoice_retries", invoice.id);
    clearTimer(context, "invoice_finalizes", invoice.id);
    if (invoice.status === "open" || invoice.status === "draft")
      emitChange(context, "invoice.updated", invoice, (row) => {
        Object.assign(row, { auto_advance: false, next_payment_attempt: null });
      });
  }
}

/**
 * Marks an invoice as paid by a payment intent that succeeded before the invoice existed. In Checkout, the customer
 * pays before the invoice is created.
 */
export function attachPaidIntent(context: Context, invoice: Invoice, intent: PaymentIntent): void {
  attachPayment(context, invoice, intent);
  invoice.attempt_count += 1;
  markPaid(context, invoice);
}
