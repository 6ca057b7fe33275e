/** What the user is shown of their subscriptions. Instants are epoch milliseconds. */
import { plansOf, type SubscriptionState } from "./access.ts";
import { paymentNotice, type PaymentNotice } from "./payment.ts";
import type { Plans } from "./plans.ts";
import type { BillingInterval, InvoiceStatus, PaymentMethodRecord, SubscriptionStatus } from "./records.ts";
import { currentPeriod, isLive, scheduledEnd } from "./subscription.ts";

export interface SubscriptionView {
  id: string;
  /** Our plan's id; null for something sold outside the plans. */
  plan: string | null;
  planName: string | null;
  status: SubscriptionStatus;
  live: boolean;
  price: { amount: number | null; currency: string; interval: BillingInterval | null; quantity: number } | null;
  currentPeriodStart: number | null;
  currentPeriodEnd: number | null;
  trialEnd: number | null;
  cancelAtPeriodEnd: boolean;
  /** When it will end, whichever way that was asked for; null when it renews. */
  cancelAt: number | null;
  endedAt: number | null;
  paymentMethod: {
    type: string;
    brand: string | null;
    last4: string | null;
    expMonth: number | null;
    expYear: number | null;
  } | null;
  latestInvoice: ({ id: string; status: InvoiceStatus; amount: number; currency: string } & PaymentNotice) | null;
}

export function viewSubscription(
  state: SubscriptionState & { paymentMethod: PaymentMethodRecord | null },
  plans: Plans,
): SubscriptionView {
  const { subscription, paymentMethod, latestInvoice } = state;
  const [plan] = plansOf(state, plans);
  const period = currentPeriod(subscription);
  const live = isLive(subscription);
  const end = live ? scheduledEnd(subscription) : null;
  return {
    id: subscription.id,
    plan: plan?.id ?? null,
    planName: plan?.name ?? state.products[0]?.name ?? null,
    status: subscription.status,
    live,
    price: viewPrice(state),
    currentPeriodStart: period?.start ?? null,
    currentPeriodEnd: period?.end ?? null,
    trialEnd: subscription.trialEnd,
    cancelAtPeriodEnd: live && end !== null && end === period?.end,
    cancelAt: end,
    endedAt: subscription.endedAt,
    paymentMethod: paymentMethod && viewPaymentMethod(paymentMethod),
    latestInvoice: latestInvoice && {
      id: latestInvoice.id,
      status: latestInvoice.status,
      amount: latestInvoice.total,
      currency: latestInvoice.currency,
      ...paymentNotice(latestInvoice),
    },
  };
}

function viewPrice({ subscription, prices }: SubscriptionState): SubscriptionView["price"] {
  const [item] = subscription.items;
  const price = prices.find((candidate) => candidate.id === item?.priceId);
  if (!item || !price) return null;
  return { amount: price.unitAmount, currency: price.currency, interval: price.interval, quantity: item.quantity };
}

function viewPaymentMethod({ type, brand, last4, expMonth, expYear }: PaymentMethodRecord) {
  return { type, brand, last4, expMonth, expYear };
}
