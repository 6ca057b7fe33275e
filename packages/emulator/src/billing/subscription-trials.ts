/** Trials: their end, with a card or without one. @see https://docs.stripe.com/billing/subscriptions/trials */
import { emit } from "../core/events.ts";
import { clearTimer, setTimer } from "../core/timers.ts";
import { copy, find, now, type World } from "../core/world.ts";
import { cardFor, payInvoice } from "./collection.ts";
import { refreshEntitlements } from "./entitlements.ts";
import { createSubscriptionInvoice, linesOfPeriod, type Invoice } from "./invoices.ts";
import { finalizeInvoice } from "./settlement.ts";
import { update } from "./subscription-changes.ts";
import { end } from "./subscription-endings.ts";
import { endOf, setPeriodTimers } from "./subscription-periods.ts";
import type { Subscription } from "./subscriptions.ts";

const TRIAL_NOTICE = 3 * 86_400;

/** Three days before, or at once where it is nearer. */
export function announceTrialEnd(world: World, subscription: Subscription, trialEnd: number): void {
  const at = trialEnd - TRIAL_NOTICE;
  if (at > now(world)) return setTimer(world, "trial_will_end", subscription.id, at);
  clearTimer(world, "trial_will_end", subscription.id);
  emit(world, "customer.subscription.trial_will_end", subscription);
}

/** True where the trial's end without a card ends or pauses the subscription. */
export function endTrialWithoutCard(world: World, subscription: Subscription): boolean {
  const customer = find(world, "customer", subscription.customer);
  const card = subscription.default_payment_method ?? customer?.invoice_settings.default_payment_method;
  const behavior = subscription.trial_settings.end_behavior.missing_payment_method;
  if (card != null || behavior === "create_invoice") return false;
  if (behavior === "cancel") end(world, subscription, null);
  else {
    update(world, subscription, { status: "paused", trial_end: now(world) });
    emit(world, "customer.subscription.paused", subscription);
    refreshEntitlements(world, subscription.customer);
  }
  return true;
}

/** The trial is over now, or lasts until another instant. */
export function moveTrialEnd(world: World, subscription: Subscription, trialEnd: number | "now"): Invoice | null {
  const at = now(world);
  if (trialEnd === "now") {
    if (subscription.status !== "trialing") return null;
    clearTimer(world, "trial_will_end", subscription.id);
    if (endTrialWithoutCard(world, subscription)) {
      clearTimer(world, "period_ends", subscription.id);
      return null;
    }
    const items = copy(subscription.items);
    for (const item of items.data)
      Object.assign(item, { current_period_start: at, current_period_end: endOf(item.price, at, at) });
    update(world, subscription, { items, status: "active", trial_end: at, billing_cycle_anchor: at });
    setPeriodTimers(world, subscription);
    const invoice = createSubscriptionInvoice(world, subscription, "subscription_update", (draft) =>
      linesOfPeriod(world, draft, subscription, (item) => ({
        start: item.current_period_start,
        end: item.current_period_end,
      })),
    );
    finalizeInvoice(world, invoice);
    if (invoice.status === "open") payInvoice(world, invoice, cardFor(world, invoice), { onSession: true });
    return invoice;
  }
  const items = copy(subscription.items);
  for (const item of items.data) item.current_period_end = trialEnd;
  update(world, subscription, {
    items,
    status: "trialing",
    trial_end: trialEnd,
    trial_start: subscription.trial_start ?? at,
    billing_cycle_anchor: trialEnd,
  });
  setPeriodTimers(world, subscription);
  announceTrialEnd(world, subscription, trialEnd);
  return null;
}
