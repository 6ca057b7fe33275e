/** A change that waits until its invoice is paid. @see https://docs.stripe.com/billing/subscriptions/pending-updates */
import { emit } from "../core/events.ts";
import { setTimer } from "../core/timers.ts";
import { copy, find, now, type World } from "../core/world.ts";
import { cardFor, payInvoice } from "./collection.ts";
import { createSubscriptionInvoice, voidInvoice, type Invoice } from "./invoices.ts";
import { prorate } from "./prorations.ts";
import { finalizeInvoice } from "./settlement.ts";
import { forgetPending } from "./pending-plans.ts";
import { edit } from "./subscription-changes.ts";
import type { Subscription } from "./subscriptions.ts";
import { begunLines, type ChangePlan } from "./subscription-update.ts";

const LIFETIME = 23 * 3_600;

/** Invoices the change and leaves the subscription as it is until that is paid. */
export function holdChange(world: World, subscription: Subscription, plan: ChangePlan): Invoice {
  prorate(world, subscription, plan);
  const expires_at = now(world) + LIFETIME;
  edit(world, subscription, (row) => {
    row.pending_update = {
      billing_cycle_anchor: plan.anchor === row.billing_cycle_anchor ? null : plan.anchor,
      discount_source: null,
      expires_at,
      subscription_items: copy(plan.items),
      trial_end: null,
      trial_from_plan: null,
    };
  });
  const invoice = createSubscriptionInvoice(world, subscription, "subscription_update", (draft) =>
    begunLines(world, draft, subscription, plan),
  );
  world.account.pendingPlans.set(subscription.id, { invoice: invoice.id, items: plan.items, anchor: plan.anchor });
  setTimer(world, "pending_update_expires", subscription.id, expires_at);
  finalizeInvoice(world, invoice);
  if (invoice.status === "open") payInvoice(world, invoice, cardFor(world, invoice), { onSession: true });
  return invoice;
}

/** 23 hours without payment: nothing has changed, and nothing is owed. */
export function expirePending(world: World, subscription: Subscription): void {
  const plan = world.account.pendingPlans.get(subscription.id);
  if (!plan) return;
  forgetPending(world, subscription);
  edit(world, subscription, (row) => {
    row.pending_update = null;
  });
  emit(world, "customer.subscription.pending_update_expired", subscription);
  const invoice = find(world, "invoice", plan.invoice);
  if (invoice?.status === "open") voidInvoice(world, invoice);
}
