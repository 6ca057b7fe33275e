/** Converts Stripe's objects, in the pinned API version, to our records. */
import type Stripe from "stripe";
import { findIdProblem, userOwner, type BillingOwner } from "../domain/owner.ts";
import {
  BILLING_INTERVALS,
  CHECKOUT_PAYMENT_STATUSES,
  CHECKOUT_STATUSES,
  DISPUTE_STATUSES,
  INVOICE_STATUSES,
  PAUSE_BEHAVIORS,
  REFUND_STATUSES,
  SUBSCRIPTION_STATUSES,
  deletedCustomer,
  type CheckoutSessionRecord,
  type CustomerRecord,
  type DisputeRecord,
  type InvoiceRecord,
  type PaymentMethodRecord,
  type PriceRecord,
  type ProductRecord,
  type RefundRecord,
  type SubscriptionItemRecord,
  type SubscriptionRecord,
} from "../domain/records.ts";
import { toStorableText } from "../domain/storable-text.ts";

/**
 * Metadata keys that this software writes at Stripe. The metadata key of the user's id is an option, so the list of metadata
 * keys does not contain it.
 */
export const PLAN_METADATA = "tollkeeper_plan";
export const OPERATION_METADATA = "tollkeeper_operation";
export const APP_METADATA = "tollkeeper_app";
/** The end of a subscription, in seconds, that the merchant had set and that the user's cancellation has replaced. */
export const MERCHANT_CANCEL_AT_METADATA = "tollkeeper_merchant_cancel_at";

export function toCustomer(customer: Stripe.Customer | Stripe.DeletedCustomer, userIdKey: string): CustomerRecord {
  if (customer.deleted) return deletedCustomer(customer.id);
  return {
    id: customer.id,
    owner: ownerNamedBy(customer.metadata[userIdKey]),
    deleted: false,
    createdAt: instant(customer.created),
    defaultPaymentMethodId: idOf(customer.invoice_settings.default_payment_method),
  };
}

/**
 * Returns the owner that a customer's metadata names; null if it names none or if its id is not valid.
 */
function ownerNamedBy(userId: string | undefined): BillingOwner | null {
  return userId !== undefined && findIdProblem(userId) === null ? userOwner(userId) : null;
}

export function toSubscription(
  subscription: Stripe.Subscription,
  items: readonly Stripe.SubscriptionItem[],
): SubscriptionRecord {
  return {
    id: subscription.id,
    customerId: requiredId(subscription.customer),
    status: known("subscription.status", subscription.status, SUBSCRIPTION_STATUSES),
    createdAt: instant(subscription.created),
    cancelAtPeriodEnd: subscription.cancel_at_period_end,
    cancelAt: instantOrNull(subscription.cancel_at),
    canceledAt: instantOrNull(subscription.canceled_at),
    endedAt: instantOrNull(subscription.ended_at),
    trialStart: instantOrNull(subscription.trial_start),
    trialEnd: instantOrNull(subscription.trial_end),
    defaultPaymentMethodId: idOf(subscription.default_payment_method),
    latestInvoiceId: idOf(subscription.latest_invoice),
    scheduleId: idOf(subscription.schedule),
    merchantCancelAt: parseInstant(subscription.metadata[MERCHANT_CANCEL_AT_METADATA]),
    pauseBehavior: toPauseBehavior(subscription.pause_collection),
    pauseResumesAt: instantOrNull(subscription.pause_collection?.resumes_at),
    items: items.map(toItem),
  };
}

function toPauseBehavior(pause: Stripe.Subscription["pause_collection"]): SubscriptionRecord["pauseBehavior"] {
  return pause && known("subscription.pause_collection.behavior", pause.behavior, PAUSE_BEHAVIORS);
}

function toItem(item: Stripe.SubscriptionItem): SubscriptionItemRecord {
  return {
    id: item.id,
    priceId: item.price.id,
    productId: requiredId(item.price.product),
    quantity: item.quantity ?? 1,
    currentPeriodStart: instant(item.current_period_start),
    currentPeriodEnd: instant(item.current_period_end),
  };
}

/** Converts an invoice. The field `payments.data.payment.payment_intent` must be expanded. */
export function toInvoice(invoice: Stripe.Invoice): InvoiceRecord {
  const intent = paymentIntentOf(invoice);
  return {
    id: invoice.id,
    customerId: requiredId(invoice.customer),
    subscriptionId: idOf(invoice.parent?.subscription_details?.subscription),
    status: known("invoice.status", invoice.status ?? "draft", INVOICE_STATUSES),
    currency: invoice.currency,
    total: invoice.total,
    amountPaid: invoice.amount_paid,
    amountRemaining: invoice.amount_remaining,
    attempted: invoice.attempted,
    attemptCount: invoice.attempt_count,
    nextPaymentAttemptAt: instantOrNull(invoice.next_payment_attempt),
    hostedInvoiceUrl: invoice.hosted_invoice_url ?? null,
    createdAt: instant(invoice.created),
    dueAt: instantOrNull(invoice.due_date),
    payment: paymentState(invoice, intent),
    failureMessage: textOrNull(intent?.last_payment_error?.message),
    declineCode: textOrNull(intent?.last_payment_error?.decline_code ?? intent?.last_payment_error?.code),
  };
}

