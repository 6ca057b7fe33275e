/** The events this software listens to. Everything else is answered 200 "ignored" and not stored. */

/** The kind of object an event is about, and so what is retrieved for it. */
export type SyncedObject =
  | "customer"
  | "subscription"
  | "invoice"
  | "payment_method"
  | "checkout_session"
  | "product"
  | "price";

export interface AllowedEvent {
  object: SyncedObject;
  /** Why we listen to it. */
  reason: string;
}

const allow = (object: SyncedObject, reason: string): AllowedEvent => ({ object, reason });

/**
 * The allowlist: event type -> the object it makes us retrieve, and why.
 * @see https://docs.stripe.com/api/events/types
 */
export const ALLOWED_WEBHOOK_EVENTS: ReadonlyMap<string, AllowedEvent> = new Map([
  ["checkout.session.completed", allow("checkout_session", "A checkout was paid: its subscription opens access.")],
  ["checkout.session.async_payment_succeeded", allow("checkout_session", "A slow payment method has paid after all.")],
  ["checkout.session.async_payment_failed", allow("checkout_session", "A slow payment method has failed after all.")],
  ["checkout.session.expired", allow("checkout_session", "The user's open checkout is over: the next one is new.")],
  ["customer.created", allow("customer", "A customer made elsewhere may carry our user's id.")],
  ["customer.updated", allow("customer", "The default payment method may have changed.")],
  ["customer.deleted", allow("customer", "The user needs a new customer at the next checkout.")],
  ["customer.subscription.created", allow("subscription", "Also those made in Stripe's dashboard.")],
  ["customer.subscription.updated", allow("subscription", "Status, plan, period or cancellation changed.")],
  ["customer.subscription.deleted", allow("subscription", "It ended: access closes.")],
  ["customer.subscription.paused", allow("subscription", "Paused: no access until it resumes.")],
  ["customer.subscription.resumed", allow("subscription", "Resumed: access opens again.")],
  ["customer.subscription.trial_will_end", allow("subscription", "The user is told before the first charge.")],
  [
    "customer.subscription.pending_update_applied",
    allow("subscription", "A change that waited for payment took effect."),
  ],
  [
    "customer.subscription.pending_update_expired",
    allow("subscription", "A change that waited for payment was dropped."),
  ],
  [
    "invoice.created",
    allow("invoice", "Answering it lets Stripe finalize a renewal; without a 2xx it waits up to 72 hours."),
  ],
  ["invoice.finalized", allow("invoice", "The amount is fixed and the hosted page is there.")],
  ["invoice.paid", allow("invoice", "Payment succeeded: the period is paid.")],
  ["invoice.payment_failed", allow("invoice", "Payment failed: the user is told, grace begins.")],
  ["invoice.payment_action_required", allow("invoice", "The bank asks the user to confirm the payment.")],
  ["invoice.voided", allow("invoice", "Nothing is owed any more.")],
  ["invoice.marked_uncollectible", allow("invoice", "It was given up: no longer worth reminding of.")],
  ["payment_method.attached", allow("payment_method", "The user added a card.")],
  ["payment_method.updated", allow("payment_method", "Expiry or digits changed.")],
  ["payment_method.automatically_updated", allow("payment_method", "The card network sent a new number or expiry.")],
  ["payment_method.detached", allow("payment_method", "The user removed a card.")],
  ["product.created", allow("product", "Names and plans come from products.")],
  ["product.updated", allow("product", "Names and plans come from products.")],
  ["product.deleted", allow("product", "It can no longer be sold.")],
  ["price.created", allow("price", "Plans are found by the price's lookup key.")],
  ["price.updated", allow("price", "A lookup key may have moved to another price.")],
  ["price.deleted", allow("price", "It can no longer be sold.")],
]);
