/** Access is decided here and nowhere else: from the mirror, the plans and a declared policy, with the reason. */
import { planOfPrice, type Plan, type Plans } from "./plans.ts";
import type { InvoiceRecord, PriceRecord, ProductRecord, SubscriptionRecord } from "./records.ts";
import { currentPeriod, paidUntil, scheduledEnd } from "./subscription.ts";

const DAY_MS = 86_400_000;

export interface AccessPolicy {
  /** Days of access while a charge fails, counted from the oldest invoice that is still to be paid. Default 7. */
  pastDueGraceDays: number;
  /** Whether a subscription canceled at once keeps what was paid for until the period's end. Default true. */
  keepPaidPeriod: boolean;
}

export const DEFAULT_ACCESS_POLICY: AccessPolicy = { pastDueGraceDays: 7, keepPaidPeriod: true };

/** A subscription with what the mirror knows around it. */
export interface SubscriptionState {
  subscription: SubscriptionRecord;
  latestInvoice: InvoiceRecord | null;
  /** When the oldest invoice was made that is still to be paid; null where none is. */
  unpaidSince: number | null;
  prices: readonly PriceRecord[];
  products: readonly ProductRecord[];
}

export type AccessReason = "active" | "trialing" | "past_due_grace" | "canceled_paid_period";

export interface Entitlement {
  feature: string;
  plan: string;
  /** The instant access ends or is renewed; null where nothing ends it. */
  until: number | null;
  reason: AccessReason;
  subscriptionId: string;
}

/** What the user may use at `now`: one entry per feature, the one that lasts longest. */
export function decideEntitlements(
  states: readonly SubscriptionState[],
  plans: Plans,
  policy: AccessPolicy,
  now: number,
): Entitlement[] {
  const best = new Map<string, Entitlement>();
  for (const state of states) {
    const access = accessOf(state, policy, now);
    if (!access) continue;
    for (const plan of plansOf(state, plans))
      for (const feature of plan.features) {
        const entitlement = {
          feature: feature.id,
          plan: plan.id,
          until: access.until,
          reason: access.reason,
          subscriptionId: state.subscription.id,
        };
        const known = best.get(feature.id);
        if (!known || lastsLonger(entitlement, known)) best.set(feature.id, entitlement);
      }
  }
  return [...best.values()].toSorted((a, b) => a.feature.localeCompare(b.feature));
}

/** The next instant after `now` at which the decision can change with no word from Stripe; null when there is none. */
export function nextAccessChange(
  states: readonly SubscriptionState[],
  policy: AccessPolicy,
  now: number,
): number | null {
  const instants = states
    .map((state) => accessOf(state, policy, now))
    .flatMap((access) => (access?.endsAt != null && access.endsAt > now ? [access.endsAt] : []));
  return instants.length > 0 ? Math.min(...instants) : null;
}

/** The plans that a subscription's items sell. */
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
  /** Set when access ends by itself at this instant, without a change in Stripe. */
  endsAt?: number;
}

function accessOf(state: SubscriptionState, policy: AccessPolicy, now: number): Access | null {
  const { subscription, latestInvoice } = state;
  const period = currentPeriod(subscription);
  const end = scheduledEnd(subscription);
  switch (subscription.status) {
    case "active":
    case "trialing":
      // Stripe ends it at that instant; its event may still be under way.
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
