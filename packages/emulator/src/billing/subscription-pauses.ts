/** Pauses, of the subscription and of its collection. @see https://docs.stripe.com/billing/subscriptions/pause-payment */
import { emit } from "../core/events.ts";
import { clearTimer } from "../core/timers.ts";
import { copy, now, type World } from "../core/world.ts";
import { cardFor, payInvoice } from "./collection.ts";
import { refreshEntitlements } from "./entitlements.ts";
import { createSubscriptionInvoice, linesOfPeriod, type Invoice } from "./invoices.ts";
import { finalizeInvoice } from "./settlement.ts";
import { update } from "./subscription-changes.ts";
import { endOf, setPeriodTimers, startOf } from "./subscription-periods.ts";
import type { Subscription } from "./subscriptions.ts";

/** A paused one goes on: with a new period from now, or the one it had. */
export function resume(world: World, subscription: Subscription, anchor: "now" | "unchanged"): Invoice | null {
  const at = now(world);
  clearTimer(world, "pause_ends", subscription.id);
  const items = copy(subscription.items);
  const billing_cycle_anchor = anchor === "now" ? at : subscription.billing_cycle_anchor;
  for (const item of items.data)
    Object.assign(item, {
      current_period_start: anchor === "now" ? at : startOf(item.price, billing_cycle_anchor, at),
      current_period_end: endOf(item.price, billing_cycle_anchor, at),
    });
  update(world, subscription, { items, billing_cycle_anchor, status: "active" });
  emit(world, "customer.subscription.resumed", subscription);
  setPeriodTimers(world, subscription);
  refreshEntitlements(world, subscription.customer);
  const invoice = createSubscriptionInvoice(world, subscription, "subscription_cycle", (draft) =>
    linesOfPeriod(world, draft, subscription, (item) => ({
      start: item.current_period_start,
      end: item.current_period_end,
    })),
  );
  finalizeInvoice(world, invoice);
  if (invoice.status === "open") payInvoice(world, invoice, cardFor(world, invoice), { onSession: false });
  return invoice;
}

export function pause(world: World, subscription: Subscription): void {
  clearTimer(world, "period_ends", subscription.id);
  clearTimer(world, "invoice_upcoming", subscription.id);
  update(world, subscription, { status: "paused" });
  emit(world, "customer.subscription.paused", subscription);
  refreshEntitlements(world, subscription.customer);
}

/** `pause_collection` runs out. */
export function resumeCollection(world: World, subscription: Subscription): void {
  update(world, subscription, { pause_collection: null });
}
