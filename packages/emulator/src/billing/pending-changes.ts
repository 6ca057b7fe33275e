/** Applies and removes subscription changes that take effect when their invoice is paid. */
import { copy } from "../core/copy.ts";
import { emit } from "../core/events.ts";
import type { PendingChange } from "../core/records.ts";
import type { Context } from "../core/state.ts";
import { clearTimer } from "../core/timers.ts";
import { deleteEntry } from "../core/transaction.ts";
import type { Invoice } from "../objects/invoice.ts";
import type { Subscription } from "../objects/subscription.ts";
import { refreshEntitlements } from "./entitlements.ts";
import { editSubscription } from "./subscription-changes.ts";
import { setPeriodTimers } from "./subscription-periods.ts";

/**
 * Applies the subscription's pending change if the change waits for the given invoice. A change that resumes the subscription
 * gives it the status `status`.
 */
export function applyPendingChange(
  context: Context,
  subscription: Subscription,
  invoice: Invoice,
  status: "active" | "past_due" = "active",
): void {
  const plan = pendingChangeOf(context, subscription, invoice);
  if (!plan) return;
  clearPendingChange(context, subscription);
  editSubscription(context, subscription, (row) => {
    row.items = { ...row.items, data: copy(plan.items), total_count: plan.items.length };
    row.billing_cycle_anchor = plan.anchor;
    row.pending_update = null;
    if (plan.resumes) row.status = status;
    if (plan.endsTrial) Object.assign(row, { status: "active", trial_end: plan.anchor });
  });
  const applied = plan.resumes ? "resumed" : "pending_update_applied";
  emit(context, `customer.subscription.${applied}`, subscription);
  setPeriodTimers(context, subscription);
  if (plan.endsTrial) clearTimer(context, "trial_will_end", subscription.id);
  refreshEntitlements(context, subscription.customer);
}

/** Returns the change of a subscription that waits for the given invoice; undefined if there is none. */
export function pendingChangeOf(
  context: Context,
  subscription: Subscription,
  invoice: Invoice,
): PendingChange | undefined {
  const plan = context.account.pendingChanges.get(subscription.id);
  return plan?.invoice === invoice.id ? plan : undefined;
}

export function clearPendingChange(context: Context, subscription: Subscription): void {
  deleteEntry(context, context.account.pendingChanges, subscription.id);
  clearTimer(context, "pending_update_expires", subscription.id);
}

/** Discards the resumption of a subscription that waits for the given invoice. The subscription stays paused. */
export function discardResumption(context: Context, subscription: Subscription, invoice: Invoice): void {
  if (!pendingChangeOf(context, subscription, invoice)?.resumes) return;
  clearPendingChange(context, subscription);
  editSubscription(context, subscription, (row) => {
    row.pending_update = null;
  });
}

/** Returns the field `pending_update` for a change of the subscription's items and billing cycle anchor. */
export function newPendingUpdate(
  subscription: Subscription,
  { items, anchor, endsTrial }: Pick<PendingChange, "items" | "anchor" | "endsTrial">,
  expiresAt: number,
): NonNullable<Subscription["pending_update"]> {
  return {
    billing_cycle_anchor: anchor === subscription.billing_cycle_anchor ? null : anchor,
    cancel_at_period_end: null,
    discount: null,
    discounts: null,
    expires_at: expiresAt,
    metadata: null,
    subscription_items: copy(items),
    trial_end: endsTrial ? anchor : null,
    trial_from_plan: null,
  };
}
