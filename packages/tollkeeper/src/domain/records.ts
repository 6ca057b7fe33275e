/** Defines the records of the mirror. Instants are epoch milliseconds, and money is in minor units. */
import type { BillingOwner } from "./owner.ts";

/** Stripe's modes: objects in test mode are separate from those in live mode. Every row of the store has a mode. */
export const MODES = ["test", "live"] as const;
export type Mode = (typeof MODES)[number];

/** @see https://docs.stripe.com/api/subscriptions/object#subscription_object-status */
export const SUBSCRIPTION_STATUSES = [
  "incomplete",
  "incomplete_expired",
  "trialing",
  "active",
  "past_due",
  "canceled",
  "unpaid",
  "paused",
] as const;
export type SubscriptionStatus = (typeof SUBSCRIPTION_STATUSES)[number];

export const BILLING_INTERVALS = ["day", "week", "month", "year"] as const;
export type BillingInterval = (typeof BILLING_INTERVALS)[number];

export interface CustomerRecord {
  id: string;
  /** The billing owner that the customer's metadata names; null if the metadata names no owner. */
  owner: BillingOwner | null;
  deleted: boolean;
  /** The instant at which Stripe created the customer; 0 if the customer was deleted before the service knew it. */
  createdAt: number;
  defaultPaymentMethodId: string | null;
}

/** Returns the record of a customer that was deleted at Stripe, which returns no other fields of the customer. */
export function deletedCustomer(id: string): CustomerRecord {
  return { id, owner: null, deleted: true, createdAt: 0, defaultPaymentMethodId: null };
}

export interface SubscriptionItemRecord {
  id: string;
  priceId: string;
  productId: string;
  quantity: number;
  currentPeriodStart: number;
  currentPeriodEnd: number;
}

/** @see https://docs.stripe.com/billing/subscriptions/pause-payment */
export const PAUSE_BEHAVIORS = ["keep_as_draft", "mark_uncollectible", "void"] as const;
export type PauseBehavior = (typeof PAUSE_BEHAVIORS)[number];

export interface SubscriptionRecord {
  id: string;
  customerId: string;
  status: SubscriptionStatus;
  createdAt: number;
  cancelAtPeriodEnd: boolean;
  cancelAt: number | null;
  canceledAt: number | null;
  endedAt: number | null;
  trialStart: number | null;
  trialEnd: number | null;
  defaultPaymentMethodId: string | null;
  latestInvoiceId: string | null;
  /** Id of the schedule that changes the subscription at later times; null if the subscription has no schedule. */
  scheduleId: string | null;
  /**
   * The end that the merchant had set before the user's cancellation replaced it, from the subscription's metadata; null if
   * there is none.
   */
  merchantCancelAt: number | null;
  /** Fate of new invoices while the collection of payments is paused; null if it is not paused. */
  pauseBehavior: PauseBehavior | null;
  /** The instant at which the collection of payments resumes; null if it is not paused or has no end. */
  pauseResumesAt: number | null;
  items: readonly SubscriptionItemRecord[];
}

export const INVOICE_STATUSES = ["draft", "open", "paid", "void", "uncollectible"] as const;
export type InvoiceStatus = (typeof INVOICE_STATUSES)[number];

export interface InvoiceRecord {
  id: string;
  customerId: string;
  subscriptionId: string | null;
  status: InvoiceStatus;
  currency: string;
  total: number;
  amountPaid: number;
  /** The amount that the customer still has to pay. */
  amountRemaining: number;
  attempted: boolean;
  attemptCount: number;
  nextPaymentAttemptAt: number | null;
  hostedInvoiceUrl: string | null;
  createdAt: number;
  /** The instant until which the customer has to pay the invoice; null if Stripe charges the card itself. */
  dueAt: number | null;
  /** State of the invoice's payment, as its payment intent shows it. */
  payment: "none" | "pending" | "requires_action" | "failed" | "succeeded";
  /** Stripe's sentence for the cardholder after the card was declined; null without a decline. */
  failureMessage: string | null;
  /**
   * Stripe's decline code of the last failed payment attempt, or else its error code; null if no attempt failed.
   * @see https://docs.stripe.com/declines/codes
   */
  declineCode: string | null;
}

/** @see https://docs.stripe.com/api/refunds/object#refund_object-status */
export const REFUND_STATUSES = ["pending", "requires_action", "succeeded", "failed", "canceled"] as const;
export type RefundStatus = (typeof REFUND_STATUSES)[number];

/** @see https://docs.stripe.com/api/disputes/object#dispute_object-status */
export const DISPUTE_STATUSES = [
  "warning_needs_response",
  "warning_under_review",
  "warning_closed",
  "needs_response",
  "under_review",
  "appeal_needs_response",
  "appeal_under_review",
  "prevented",
  "won",
  "lost",
] as const;
export type DisputeStatus = (typeof DISPUTE_STATUSES)[number];

/** The fields of a payment's refund or dispute that do not depend on its kind. */
interface ReversalRecord {
  id: string;
  customerId: string;
  /** The invoice that the payment paid; null if the payment paid no invoice. */
  invoiceId: string | null;
  subscriptionId: string | null;
  amount: number;
  currency: string;
  createdAt: number;
}

export interface RefundRecord extends ReversalRecord {
  status: RefundStatus;
}

export interface DisputeRecord extends ReversalRecord {
  status: DisputeStatus;
}

export interface PaymentMethodRecord {
  id: string;
  customerId: string | null;
  type: string;
  brand: string | null;
  last4: string | null;
  expMonth: number | null;
  expYear: number | null;
}

export interface ProductRecord {
  id: string;
  name: string;
  active: boolean;
  /** Id of the plan, from the product's metadata; null if the metadata names no plan. */
  plan: string | null;
  /** Name of the app that sells the product, from the product's metadata; null if the metadata names no app. */
  app: string | null;
}

export interface PriceRecord {
  id: string;
  productId: string;
  active: boolean;
  lookupKey: string | null;
  currency: string;
  unitAmount: number | null;
  interval: BillingInterval | null;
  intervalCount: number;
}

export const CHECKOUT_STATUSES = ["open", "complete", "expired"] as const;
export const CHECKOUT_PAYMENT_STATUSES = ["paid", "unpaid", "no_payment_required"] as const;

export interface CheckoutSessionRecord {
  id: string;
  url: string | null;
  status: (typeof CHECKOUT_STATUSES)[number];
  paymentStatus: (typeof CHECKOUT_PAYMENT_STATUSES)[number];
  customerId: string | null;
  subscriptionId: string | null;
  clientReferenceId: string | null;
  expiresAt: number;
  /** Id of the operation that created the session, from the session's metadata; null if the metadata names no operation. */
  operationId: string | null;
}
