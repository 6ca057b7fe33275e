/**
 * Decides the effect of a request to cancel or to resume a subscription. A request is fulfilled, changes the subscription, or
 * is refused. A fulfilled request changes nothing, so that a repeated request returns the same response.
 */
import type { SubscriptionRecord } from "./records.ts";
import { currentPeriod, isLive, isPaused, scheduledEnd } from "./subscription.ts";

/**
 * The end of a canceled subscription. "period_end" is the end of the period that is current when Stripe receives the request. A
 * number is an instant in epoch milliseconds.
 */
export type CancellationEnd = "period_end" | "now" | number;

/** The change at Stripe that cancels or resumes a subscription. */
export type SubscriptionChange =
  | {
      change: "cancel";
      end: CancellationEnd;
      /** Id of the subscription's schedule, which must be released first; null if the subscription has no schedule. */
      scheduleId: string | null;
      /** The end that the merchant had set and that the cancellation replaces; null if there is none. */
      merchantCancelAt: number | null;
    }
  | {
      change: "resume";
      cancelAtPeriodEnd: boolean;
      /** The end that the merchant had set and that holds again after the change; null if there is none. */
      merchantCancelAt: number | null;
      /** True if the subscription or the collection of its payments is paused. The change does not end the pause. */
      paused: boolean;
    };

/** The result of the last change that this service made to a subscription. */
export type LastChange =
  | { change: "cancel"; end: CancellationEnd; cancelAt: number | null }
  | { change: "resume"; cancelAt: number | null; paused: boolean };

/**
 * Reasons for a refusal: the subscription is not live; the merchant has set its end; the subscription or the collection of its
 * payments is paused, and no cancellation is scheduled.
 */
export type RefusalReason = "not_live" | "set_by_merchant" | "paused" | "collection_paused";

export type ChangeDecision =
  | { kind: "fulfilled" }
  | { kind: "change"; change: SubscriptionChange }
  | { kind: "refused"; reason: RefusalReason };

const FULFILLED: ChangeDecision = { kind: "fulfilled" };

/**
 * Decides a request to cancel at the end of the period. An earlier end also fulfils the request. A later end, which only the
 * merchant can have set, is replaced.
 */
export function decideCancel(subscription: SubscriptionRecord, last: LastChange | null, now: number): ChangeDecision {
  if (!isLive(subscription)) {
    const endedByCancel = last?.change === "cancel" && last.end === "now";
    return endedByCancel ? FULFILLED : { kind: "refused", reason: "not_live" };
  }
  const periodEnd = currentPeriod(subscription)?.end ?? null;
  const end = scheduledEnd(subscription);
  const isLater = end !== null && periodEnd !== null && end > periodEnd;
  const cancel = (at: CancellationEnd): ChangeDecision => ({
    kind: "change",
    change: {
      change: "cancel",
      end: at,
      scheduleId: subscription.scheduleId,
      merchantCancelAt: isLater && !subscription.cancelAtPeriodEnd ? end : null,
    },
  });
  // The period of a paused subscription does not renew, so Stripe would never reach the end of a period that is over.
  if (subscription.status === "paused" && (periodEnd === null || periodEnd <= now)) return cancel("now");
  if (end !== null && !isLater) return FULFILLED;
  return cancel(subscription.status === "paused" && periodEnd !== null ? periodEnd : "period_end");
}

/**
 * Decides a request to resume, which reverts a scheduled cancellation. An end that the merchant has set is never removed. If
 * the user's cancellation has replaced an end that the merchant had set, that end holds again.
 */
export function decideResume(subscription: SubscriptionRecord, last: LastChange | null, now: number): ChangeDecision {
  if (!isLive(subscription)) return { kind: "refused", reason: "not_live" };
  if (isRepeated(subscription, last)) return FULFILLED;
  const end = scheduledEnd(subscription);
  if (end === null) {
    if (subscription.status === "paused") return { kind: "refused", reason: "paused" };
    return isPaused(subscription) ? { kind: "refused", reason: "collection_paused" } : FULFILLED;
  }
  if (!isSetByUser(subscription, last)) return { kind: "refused", reason: "set_by_merchant" };
  const { cancelAtPeriodEnd, merchantCancelAt } = subscription;
  const restored = merchantCancelAt !== null && merchantCancelAt > Math.max(end, now) ? merchantCancelAt : null;
  return {
    kind: "change",
    change: { change: "resume", cancelAtPeriodEnd, merchantCancelAt: restored, paused: isPaused(subscription) },
  };
}

/** Returns true if the subscription is still in the state in which the user's last request to resume has left it. */
function isRepeated(subscription: SubscriptionRecord, last: LastChange | null): boolean {
  return (
    last?.change === "resume" &&
    !subscription.cancelAtPeriodEnd &&
    last.cancelAt === subscription.cancelAt &&
    last.paused === isPaused(subscription)
  );
}

/**
 * Returns true if the user may revert the scheduled end of a subscription: the end of its period, or an instant that an
 * operation of this service has set. The end of a subscription with a schedule belongs to the schedule, which only the merchant
 * can have attached.
 */
function isSetByUser(subscription: SubscriptionRecord, last: LastChange | null): boolean {
  const { scheduleId, cancelAtPeriodEnd, cancelAt, items } = subscription;
  if (scheduleId !== null) return false;
  return (
    cancelAtPeriodEnd ||
    items.some((item) => item.currentPeriodEnd === cancelAt) ||
    (last?.change === "cancel" && last.cancelAt === cancelAt)
  );
}
