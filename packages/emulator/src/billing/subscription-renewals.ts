/** Renewals: at a period's end the next begins, and is billed. @see https://docs.stripe.com/billing/subscriptions/billing-cycle */
import { copy, now, type World } from "../core/world.ts";
import { refreshEntitlements } from "./entitlements.ts";
import type { Period } from "./invoice-lines.ts";
import { createSubscriptionInvoice, linesOfPeriod, scheduleFinalization } from "./invoices.ts";
import { update } from "./subscription-changes.ts";
import { end } from "./subscription-endings.ts";
import { endOf, isOver, setPeriodTimers } from "./subscription-periods.ts";
import { endTrialWithoutCard } from "./subscription-trials.ts";
import type { Subscription, SubscriptionItem } from "./subscriptions.ts";

/** At a period's end: the next period begins and its invoice is drafted. */
export function renew(world: World, subscription: Subscription): void {
  if (isOver(subscription) || subscription.status === "incomplete" || subscription.status === "paused") return;
  const at = now(world);
  const ends = subscription.cancel_at_period_end || (subscription.cancel_at !== null && subscription.cancel_at <= at);
  if (ends) return end(world, subscription, "cancellation_requested");
  const trialEnds = subscription.status === "trialing";
  if (trialEnds && endTrialWithoutCard(world, subscription)) return;
  const before = copy(subscription.items.data);
  const items = copy(subscription.items);
  for (const item of items.data) roll(item, subscription.billing_cycle_anchor, at);
  update(world, subscription, { items, status: trialEnds ? "active" : subscription.status });
  setPeriodTimers(world, subscription);
  const invoice = createSubscriptionInvoice(world, subscription, "subscription_cycle", (draft) =>
    linesOfPeriod(world, draft, subscription, (item) => renewedPeriod(before, item)),
  );
  refreshEntitlements(world, subscription.customer);
  // What an unpaid subscription would owe waits as a draft until somebody decides.
  if (subscription.status === "unpaid") invoice.auto_advance = false;
  else scheduleFinalization(world, invoice);
}

function roll(item: SubscriptionItem, anchor: number, at: number): void {
  if (item.current_period_end > at) return;
  item.current_period_start = item.current_period_end;
  item.current_period_end = endOf(item.price, anchor, at);
}

/** What a renewal bills of an item: the period that begins, or for usage the one that has ended. */
function renewedPeriod(before: readonly SubscriptionItem[], item: SubscriptionItem): Period | null {
  const old = before.find(({ id }) => id === item.id);
  if (!old || old.current_period_end === item.current_period_end) return null;
  return item.price.recurring?.usage_type === "metered"
    ? { start: old.current_period_start, end: old.current_period_end }
    : { start: item.current_period_start, end: item.current_period_end };
}
