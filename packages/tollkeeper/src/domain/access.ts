/** Decides access from the mirror, the plans and the policy. No other module decides which features a user may use. */
import { planOfPrice, type Plan, type Plans } from "./plans.ts";
import type { InvoiceRecord, PriceRecord, ProductRecord, SubscriptionRecord } from "./records.ts";
import { currentPeriod, paidUntil, scheduledEnd } from "./subscription.ts";

const DAY_MS = 86_400_000;

export interface AccessPolicy {
  /** Days of access while a payment fails, counted from the due date of the oldest open invoice. Default 7. */
  pastDueGraceDays: number;
  /** If true, a subscription that was canceled at once keeps its access until the paid period ends. Default true. */
  keepPaidPeriod: boolean;
}

export const DEFAULT_ACCESS_POLICY: AccessPolicy = { pastDueGraceDays: 7, keepPaidPeriod: true };

/** A subscription, together with the records of the mirror that determine its user's access. */
export interface SubscriptionState {
  subscription: SubscriptionRecord;
  latestInvoice: InvoiceRecord | null;
  /**
   * The instant since which an open invoice of the subscription is unpaid: its due date, or else its creation. If several
   * invoices are open, the earliest instant counts. Null if no invoice is open.
   */
  unpaidSince: number | null;
  prices: readonly PriceRecord[];
  products: readonly ProductRecord[];
}

export const ACCESS_REASONS = ["active", "trialing", "past_due_grace", "canceled_paid_period"] as const;
export type AccessReason = (typeof ACCESS_REASONS)[number];

export interface Entitlement {
  feature: string;
  plan: string;
  /** The instant at which access ends or is renewed; null if access has no end. */
  until: number | null;
  reason: AccessReason;
  subscriptionId: string;
}

/**
 * Returns the entitlements at the instant `now`, one per feature. If several subscriptions give a user one feature, the
 * entitlement that lasts longest counts.
 */
export function decideEntitlements(
  states: readonly SubscriptionState[],
  plans: Plans,
  policy: AccessPolicy,
  now: number,
): Entitlement[] {
  const best = new Map<string, Entitlement>();
  for (const entitlement of states.flatMap((state) => entitlementsOf(state, plans, policy, now))) {
    const other = best.get(entitlement.feature);
    if (!other || lastsLonger(entitlement, other)) best.set(entitlement.feature, entitlement);
  }
  return [...best.values()].toSorted((a, b) => a.feature.localeCompare(b.feature));
}

function entitlementsOf(state: SubscriptionState, plans: Plans, policy: AccessPolicy, now: number): Entitlement[] {
  const access = accessOf(state, policy, now);
  if (!access) return [];
  const { reason, until } = access;
  const subscriptionId = state.subscription.id;
  return plansOf(state, plans).flatMap((plan) =>
    plan.features.map((feature) => ({ feature: feature.id, plan: plan.id, until, reason, subscriptionId })),
  );
}

/** Returns the next instant after `now` at which access changes even if nothing changes at Stripe; null if there is none. */
export function nextAccessChange(
  states: readonly SubscriptionState[],
  policy: AccessPolicy,
  now: number,
): number | null {
  const instants = states
    .map((state) => accessOf(state, policy, now))
    .flatMap((access) => (access?.endsAt === undefined ? [] : [access.endsAt]));
  return instants.length > 0 ? Math.min(...instants) : null;
}

/** Returns the plans to which the items of a subscription belong. */
export function plansOf(state: Pick<SubscriptionState, "subscription" | "prices" | "products">, plans: Plans): Plan[] {
  const found = state.subscription.items.flatMap((item) => {
    const price = state.prices.find((candidate) => candidate.id === item.priceId);
    const product = state.products.find((candidate) => candidate.id === item.productId);
    return planOfPrice(plans, price, product) ?? [];
  });
  return [...new Set(found)];
}

interface Access {
  reason: AccessReason;
  until: number | null;
  /**
   * The instant at which access ends even if nothing changes at Stripe. The end of access is undefined if only a change at
   * Stripe ends the access.
   */
  endsAt?: number;
}

/** Returns the access that one subscription gives at the instant `now`; null if it gives none. */
export function accessOf(state: SubscriptionState, policy: AccessPolicy, now: number): Access | null {
  const { subscription, latestInvoice } = state;
  const period = currentPeriod(subscription);
  const end = scheduledEnd(subscription);
  switch (subscription.status) {
    case "active":
    case "trialing":
      // Stripe ends the subscription at the instant `end`, but the event about the end may arrive later.
      if (end !== null) return ending(subscription.status, end, now);
      return { reason: subscription.status, until: period?.end ?? null };
    case "past_due": {
      const since = state.unpaidSince ?? period?.start;
      if (since === undefined) return null;
      const graceEnd = since + policy.pastDueGraceDays * DAY_MS;
      return ending("past_due_grace", end === null ? graceEnd : Math.min(graceEnd, end), now);
    }
    case "canceled": {
      const paid = policy.keepPaidPeriod ? paidUntil(subscription, latestInvoice) : null;
      return paid === null ? null : ending("canceled_paid_period", paid, now);
    }
    case "incomplete":
    case "incomplete_expired":
    case "unpaid":
    case "paused":
      return null;
  }
}

function ending(reason: AccessReason, end: number, now: number): Access | null {
  return now < end ? { reason, until: end, endsAt: end } : null;
}

function lastsLonger(one: Entitlement, other: Entitlement): boolean {
  return (one.until ?? Infinity) > (other.until ?? Infinity);
}
