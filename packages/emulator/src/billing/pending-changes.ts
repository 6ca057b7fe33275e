/** Applies and removes subscription changes that take effect when their invoice is paid. */
import { copy } from "../core/copy.ts";
import { emit } from "../core/events.ts";
import type { Context } from "../core/state.ts";
import { clearTimer } from "../core/timers.ts";
import type { Invoice } from "../objects/invoice.ts";
import type { Subscription } from "../objects/subscription.ts";
import { refreshEntitlements } from "./entitlements.ts";
import { editSubscription } from "./subscription-changes.ts";
import { setPeriodTimers } from "./subscription-periods.ts";

/** Applies the subscription's pending change if the change waits for the payment of the given invoice. */
export function applyPendingChange(context: Context, subscription: Subscription, invoice: Invoice): void {
  const plan = context.account.pendingChanges.get(subscription.id);
  if (plan?.invoice !== invoice.id) return;
  clearPendingChange(context, subscription);
  editSubscription(context, subscription, (row) => {
    row.items = { ...row.items, data: copy(plan.items), total_count: plan.items.length };
    row.billing_cycle_anchor = plan.anchor;
    row.pending_update = null;
  });
  emit(context, "customer.subscription.pending_update_applied", subscription);
  setPeriodTimers(context, subscription);
  refreshEntitlements(context, subscription.customer);
}

export function clearPendingChange(context: Context, subscription: Subscription): void {
  context.account.pendingChanges.delete(subscription.id);
  clearTimer(context, "pending_update_expires", subscription.id);
}
