/** Creates the invoices that close the billing period of a subscription early, or at its end. */
import { now } from "../core/clock.ts";
import type { Context } from "../core/state.ts";
import type { Invoice } from "../objects/invoice.ts";
import type { Subscription, SubscriptionItem } from "../objects/subscription.ts";
import { linesOfItem } from "./invoice-lines.ts";
import { createSubscriptionInvoice, listPendingItems } from "./invoices.ts";
import { isLicensed } from "./subscription-periods.ts";

/** Returns the items whose usage is billed when the subscription's period is closed. */
export function usedItems(subscription: Subscription): SubscriptionItem[] {
  const isBilled = subscription.status !== "trialing" && subscription.status !== "paused";
  return isBilled ? subscription.items.data.filter((item) => !isLicensed(item)) : [];
}

/**
 * Creates a draft invoice with the subscription's pending invoice items and the usage of its period until now.
 * Returns null if there is nothing to bill.
 */
export function createClosingInvoice(
  context: Context,
  subscription: Subscription,
  used: readonly SubscriptionItem[],
  reason: "subscription_cycle" | "subscription_update",
): Invoice | null {
  const { customer, id, currency } = subscription;
  const pending = listPendingItems(context, customer, id, currency);
  const own = pending.filter(({ parent }) => parent?.subscription_details.subscription === id);
  if (own.length + used.length === 0) return null;
  return createSubscriptionInvoice(context, subscription, reason, (draft) =>
    used.flatMap((item) => {
      const period = { start: item.current_period_start, end: Math.min(item.current_period_end, now(context)) };
      return linesOfItem(context, draft.id, { subscription, item, period });
    }),
  );
}