/** Converts a refund of an invoice's payment. Refunds name no invoice, so the caller passes the ids that it found. */
export function toRefund(refund: Stripe.Refund, paid: PaidBy): RefundRecord {
  return {
    id: refund.id,
    ...paid,
    amount: refund.amount,
    currency: refund.currency,
    status: known("refund.status", refund.status ?? "succeeded", REFUND_STATUSES),
    createdAt: instant(refund.created),
  };
}

/** Converts a dispute about an invoice's payment. Disputes name no invoice, so the caller passes the ids that it found. */
export function toDispute(dispute: Stripe.Dispute, paid: PaidBy): DisputeRecord {
  return {
    id: dispute.id,
    ...paid,
    amount: dispute.amount,
    currency: dispute.currency,
    status: known("dispute.status", dispute.status, DISPUTE_STATUSES),
    createdAt: instant(dispute.created),
  };
}

/** The customer who made a payment, and what the payment paid. */
export type PaidBy = Pick<RefundRecord, "customerId" | "invoiceId" | "subscriptionId">;

/** Returns the customer of a charge, which must be expanded; null if the charge is not expanded or has no customer. */
export function customerOfCharge(charge: string | Stripe.Charge | null): string | null {
  return typeof charge === "object" && charge !== null ? idOf(charge.customer) : null;
}

export function toPaymentMethod(method: Stripe.PaymentMethod): PaymentMethodRecord {
  return {
    id: method.id,
    customerId: idOf(method.customer),
    type: method.type,
    brand: method.card?.brand ?? null,
    last4: method.card?.last4 ?? null,
    expMonth: method.card?.exp_month ?? null,
    expYear: method.card?.exp_year ?? null,
  };
}

export function toProduct(product: Stripe.Product): ProductRecord {
  return {
    id: product.id,
    name: toStorableText(product.name),
    active: product.active,
    plan: textOrNull(product.metadata[PLAN_METADATA]),
    app: textOrNull(product.metadata[APP_METADATA]),
  };
}

export function toPrice(price: Stripe.Price): PriceRecord {
  return {
    id: price.id,
    productId: requiredId(price.product),
    active: price.active,
    lookupKey: textOrNull(price.lookup_key),
    currency: price.currency,
    unitAmount: price.unit_amount,
    interval: price.recurring ? known("price.recurring.interval", price.recurring.interval, BILLING_INTERVALS) : null,
    intervalCount: price.recurring?.interval_count ?? 1,
  };
}

export function toCheckoutSession(session: Stripe.Checkout.Session): CheckoutSessionRecord {
  return {
    id: session.id,
    url: session.url,
    status: known("session.status", session.status ?? "expired", CHECKOUT_STATUSES),
    paymentStatus: known("session.payment_status", session.payment_status, CHECKOUT_PAYMENT_STATUSES),
    customerId: idOf(session.customer),
    subscriptionId: idOf(session.subscription),
    clientReferenceId: session.client_reference_id,
    expiresAt: instant(session.expires_at),
    operationId: session.metadata?.[OPERATION_METADATA] ?? null,
  };
}

/** Converts a timestamp of Stripe, in seconds, to epoch milliseconds. */
export function instant(seconds: number): number {
  return seconds * 1000;
}

export function instantOrNull(seconds: number | null | undefined): number | null {
  return seconds == null ? null : instant(seconds);
}

/** Converts epoch milliseconds to a timestamp of Stripe, in seconds. Rounds down. */
export function toSeconds(at: number): number {
  return Math.floor(at / 1000);
}

/** Converts a timestamp in seconds that a metadata value contains. Returns null if the value is not a timestamp. */
function parseInstant(value: string | undefined): number | null {
  return value !== undefined && /^\d{1,11}$/.test(value) ? instant(Number(value)) : null;
}

function textOrNull(text: string | null | undefined): string | null {
  return text == null ? null : toStorableText(text);
}

function paymentIntentOf(invoice: Stripe.Invoice): Stripe.PaymentIntent | null {
  const intents = (invoice.payments?.data ?? []).flatMap(({ payment }) =>
    typeof payment.payment_intent === "object" && payment.payment_intent !== null ? [payment.payment_intent] : [],
  );
  return intents.at(-1) ?? null;
}

function paymentState(invoice: Stripe.Invoice, intent: Stripe.PaymentIntent | null): InvoiceRecord["payment"] {
  if (invoice.status === "paid" || intent?.status === "succeeded") return "succeeded";
  if (intent?.status === "requires_action") return "requires_action";
  if (intent?.status === "processing") return "pending";
  if (intent?.last_payment_error || (invoice.attempted && invoice.attempt_count > 0)) return "failed";
  return intent === null ? "none" : "pending";
}

/**
 * Returns the given value if the list `values` contains it. Throws for a value that the pinned API version does not have,
 * because the SDK's types allow any text.
 */
function known<T extends string>(field: string, value: string, values: readonly T[]): T {
  const found = values.find((candidate) => candidate === value);
  if (found === undefined)
    throw new Error(`Stripe sent ${field} "${value}", which this version of tollkeeper does not know: update it`);
  return found;
}

export function idOf(value: string | { id: string } | null | undefined): string | null {
  if (value == null) return null;
  return typeof value === "string" ? value : value.id;
}

function requiredId(value: string | { id: string } | null): string {
  const id = idOf(value);
  if (id === null) throw new Error("Stripe sent an object without a required id");
  return id;
}
