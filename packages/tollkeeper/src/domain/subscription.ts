/** Interprets the state of a subscription: live or ended, its period, and its scheduled end. */
import type { InvoiceRecord, SubscriptionRecord, SubscriptionStatus } from "./records.ts";

/**
 * Subscription statuses in which Stripe may charge the user again. A user with two subscriptions that Stripe may charge again
 * would pay twice.
 * @see https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses
 */
export const LIVE_STATUSES: readonly SubscriptionStatus[] = ["trialing", "active", "past_due", "unpaid", "paused"];

/** Final statuses, which a subscription never leaves. */
export const FINAL_STATUSES: readonly SubscriptionStatus[] = ["canceled", "incomplete_expired"];

export function isLive(subscription: Pick<SubscriptionRecord, "status">): boolean {
  return LIVE_STATUSES.includes(subscription.status);
}

/** Returns true if the subscription, or the collection of its payments, is paused. */
export function isPaused({ status, pauseBehavior }: Pick<SubscriptionRecord, "status" | "pauseBehavior">): boolean {
  return status === "paused" || pauseBehavior !== null;
}

/**
 * Returns the record to store for a subscription that Stripe no longer has. The end of a subscription that Stripe no longer has
 * is now, in billing time, or earlier if the subscription had already ended.
 */
export function toEnded(subscription: SubscriptionRecord, now: number): SubscriptionRecord {
  const { status, canceledAt, endedAt } = subscription;
  if (FINAL_STATUSES.includes(status)) return subscription;
  return { ...subscription, status: "canceled", canceledAt: canceledAt ?? now, endedAt: endedAt ?? now };
}

/** Returns the current paid or trial period of a subscription: the latest period of its items. */
export function currentPeriod(subscription: Pick<SubscriptionRecord, "items">): { start: number; end: number } | null {
  let longest: { start: number; end: number } | null = null;
  for (const item of subscription.items)
    if (!longest || item.currentPeriodEnd > longest.end)
      longest = { start: item.currentPeriodStart, end: item.currentPeriodEnd };
  return longest;
}

/**
 * Returns the instant at which the subscription will end; null if it renews. Stripe has two fields for a scheduled end,
 * `cancel_at_period_end` and `cancel_at`. Stripe may set either of the fields `cancel_at_period_end` and `cancel_at` without
 * the other. Stripe's customer portal sets the field `cancel_at` to schedule an end.
 */
export function scheduledEnd(
  subscription: Pick<SubscriptionRecord, "cancelAt" | "cancelAtPeriodEnd" | "items">,
): number | null {
  if (subscription.cancelAt !== null) return subscription.cancelAt;
  return subscription.cancelAtPeriodEnd ? (currentPeriod(subscription)?.end ?? null) : null;
}

/** Returns the end of the current period if the subscription's last invoice is paid and was not free; otherwise null. */
export function paidUntil(
  subscription: Pick<SubscriptionRecord, "items">,
  latestInvoice: Pick<InvoiceRecord, "status" | "total"> | null,
): number | null {
  if (latestInvoice?.status !== "paid" || latestInvoice.total <= 0) return null;
  return currentPeriod(subscription)?.end ?? null;
}
