/** Changes subscriptions, emits their events, and applies the results of payments. */
import { emitChange } from "../core/events.ts";
import type { Context } from "../core/state.ts";
import { clearTimer } from "../core/timers.ts";
import type { Subscription } from "../objects/subscription.ts";
import { refreshEntitlements } from "./entitlements.ts";
import { openInvoicesOf } from "./invoices.ts";

/** Sets fields of a subscription and emits `customer.subscription.updated`. */
export function updateSubscription(context: Context, subscription: Subscription, changes: Partial<Subscription>): void {
  emitChange(context, "customer.subscription.updated", subscription, (row) => void Object.assign(row, changes));
}

export function paymentFailed(context: Context, subscription: Subscription): void {
  if (subscription.status === "active") updateSubscription(context, subscription, { status: "past_due" });
}

export function paymentRecovered(context: Context, subscription: Subscription): void {
  clearTimer(context, "incomplete_expires", subscription.id);
  const waits =
    subscription.status === "incomplete" || subscription.status === "past_due" || subscription.status === "unpaid";
  if (!waits || openInvoicesOf(context, subscription).length > 0) return;
  updateSubscription(context, subscription, { status: "active" });
  refreshEntitlements(context, subscription.customer);
}

/**
 * Runs a function that changes a subscription, and emits one `customer.subscription.updated` for all of its changes.
 */
export function editSubscription(
  context: Context,
  subscription: Subscription,
  mutate: (row: Subscription) => void,
): void {
  emitChange(context, "customer.subscription.updated", subscription, mutate);
}
