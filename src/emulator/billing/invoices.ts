/** Invoices: draft, finalized, paid or given up. @see https://docs.stripe.com/invoicing/integration/workflow-transitions */
import { emit } from "../core/events.ts";
import { clearTimer, setTimer } from "../core/timers.ts";
import { find, need, newId, type World } from "../core/world.ts";
import {
  cancelPayment,
  completeChallenge,
  confirmPayment,
  createPaymentIntent,
  type PaymentIntent,
} from "./payments.ts";
import { paymentFailed, paymentRecovered } from "./subscription-changes.ts";
import type { Subscription } from "./subscriptions.ts";

const DAY = 86_400;
const HOUR = 3_600;
/** A renewal waits as a draft this long. */
const FINALIZE_AFTER = HOUR;
/** Eight attempts over two weeks, the default: days after the first failure. */
const RETRY_DAYS = [1, 3, 5, 7, 9, 11, 14];

export type InvoiceReason = "subscription_create" | "subscription_cycle" | "subscription_update";
export type Invoice = ReturnType<typeof newInvoice>;

/** A draft for the subscription's items over their current period; free during a trial. */
export function createInvoice(world: World, subscription: Subscription, reason: InvoiceReason): Invoice {
  const invoice = newInvoice(world, subscription, reason);
  world.state.tables.invoice.set(invoice.id, invoice);
  subscription.latest_invoice = invoice.id;
  emit(world, "invoice.created", invoice);
  return invoice;
}

function newInvoice(world: World, subscription: Subscription, reason: InvoiceReason) {
  const id = newId(world, "in");
  const customer = need(world, "customer", subscription.customer);
  const lines = subscription.items.data.map((item) => invoiceLine(world, id, subscription, item));
  const total = lines.reduce((sum, line) => sum + line.amount, 0);
  return {
    id,
    object: "invoice" as const,
    account_country: "US",
    account_name: "Emulator",
    amount_due: total,
    amount_overpaid: 0,
    amount_paid: 0,
    amount_remaining: total,
    amount_shipping: 0,
    attempt_count: 0,
    attempted: false,
    auto_advance: true,
    automatic_tax: { disabled_reason: null, enabled: false, liability: null, provider: null, status: null },
    automatically_finalizes_at: null as number | null,
    billing_reason: reason,
    collection_method: "charge_automatically",
    created: world.state.now,
    currency: subscription.currency,
    customer: subscription.customer,
    customer_email: customer.email,
    customer_name: customer.name,
    default_payment_method: null as string | null,
    description: null,
    discounts: [] as string[],
    due_date: null,
    effective_at: null as number | null,
    ending_balance: null as number | null,
    footer: null,
    hosted_invoice_url: null as string | null,
    invoice_pdf: null as string | null,
    last_finalization_error: null,
    lines: {
      object: "list" as const,
      data: lines,
      has_more: false,
      total_count: lines.length,
      url: `/v1/invoices/${id}/lines`,
    },
    livemode: false as const,
    metadata: {} as Record<string, string>,
    next_payment_attempt: null as number | null,
    number: null as string | null,
    parent: {
      quote_details: null,
      subscription_details: { metadata: subscription.metadata, subscription: subscription.id },
      type: "subscription_details",
    },
    payments: {
      object: "list" as const,
      data: [] as InvoicePayment[],
      has_more: false,
      url: "/v1/invoice_payments",
    },
    period_end: world.state.now,
    period_start: world.state.now,
    starting_balance: 0,
    status: "draft" as "draft" | "open" | "paid" | "void" | "uncollectible",
    status_transitions: {
      finalized_at: null as number | null,
      marked_uncollectible_at: null as number | null,
      paid_at: null as number | null,
      voided_at: null as number | null,
    },
    subtotal: total,
    subtotal_excluding_tax: total,
    test_clock: null,
    total,
    total_discount_amounts: [],
    total_excluding_tax: total,
    total_taxes: [],
    webhooks_delivered_at: null as number | null,
  };
}

export interface InvoicePayment {
  id: string;
  object: "invoice_payment";
  amount_paid: number | null;
  amount_requested: number;
  created: number;
  currency: string;
  invoice: string;
  is_default: boolean;
  livemode: false;
  payment: { payment_intent: string; type: "payment_intent" };
  status: "open" | "paid" | "canceled";
  status_transitions: { canceled_at: number | null; paid_at: number | null };
}

