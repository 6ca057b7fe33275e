/**
 * Ends subscriptions: at once, at a later time, or because the first payment was not made.
 * @see https://docs.stripe.com/billing/subscriptions/cancel
 */
import { now } from "../core/clock.ts";
import { emit } from "../core/events.ts";
import type { Context } from "../core/state.ts";
import { clearTimer, setTimer } from "../core/timers.ts";
import type { Subscription } from "../objects/subscription.ts";
import { stopCollecting } from "./collection.ts";
import { refreshEntitlements } from "./entitlements.ts";
import { openInvoicesOf, voidInvoice } from "./invoices.ts";
import { endScheduleOf } from "./schedules.ts";
import { updateSubscription } from "./subscription-changes.ts";
import { isEnded, nextPeriodEnd } from "./subscription-periods.ts";

/** Expires a subscription whose first payment was not made within 23 hours. */
export function expireIncomplete(context: Context, subscription: Subscription): void {
  if (subscription.status !== "incomplete") return;
  for (const kind of ["period_ends", "invoice_upcoming"] as const) clearTimer(context, kind, subscription.id);
  updateSubscription(context, subscription, { status: "incomplete_expired", ended_at: now(context) });
  endScheduleOf(context, subscription, "payment_failed");
  for (const invoice of openInvoicesOf(context, subscription)) voidInvoice(context, invoice);
}

export interface CancellationDetails {
  comment?: string | null | undefined;
  feedback?: string | null | undefined;
}

/** Schedules the cancellation of a subscription at the end of its period. */
export function cancelAtPeriodEnd(context: Context, subscription: Subscription, details: CancellationDetails): void {
  clearTimer(context, "cancels", subscription.id);
  updateSubscription(context, subscription, {
    cancel_at_period_end: true,
    cancel_at: nextPeriodEnd(subscription),
    canceled_at: now(context),
    cancellation_details: requestDetails(details),
  });
}

/** Schedules the cancellation of a subscription at a given time. */
export function cancelAt(
  context: Context,
  subscription: Subscription,
  at: number,
  details: CancellationDetails = {},
): void {
  updateSubscription(context, subscription, {
    cancel_at_period_end: false,
    cancel_at: at,
    canceled_at: now(context),
    cancellation_details: requestDetails(details),
  });
  setTimer(context, "cancels", subscription.id, at);
}

function requestDetails(details: CancellationDetails): Subscription["cancellation_details"] {
  return {
    comment: details.comment ?? null,
    feedback: details.feedback ?? null,
    feedback_option: null,
    reason: "cancellation_requested",
  };
}

export function undoCancellation(context: Context, subscription: Subscription): void {
  clearTimer(context, "cancels", subscription.id);
  updateSubscription(context, subscription, {
    cancel_at_period_end: false,
    cancel_at: null,
    canceled_at: null,
    cancellation_details: { comment: null, feedback: null, feedback_option: null, reason: null },
  });
}

/** Cancels a subscription at once. */
export function endSubscription(
  context: Context,
  subscription: Subscription,
  reason: "cancellation_requested" | "payment_failed" | null,
): void {
  if (isEnded(subscription)) return;
  for (const kind of ["period_ends", "cancels", "trial_will_end", "incomplete_expires", "invoice_upcoming"] as const)
    clearTimer(context, kind, subscription.id);
  subscription.status = "canceled";
  delete subscription.status_details;
  subscription.ended_at = now(context);
  subscription.canceled_at ??= now(context);
  subscription.cancel_at_period_end = false;
  // A subscription that ends early has no planned end any longer.
  if (subscription.cancel_at !== null && subscription.cancel_at > now(context)) subscription.cancel_at = null;
  if (reason !== null) subscription.cancellation_details.reason = reason;
  emit(context, "customer.subscription.deleted", subscription);
  endScheduleOf(context, subscription, reason);
  stopCollecting(context, subscription);
  refreshEntitlements(context, subscription.customer);
}
