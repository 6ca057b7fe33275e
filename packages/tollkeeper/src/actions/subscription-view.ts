/** Builds the JSON of a subscription for its user. Instants in the JSON of a subscription are epoch milliseconds. */
import { decideAccess, plansOf, type AccessPolicy, type SubscriptionState } from "../domain/access.ts";
import { duePayment, possibleActions, totalAmount } from "../domain/due-payment.ts";
import { fractionDigitsOf } from "../domain/money.ts";
import { paymentNotice } from "../domain/payment.ts";
import type { Plans } from "../domain/plans.ts";
import type { InvoiceRecord, PaymentMethodRecord } from "../domain/records.ts";
import { refundOfPeriod, worstDispute } from "../domain/reversals.ts";
import { currentPeriod, isLive, scheduledEnd } from "../domain/subscription.ts";
import type { MirroredSubscription } from "../store/mirror/subscriptions.ts";
import type { Subscription } from "../wire.ts";
import type { ActionContext } from "./context.ts";

/** Returns the name of the subscription's plan, or else of its product; null if both are unknown. */
export function planNameOf(state: SubscriptionState, plans: Plans): string | null {
  return plansOf(state, plans)[0]?.name ?? state.products[0]?.name ?? null;
}

type ViewContext = Pick<ActionContext, "store" | "plans" | "policy" | "runtime">;

/** Builds the views of subscriptions, in the given order. */
export async function viewSubscriptions(
  context: ViewContext,
  states: readonly MirroredSubscription[],
): Promise<Subscription[]> {
  return Promise.all(states.map((state) => viewSubscription(context, state)));
}

export async function viewSubscription(
  { store, plans, policy, runtime }: ViewContext,
  state: MirroredSubscription,
): Promise<Subscription> {
  const { latestInvoice, unpaidSince, subscription } = state;
  // Stripe adds drafts to a subscription that is unpaid, so the open invoice may be older than the latest invoice.
  const isOlderOpen = unpaidSince !== null && latestInvoice?.status !== "open";
  const open = isOlderOpen ? await store.subscriptions.findOpenInvoice(subscription.id) : latestInvoice;
  return toView(state, open, { plans, policy, now: runtime.billingNow() });
}

interface ViewSettings {
  plans: Plans;
  policy: AccessPolicy;
  now: number;
}

function toView(
  state: MirroredSubscription,
  openInvoice: InvoiceRecord | null,
  { plans, policy, now }: ViewSettings,
): Subscription {
  const { subscription, paymentMethod, latestInvoice } = state;
  const due = duePayment(openInvoice);
  const access = decideAccess(state, policy, now);
  const [plan] = plansOf(state, plans);
  const period = currentPeriod(subscription);
  const live = isLive(subscription);
  const end = live ? scheduledEnd(subscription) : null;
  return {
    id: subscription.id,
    plan: plan?.id ?? null,
    planName: planNameOf(state, plans),
    status: subscription.status,
    live,
    access: access.granted ? { reason: access.reason, endsAt: access.endsAt } : null,
    noAccess: access.granted ? null : access.reason,
    due,
    actions: possibleActions(subscription, due, now),
    price: viewPrice(state),
    currentPeriodStart: period?.start ?? null,
    currentPeriodEnd: period?.end ?? null,
    trialEnd: subscription.trialEnd,
    cancelAtPeriodEnd: live && end !== null && end === period?.end,
    cancelAt: end,
    endedAt: subscription.endedAt,
    pausedCollection: subscription.pauseBehavior && {
      behavior: subscription.pauseBehavior,
      resumesAt: subscription.pauseResumesAt,
    },
    refund: state.reversals ? refundOfPeriod(state.reversals, period?.start ?? 0) : "none",
    dispute: state.reversals ? worstDispute(state.reversals) : "none",
    paymentMethod: paymentMethod && viewPaymentMethod(paymentMethod),
    latestInvoice: latestInvoice && {
      id: latestInvoice.id,
      status: latestInvoice.status,
      amount: latestInvoice.total,
      currency: latestInvoice.currency,
      fractionDigits: fractionDigitsOf(latestInvoice.currency),
      ...paymentNotice(latestInvoice),
    },
  };
}

function viewPrice({ subscription, prices }: SubscriptionState): Subscription["price"] {
  const [item] = subscription.items;
  const price = prices.find((candidate) => candidate.id === item?.priceId);
  if (!item || !price) return null;
  const { unitAmount, currency, interval, intervalCount } = price;
  return {
    amount: unitAmount,
    total: totalAmount(subscription.items, prices),
    currency,
    fractionDigits: fractionDigitsOf(currency),
    interval,
    intervalCount,
    quantity: item.quantity,
  };
}

function viewPaymentMethod({ type, brand, last4, expMonth, expYear }: PaymentMethodRecord) {
  return { type, brand, last4, expMonth, expYear };
}
