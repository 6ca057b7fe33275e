/** When a subscription's periods begin and end, and the timers that watch them. */
import { setTimer } from "../core/timers.ts";
import { now, type World } from "../core/world.ts";
import type { Price } from "../resources/prices.ts";
import { periodEnd, periodStart } from "./periods.ts";
import type { Subscription, SubscriptionItem } from "./subscriptions.ts";

/** How long before a renewal it is announced. */
const UPCOMING_NOTICE = 7 * 86_400;

export function setPeriodTimers(world: World, subscription: Subscription): void {
  const end = nextPeriodEnd(subscription);
  setTimer(world, "period_ends", subscription.id, end);
  const notice = end - UPCOMING_NOTICE;
  if (notice > now(world)) setTimer(world, "invoice_upcoming", subscription.id, notice);
}

export function isOver(subscription: Subscription): boolean {
  return subscription.status === "canceled" || subscription.status === "incomplete_expired";
}

export function nextPeriodEnd(subscription: Subscription): number {
  return Math.min(...subscription.items.data.map((item) => item.current_period_end));
}

export function endOf(price: Price, anchor: number, after: number): number {
  const { interval, interval_count } = price.recurring ?? { interval: "month" as const, interval_count: 1 };
  return periodEnd(anchor, interval, interval_count, after);
}

export function startOf(price: Price, anchor: number, at: number): number {
  const { interval, interval_count } = price.recurring ?? { interval: "month" as const, interval_count: 1 };
  return periodStart(anchor, interval, interval_count, at);
}

/** Whether it is paid for in advance, rather than by what was used. */
export function isLicensed({ price }: Pick<SubscriptionItem, "price">): boolean {
  return price.recurring?.usage_type !== "metered";
}
