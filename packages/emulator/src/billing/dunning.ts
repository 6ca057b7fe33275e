/** Retries payments of open invoices, and ends the subscription or changes its status after the last retry. */
import { emitChange } from "../core/events.ts";
import type { Context } from "../core/state.ts";
import type { Invoice } from "../objects/invoice.ts";
import { collectInvoice } from "./collection.ts";
import { refreshEntitlements } from "./entitlements.ts";
import { subscriptionOf } from "./invoices.ts";
import { updateSubscription } from "./subscription-changes.ts";
import { endSubscription } from "./subscription-endings.ts";
import { markPaused, pauseRefusal } from "./subscription-pauses.ts";
import { isEnded } from "./subscription-periods.ts";

/**
 * Tries again to collect the payment of an open invoice. If the last retry has failed, applies the `afterRetries`
 * setting to the subscription.
 */
export function retryCollection(context: Context, invoice: Invoice): void {
  if (invoice.status !== "open") return;
  if (invoice.next_payment_attempt !== null) return collectInvoice(context, invoice);
  const subscription = subscriptionOf(context, invoice);
  if (!subscription || isEnded(subscription)) return;
  const { afterRetries } = context.state;
  const isPaused = subscription.status === "paused";
  const cannotPause = afterRetries === "pause" && pauseRefusal(subscription) !== null;
  if (!isPaused && (afterRetries === "cancel" || cannotPause))
    return endSubscription(context, subscription, "payment_failed");
  emitChange(context, "invoice.updated", invoice, (row) => {
    row.auto_advance = false;
  });
  if (isPaused || afterRetries === "past_due") return;
  if (afterRetries === "pause") return markPaused(context, subscription, "final_payment_failure");
  updateSubscription(context, subscription, { status: "unpaid" });
  refreshEntitlements(context, subscription.customer);
}
