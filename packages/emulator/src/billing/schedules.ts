/** Subscription schedules: phases planned ahead, and the states a schedule goes through. @see https://docs.stripe.com/billing/subscriptions/subscription-schedules */
import { change, emit } from "../core/events.ts";
import { clearTimer, setTimer } from "../core/timers.ts";
import { newId } from "../core/ids.ts";
import { copy, find, now, type World } from "../core/world.ts";
import { update } from "./subscription-changes.ts";
import type { Subscription } from "./subscriptions.ts";

export type Schedule = ReturnType<typeof newSchedule>;
export type EndBehavior = "cancel" | "none" | "release" | "renew";
export type ProrationBehavior = "always_invoice" | "create_prorations" | "none";

export interface PhaseItem {
  billing_thresholds: null;
  discounts: PhaseDiscount[];
  metadata: Record<string, string>;
  plan: string;
  price: string;
  quantity?: number;
  tax_rates: [];
}

export interface PhaseDiscount {
  coupon: string | null;
  discount: string | null;
  promotion_code: string | null;
}

export interface AddedItem {
  discountable: boolean;
  discounts: PhaseDiscount[];
  metadata: Record<string, string>;
  period: { end: { type: "min_item_period_end" }; start: { type: "phase_start" } };
  price: string;
  quantity: number;
  tax_rates: [];
}

export interface Phase {
  add_invoice_items: AddedItem[];
  application_fee_percent: null;
  billing_cycle_anchor: "automatic" | "phase_start" | null;
  billing_thresholds: null;
  collection_method: "charge_automatically" | "send_invoice" | null;
  currency: string;
  default_payment_method: string | null;
  default_tax_rates: [];
  description: string | null;
  discounts: PhaseDiscount[];
  end_date: number;
  invoice_settings: null;
  items: PhaseItem[];
  metadata: Record<string, string>;
  on_behalf_of: null;
  proration_behavior: ProrationBehavior;
  start_date: number;
  transfer_data: null;
  trial_end: number | null;
}

export interface NewSchedule {
  customer: string;
  phases: Phase[];
  endBehavior: EndBehavior;
  metadata: Record<string, string>;
}

const EXPIRING_NOTICE = 7 * 86_400;

export function newSchedule(world: World, input: NewSchedule) {
  const at = now(world);
  return {
    id: newId(world, "sub_sched"),
    object: "subscription_schedule" as const,
    application: null,
    billing_mode: { flexible: { proration_discounts: "included" as const }, type: "flexible" as const, updated_at: at },
    canceled_at: null as number | null,
    completed_at: null as number | null,
    created: at,
    current_phase: null as { end_date: number; start_date: number } | null,
    customer: input.customer,
    customer_account: null,
    default_settings: {
      application_fee_percent: null,
      automatic_tax: { disabled_reason: null, enabled: false, liability: null },
      billing_cycle_anchor: "automatic" as "automatic" | "phase_start",
      billing_thresholds: null,
      collection_method: "charge_automatically" as "charge_automatically" | "send_invoice",
      default_payment_method: null as string | null,
      description: null as string | null,
      invoice_settings: {
        account_tax_ids: null,
        custom_fields: null,
        days_until_due: null as number | null,
        description: null,
        footer: null,
        issuer: { type: "self" as const },
      },
      on_behalf_of: null,
      transfer_data: null,
    },
    end_behavior: input.endBehavior,
    livemode: false as const,
    metadata: input.metadata,
    pause_schedules: [],
    phases: input.phases,
    released_at: null as number | null,
    released_subscription: null as string | null,
    status: "not_started" as "active" | "canceled" | "completed" | "not_started" | "released",
    subscription: null as string | null,
    test_clock: find(world, "customer", input.customer)?.test_clock ?? null,
  };
}

export function isLive({ status }: Schedule): boolean {
  return status === "active" || status === "not_started";
}

/** Phases end where the next begins; the end itself belongs to the next. */
export function phaseAt(schedule: Schedule, at: number): Phase | null {
  return schedule.phases.find((phase) => phase.start_date <= at && at < phase.end_date) ?? null;
}

/** What a subscription sells, as the phase that it is in. */
export function phaseOf(subscription: Subscription): Phase {
  const [first] = subscription.items.data;
  return {
    ...emptyPhase(subscription.currency),
    items: subscription.items.data.map((item) => ({
      billing_thresholds: null,
      discounts: [],
      metadata: { ...item.metadata },
      plan: item.price.id,
      price: item.price.id,
      ...(item.quantity !== undefined && { quantity: item.quantity }),
      tax_rates: [],
    })),
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

/** Sets when the schedule goes on, and when its end is announced. */
export function setScheduleTimers(world: World, schedule: Schedule): void {
  const starts = schedule.phases[0]?.start_date ?? now(world);
  const end = schedule.phases.at(-1)?.end_date ?? now(world);
  const next = schedule.status === "not_started" ? starts : (schedule.current_phase?.end_date ?? end);
  setTimer(world, "phase_ends", schedule.id, next);
  if (end - EXPIRING_NOTICE > now(world)) setTimer(world, "schedule_expiring", schedule.id, end - EXPIRING_NOTICE);
  else clearTimer(world, "schedule_expiring", schedule.id);
}

function stop(world: World, schedule: Schedule): void {
  clearTimer(world, "phase_ends", schedule.id);
  clearTimer(world, "schedule_expiring", schedule.id);
  schedule.current_phase = null;
}

/** The subscription goes on by itself: by request, or because the last phase is over. */
export function release(world: World, schedule: Schedule, why: "released" | "completed"): void {
  stop(world, schedule);
  const subscription = find(world, "subscription", schedule.subscription);
  Object.assign(schedule, {
    status: why,
    [`${why}_at`]: now(world),
    released_subscription: schedule.subscription,
    subscription: null,
  });
  if (subscription) update(world, subscription, { schedule: null });
  emit(world, `subscription_schedule.${why}`, schedule);
}

/** The subscription has ended, and its schedule with it: as planned, by request, or because nobody paid. */
export function closeScheduleOf(
  world: World,
  subscription: Subscription,
  reason: "cancellation_requested" | "payment_failed" | null,
): void {
  const schedule = find(world, "subscription_schedule", subscription.schedule);
  if (!schedule || !isLive(schedule)) return;
  const completes = schedule.end_behavior === "cancel" && (schedule.phases.at(-1)?.end_date ?? 0) <= now(world);
  stop(world, schedule);
  if (completes) Object.assign(schedule, { status: "completed", completed_at: now(world) });
  else Object.assign(schedule, { status: "canceled", canceled_at: now(world) });
  if (completes) return void emit(world, "subscription_schedule.completed", schedule);
  emit(
    world,
    reason === "payment_failed" ? "subscription_schedule.aborted" : "subscription_schedule.canceled",
    schedule,
  );
}

/** A schedule that was canceled before it began. */
export function cancelUnstarted(world: World, schedule: Schedule): void {
  stop(world, schedule);
  Object.assign(schedule, { status: "canceled", canceled_at: now(world) });
  emit(world, "subscription_schedule.canceled", schedule);
}

/** Notes which phase is under way. */
export function markPhase(world: World, schedule: Schedule, phase: Phase): void {
  change(world, "subscription_schedule.updated", schedule, (row) => {
    row.status = "active";
    row.current_phase = copy({ end_date: phase.end_date, start_date: phase.start_date });
  });
  setScheduleTimers(world, schedule);
}
