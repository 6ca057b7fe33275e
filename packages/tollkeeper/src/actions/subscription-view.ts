/** Builds the JSON of a subscription for its user. Instants in the JSON of a subscription are epoch milliseconds. */
import { plansOf, type SubscriptionState } from "../domain/access.ts";
import { fractionDigitsOf } from "../domain/money.ts";
import { paymentNotice } from "../domain/payment.ts";
import type { Plans } from "../domain/plans.ts";
import type { PaymentMethodRecord } from "../domain/records.ts";
import { currentPeriod, isLive, scheduledEnd } from "../domain/subscription.ts";
import type { Subscription } from "../wire.ts";

/** Returns the name of the subscription's plan, or else of its product; null if both are unknown. */
export function planNameOf(state: SubscriptionState, plans: Plans): string | null {
  return plansOf(state, plans)[0]?.name ?? state.products[0]?.name ?? null;
}

export function viewSubscription(
  state: SubscriptionState & { paymentMethod: PaymentMethodRecord | null },
  plans: Plans,
): Subscription {
  const { subscription, paymentMethod, latestInvoice } = state;
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
      fractionDigits: fractionDigitsOf(latestInvoice.currency),
      ...paymentNotice(latestInvoice),
    },
  };
}

function viewPrice({ subscription, prices }: SubscriptionState): Subscription["price"] {
  const [item] = subscription.items;
  const price = prices.find((candidate) => candidate.id === item?.priceId);
  if (!item || !price) return null;
  const { unitAmount, currency, interval } = price;
  return {
    amount: unitAmount,
    currency,
    fractionDigits: fractionDigitsOf(currency),
    interval,
    quantity: item.quantity,
  };
}

function viewPaymentMethod({ type, brand, last4, expMonth, expYear }: PaymentMethodRecord) {
  return { type, brand, last4, expMonth, expYear };
}
