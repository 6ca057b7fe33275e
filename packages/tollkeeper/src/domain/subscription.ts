/** What a subscription's state means, whatever it was sold for. */
import type { InvoiceRecord, SubscriptionRecord, SubscriptionStatus } from "./records.ts";

/**
 * Statuses in which Stripe may charge again, so that a second subscription would bill twice.
 * @see https://docs.stripe.com/billing/subscriptions/overview#subscription-statuses
 */
const LIVE: ReadonlySet<SubscriptionStatus> = new Set(["trialing", "active", "past_due", "unpaid", "paused"]);

/** Statuses that no subscription leaves. */
export const OVER: readonly SubscriptionStatus[] = ["canceled", "incomplete_expired"];

export function isLive(subscription: Pick<SubscriptionRecord, "status">): boolean {
  return LIVE.has(subscription.status);
}

/** What is known of a subscription that Stripe has no more: it ends now, unless it had ended. */
export function ended(subscription: SubscriptionRecord, now: number): SubscriptionRecord {
  const { status, canceledAt, endedAt } = subscription;
  if (OVER.includes(status)) return subscription;
  return { ...subscription, status: "canceled", canceledAt: canceledAt ?? now, endedAt: endedAt ?? now };
}

/** The paid (or trial) period, which lives on the items; with several items, the one that lasts longest. */
export function currentPeriod(subscription: Pick<SubscriptionRecord, "items">): { start: number; end: number } | null {
  let longest: { start: number; end: number } | null = null;
  for (const item of subscription.items)
    if (!longest || item.currentPeriodEnd > longest.end)
      longest = { start: item.currentPeriodStart, end: item.currentPeriodEnd };
  return longest;
}

/**
 * When the subscription is set to end. `cancel_at_period_end` and `cancel_at` are two ways to say so (the portal
 * uses the second), and either may come alone.
 */
export function scheduledEnd(
  subscription: Pick<SubscriptionRecord, "cancelAt" | "cancelAtPeriodEnd" | "items">,
): number | null {
  if (subscription.cancelAt !== null) return subscription.cancelAt;
  return subscription.cancelAtPeriodEnd ? (currentPeriod(subscription)?.end ?? null) : null;
}

/** The end of what was paid for: null when the last invoice was not paid, or was free. */
export function paidUntil(
  subscription: Pick<SubscriptionRecord, "items">,
  latestInvoice: Pick<InvoiceRecord, "status" | "total"> | null,
): number | null {
  if (latestInvoice?.status !== "paid" || latestInvoice.total <= 0) return null;
  return currentPeriod(subscription)?.end ?? null;
}
