/**
 * Attaches schedules to running subscriptions, and schedules changes for the end of a period.
 * @see https://docs.stripe.com/billing/subscriptions/subscription-schedules
 */
import { copy } from "../core/copy.ts";
import { emit } from "../core/events.ts";
import { endOf } from "../core/periods.ts";
import { find, insert } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { Price } from "../objects/price.ts";
import type { DiscountInput } from "../objects/discount.ts";
import { newSchedule, type Phase, type PhaseDiscount, type Schedule } from "../objects/subscription-schedule.ts";
import type { Subscription } from "../objects/subscription.ts";
import { phaseOf, setScheduleTimers } from "./schedules.ts";
import { updateSubscription } from "./subscription-changes.ts";

/** The settings of a schedule that is attached to a running subscription. */
interface Attachment {
  /** The phases that follow the current period. */
  next?: readonly Phase[];
  metadata?: Record<string, string>;
}

/** Attaches a schedule to a subscription. The first phase of the schedule is the subscription's current period. */
export function attachSchedule(
  context: Context,
  subscription: Subscription,
  { next = [], metadata = {} }: Attachment = {},
): Schedule {
  const first = phaseOf(subscription);
  const schedule = newSchedule(context, {
    customer: subscription.customer,
    phases: [first, ...next],
    endBehavior: subscription.cancel_at === null ? "release" : "cancel",
    metadata,
  });
  schedule.subscription = subscription.id;
  schedule.status = "active";
  schedule.current_phase = { end_date: first.end_date, start_date: first.start_date };
  insert(context, "subscription_schedule", schedule);
  emit(context, "subscription_schedule.created", schedule);
  updateSubscription(context, subscription, { schedule: schedule.id });
  setScheduleTimers(context, schedule);
  return schedule;
}

interface PeriodEndChange {
  price: Price;
  quantity: number;
  /** The coupons that replace the subscription's discounts. Undefined leaves them unchanged. */
  discounts?: readonly DiscountInput[] | undefined;
}

function toPhaseDiscount({ coupon, promotion_code: code }: DiscountInput): PhaseDiscount {
  return { coupon: coupon ?? null, discount: null, promotion_code: code ?? null };
}

/**
 * Schedules a new price and quantity of a subscription's only item for the end of the current period. The schedule releases the
 * subscription after one period of the new price.
 */
export function changeAtPeriodEnd(
  context: Context,
  subscription: Subscription,
  { price, quantity, discounts }: PeriodEndChange,
): Schedule {
  const current = phaseOf(subscription);
  const start = current.end_date;
  const items = current.items.map((item) => ({ ...copy(item), plan: price.id, price: price.id, quantity }));
  const next = {
    ...copy(current),
    items,
    ...(discounts && { discounts: discounts.map(toPhaseDiscount) }),
    start_date: start,
    end_date: endOf(price, start, start),
    trial_end: null,
  };
  return attachSchedule(context, subscription, { next: [next] });
}

/** Returns the next phase of a subscription's schedule; null if the subscription has no schedule or no further phase. */
export function nextPhaseOf(context: Context, subscription: Subscription): Phase | null {
  const schedule = find(context, "subscription_schedule", subscription.schedule);
  const end = schedule?.current_phase?.end_date;
  return schedule?.phases.find((phase) => end !== undefined && phase.start_date >= end) ?? null;
}