function invoiceLine(
  world: World,
  invoice: string,
  subscription: Subscription,
  item: Subscription["items"]["data"][number],
) {
  const product = need(world, "product", item.price.product);
  const unit = item.price.unit_amount ?? 0;
  const inTrial = subscription.status === "trialing";
  const interval = item.price.recurring?.interval ?? "month";
  const shown = `${item.quantity} × ${product.name} (at ${formatAmount(unit, item.price.currency)} / ${interval})`;
  return {
    id: newId(world, "il"),
    object: "line_item" as const,
    amount: inTrial ? 0 : unit * item.quantity,
    currency: item.price.currency,
    description: inTrial ? `Trial period for ${product.name}` : shown,
    discount_amounts: [],
    discountable: true,
    discounts: [],
    invoice,
    livemode: false as const,
    metadata: {},
    parent: {
      invoice_item_details: null,
      subscription_item_details: {
        invoice_item: null,
        proration: false,
        proration_details: { credited_items: null },
        subscription: subscription.id,
        subscription_item: item.id,
      },
      type: "subscription_item_details",
    },
    period: { end: item.current_period_end, start: item.current_period_start },
    pricing: {
      price_details: { price: item.price.id, product: item.price.product },
      type: "price_details",
      unit_amount_decimal: String(inTrial ? 0 : unit),
    },
    quantity: item.quantity,
    taxes: [],
  };
}

const ZERO_DECIMAL = new Set([
  "bif",
  "clp",
  "djf",
  "gnf",
  "jpy",
  "kmf",
  "krw",
  "mga",
  "pyg",
  "rwf",
  "ugx",
  "vnd",
  "vuv",
  "xaf",
  "xof",
  "xpf",
]);

export function formatAmount(amount: number, currency: string): string {
  const value = ZERO_DECIMAL.has(currency) ? amount : amount / 100;
  return new Intl.NumberFormat("en-US", { style: "currency", currency }).format(value);
}

/** Sets the hour after which a renewal's draft is finalized. */
export function scheduleFinalization(world: World, invoice: Invoice): void {
  invoice.automatically_finalizes_at = world.state.now + FINALIZE_AFTER;
  setTimer(world, "invoice_finalizes", invoice.id, invoice.automatically_finalizes_at);
}

/** Fixes the amount. A free invoice is paid at once, without a payment intent. */
export function finalizeInvoice(world: World, invoice: Invoice): void {
  const { now } = world.state;
  const customer = need(world, "customer", invoice.customer);
  invoice.status = "open";
  invoice.number = `${customer.invoice_prefix}-${String(customer.next_invoice_sequence++).padStart(4, "0")}`;
  invoice.effective_at = now;
  invoice.automatically_finalizes_at = null;
  invoice.status_transitions.finalized_at = now;
  invoice.ending_balance = 0;
  invoice.hosted_invoice_url = `${world.baseUrl}/i/${invoice.id}`;
  invoice.invoice_pdf = `${world.baseUrl}/i/${invoice.id}?print=1`;
  emit(world, "invoice.finalized", invoice);
  if (invoice.amount_due === 0) markPaid(world, invoice);
}

/** Tries to pay an open invoice with a card; having none is a failed try. */
export function payInvoice(world: World, invoice: Invoice, card: string | null, onSession: boolean): PaymentIntent {
  const intent = intentOf(world, invoice) ?? attachIntent(world, invoice);
  if (card !== null) confirmPayment(world, intent, card, onSession);
  invoice.attempted = true;
  settleAttempt(world, invoice, intent);
  return intent;
}

/** What the person did on the bank's page, for an invoice that waits for it. */
export function answerChallenge(world: World, invoice: Invoice, intent: PaymentIntent, authenticated: boolean): void {
  completeChallenge(world, intent, authenticated);
  settleAttempt(world, invoice, intent);
}

