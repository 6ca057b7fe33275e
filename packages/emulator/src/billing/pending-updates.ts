/**
 * Starts and expires pending updates: subscription changes that take effect when their invoice is paid.
 * @see https://docs.stripe.com/billing/subscriptions/pending-updates
 */
import { now } from "../core/clock.ts";
import { emit } from "../core/events.ts";
import { find } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { setTimer } from "../core/timers.ts";
import { setEntry } from "../core/transaction.ts";
import type { Invoice } from "../objects/invoice.ts";
import type { Subscription } from "../objects/subscription.ts";
import { cardForInvoice, payInvoice } from "./collection.ts";
import { createSubscriptionInvoice, voidInvoice } from "./invoices.ts";
import { clearPendingChange, newPendingUpdate } from "./pending-changes.ts";
import { prorate } from "./prorations.ts";
import { finalizeInvoice } from "./settlement.ts";
import { editSubscription } from "./subscription-changes.ts";
import { type ChangePlan, linesOfRestartedItems, type SubscriptionChange } from "./subscription-update.ts";

const LIFETIME_SECONDS = 23 * 3_600;

/** Creates the invoice of a subscription change. The subscription stays unchanged until the invoice of the change is paid. */
export function startPendingUpdate(
  context: Context,
  subscription: Subscription,
  plan: ChangePlan,
  behavior: SubscriptionChange["prorationBehavior"],
): Invoice {
  if (behavior !== "none") prorate(context, subscription, plan);
  const expires_at = now(context) + LIFETIME_SECONDS;
  editSubscription(context, subscription, (row) => {
    row.pending_update = newPendingUpdate(row, plan, expires_at);
  });
  const invoice = createSubscriptionInvoice(context, subscription, "subscription_update", (draft) =>
    linesOfRestartedItems(context, draft, subscription, plan),
  );
  setEntry(context, context.account.pendingChanges, subscription.id, {
    invoice: invoice.id,
    items: plan.items,
    anchor: plan.anchor,
    ...(plan.endsTrial && { endsTrial: true }),
  });
  setTimer(context, "pending_update_expires", subscription.id, expires_at);
  finalizeInvoice(context, invoice);
  if (invoice.status === "open") payInvoice(context, invoice, cardForInvoice(context, invoice), { onSession: true });
  return invoice;
}

/** Discards a pending update and voids its invoice. A timer discards each pending update 23 hours after its creation. */
export function expirePendingUpdate(context: Context, subscription: Subscription): void {
  const plan = context.account.pendingChanges.get(subscription.id);
  if (!plan) return;
  clearPendingChange(context, subscription);
  editSubscription(context, subscription, (row) => {
    row.pending_update = null;
  });
  emit(context, "customer.subscription.pending_update_expired", subscription);
  const invoice = find(context, "invoice", plan.invoice);
  if (invoice?.status === "open") voidInvoice(context, invoice);
}
