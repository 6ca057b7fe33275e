/**
 * Pauses subscriptions, and resumes the collection of their payments.
 * @see https://docs.stripe.com/billing/subscriptions/pause
 * @see https://docs.stripe.com/billing/subscriptions/pause-payment
 */
import { now } from "../core/clock.ts";
import { copy } from "../core/copy.ts";
import { ApiError } from "../core/errors.ts";
import { emit } from "../core/events.ts";
import { insert } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { clearTimer, setTimer } from "../core/timers.ts";
import { type InvoiceItem, newInvoiceItem } from "../objects/invoice-item.ts";
import type { PauseReason, Subscription, SubscriptionItem } from "../objects/subscription.ts";
import { cardForInvoice, payInvoice } from "./collection.ts";
import { refreshEntitlements } from "./entitlements.ts";
import { linesOfItem } from "./invoice-lines.ts";
import { createSubscriptionInvoice } from "./invoices.ts";
import { expirePendingUpdate } from "./pending-updates.ts";
import { prorate } from "./prorations.ts";
import { finalizeInvoice } from "./settlement.ts";
import { updateSubscription } from "./subscription-changes.ts";
import { isLicensed } from "./subscription-periods.ts";

/** The credits and charges of a pause. */
export interface PauseBilling {
  /** The start of the time that is credited for items which are billed in advance. */
  unusedTimeFrom: "item_current_period_start" | "none" | "now";
  /** If "now", the usage of the current period is billed. If "none", the usage is never billed. */
  usageThrough: "none" | "now";
  /** If true, the credits and charges are invoiced at once. Otherwise they wait for the next invoice. */
  invoicesNow: boolean;
}

/** The billing of a pause whose request names none. */
export const DEFAULT_BILLING: PauseBilling = { unusedTimeFrom: "now", usageThrough: "now", invoicesNow: false };

const PAUSABLE = new Set(["active", "past_due", "unpaid"]);

/** Returns the reason for which a subscription can't be paused; null if the subscription can be paused. */
export function pauseRefusal({ collection_method: method, schedule, status }: Subscription): string | null {
  if (schedule !== null) return `it is managed by the subscription schedule \`${schedule}\``;
  if (method === "send_invoice") return "its collection method is `send_invoice`";
  return PAUSABLE.has(status) ? null : `its status is \`${status}\``;
}

/** Pauses a subscription on request. Throws an error if Stripe can't pause the subscription. */
export function pauseOnRequest(context: Context, subscription: Subscription, billing: PauseBilling): void {
  const refusal = pauseRefusal(subscription);
  if (refusal !== null) throw new ApiError(`The subscription cannot be paused because ${refusal}.`);
  expirePendingUpdate(context, subscription);
  const items = [
    ...creditUnusedTime(context, subscription, billing.unusedTimeFrom),
    ...(billing.usageThrough === "now" ? billUsage(context, subscription) : []),
  ];
  markPaused(context, subscription, "pause_requested");
  if (!billing.invoicesNow || items.length === 0) return;
  const invoice = createSubscriptionInvoice(context, subscription, "subscription_update", () => []);
  finalizeInvoice(context, invoice);
  if (invoice.status === "open") payInvoice(context, invoice, cardForInvoice(context, invoice), { onSession: false });
}

/** Gives a subscription the status `paused`. Its current periods end now, and it is not renewed until it resumes. */
export function markPaused(
  context: Context,
  subscription: Subscription,
  reason: PauseReason,
  changes: Partial<Subscription> = {},
): void {
  const at = now(context);
  for (const kind of ["period_ends", "invoice_upcoming", "trial_will_end"] as const)
    clearTimer(context, kind, subscription.id);
  // A renewal would have ended the subscription, and a paused subscription is not renewed.
  if (subscription.cancel_at_period_end && subscription.cancel_at !== null)
    setTimer(context, "cancels", subscription.id, subscription.cancel_at);
  const items = copy(subscription.items);
  for (const item of items.data) item.current_period_end = Math.min(item.current_period_end, at);
  updateSubscription(context, subscription, {
    ...changes,
    items,
    status: "paused",
    status_details: { paused: { subscription: { type: reason }, transitioned_at: at, type: "subscription" } },
  });
  emit(context, "customer.subscription.paused", subscription);
  refreshEntitlements(context, subscription.customer);
}

/** Resumes payment collection: sets the subscription's `pause_collection` to null. */
export function resumeCollection(context: Context, subscription: Subscription): void {
  updateSubscription(context, subscription, { pause_collection: null });
}

function creditUnusedTime(
  context: Context,
  subscription: Subscription,
  from: PauseBilling["unusedTimeFrom"],
): InvoiceItem[] {
  if (from === "none") return [];
  return subscription.items.data.filter(isLicensed).flatMap((item) => {
    const at = from === "now" ? now(context) : item.current_period_start;
    return prorate(context, subscription, { credits: [item], charges: [], at });
  });
}

/** Creates pending invoice items for the usage of the current periods. */
function billUsage(context: Context, subscription: Subscription): InvoiceItem[] {
  return subscription.items.data
    .filter((item) => !isLicensed(item))
    .flatMap((item) => usageItems(context, subscription, item))
    .map((item) => {
      insert(context, "invoiceitem", item);
      emit(context, "invoiceitem.created", item);
      return item;
    });
}

function usageItems(context: Context, subscription: Subscription, item: SubscriptionItem): InvoiceItem[] {
  const period = { start: item.current_period_start, end: now(context) };
  return linesOfItem(context, "", { subscription, item, period })
    .filter(({ amount }) => amount !== 0)
    .map(({ amount, quantity, description }) =>
      newInvoiceItem(context, {
        customer: subscription.customer,
        subscription: subscription.id,
        subscriptionItem: item.id,
        price: item.price,
        amount,
        quantity: quantity ?? 1,
        description,
        period,
      }),
    );
}
