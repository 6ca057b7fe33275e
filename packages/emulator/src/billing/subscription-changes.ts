/** Changes subscriptions, emits their events, and applies the results of payments. */
import { now } from "../core/clock.ts";
import { emitChange } from "../core/events.ts";
import type { Context } from "../core/state.ts";
import { clearTimer } from "../core/timers.ts";
import type { Subscription } from "../objects/subscription.ts";
import { refreshEntitlements } from "./entitlements.ts";
import { openInvoicesOf } from "./invoices.ts";

/** Sets fields of a subscription and emits `customer.subscription.updated`. */
export function updateSubscription(context: Context, subscription: Subscription, changes: Partial<Subscription>): void {
  editSubscription(context, subscription, (row) => void Object.assign(row, changes));
}

export function paymentFailed(context: Context, subscription: Subscription): void {
  if (subscription.status === "active") updateSubscription(context, subscription, { status: "past_due" });
}

/**
 * Makes a subscription active when none of its invoices is due any longer. If `method` is not null, also makes this card the
 * subscription's default payment method.
 */
export function paymentRecovered(context: Context, subscription: Subscription, method: string | null): void {
  clearTimer(context, "incomplete_expires", subscription.id);
  const waits =
    subscription.status === "incomplete" || subscription.status === "past_due" || subscription.status === "unpaid";
  const recovers =
    waits && !openInvoicesOf(context, subscription).some(({ due_date: due }) => due === null || due <= now(context));
  if (!recovers && method === null) return;
  updateSubscription(context, subscription, {
    ...(method !== null && { default_payment_method: method }),
    ...(recovers && { status: "active" }),
  });
  if (recovers) refreshEntitlements(context, subscription.customer);
}

/**
 * Runs a function that changes a subscription, and emits one `customer.subscription.updated` for all of its changes.
 */
export function editSubscription(
  context: Context,
  subscription: Subscription,
  mutate: (row: Subscription) => void,
): void {
  emitChange(context, "customer.subscription.updated", subscription, (row) => {
    mutate(row);
    if (row.status !== "paused") delete row.status_details;
  });
}
