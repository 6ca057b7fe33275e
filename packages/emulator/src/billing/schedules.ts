/**
 * Changes the statuses and timers of subscription schedules.
 * @see https://docs.stripe.com/billing/subscriptions/subscription-schedules
 */
import { now } from "../core/clock.ts";
import { copy } from "../core/copy.ts";
import { emit, emitChange } from "../core/events.ts";
import { find } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { clearTimer, setTimer } from "../core/timers.ts";
import type { Phase, Schedule } from "../objects/subscription-schedule.ts";
import type { Subscription } from "../objects/subscription.ts";
import { toPhaseDiscounts } from "./schedule-discounts.ts";
import { updateSubscription } from "./subscription-changes.ts";

const EXPIRING_NOTICE_SECONDS = 7 * 86_400;

export function isLiveSchedule({ status }: Schedule): boolean {
  return status === "active" || status === "not_started";
}

/**
 * Returns the phase that a subscription schedule has at the given time; null if it has no phase then. A phase of a schedule
 * does not include its end date.
 */
export function phaseAt(schedule: Schedule, at: number): Phase | null {
  return schedule.phases.find((phase) => phase.start_date <= at && at < phase.end_date) ?? null;
}

/** Returns a phase with the current items and period of a subscription that has no schedule yet. */
export function phaseOf(subscription: Subscription): Phase {
  const [first] = subscription.items.data;
  return {
    ...emptyPhase(subscription.currency),
    discounts: toPhaseDiscounts(subscription.discounts),
    items: subscription.items.data.map((item) => ({
      billing_thresholds: null,
      discounts: toPhaseDiscounts(item.discounts),
      metadata: { ...item.metadata },
      plan: item.price.id,
      price: item.price.id,
      ...(item.quantity !== undefined && { quantity: item.quantity }),
      tax_rates: copy(item.tax_rates),
    })),
    ...(subscription.automatic_tax.enabled && { automatic_tax: copy(subscription.automatic_tax) }),
    default_tax_rates: copy(subscription.default_tax_rates),
    metadata: { ...subscription.metadata },
    start_date: first?.current_period_start ?? subscription.start_date,
    end_date: Math.min(...subscription.items.data.map((item) => item.current_period_end)),
    trial_end: subscription.trial_end,
  };
}

export function emptyPhase(currency: string): Omit<Phase, "start_date" | "end_date" | "items"> {
  return {
    add_invoice_items: [],
    application_fee_percent: null,
    billing_cycle_anchor: null,
    billing_thresholds: null,
    collection_method: null,
    currency,
    default_payment_method: null,
    default_tax_rates: [],
    description: null,
    discounts: [],
    invoice_settings: null,
    metadata: {},
    on_behalf_of: null,
    proration_behavior: "create_prorations",
    transfer_data: null,
    trial_end: null,
  };
}

/** Sets a schedule's timers: for the start of the next phase, and for the event that announces the schedule's end. */
export function setScheduleTimers(context: Context, schedule: Schedule): void {
  const starts = schedule.phases[0]?.start_date ?? now(context);
  const end = schedule.phases.at(-1)?.end_date ?? now(context);
  const next = schedule.status === "not_started" ? starts : (schedule.current_phase?.end_date ?? end);
  setTimer(context, "phase_ends", schedule.id, next);
  if (end - EXPIRING_NOTICE_SECONDS > now(context))
    setTimer(context, "schedule_expiring", schedule.id, end - EXPIRING_NOTICE_SECONDS);
  else clearTimer(context, "schedule_expiring", schedule.id);
}

function stopSchedule(context: Context, schedule: Schedule): void {
  clearTimer(context, "phase_ends", schedule.id);
  clearTimer(context, "schedule_expiring", schedule.id);
  schedule.current_phase = null;
}

/** Releases a subscription from its schedule, on request or after the last phase. The subscription continues. */
export function releaseSchedule(context: Context, schedule: Schedule, why: "released" | "completed"): void {
  stopSchedule(context, schedule);
  const subscription = find(context, "subscription", schedule.subscription);
  Object.assign(schedule, {
    status: why,
    [`${why}_at`]: now(context),
    released_subscription: schedule.subscription,
    subscription: null,
  });
  if (subscription) updateSubscription(context, subscription, { schedule: null });
  emit(context, `subscription_schedule.${why}`, schedule);
}

/**
 * Ends the schedule of a subscription that has ended. The schedule is completed if its last phase is over; otherwise it
 * is canceled.
 */
export function endScheduleOf(
  context: Context,
  subscription: Subscription,
  reason: "cancellation_requested" | "payment_failed" | null,
): void {
  const schedule = find(context, "subscription_schedule", subscription.schedule);
  if (!schedule || !isLiveSchedule(schedule)) return;
  const completes = schedule.end_behavior === "cancel" && (schedule.phases.at(-1)?.end_date ?? 0) <= now(context);
  stopSchedule(context, schedule);
  if (completes) Object.assign(schedule, { status: "completed", completed_at: now(context) });
  else Object.assign(schedule, { status: "canceled", canceled_at: now(context) });
  if (completes) return void emit(context, "subscription_schedule.completed", schedule);
  emit(
    context,
    reason === "payment_failed" ? "subscription_schedule.aborted" : "subscription_schedule.canceled",
    schedule,
  );
}

/** Cancels a subscription schedule that has not started. */
export function cancelUnstarted(context: Context, schedule: Schedule): void {
  stopSchedule(context, schedule);
  Object.assign(schedule, { status: "canceled", canceled_at: now(context) });
  emit(context, "subscription_schedule.canceled", schedule);
}

/** Sets the current phase of a schedule, and its timers. */
export function markPhase(context: Context, schedule: Schedule, phase: Phase): void {
  emitChange(context, "subscription_schedule.updated", schedule, (row) => {
    row.status = "active";
    row.current_phase = copy({ end_date: phase.end_date, start_date: phase.start_date });
  });
  setScheduleTimers(context, schedule);
}
