/**
 * Renews subscriptions at the end of each billing period.
 * @see https://docs.stripe.com/billing/subscriptions/billing-cycle
 */
import { now } from "../core/clock.ts";
import { copy } from "../core/copy.ts";
import { endOf } from "../core/periods.ts";
import type { Context } from "../core/state.ts";
import type { Period } from "../objects/invoice-line.ts";
import type { Subscription, SubscriptionItem } from "../objects/subscription.ts";
import { refreshEntitlements } from "./entitlements.ts";
import { createSubscriptionInvoice, linesOfItems, scheduleFinalization } from "./invoices.ts";
import { cutAtPlannedEnd } from "./planned-end.ts";
import { endAsPlanned } from "./planned-endings.ts";
import { updateSubscription } from "./subscription-changes.ts";
import { isEnded, setPeriodTimers } from "./subscription-periods.ts";
import { endTrialWithoutCard } from "./subscription-trials.ts";

/** Starts the next period of a subscription and creates its draft invoice. */
export function renewSubscription(context: Context, subscription: Subscription): void {
  if (isEnded(subscription) || subscription.status === "incomplete" || subscription.status === "paused") return;
  const at = now(context);
  const ends = subscription.cancel_at_period_end || (subscription.cancel_at !== null && subscription.cancel_at <= at);
  if (ends) return endAsPlanned(context, subscription);
  const trialEnds = subscription.status === "trialing";
  if (trialEnds && endTrialWithoutCard(context, subscription)) return;
  const before = copy(subscription.items.data);
  const items = copy(subscription.items);
  for (const item of items.data) rollPeriod(item, subscription.billing_cycle_anchor, at);
  updateSubscription(context, subscription, { items, status: trialEnds ? "active" : subscription.status });
  setPeriodTimers(context, subscription);
  const invoice = createSubscriptionInvoice(context, subscription, "subscription_cycle", (draft) =>
    cutAtPlannedEnd(
      subscription,
      linesOfItems(context, draft, subscription, (item) => renewedPeriod(before, item)),
    ),
  );
  refreshEntitlements(context, subscription.customer);
  // Invoices of a subscription with status `unpaid` stay drafts.
  if (subscription.status === "unpaid") invoice.auto_advance = false;
  else scheduleFinalization(context, invoice);
}

function rollPeriod(item: SubscriptionItem, anchor: number, at: number): void {
  if (item.current_period_end > at) return;
  item.current_period_start = item.current_period_end;
  item.current_period_end = endOf(item.price, anchor, at);
}

/**
 * Returns the period that a renewal bills for an item: the new period, or for metered items the period that has just
 * ended.
 */
function renewedPeriod(before: readonly SubscriptionItem[], item: SubscriptionItem): Period | null {
  const old = before.find(({ id }) => id === item.id);
  if (!old || old.current_period_end === item.current_period_end) return null;
  return item.price.recurring?.usage_type === "metered"
    ? { start: old.current_period_start, end: old.current_period_end }
    : { start: item.current_period_start, end: item.current_period_end };
}
