/** Computes the billing periods of subscriptions, and sets timers for the ends of these periods. */
import { now } from "../core/clock.ts";
import type { Context } from "../core/state.ts";
import { setTimer } from "../core/timers.ts";
import type { Subscription, SubscriptionItem } from "../objects/subscription.ts";

/** Seconds between the event `invoice.upcoming` and the renewal. */
const UPCOMING_NOTICE_SECONDS = 7 * 86_400;

export function setPeriodTimers(context: Context, subscription: Subscription): void {
  const end = nextPeriodEnd(subscription);
  setTimer(context, "period_ends", subscription.id, end);
  const notice = end - UPCOMING_NOTICE_SECONDS;
  if (notice > now(context)) setTimer(context, "invoice_upcoming", subscription.id, notice);
}

export function isEnded(subscription: Subscription): boolean {
  return subscription.status === "canceled" || subscription.status === "incomplete_expired";
}

export function nextPeriodEnd(subscription: Subscription): number {
  return Math.min(...subscription.items.data.map((item) => item.current_period_end));
}

/** Returns whether a subscription item is billed in advance by quantity, not afterwards by usage. */
export function isLicensed({ price }: Pick<SubscriptionItem, "price">): boolean {
  return price.recurring?.usage_type !== "metered";
}
