/**
 * Resumes paused subscriptions.
 * @see https://docs.stripe.com/billing/subscriptions/pause#resume-subscriptions
 */
import { now } from "../core/clock.ts";
import { copy } from "../core/copy.ts";
import { ApiError } from "../core/errors.ts";
import { emit } from "../core/events.ts";
import { endOf, startOf } from "../core/periods.ts";
import type { ResumeBehavior } from "../core/records.ts";
import type { Context } from "../core/state.ts";
import { clearTimer, setTimer } from "../core/timers.ts";
import { setEntry } from "../core/transaction.ts";
import type { Invoice } from "../objects/invoice.ts";
import type { Subscription, SubscriptionItem } from "../objects/subscription.ts";
import { cardForInvoice, payInvoice } from "./collection.ts";
import { refreshEntitlements } from "./entitlements.ts";
import { linesOfItem } from "./invoice-lines.ts";
import { createSubscriptionInvoice, listPendingItems } from "./invoices.ts";
import { noCard } from "./no-card.ts";
import { newPendingUpdate } from "./pending-changes.ts";
import { prorate } from "./prorations.ts";
import { finalizeInvoice } from "./settlement.ts";
import { editSubscription, updateSubscription } from "./subscription-changes.ts";
import { isLicensed, setPeriodTimers } from "./subscription-periods.ts";
import { cardForSubscription } from "./subscription-update.ts";

export interface Resumption {
  /** "now" starts a new billing period. "unchanged" continues the period of the old anchor that contains the present. */
  anchor: "now" | "unchanged";
  payment: ResumeBehavior;
  proration: "always_invoice" | "create_prorations" | "none";
  prorationDate?: number | undefined;
}

/** The resumption after a pause of a chosen length. Stripe uses these settings for pause schedules. */
const AFTER_PAUSE: Resumption = {
  anchor: "now",
  payment: "resume_on_payment_success",
  proration: "create_prorations",
};

const LIFETIMES: Record<ResumeBehavior, number> = {
  resume_on_payment_attempt: 23 * 3_600,
  resume_on_payment_success: 365 * 86_400,
};

/**
 * Resumes a paused subscription. If the resumption has an invoice, the subscription stays paused until the invoice is paid.
 * Throws an error if the payment must succeed at once and the customer has no card.
 */
export function resumeSubscription(context: Context, subscription: Subscription, how: Resumption): void {
  if (subscription.collection_method === "send_invoice")
    throw new ApiError("You can only resume a subscription with the collection method `charge_automatically`.");
  const at = now(context);
  const anchor = how.anchor === "now" ? at : subscription.billing_cycle_anchor;
  const items = copy(subscription.items);
  items.data = items.data.map((item) => resumedItem(item, anchor, at));
  const invoice = resumptionInvoice(context, subscription, items.data, how);
  clearTimer(context, "pause_ends", subscription.id);
  if (invoice) return collectResumption(context, subscription, invoice, { items: items.data, anchor, how });
  updateSubscription(context, subscription, { items, billing_cycle_anchor: anchor, status: "active" });
  emit(context, "customer.subscription.resumed", subscription);
  setPeriodTimers(context, subscription);
  refreshEntitlements(context, subscription.customer);
}

/** Resumes a subscription when its pause of a chosen length ends. Without a card, the subscription stays paused. */
export function resumeAfterPause(context: Context, subscription: Subscription): void {
  if (cardForSubscription(context, subscription) !== null) resumeSubscription(context, subscription, AFTER_PAUSE);
}

/** Resumes a subscription at the customer's request in the portal. */
export function resumeInPortal(context: Context, subscription: Subscription): void {
  resumeSubscription(context, subscription, AFTER_PAUSE);
}

/** Returns a subscription item with the period that contains `at`. Usage before the resumption is not billed. */
function resumedItem(item: SubscriptionItem, anchor: number, at: number): SubscriptionItem {
  return {
    ...item,
    current_period_start: isLicensed(item) ? startOf(item.price, anchor, at) : at,
    current_period_end: endOf(item.price, anchor, at),
  };
}

/**
 * Creates the draft of the invoice for the resumption. Returns null if nothing is invoiced now: then the prorations, if any,
 * are pending invoice items.
 */
function resumptionInvoice(
  context: Context,
  subscription: Subscription,
  items: readonly SubscriptionItem[],
  how: Resumption,
): Invoice | null {
  if (how.payment === "resume_on_payment_success" && cardForSubscription(context, subscription) === null)
    throw noCard();
  const licensed = items.filter(isLicensed);
  if (how.anchor === "unchanged") {
    if (how.proration === "none") return null;
    chargeRemainingTime(context, subscription, licensed, how.prorationDate ?? now(context));
    if (how.proration === "create_prorations") return null;
    return createSubscriptionInvoice(context, subscription, "subscription_update", () => []);
  }
  const waiting = listPendingItems(context, subscription.customer, subscription.id, subscription.currency);
  if (licensed.length + waiting.length === 0) return null;
  return createSubscriptionInvoice(context, subscription, "subscription_cycle", (draft) =>
    licensed.flatMap((item) => linesOfItem(context, draft.id, { subscription, item, period: periodOf(item) })),
  );
}

function chargeRemainingTime(
  context: Context,
  subscription: Subscription,
  items: readonly SubscriptionItem[],
  at: number,
): void {
  if (items.some((item) => at < item.current_period_start || at > item.current_period_end))
    throw new ApiError("`proration_date` must be within the billing period in which the subscription resumes.", {
      param: "proration_date",
    });
  const charges = items.map((item) => ({ item, period: periodOf(item) }));
  prorate(context, subscription, { credits: [], charges, at });
}

/** Finalizes the invoice of a resumption. The subscription resumes when this invoice is paid. */
function collectResumption(
  context: Context,
  subscription: Subscription,
  invoice: Invoice,
  { items, anchor, how }: { items: SubscriptionItem[]; anchor: number; how: Resumption },
): void {
  const expiresAt = now(context) + LIFETIMES[how.payment];
  const change = { invoice: invoice.id, items, anchor, resumes: how.payment };
  setEntry(context, context.account.pendingChanges, subscription.id, change);
  setTimer(context, "pending_update_expires", subscription.id, expiresAt);
  if (how.payment === "resume_on_payment_attempt") invoice.auto_advance = false;
  finalizeInvoice(context, invoice);
  if (invoice.status === "open" && how.payment === "resume_on_payment_success")
    payInvoice(context, invoice, cardForInvoice(context, invoice), { onSession: false });
  if (subscription.status !== "paused") return;
  editSubscription(context, subscription, (row) => {
    row.pending_update = newPendingUpdate(row, { items, anchor }, expiresAt);
  });
}

function periodOf(item: SubscriptionItem) {
  return { start: item.current_period_start, end: item.current_period_end };
}
