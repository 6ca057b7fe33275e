/**
 * Pauses and resumes subscriptions, and resumes the collection of their payments.
 * @see https://docs.stripe.com/billing/subscriptions/pause-payment
 */
import { now } from "../core/clock.ts";
import { copy } from "../core/copy.ts";
import { emit } from "../core/events.ts";
import { endOf, startOf } from "../core/periods.ts";
import type { Context } from "../core/state.ts";
import { clearTimer } from "../core/timers.ts";
import type { Invoice } from "../objects/invoice.ts";
import type { Subscription } from "../objects/subscription.ts";
import { cardForInvoice, payInvoice } from "./collection.ts";
import { refreshEntitlements } from "./entitlements.ts";
import { createSubscriptionInvoice, linesOfItems } from "./invoices.ts";
import { finalizeInvoice } from "./settlement.ts";
import { updateSubscription } from "./subscription-changes.ts";
import { setPeriodTimers } from "./subscription-periods.ts";

/**
 * Resumes a paused subscription and bills its period. With `anchor` "now", a new billing period starts; with "unchanged", the
 * billing cycle anchor stays the same.
 */
export function resumeSubscription(
  context: Context,
  subscription: Subscription,
  anchor: "now" | "unchanged",
): Invoice | null {
  const at = now(context);
  clearTimer(context, "pause_ends", subscription.id);
  const items = copy(subscription.items);
  const billing_cycle_anchor = anchor === "now" ? at : subscription.billing_cycle_anchor;
  for (const item of items.data)
    Object.assign(item, {
      current_period_start: anchor === "now" ? at : startOf(item.price, billing_cycle_anchor, at),
      current_period_end: endOf(item.price, billing_cycle_anchor, at),
    });
  updateSubscription(context, subscription, { items, billing_cycle_anchor, status: "active" });
  emit(context, "customer.subscription.resumed", subscription);
  setPeriodTimers(context, subscription);
  refreshEntitlements(context, subscription.customer);
  const invoice = createSubscriptionInvoice(context, subscription, "subscription_cycle", (draft) =>
    linesOfItems(context, draft, subscription, (item) => ({
      start: item.current_period_start,
      end: item.current_period_end,
    })),
  );
  finalizeInvoice(context, invoice);
  if (invoice.status === "open") payInvoice(context, invoice, cardForInvoice(context, invoice), { onSession: false });
  return invoice;
}

export function pauseSubscription(context: Context, subscription: Subscription): void {
  clearTimer(context, "period_ends", subscription.id);
  clearTimer(context, "invoice_upcoming", subscription.id);
  updateSubscription(context, subscription, { status: "paused" });
  emit(context, "customer.subscription.paused", subscription);
  refreshEntitlements(context, subscription.customer);
}

/** Resumes payment collection: sets the subscription's `pause_collection` to null. */
export function resumeCollection(context: Context, subscription: Subscription): void {
  updateSubscription(context, subscription, { pause_collection: null });
}
