/**
 * Ends the trials of subscriptions, and changes the end dates of trials.
 *
 * @see https://docs.stripe.com/billing/subscriptions/trials
 */
import { now } from "../core/clock.ts";
import { copy } from "../core/copy.ts";
import { emit } from "../core/events.ts";
import { endOf } from "../core/periods.ts";
import { find } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { clearTimer, setTimer } from "../core/timers.ts";
import type { Invoice } from "../objects/invoice.ts";
import type { Subscription } from "../objects/subscription.ts";
import { createClosingInvoice, usedItems } from "./closing-invoices.ts";
import { collectChange, PAYS_AT_ONCE, type PaymentChoice } from "./collection.ts";
import { defaultCardOf } from "./customer-sources.ts";
import { createSubscriptionInvoice, linesOfItems } from "./invoices.ts";
import { cutAtPlannedEnd } from "./planned-end.ts";
import { prorate } from "./prorations.ts";
import { finalizeInvoice } from "./settlement.ts";
import { updateSubscription } from "./subscription-changes.ts";
import { endSubscription } from "./subscription-endings.ts";
import { markPaused } from "./subscription-pauses.ts";
import { isLicensed, setPeriodTimers } from "./subscription-periods.ts";

const TRIAL_NOTICE = 3 * 86_400;

/** Announces the end of a trial three days before the end, or at once if less than three days remain. */
export function announceTrialEnd(context: Context, subscription: Subscription, trialEnd: number): void {
  const at = trialEnd - TRIAL_NOTICE;
  if (at > now(context)) return setTimer(context, "trial_will_end", subscription.id, at);
  clearTimer(context, "trial_will_end", subscription.id);
  emit(context, "customer.subscription.trial_will_end", subscription);
}

/**
 * Cancels or pauses a subscription whose trial ends without a card, if its trial settings require that. Returns true if
 * the subscription was canceled or paused.
 */
export function endTrialWithoutCard(context: Context, subscription: Subscription): boolean {
  const customer = find(context, "customer", subscription.customer);
  const card = subscription.default_payment_method ?? defaultCardOf(customer);
  const behavior = subscription.trial_settings.end_behavior.missing_payment_method;
  if (card != null || behavior === "create_invoice") return false;
  if (behavior === "cancel") endSubscription(context, subscription, null);
  else {
    markPaused(context, subscription, "trial_end_without_payment_method", { trial_end: now(context) });
  }
  return true;
}

export interface TrialMove {
  /** The way in which the invoice of the change is paid. Default: the customer's card is charged at once. */
  payment?: PaymentChoice;
  /** The effect of a trial that starts within a paid period: a pending credit for the unused time, an invoice of it, or none. */
  proration: "create_prorations" | "always_invoice" | "none";
}

/** Ends a subscription's trial now, or moves the trial's end to a given time. */
export function moveTrialEnd(
  context: Context,
  subscription: Subscription,
  trialEnd: number | "now",
  { payment = PAYS_AT_ONCE, proration }: TrialMove,
): void {
  if (trialEnd === "now") return endTrialNow(context, subscription, payment);
  const invoice = subscription.status === "trialing" ? null : closePaidPeriod(context, subscription, proration);
  startTrialUntil(context, subscription, trialEnd);
  if (!invoice) return;
  finalizeInvoice(context, invoice);
  collectChange(context, invoice, payment);
}

/** Credits the unused time of a period that a trial ends early. Returns the invoice of its usage; null if none is due now. */
function closePaidPeriod(
  context: Context,
  subscription: Subscription,
  proration: TrialMove["proration"],
): Invoice | null {
  const credits = subscription.items.data.filter(isLicensed);
  const at = now(context);
  const credited = proration === "none" ? [] : prorate(context, subscription, { credits, charges: [], at });
  const used = usedItems(subscription);
  const isDue = used.length > 0 || (proration === "always_invoice" && credited.length > 0);
  return isDue ? createClosingInvoice(context, subscription, used, "subscription_update") : null;
}

function endTrialNow(context: Context, subscription: Subscription, payment: PaymentChoice): void {
  const at = now(context);
  if (subscription.status !== "trialing") return;
  clearTimer(context, "trial_will_end", subscription.id);
  if (endTrialWithoutCard(context, subscription)) return clearTimer(context, "period_ends", subscription.id);
  const items = copy(subscription.items);
  for (const item of items.data)
    Object.assign(item, { current_period_start: at, current_period_end: endOf(item.price, at, at) });
  updateSubscription(context, subscription, { items, status: "active", trial_end: at, billing_cycle_anchor: at });
  setPeriodTimers(context, subscription);
  const invoice = createSubscriptionInvoice(context, subscription, "subscription_update", (draft) => {
    const lines = linesOfItems(context, draft, subscription, (item) =>
      isLicensed(item) ? { start: item.current_period_start, end: item.current_period_end } : null,
    );
    return cutAtPlannedEnd(subscription, lines);
  });
  finalizeInvoice(context, invoice);
  collectChange(context, invoice, payment);
}

function startTrialUntil(context: Context, subscription: Subscription, trialEnd: number): void {
  const at = now(context);
  const starts = subscription.status !== "trialing";
  const items = copy(subscription.items);
  for (const item of items.data) {
    if (starts) item.current_period_start = at;
    item.current_period_end = trialEnd;
  }
  updateSubscription(context, subscription, {
    items,
    status: "trialing",
    trial_end: trialEnd,
    trial_start: subscription.trial_start ?? at,
    billing_cycle_anchor: trialEnd,
  });
  setPeriodTimers(context, subscription);
  announceTrialEnd(context, subscription, trialEnd);
}
