/** Taking the money for invoices: the first try, the tries after it, and the end of trying. */
import { change, emit } from "../core/events.ts";
import { clearTimer, setTimer } from "../core/timers.ts";
import { find, now, of, type World } from "../core/world.ts";
import { setDelinquent } from "./customers.ts";
import {
  attachPayment,
  intentOf,
  invoiceOf,
  markUncollectible,
  subscriptionOf,
  voidInvoice,
  type Invoice,
} from "./invoices.ts";
import { completeChallenge, confirmPayment, createPaymentIntent, type PaymentIntent } from "./payments.ts";
import { finalizeInvoice, markPaid } from "./settlement.ts";
import { paymentFailed } from "./subscription-changes.ts";
import type { Subscription } from "./subscriptions.ts";

const DAY = 86_400;
const HOUR = 3_600;
/** Eight attempts over two weeks, the default: days after the first failure. */
const RETRY_DAYS = [1, 3, 5, 7, 9, 11, 14];
/** A draft waits this long for an endpoint that does not take `invoice.created`. */
const HELD_AT_MOST = 72 * HOUR;

/** The card that an invoice is charged to. */
export function cardFor(world: World, invoice: Invoice): string | null {
  const subscription = subscriptionOf(world, invoice);
  const customer = find(world, "customer", invoice.customer);
  return (
    invoice.default_payment_method ??
    subscription?.default_payment_method ??
    customer?.invoice_settings.default_payment_method ??
    null
  );
}

/** A draft whose hour has passed is fixed and charged. */
export function collect(world: World, invoice: Invoice): void {
  if (invoice.status === "draft" && !fix(world, invoice)) return;
  if (invoice.status !== "open") return;
  if (invoice.collection_method === "send_invoice") return void emit(world, "invoice.sent", invoice);
  payInvoice(world, invoice, cardFor(world, invoice), { onSession: false });
}

/** False where the draft is not to be collected: it waits, or collection is paused. */
function fix(world: World, invoice: Invoice): boolean {
  if (isHeld(world, invoice)) {
    setTimer(world, "invoice_finalizes", invoice.id, now(world) + HOUR);
    return false;
  }
  const pause = subscriptionOf(world, invoice)?.pause_collection?.behavior;
  if (pause === "keep_as_draft") {
    change(world, "invoice.updated", invoice, (row) => {
      row.auto_advance = false;
    });
    return false;
  }
  finalizeInvoice(world, invoice);
  if (pause === undefined) return true;
  if (invoice.amount_due > 0) (pause === "void" ? voidInvoice : markUncollectible)(world, invoice);
  return false;
}

/** Without a 2xx for `invoice.created`, Stripe waits. @see https://docs.stripe.com/billing/subscriptions/webhooks#understand */
function isHeld(world: World, invoice: Invoice): boolean {
  if (now(world) - invoice.created >= HELD_AT_MOST) return false;
  const event = find(world, "event", world.account.createdEvents.get(invoice.id) ?? null);
  return event !== undefined && event.pending_webhooks > 0;
}

/** Tries to pay an open invoice with a card; having none is a failed try. */
export function payInvoice(
  world: World,
  invoice: Invoice,
  card: string | null,
  how: { onSession: boolean; returnUrl?: string | null },
): PaymentIntent {
  const intent = intentFor(world, invoice);
  if (card !== null) confirmPayment(world, intent, card, how);
  invoice.attempted = true;
  settleAttempt(world, invoice, intent);
  return intent;
}

/** The invoice's open payment intent, made where there is none. */
export function intentFor(world: World, invoice: Invoice): PaymentIntent {
  const known = intentOf(world, invoice);
  if (known && known.status !== "canceled") return known;
  const subscription = subscriptionOf(world, invoice);
  const intent = createPaymentIntent(world, {
    amount: invoice.amount_remaining,
    currency: invoice.currency,
    customer: invoice.customer,
    captureMethod: "automatic",
    invoice: invoice.id,
    description: DESCRIPTIONS[invoice.billing_reason] ?? "Payment for Invoice",
    setupFutureUsage: subscription && invoice.billing_reason === "subscription_create" ? "off_session" : null,
  });
  attachPayment(world, invoice, intent);
  return intent;
}

const DESCRIPTIONS: Record<string, string> = {
  subscription_create: "Subscription creation",
  subscription_cycle: "Subscription update",
  subscription_update: "Subscription update",
};

/** What a payment intent's new state means for the invoice it pays, however it came about. */
export function settleIntent(world: World, intent: PaymentIntent): void {
  const invoice = invoiceOf(world, intent);
  if (invoice?.status === "open") settleAttempt(world, invoice, intent);
}

/** What the person did on the bank's page. */
export function answerChallenge(world: World, intent: PaymentIntent, authenticated: boolean): void {
  completeChallenge(world, intent, authenticated);
  settleIntent(world, intent);
}

function settleAttempt(world: World, invoice: Invoice, intent: PaymentIntent): void {
  if (intent.status === "succeeded") {
    invoice.attempt_count += 1;
    return markPaid(world, invoice);
  }
  if (intent.status === "requires_capture" || intent.status === "requires_confirmation") return;
  const needsAction = intent.status === "requires_action";
  const subscription = subscriptionOf(world, invoice);
  // The first payment, and a change that waits for its own, are left to the person who is there.
  const waits = subscription?.status === "incomplete" || subscription?.pending_update;
  const isRenewal = subscription !== null && !waits && invoice.billing_reason !== "subscription_update";
  // While the bank asks a person who is there, nothing has failed yet.
  if (isRenewal || !needsAction) {
    change(world, "invoice.updated", invoice, (row) => {
      row.attempt_count += 1;
      if (isRenewal) row.next_payment_attempt = nextAttempt(world, row);
    });
    if (isRenewal) {
      setTimer(world, "invoice_retries", invoice.id, invoice.next_payment_attempt ?? now(world));
      setDelinquent(world, invoice.customer, true);
    }
    emit(world, "invoice.payment_failed", invoice);
  }
  if (needsAction) emit(world, "invoice.payment_action_required", invoice);
  if (subscription && !waits) paymentFailed(world, subscription);
}

function nextAttempt(world: World, invoice: Invoice): number | null {
  const days = RETRY_DAYS[invoice.attempt_count - 1];
  const first = invoice.status_transitions.finalized_at ?? now(world);
  return days === undefined ? null : Math.max(now(world) + 1, first + days * DAY);
}

/** Drafts and open invoices of an ended subscription are not tried again. */
export function stopCollecting(world: World, subscription: Subscription): void {
  for (const invoice of of(world, "invoice", "subscription", subscription.id)) {
    clearTimer(world, "invoice_retries", invoice.id);
    clearTimer(world, "invoice_finalizes", invoice.id);
    if (invoice.status === "open" || invoice.status === "draft")
      change(world, "invoice.updated", invoice, (row) => {
        Object.assign(row, { auto_advance: false, next_payment_attempt: null });
      });
  }
}

/** Counts a payment that was made before the invoice was there, as Checkout does. */
export function attachPaidIntent(world: World, invoice: Invoice, intent: PaymentIntent): void {
  attachPayment(world, invoice, intent);
  invoice.attempt_count += 1;
  markPaid(world, invoice);
}
