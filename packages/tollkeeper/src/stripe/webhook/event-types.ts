/**
 * Lists the types of events that the service processes. The service responds to all unlisted event types with 200 `ignored` and
 * does not store their events.
 */

/** The kinds of object that events are about. For each event, the service retrieves the object from Stripe. */
export type SyncedObject =
  | "customer"
  | "subscription"
  | "invoice"
  | "payment_method"
  | "refund"
  | "dispute"
  | "checkout_session"
  | "product"
  | "price";

export interface AllowedEvent {
  object: SyncedObject;
  /** One or two sentences that explain why the service needs the event. docs/stripe_configuration.md shows them. */
  reason: string;
}

const allow = (object: SyncedObject, reason: string): AllowedEvent => ({ object, reason });

/**
 * The allowlist: for each event type, the kind of object to retrieve and the reason.
 * @see https://docs.stripe.com/api/events/types
 */
export const ALLOWED_WEBHOOK_EVENTS: ReadonlyMap<string, AllowedEvent> = new Map([
  [
    "checkout.session.completed",
    allow("checkout_session", "The user completed a checkout, which creates the subscription."),
  ],
  ["checkout.session.async_payment_succeeded", allow("checkout_session", "A delayed payment succeeded.")],
  ["checkout.session.async_payment_failed", allow("checkout_session", "A delayed payment failed.")],
  [
    "checkout.session.expired",
    allow("checkout_session", "The checkout session is no longer open. The next checkout creates a new one."),
  ],
  [
    "customer.created",
    allow("customer", "A customer created outside this service can carry the id of one of our users."),
  ],
  ["customer.updated", allow("customer", "The default payment method can change.")],
  ["customer.deleted", allow("customer", "The next checkout of this user creates a new customer.")],
  [
    "customer.subscription.created",
    allow("subscription", "A subscription was created by a checkout, in the dashboard or through the API."),
  ],
  ["customer.subscription.updated", allow("subscription", "The status, plan, period or cancellation changed.")],
  ["customer.subscription.deleted", allow("subscription", "The subscription ended.")],
  ["customer.subscription.paused", allow("subscription", "A paused subscription gives no access.")],
  ["customer.subscription.resumed", allow("subscription", "The resumed subscription gives access again.")],
  [
    "customer.subscription.trial_will_end",
    allow("subscription", "The trial ends in three days. The hook `onTrialWillEnd` runs."),
  ],
  [
    "customer.subscription.pending_update_applied",
    allow("subscription", "Stripe applied a change that was pending until its payment."),
  ],
  [
    "customer.subscription.pending_update_expired",
    allow("subscription", "Stripe discarded a change because it was not paid in time."),
  ],
  [
    "invoice.created",
    allow("invoice", "Stripe finalizes a renewal after our 2xx response. Without one it waits up to 72 hours."),
  ],
  ["invoice.finalized", allow("invoice", "The amount is final and the hosted invoice page exists.")],
  ["invoice.paid", allow("invoice", "The payment succeeded. The period is paid.")],
  [
    "invoice.payment_failed",
    allow("invoice", "The payment failed. The hook `onPaymentFailed` runs and the grace period starts."),
  ],
  ["invoice.payment_action_required", allow("invoice", "The bank asks the user to confirm the payment.")],
  ["invoice.voided", allow("invoice", "The invoice no longer needs to be paid.")],
  ["invoice.marked_uncollectible", allow("invoice", "The invoice is no longer expected to be paid.")],
  ["refund.created", allow("refund", "A payment was refunded. The hook `onRefund` runs.")],
  ["refund.updated", allow("refund", "The status of a refund changed.")],
  ["refund.failed", allow("refund", "The bank did not accept a refund, so the payment counts again.")],
  ["charge.dispute.created", allow("dispute", "The bank disputes a payment. The hook `onDispute` runs.")],
  ["charge.dispute.updated", allow("dispute", "The status of a dispute changed.")],
  ["charge.dispute.closed", allow("dispute", "A dispute was won or lost.")],
  ["payment_method.attached", allow("payment_method", "The user added a payment method.")],
  ["payment_method.updated", allow("payment_method", "Details of a card changed, such as its expiry date.")],
  [
    "payment_method.automatically_updated",
    allow("payment_method", "The card network sent a new card number or expiry date."),
  ],
  ["payment_method.detached", allow("payment_method", "The user removed a payment method.")],
  ["product.created", allow("product", "A product links a price to a plan.")],
  ["product.updated", allow("product", "The product's name or plan can change.")],
  ["product.deleted", allow("product", "The product can no longer be sold.")],
  ["price.created", allow("price", "Plans find their prices by lookup key.")],
  ["price.updated", allow("price", "A lookup key can move to another price.")],
  ["price.deleted", allow("price", "The price can no longer be sold.")],
]);
