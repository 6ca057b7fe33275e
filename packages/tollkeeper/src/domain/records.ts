/** What the mirror holds of Stripe's objects, in our words: instants in epoch milliseconds, money in minor units. */

/** Stripe keeps test and live objects apart, and so does every row here. */
export type Mode = "test" | "live";

export type SubscriptionStatus =
  | "incomplete"
  | "incomplete_expired"
  | "trialing"
  | "active"
  | "past_due"
  | "canceled"
  | "unpaid"
  | "paused";

export type BillingInterval = "day" | "week" | "month" | "year";

export interface CustomerRecord {
  id: string;
  /** The app's user, from the customer's metadata; null for customers made elsewhere. */
  userId: string | null;
  deleted: boolean;
  defaultPaymentMethodId: string | null;
}

export interface SubscriptionItemRecord {
  id: string;
  priceId: string;
  productId: string;
  quantity: number;
  currentPeriodStart: number;
  currentPeriodEnd: number;
}

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
  items: readonly SubscriptionItemRecord[];
}

export type InvoiceStatus = "draft" | "open" | "paid" | "void" | "uncollectible";

export interface InvoiceRecord {
  id: string;
  customerId: string;
  subscriptionId: string | null;
  status: InvoiceStatus;
  currency: string;
  total: number;
  amountPaid: number;
  attempted: boolean;
  attemptCount: number;
  nextPaymentAttemptAt: number | null;
  hostedInvoiceUrl: string | null;
  createdAt: number;
  /** Where the invoice's payment stands, from its payment intent. */
  payment: "none" | "pending" | "requires_action" | "failed" | "succeeded";
  /** Stripe's sentence for the cardholder after a decline. */
  failureMessage: string | null;
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
  /** Our plan, from the product's metadata. */
  plan: string | null;
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

export interface CheckoutSessionRecord {
  id: string;
  url: string | null;
  status: "open" | "complete" | "expired";
  paymentStatus: "paid" | "unpaid" | "no_payment_required";
  customerId: string | null;
  subscriptionId: string | null;
  clientReferenceId: string | null;
  expiresAt: number;
  /** The operation that made it, from its metadata. */
  operationId: string | null;
}
