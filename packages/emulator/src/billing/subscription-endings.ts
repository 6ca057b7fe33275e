/** How a subscription ends: canceled, at once or later, or never paid. @see https://docs.stripe.com/billing/subscriptions/cancel */
import { emit } from "../core/events.ts";
import { clearTimer, setTimer } from "../core/timers.ts";
import { now, type World } from "../core/world.ts";
import { stopCollecting } from "./collection.ts";
import { refreshEntitlements } from "./entitlements.ts";
import { openInvoicesOf, voidInvoice } from "./invoices.ts";
import { closeScheduleOf } from "./schedules.ts";
import { update } from "./subscription-changes.ts";
import { isOver, nextPeriodEnd } from "./subscription-periods.ts";
import type { Subscription } from "./subscriptions.ts";

/** 23 hours without the first payment. */
export function expireIncomplete(world: World, subscription: Subscription): void {
  if (subscription.status !== "incomplete") return;
  for (const kind of ["period_ends", "invoice_upcoming"] as const) clearTimer(world, kind, subscription.id);
  update(world, subscription, { status: "incomplete_expired", ended_at: now(world) });
  closeScheduleOf(world, subscription, "payment_failed");
  for (const invoice of openInvoicesOf(world, subscription)) voidInvoice(world, invoice);
}

export interface CancellationDetails {
  comment?: string | null | undefined;
  feedback?: string | null | undefined;
}

/** To end at the period's end. */
export function cancelAtPeriodEnd(world: World, subscription: Subscription, details: CancellationDetails): void {
  clearTimer(world, "cancels", subscription.id);
  update(world, subscription, {
    cancel_at_period_end: true,
    cancel_at: nextPeriodEnd(subscription),
    canceled_at: now(world),
    cancellation_details: requested(details),
  });
}

/** To end at an instant, which is how the portal says it. */
export function cancelAt(
  world: World,
  subscription: Subscription,
  at: number,
  details: CancellationDetails = {},
): void {
  update(world, subscription, {
    cancel_at_period_end: false,
    cancel_at: at,
    canceled_at: now(world),
    cancellation_details: requested(details),
  });
  setTimer(world, "cancels", subscription.id, at);
}

function requested(details: CancellationDetails): Subscription["cancellation_details"] {
  return {
    comment: details.comment ?? null,
    feedback: details.feedback ?? null,
    feedback_option: null,
    reason: "cancellation_requested",
  };
}

export function undoCancellation(world: World, subscription: Subscription): void {
  clearTimer(world, "cancels", subscription.id);
  update(world, subscription, {
    cancel_at_period_end: false,
    cancel_at: null,
    canceled_at: null,
    cancellation_details: { comment: null, feedback: null, feedback_option: null, reason: null },
  });
}

/** Ends it now. */
export function end(
  world: World,
  subscription: Subscription,
  reason: "cancellation_requested" | "payment_failed" | null,
): void {
  if (isOver(subscription)) return;
  for (const kind of ["period_ends", "cancels", "trial_will_end", "incomplete_expires", "invoice_upcoming"] as const)
    clearTimer(world, kind, subscription.id);
  subscription.status = "canceled";
  subscription.ended_at = now(world);
  subscription.canceled_at ??= now(world);
  subscription.cancel_at_period_end = false;
  if (reason !== null) subscription.cancellation_details.reason = reason;
  emit(world, "customer.subscription.deleted", subscription);
  closeScheduleOf(world, subscription, reason);
  stopCollecting(world, subscription);
  refreshEntitlements(world, subscription.customer);
}
