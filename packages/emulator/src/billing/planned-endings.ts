/**
 * Ends subscriptions at a planned time, and prorates changes of this time.
 * @see https://docs.stripe.com/billing/subscriptions/cancel
 */
import type { Context } from "../core/state.ts";
import type { InvoiceItem } from "../objects/invoice-item.ts";
import type { Subscription, SubscriptionItem } from "../objects/subscription.ts";
import { collectChange, PAYS_AT_ONCE, type PaymentChoice } from "./collection.ts";
import { createSubscriptionInvoice, scheduleFinalization } from "./invoices.ts";
import { createClosingInvoice, usedItems } from "./closing-invoices.ts";
import { plannedEnd } from "./planned-end.ts";
import { chargedUntil, periodOfPrice, prorate, type ChargedItem } from "./prorations.ts";
import { finalizeInvoice } from "./settlement.ts";
import { endSubscription } from "./subscription-endings.ts";
import { isEnded, isLicensed } from "./subscription-periods.ts";

export interface PlannedEndChange {
  proration: "create_prorations" | "always_invoice" | "none";
  payment?: PaymentChoice;
}

/**
 * Prorates a change of a subscription's planned end. The customer gets a credit for paid time after the new end, and pays for
 * time before the new end that was credited or not charged.
 */
export function proratePlannedEnd(
  context: Context,
  subscription: Subscription,
  { proration, payment = PAYS_AT_ONCE }: PlannedEndChange,
): void {
  if (proration === "none" || subscription.status === "trialing" || subscription.status === "paused") return;
  const items = subscription.items.data.filter(isLicensed);
  const created = items.flatMap((item) => prorateItem(context, subscription, item));
  if (created.length === 0 || proration !== "always_invoice") return;
  const invoice = createSubscriptionInvoice(context, subscription, "subscription_update", () => []);
  finalizeInvoice(context, invoice);
  collectChange(context, invoice, payment);
}

function prorateItem(context: Context, subscription: Subscription, item: SubscriptionItem): InvoiceItem[] {
  const end = Math.min(item.current_period_end, plannedEnd(subscription) ?? Infinity);
  const charged = chargedUntil(context, subscription, item);
  if (charged === null || charged === end) return [];
  if (charged > end) return prorate(context, subscription, { credits: [item], charges: [], at: end });
  const charge: ChargedItem = { item, period: periodOfPrice(subscription, item) };
  return prorate(context, subscription, { credits: [], charges: [charge], at: charged, until: end });
}

/** Ends a subscription at its planned time. A last invoice contains its pending invoice items and its usage. */
export function endAsPlanned(context: Context, subscription: Subscription): void {
  if (isEnded(subscription)) return;
  const used = usedItems(subscription);
  const isCollected = subscription.status !== "unpaid";
  endSubscription(context, subscription, "cancellation_requested");
  const invoice = createClosingInvoice(context, subscription, used, "subscription_cycle");
  if (!invoice) return;
  if (isCollected) scheduleFinalization(context, invoice);
  else invoice.auto_advance = false;
}
