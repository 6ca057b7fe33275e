/** Decides what a user owes for a subscription, and what the user can do about the subscription. */
import { fractionDigitsOf } from "./money.ts";
import { paymentOutcome, type PaymentOutcome } from "./payment.ts";
import type { InvoiceRecord, SubscriptionItemRecord, PriceRecord, SubscriptionRecord } from "./records.ts";
import { decideCancel, decideResume } from "./subscription-change.ts";

export interface DuePayment {
  invoiceId: string;
  /** The amount that is still unpaid, in minor units. */
  amount: number;
  currency: string;
  fractionDigits: number;
  outcome: PaymentOutcome | "none";
  /** Stripe's sentence for the cardholder after the card was declined; null without a decline. */
  reason: string | null;
  /** The instant of Stripe's next attempt to charge the card; null if Stripe makes no further attempt. */
  nextAttemptAt: number | null;
  /** The instant until which the user has to pay the invoice; null if Stripe charges the card itself. */
  dueAt: number | null;
  /** The page on which the user can pay; null if the invoice has none. */
  payUrl: string | null;
}

/** Returns what the user still has to pay for an open invoice; null if nothing is open. */
export function duePayment(invoice: InvoiceRecord | null): DuePayment | null {
  if (invoice?.status !== "open") return null;
  if (invoice.amountRemaining <= 0) return null;
  return {
    invoiceId: invoice.id,
    amount: invoice.amountRemaining,
    currency: invoice.currency,
    fractionDigits: fractionDigitsOf(invoice.currency),
    outcome: paymentOutcome(invoice) ?? "none",
    reason: invoice.failureMessage,
    nextAttemptAt: invoice.nextPaymentAttemptAt,
    dueAt: invoice.dueAt,
    payUrl: invoice.hostedInvoiceUrl,
  };
}

export const SUBSCRIPTION_ACTIONS = ["pay", "resume", "checkout", "portal", "cancel"] as const;
export type SubscriptionAction = (typeof SUBSCRIPTION_ACTIONS)[number];

/**
 * Returns what the user can do about a subscription, the most helpful action first. The user can pay the open invoice, revert a
 * scheduled cancellation, start again with a checkout, open Stripe's portal, or cancel.
 */
export function possibleActions(
  subscription: SubscriptionRecord,
  due: DuePayment | null,
  now: number,
): SubscriptionAction[] {
  const { status } = subscription;
  const pay: SubscriptionAction[] = due?.payUrl && mustPay(status, due) ? ["pay"] : [];
  if (status === "incomplete") return [...pay, "checkout"];
  if (status === "incomplete_expired" || status === "canceled") return ["checkout", "portal"];
  const resume: SubscriptionAction[] = decideResume(subscription, null, now).kind === "change" ? ["resume"] : [];
  const cancel: SubscriptionAction[] = decideCancel(subscription, null, now).kind === "change" ? ["cancel"] : [];
  return [...pay, ...resume, "portal", ...cancel];
}

/** Returns true if only the user can complete the payment. Stripe completes the other payments by itself. */
function mustPay(status: SubscriptionRecord["status"], { outcome, dueAt }: DuePayment): boolean {
  const failed = status === "past_due" || status === "unpaid" || status === "incomplete";
  return failed || outcome === "failed" || outcome === "action_required" || dueAt !== null;
}

/**
 * Returns the amount that the user pays per interval: the sum over all items, in minor units, before discounts and taxes.
 * Returns null if the price of an item depends on its use or on a table, or if the items have different intervals or
 * currencies.
 */
export function totalAmount(items: readonly SubscriptionItemRecord[], prices: readonly PriceRecord[]): number | null {
  const [first] = prices;
  let total = 0;
  for (const item of items) {
    const price = prices.find(({ id }) => id === item.priceId);
    if (!first || !price || price.unitAmount === null || !isSameRhythm(price, first)) return null;
    total += price.unitAmount * item.quantity;
  }
  return items.length === 0 ? null : total;
}

function isSameRhythm(one: PriceRecord, other: PriceRecord): boolean {
  return (
    one.currency === other.currency && one.interval === other.interval && one.intervalCount === other.intervalCount
  );
}
