/** A schedule's phases taking effect: its subscription is made, changed and ended by them. */
import { copy, find, need, now, type World } from "../core/world.ts";
import { redeemAll } from "./discounts.ts";
import { addSold } from "./invoice-items.ts";
import {
  isLive,
  markPhase,
  phaseAt,
  release,
  type Phase,
  type PhaseDiscount,
  type PhaseItem,
  type Schedule,
} from "./schedules.ts";
import { edit } from "./subscription-changes.ts";
import { isOver, nextPeriodEnd } from "./subscription-periods.ts";
import { applyChange, planChange, type ItemChange } from "./subscription-update.ts";
import { end } from "./subscription-endings.ts";
import { createSubscription } from "./subscription-start.ts";
import { moveTrialEnd } from "./subscription-trials.ts";
import { newItem, type Subscription } from "./subscriptions.ts";

/** What is due of a schedule: it begins, enters its next phase, or ends. */
export function advanceSchedule(world: World, schedule: Schedule): void {
  if (!isLive(schedule)) return;
  const at = now(world);
  const phase = phaseAt(schedule, at);
  if (schedule.status === "not_started") {
    if (phase) begin(world, schedule, phase);
    return;
  }
  const subscription = find(world, "subscription", schedule.subscription);
  if (!subscription || isOver(subscription)) return;
  if (!phase) return finish(world, schedule, subscription);
  if (phase.start_date === schedule.current_phase?.start_date) return;
  enter(world, subscription, phase);
  markPhase(world, schedule, phase);
}

/** At a period's end the next phase comes first: the renewal bills what it sells. */
export function advanceScheduleOf(world: World, subscription: Subscription): void {
  const schedule = find(world, "subscription_schedule", subscription.schedule);
  if (schedule) advanceSchedule(world, schedule);
}

/** The first phase's subscription, with its first invoice. */
export function begin(world: World, schedule: Schedule, phase: Phase): void {
  const { default_settings: settings } = schedule;
  const { subscription } = createSubscription(world, {
    customer: schedule.customer,
    schedule: schedule.id,
    items: phase.items.map((item) => ({
      price: need(world, "price", item.price),
      quantity: item.quantity,
      metadata: item.metadata,
      discounts: item.discounts.map(inputOf),
    })),
    metadata: { ...phase.metadata },
    description: phase.description ?? settings.description,
    trialEnd: phase.trial_end,
    defaultPaymentMethod: phase.default_payment_method ?? settings.default_payment_method,
    discounts: phase.discounts.map(inputOf),
    addInvoiceItems: phase.add_invoice_items.map(({ price, quantity }) => ({
      price: need(world, "price", price),
      quantity,
    })),
    collectionMethod: phase.collection_method ?? settings.collection_method,
    daysUntilDue: settings.invoice_settings.days_until_due,
  });
  schedule.subscription = subscription.id;
  if (schedule.status === "not_started") markPhase(world, schedule, phase);
}

/** Brings the subscription to what the phase sells. `behavior` overrides the phase's own proration. */
export function enter(
  world: World,
  subscription: Subscription,
  phase: Phase,
  behavior = phase.proration_behavior,
): void {
  for (const { price: id, quantity, metadata } of phase.add_invoice_items) {
    const price = need(world, "price", id);
    addSold(world, { customer: subscription.customer, subscription: subscription.id, price, quantity, metadata });
  }
  edit(world, subscription, (row) => {
    row.metadata = { ...row.metadata, ...phase.metadata };
    if (phase.default_payment_method !== null) row.default_payment_method = phase.default_payment_method;
    if (phase.collection_method !== null) row.collection_method = phase.collection_method;
    if (phase.description !== null) row.description = phase.description;
    if (phase.discounts.length > 0)
      row.discounts = redeemAll(world, phase.discounts.map(inputOf), {
        customer: row.customer,
        subscription: row.id,
      });
  });
  const changes = itemChanges(world, subscription, phase.items);
  if (nextPeriodEnd(subscription) <= now(world)) replaceItems(world, subscription, changes, phase);
  else if (changes.length > 0 || phase.billing_cycle_anchor === "phase_start") {
    const anchor = phase.billing_cycle_anchor === "phase_start" ? ("now" as const) : undefined;
    const plan = planChange(world, subscription, { items: changes, prorationBehavior: behavior, anchor });
    applyChange(world, subscription, plan, behavior);
  }
  if (phase.trial_end !== null && phase.trial_end > now(world)) moveTrialEnd(world, subscription, phase.trial_end);
}

/** What to change so that the items are the phase's: those of the same price stay, others take their places. */
export function itemChanges(world: World, subscription: Subscription, wanted: readonly PhaseItem[]): ItemChange[] {
  const open = new Set(subscription.items.data);
  const changes: ItemChange[] = [];
  const others: PhaseItem[] = [];
  for (const item of wanted) {
    const same = [...open].find(({ price }) => price.id === item.price);
    if (!same) {
      others.push(item);
      continue;
    }
    open.delete(same);
    if (item.quantity !== undefined && item.quantity !== same.quantity)
      changes.push({ id: same.id, quantity: item.quantity });
  }
  for (const item of others) {
    const [old] = open;
    if (old) open.delete(old);
    changes.push({ id: old?.id, price: need(world, "price", item.price), quantity: item.quantity });
  }
  return [...changes, ...[...open].map(({ id }) => ({ id, deleted: true }))];
}

/** Between two periods nothing is prorated: what ends is paid for, and what begins is billed by the renewal. */
function replaceItems(world: World, subscription: Subscription, changes: readonly ItemChange[], phase: Phase): void {
  const at = now(world);
  edit(world, subscription, (row) => {
    const items = copy(row.items);
    let resets = phase.billing_cycle_anchor === "phase_start";
    for (const { id, price, quantity, deleted } of changes) {
      const item = items.data.find((candidate) => candidate.id === id);
      if (deleted) items.data = items.data.filter((candidate) => candidate !== item);
      else if (item) {
        const [old, next] = [item.price.recurring, price?.recurring];
        resets ||= next != null && (next.interval !== old?.interval || next.interval_count !== old.interval_count);
        if (price) item.price = copy(price);
        if (quantity !== undefined) item.quantity = quantity;
      } else if (price) {
        const added = newItem(world, row.id, { price, quantity }, at, null);
        items.data.push({ ...added, current_period_start: at, current_period_end: at });
      }
    }
    items.total_count = items.data.length;
    row.items = items;
    if (resets) row.billing_cycle_anchor = at;
  });
}

function finish(world: World, schedule: Schedule, subscription: Subscription): void {
  if (schedule.end_behavior === "cancel") return end(world, subscription, "cancellation_requested");
  release(world, schedule, "completed");
}

function inputOf({ coupon, discount, promotion_code }: PhaseDiscount) {
  return {
    ...(coupon !== null && { coupon }),
    ...(discount !== null && { discount }),
    ...(promotion_code !== null && { promotion_code }),
  };
}