function settleAttempt(world: World, invoice: Invoice, intent: PaymentIntent): void {
  if (intent.status === "succeeded") return markPaid(world, invoice);
  const needsAction = intent.status === "requires_action";
  const isRenewal = invoice.billing_reason === "subscription_cycle";
  // While the bank asks a person who is there, nothing has failed yet.
  if (isRenewal || !needsAction) {
    invoice.attempt_count += 1;
    scheduleRetry(world, invoice);
    emit(world, "invoice.payment_failed", invoice);
  }
  if (needsAction) emit(world, "invoice.payment_action_required", invoice);
  markFailed(world, invoice);
}

function markFailed(world: World, invoice: Invoice): void {
  const subscription = subscriptionOf(world, invoice);
  if (subscription && invoice.billing_reason === "subscription_cycle") paymentFailed(world, subscription);
}

function scheduleRetry(world: World, invoice: Invoice): void {
  if (invoice.billing_reason !== "subscription_cycle") return;
  const days = RETRY_DAYS[invoice.attempt_count - 1];
  const first = invoice.status_transitions.finalized_at ?? world.state.now;
  invoice.next_payment_attempt = days === undefined ? null : Math.max(world.state.now + 1, first + days * DAY);
  setTimer(world, "invoice_retries", invoice.id, invoice.next_payment_attempt ?? world.state.now);
}

export function markPaid(world: World, invoice: Invoice): void {
  const { now } = world.state;
  clearTimer(world, "invoice_retries", invoice.id);
  if (invoice.amount_due > 0) invoice.attempt_count += 1;
  invoice.attempted = true;
  invoice.status = "paid";
  invoice.amount_paid = invoice.amount_due;
  invoice.amount_remaining = 0;
  invoice.auto_advance = false;
  invoice.next_payment_attempt = null;
  invoice.status_transitions.paid_at = now;
  for (const payment of invoice.payments.data) {
    payment.status = "paid";
    payment.amount_paid = payment.amount_requested;
    payment.status_transitions.paid_at = now;
  }
  emit(world, "invoice.paid", invoice);
  emit(world, "invoice.payment_succeeded", invoice);
  for (const payment of invoice.payments.data) emit(world, "invoice_payment.paid", payment);
  const subscription = subscriptionOf(world, invoice);
  if (subscription) paymentRecovered(world, subscription);
}

export function voidInvoice(world: World, invoice: Invoice): void {
  clearTimer(world, "invoice_retries", invoice.id);
  invoice.status = "void";
  invoice.auto_advance = false;
  invoice.next_payment_attempt = null;
  invoice.status_transitions.voided_at = world.state.now;
  const intent = intentOf(world, invoice);
  if (intent) cancelPayment(world, intent, "void_invoice");
  emit(world, "invoice.voided", invoice);
}

export function intentOf(world: World, invoice: Invoice): PaymentIntent | null {
  const id = invoice.payments.data.at(-1)?.payment.payment_intent;
  return (id && find(world, "payment_intent", id)) || null;
}

/** The invoice that a payment intent is for. */
export function invoiceOf(world: World, intent: PaymentIntent): Invoice | null {
  const id = intent.payment_details.order_reference;
  return (id && find(world, "invoice", id)) || null;
}

export function subscriptionOf(world: World, invoice: Invoice): Subscription | null {
  return find(world, "subscription", invoice.parent.subscription_details.subscription) ?? null;
}

/** Counts a payment that was made before the invoice was there, as Checkout does. */
export function attachPaidIntent(world: World, invoice: Invoice, intent: PaymentIntent): void {
  intent.payment_details.order_reference = invoice.id;
  attachPayment(world, invoice, intent);
  markPaid(world, invoice);
}

function attachIntent(world: World, invoice: Invoice): PaymentIntent {
  const { amount_due: amount, currency, customer, id } = invoice;
  const intent = createPaymentIntent(world, { amount, currency, customer, invoice: id });
  attachPayment(world, invoice, intent);
  return intent;
}

function attachPayment(world: World, invoice: Invoice, intent: PaymentIntent): void {
  const { amount_due: amount, currency, id } = invoice;
  invoice.payments.data.push({
    id: newId(world, "inpay"),
    object: "invoice_payment",
    amount_paid: null,
    amount_requested: amount,
    created: world.state.now,
    currency,
    invoice: id,
    is_default: true,
    livemode: false,
    payment: { payment_intent: intent.id, type: "payment_intent" },
    status: "open",
    status_transitions: { canceled_at: null, paid_at: null },
  });
}
