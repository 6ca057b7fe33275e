/** Changes that wait for their invoice to be paid, and take effect then. */
import { emit } from "../core/events.ts";
import { clearTimer } from "../core/timers.ts";
import { copy, type World } from "../core/world.ts";
import { refreshEntitlements } from "./entitlements.ts";
import type { Invoice } from "./invoices.ts";
import { edit } from "./subscription-changes.ts";
import { setPeriodTimers } from "./subscription-periods.ts";
import type { Subscription, SubscriptionItem } from "./subscriptions.ts";

/** What is to become of the subscription, kept by its id. */
export interface PendingPlan {
  invoice: string;
  items: SubscriptionItem[];
  anchor: number;
}

/** Its invoice is paid: the change takes effect. */
export function applyPending(world: World, subscription: Subscription, invoice: Invoice): void {
  const plan = world.account.pendingPlans.get(subscription.id);
  if (plan?.invoice !== invoice.id) return;
  forgetPending(world, subscription);
  edit(world, subscription, (row) => {
    row.items = { ...row.items, data: copy(plan.items), total_count: plan.items.length };
    row.billing_cycle_anchor = plan.anchor;
    row.pending_update = null;
  });
  emit(world, "customer.subscription.pending_update_applied", subscription);
  setPeriodTimers(world, subscription);
  refreshEntitlements(world, subscription.customer);
}

export function forgetPending(world: World, subscription: Subscription): void {
  world.account.pendingPlans.delete(subscription.id);
  clearTimer(world, "pending_update_expires", subscription.id);
}
