/** Applies the phases of subscription schedules to their subscriptions. */
import { now } from "../core/clock.ts";
import { copy } from "../core/copy.ts";
import { find, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { Phase, PhaseDiscount, PhaseItem, Schedule } from "../objects/subscription-schedule.ts";
import { newSubscriptionItem, type Subscription, type SubscriptionItem } from "../objects/subscription.ts";
import { addOneTimeItem } from "./invoice-items.ts";
import {
  addedItemsOf,
  applyPhaseDiscounts,
  newInputs,
  purchaseOfPhase,
  toDiscountInput,
} from "./schedule-discounts.ts";
import { redeemableInputs } from "./redemptions.ts";
import { isLiveSchedule, markPhase, phaseAt, releaseSchedule } from "./schedules.ts";
import { replaceDiscounts } from "./subscriber-discounts.ts";
import { editSubscription } from "./subscription-changes.ts";
import { endAsPlanned } from "./planned-endings.ts";
import { isEnded, nextPeriodEnd } from "./subscription-periods.ts";
import { createSubscription } from "./subscription-start.ts";
import { moveTrialEnd } from "./subscription-trials.ts";
import { applyChange, type ItemChange, planChange } from "./subscription-update.ts";

/** Starts a subscription schedule, enters its next phase, or ends it. */
export function advanceSchedule(context: Context, schedule: Schedule): void {
  if (!isLiveSchedule(schedule)) return;
  const at = now(context);
  const phase = phaseAt(schedule, at);
  if (schedule.status === "not_started") {
    if (phase) beginSchedule(context, schedule, phase);
    return;
  }
  const subscription = find(context, "subscription", schedule.subscription);
  if (!subscription || isEnded(subscription)) return;
  if (!phase) return finishSchedule(context, schedule, subscription);
  if (phase.start_date === schedule.current_phase?.start_date) return;
  enterPhase(context, subscription, phase);
  markPhase(context, schedule, phase);
}

/** Moves a subscription's schedule to its next phase before a renewal, so that the renewal bills that phase. */
export function advanceScheduleOf(context: Context, subscription: Subscription): void {
  const schedule = find(context, "subscription_schedule", subscription.schedule);
  if (schedule) advanceSchedule(context, schedule);
}

/** Creates a schedule's subscription from its first phase, with the first invoice. */
export function beginSchedule(context: Context, schedule: Schedule, phase: Phase): void {
  const { default_settings: settings } = schedule;
  const redemption = { owner: { customer: schedule.customer }, purchase: purchaseOfPhase(context, phase) };
  const inputsOf = (discounts: readonly PhaseDiscount[]) =>
    redeemableInputs(context, discounts.map(toDiscountInput), redemption);
  const { subscription } = createSubscription(context, {
    customer: schedule.customer,
    schedule: schedule.id,
    currency: phase.currency,
    items: phase.items.map((item) => ({
      price: retrieve(context, "price", item.price),
      quantity: item.quantity,
      metadata: item.metadata,
      discounts: inputsOf(item.discounts),
      taxRates: copy(item.tax_rates),
    })),
    automaticTax: (phase.automatic_tax ?? settings.automatic_tax).enabled,
    defaultTaxRates: copy(phase.default_tax_rates),
    metadata: { ...phase.metadata },
    description: phase.description ?? settings.description,
    trialEnd: phase.trial_end,
    defaultPaymentMethod: phase.default_payment_method ?? settings.default_payment_method,
    discounts: inputsOf(phase.discounts),
    addInvoiceItems: addedItemsOf(context, phase, schedule.customer),
    collectionMethod: phase.collection_method ?? settings.collection_method,
    daysUntilDue: settings.invoice_settings.days_until_due,
  });
  schedule.subscription = subscription.id;
  if (schedule.status === "not_started") markPhase(context, schedule, phase);
}

/**
 * Changes a subscription to the items and settings of a schedule's phase. The parameter `behavior` overrides the phase's
 * proration behavior.
 */
export function enterPhase(
  context: Context,
  subscription: Subscription,
  phase: Phase,
  behavior = phase.proration_behavior,
): void {
  for (const added of addedItemsOf(context, phase, subscription.customer))
    addOneTimeItem(context, {
      ...added,
      customer: subscription.customer,
      subscription: subscription.id,
      currency: subscription.currency,
    });
  const discounts = applyPhaseDiscounts(context, subscription, phase);
  editSubscription(context, subscription, (row) => {
    row.metadata = { ...row.metadata, ...phase.metadata };
    row.default_tax_rates = copy(phase.default_tax_rates);
    const schedule = find(context, "subscription_schedule", row.schedule);
    const automatic = phase.automatic_tax ?? schedule?.default_settings.automatic_tax;
    if (automatic && automatic.enabled !== row.automatic_tax.enabled) row.automatic_tax = copy(automatic);
    if (phase.default_payment_method !== null) row.default_payment_method = phase.default_payment_method;
    if (phase.collection_method !== null) row.collection_method = phase.collection_method;
    if (phase.description !== null) row.description = phase.description;
    row.discounts = discounts;
  });
  const changes = itemChanges(context, subscription, phase);
  if (nextPeriodEnd(subscription) <= now(context)) replaceItems(context, subscription, changes, phase);
  else if (changes.length > 0 || phase.billing_cycle_anchor === "phase_start") {
    const anchor = phase.billing_cycle_anchor === "phase_start" ? ("now" as const) : undefined;
    const plan = planChange(context, subscription, { items: changes, prorationBehavior: behavior, anchor });
    applyChange(context, subscription, plan, behavior);
  }
  if (phase.trial_end !== null && phase.trial_end > now(context))
    moveTrialEnd(context, subscription, phase.trial_end, { proration: behavior });
}

/**
 * Returns the item changes that turn a subscription's items into the items of a phase. A subscription item stays if the phase
 * has an item with the same price; otherwise the item is replaced.
 */
export function itemChanges(context: Context, subscription: Subscription, phase: Phase): ItemChange[] {
  const open = new Set(subscription.items.data);
  const changes: ItemChange[] = [];
  const others: PhaseItem[] = [];
  const discountsOf = (item: PhaseItem, old: SubscriptionItem | undefined) =>
    newInputs(context, old?.discounts ?? [], item.discounts, {
      owner: { customer: subscription.customer, subscription: subscription.id, subscription_item: old?.id ?? null },
      purchase: purchaseOfPhase(context, phase),
    });
  for (const item of phase.items) {
    const same = [...open].find(({ price }) => price.id === item.price);
    if (!same) {
      others.push(item);
      continue;
    }
    open.delete(same);
    const taxRates = idsOf(item.tax_rates) === idsOf(same.tax_rates) ? undefined : copy(item.tax_rates);
    const quantity = item.quantity === same.quantity ? undefined : item.quantity;
    const inputs = discountsOf(item, same);
    const discounts = inputs?.length === 0 ? null : inputs;
    if (quantity !== undefined || taxRates || inputs) changes.push({ id: same.id, quantity, taxRates, discounts });
  }
  for (const item of others) {
    const [old] = open;
    if (old) open.delete(old);
    const inputs = discountsOf(item, old);
    changes.push({
      id: old?.id,
      price: retrieve(context, "price", item.price),
      quantity: item.quantity,
      taxRates: copy(item.tax_rates),
      discounts: inputs?.length === 0 ? null : inputs,
    });
  }
  return [...changes, ...[...open].map(({ id }) => ({ id, deleted: true }))];
}

function idsOf(rates: readonly { id: string }[]): string {
  return rates.map(({ id }) => id).join(" ");
}

/**
 * Replaces a subscription's items at the end of a period. Creates no prorations, because the renewal bills the new
 * items.
 */
function replaceItems(
  context: Context,
  subscription: Subscription,
  changes: readonly ItemChange[],
  phase: Phase,
): void {
  const at = now(context);
  editSubscription(context, subscription, (row) => {
    const items = copy(row.items);
    let resets = phase.billing_cycle_anchor === "phase_start";
    const redeem = (item: SubscriptionItem, inputs: ItemChange["discounts"]): void => {
      if (inputs === undefined) return;
      const owner = { customer: row.customer, subscription: row.id, subscription_item: item.id };
      const redemption = { owner, purchase: purchaseOfPhase(context, phase) };
      item.discounts = replaceDiscounts(context, item.discounts, { inputs: inputs ?? [], redemption });
    };
    for (const { id, price, quantity, taxRates, deleted, discounts } of changes) {
      const item = items.data.find((candidate) => candidate.id === id);
      if (deleted) items.data = items.data.filter((candidate) => candidate !== item);
      else if (item) {
        const [old, next] = [item.price.recurring, price?.recurring];
        resets ||= next != null && (next.interval !== old?.interval || next.interval_count !== old.interval_count);
        if (price) item.price = copy(price);
        if (quantity !== undefined) item.quantity = quantity;
        if (taxRates) item.tax_rates = taxRates;
        redeem(item, discounts);
      } else if (price) {
        const added = newSubscriptionItem(context, {
          subscription: row.id,
          price,
          quantity,
          taxRates,
          anchor: at,
          trialEnd: null,
        });
        redeem(added, discounts);
        items.data.push({ ...added, current_period_start: at, current_period_end: at });
      }
    }
    items.total_count = items.data.length;
    row.items = items;
    if (resets) row.billing_cycle_anchor = at;
  });
}

function finishSchedule(context: Context, schedule: Schedule, subscription: Subscription): void {
  if (schedule.end_behavior === "cancel") return endAsPlanned(context, subscription);
  releaseSchedule(context, schedule, "completed");
}
