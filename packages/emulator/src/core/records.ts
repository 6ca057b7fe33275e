/** Types of the account data that are not Stripe objects: deliveries, timers, checkout orders and stored responses. */
import type { Coupon } from "../objects/coupon.ts";
import type { DiscountInput } from "../objects/discount.ts";
import type { StripeEvent } from "../objects/event.ts";
import type { SubscriptionItem } from "../objects/subscription.ts";

/** An event that is stored at the end of its transaction. */
export interface PendingEvent {
  event: StripeEvent;
  /** The event's object. A later event of the transaction with the same type and object replaces this event; null if not. */
  object: object | null;
  /** The object as it was before the transaction; null if the event reports no change. */
  before: object | null;
}

export interface Delivery {
  id: string;
  eventId: string;
  endpointId: string;
  attempts: { at: number; status: number | null; error: string | null }[];
  state: "pending" | "delivered" | "failed";
}

export interface StoredResponse {
  method: string;
  path: string;
  params: string;
  requestId: string;
  status: number;
  body: string;
  storedAt: number;
}

export type TimerKind =
  | "session_expires"
  | "period_ends"
  | "cancels"
  | "trial_will_end"
  | "invoice_finalizes"
  | "invoice_retries"
  | "invoice_due"
  | "invoice_upcoming"
  | "incomplete_expires"
  | "pause_ends"
  | "pending_update_expires"
  | "authorization_expires"
  | "charge_settles"
  | "refund_settles"
  | "phase_ends"
  | "schedule_expiring"
  | "discount_ends"
  | "delivery";

export interface Timer {
  kind: TimerKind;
  /** The ID of the object for which the timer was set. */
  id: string;
  at: number;
  /**
   * A serial number that orders timers that are due in the same second. A timer is valid only if `Timers.current` contains its
   * number; otherwise the timer was replaced or cleared.
   */
  order: number;
}

export interface Timers {
  /** Maps a test clock's ID, or "" for the emulator's clock, to the heap of the clock's timers. */
  clocks: Map<string, Timer[]>;
  /** Maps a timer's kind and object ID to the `order` of the valid timer. */
  current: Map<string, number>;
  deliveries: Timer[];
}

/**
 * The purchase order of a checkout session: its items, discounts, trial and payment. Stripe's API does not return the purchase
 * order of a checkout session.
 */
export interface CheckoutOrder {
  items: OrderItem[];
  /** Metadata of the subscription or payment intent that the checkout creates. */
  metadata: Record<string, string>;
  description: string | null;
  /** IDs of the tax rates of items without own tax rates. States of older versions of the emulator lack them. */
  defaultTaxRates?: string[];
  /** The fields of the customer that the checkout may change. States of older versions of the emulator lack them. */
  customerUpdate?: Partial<Record<"address" | "name" | "shipping", "auto" | "never" | undefined>> | undefined;
  /** The details that the customer entered on the checkout page. */
  collected?: CollectedDetails | undefined;
  /** The content of the additional fields of the checkout page. */
  entered?: EnteredFields | undefined;
  /** The billing cycle anchor of the subscription, in epoch seconds. Absent if the subscription starts a full period. */
  anchor?: number | undefined;
  /** True if the time before the billing cycle anchor is free. */
  isFreeUntilAnchor?: boolean;
  /** The time for which the amounts of the session were computed. */
  pricedAt?: number;
  trialDays: number;
  trialEnd: number | null;
  missingPaymentMethod: "create_invoice" | "cancel" | "pause";
  discounts: DiscountInput[];
  /** The coupons of `discounts`, in the same order. States of older versions of the emulator lack them. */
  coupons?: Coupon[] | undefined;
  paymentIntent: string | null;
  setupIntent: string | null;
  paymentMethod: string | null;
  /** The message that the checkout page shows after a failed payment attempt; null if there is none. */
  notice: string | null;
}

/** An item of a checkout session. */
export interface OrderItem {
  id: string;
  price: string;
  quantity: number;
  /** The quantities that the customer can choose on the page. Absent if the quantity is fixed. */
  adjustable?: { minimum: number; maximum: number };
  taxRates?: string[];
}

/** The phone number, custom fields and consents that a customer enters on the checkout page. */
export interface EnteredFields {
  phone: string;
  terms: boolean;
  promotions: boolean;
  /** Maps the key of a custom field to the entered text. */
  custom: Record<string, string>;
  /** The entered names. Absent if the session was saved by a version without such fields. */
  names?: { business: string; individual: string };
}

/** The name, address and tax ID that a customer enters on the checkout page. */
export interface CollectedDetails {
  name: string | null;
  address: Record<"city" | "country" | "line1" | "line2" | "postal_code" | "state", string | null> | null;
  taxId: { type: string; value: string } | null;
}

/** A subscription change that takes effect when its invoice is paid. */
export interface PendingChange {
  invoice: string;
  items: SubscriptionItem[];
  anchor: number;
  /** True if the change ends the subscription's trial. */
  endsTrial?: boolean;
  /** Present if the change resumes a paused subscription. */
  resumes?: ResumeBehavior;
}

/** @see https://docs.stripe.com/billing/subscriptions/pause#payment-behavior */
export type ResumeBehavior = "resume_on_payment_attempt" | "resume_on_payment_success";

export interface EndpointSecret {
  secret: string;
  /** The time at which a rolled signing secret expires, in epoch seconds; null for the current secret. */
  expiresAt: number | null;
}
