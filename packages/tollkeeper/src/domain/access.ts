/** Decides access from the mirror, the plans and the policy. No other module decides which features a user may use. */
import { isOfOtherApp, planOfPrice, type Plan, type Plans } from "./plans.ts";
import type { InvoiceRecord, PauseBehavior, PriceRecord, ProductRecord, SubscriptionRecord } from "./records.ts";
import { refundOfPeriod, worstDispute, type Reversals } from "./reversals.ts";
import { currentPeriod, paidUntil, scheduledEnd } from "./subscription.ts";

const DAY_MS = 86_400_000;

/** The effect of a state on access: the state keeps the access that the subscription gives otherwise, or ends it. */
export const ACCESS_EFFECTS = ["keep", "end"] as const;
export type AccessEffect = (typeof ACCESS_EFFECTS)[number];

/** The effect of paused collection on access: access is kept, or ends with the period that was paid last. */
export const PAUSE_EFFECTS = ["keep", "paid_period"] as const;
export type PauseEffect = (typeof PAUSE_EFFECTS)[number];

export interface AccessPolicy {
  /** Days of access while a payment fails, counted from the due date of the oldest open invoice. Default 7. */
  pastDueGraceDays: number;
  /** If true, a subscription that was canceled at once keeps its access until the paid period ends. Default true. */
  keepPaidPeriod: boolean;
  /**
   * Access while the merchant has paused the collection of payments, by Stripe's behavior of the pause. Default: `void` and
   * `mark_uncollectible` end access with the paid period, `keep_as_draft` keeps access.
   */
  pausedCollection: Readonly<Record<PauseBehavior, PauseEffect>>;
  /** Access after all payments of the current period were refunded. Default `end`. */
  fullRefund: AccessEffect;
  /** Access after a part of the payments of the current period was refunded. Default `keep`. */
  partialRefund: AccessEffect;
  /** Access while the user's bank disputes a payment of the subscription. Default `end`. */
  openDispute: AccessEffect;
  /** Access after a dispute about a payment of the subscription was lost. Default `end`. */
  lostDispute: AccessEffect;
}

export const DEFAULT_ACCESS_POLICY: AccessPolicy = {
  pastDueGraceDays: 7,
  keepPaidPeriod: true,
  pausedCollection: { void: "paid_period", mark_uncollectible: "paid_period", keep_as_draft: "keep" },
  fullRefund: "end",
  partialRefund: "keep",
  openDispute: "end",
  lostDispute: "end",
};

/** An access policy whose missing rules have their defaults. */
export type AccessPolicyInput = Partial<Omit<AccessPolicy, "pausedCollection">> & {
  pausedCollection?: Partial<AccessPolicy["pausedCollection"]>;
};

/** Adds the default rules to an access policy. */
export function completePolicy(policy: AccessPolicyInput = {}): AccessPolicy {
  const { pausedCollection, ...rules } = policy;
  return {
    ...DEFAULT_ACCESS_POLICY,
    ...rules,
    pausedCollection: { ...DEFAULT_ACCESS_POLICY.pausedCollection, ...pausedCollection },
  };
}

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
  /** The refunds and disputes of the subscription's payments; null if there are none. */
  reversals: Reversals | null;
}

export const ACCESS_REASONS = [
  "active",
  "trialing",
  "past_due_grace",
  "collection_paused",
  "canceled_paid_period",
] as const;
export type AccessReason = (typeof ACCESS_REASONS)[number];

/**
 * The reasons for which a subscription gives no access. If a refund or a dispute ends access, it is the reason, whatever the
 * status of the subscription.
 */
export const NO_ACCESS_REASONS = [
  "refunded",
  "dispute_open",
  "dispute_lost",
  "collection_paused",
  "payment_overdue",
  "first_payment_open",
  "first_payment_missed",
  "paused",
  "ended",
] as const;
export type NoAccessReason = (typeof NO_ACCESS_REASONS)[number];

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
  const access = decideAccess(state, policy, now);
  if (!access.granted) return [];
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
  const decisions = states.map((state) => decideAccess(state, policy, now));
  const ends = decisions.flatMap((access) => (access.granted ? (access.endsAt ?? []) : []));
  // Access can start again when the collection of payments resumes.
  const resumptions = states.flatMap(({ subscription }) => subscription.pauseResumesAt ?? []);
  const instants = [...ends, ...resumptions.filter((instant) => instant > now)];
  return instants.length > 0 ? Math.min(...instants) : null;
}

/**
 * Returns the subscriptions that do not belong to another app. Two apps that have the same metadata key for the user's id share
 * customers, but neither app shows or changes the other's subscriptions.
 */
export function withoutOtherApps<State extends Pick<SubscriptionState, "products">>(
  states: readonly State[],
  plans: Plans,
): State[] {
  return states.filter(
    ({ products }) =>
      products.length === 0 || !products.every((product) => plans.every((plan) => isOfOtherApp(plan, product))),
  );
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

/** The access that one subscription gives, or the reason for which it gives none. */
export type AccessDecision =
  | {
      granted: true;
      reason: AccessReason;
      until: number | null;
      /** The instant at which access ends even if nothing changes at Stripe; null if only a change at Stripe ends it. */
      endsAt: number | null;
    }
  | { granted: false; reason: NoAccessReason };

/** Decides the access that one subscription gives at the instant `now`. */
export function decideAccess(state: SubscriptionState, policy: AccessPolicy, now: number): AccessDecision {
  const reversal = endingReversal(state, policy);
  return reversal === null ? accessByStatus(state, policy, now) : refused(reversal);
}

/** Returns the refund or dispute that ends the access which the subscription would give otherwise; null if there is none. */
function endingReversal(
  { subscription, reversals }: SubscriptionState,
  policy: AccessPolicy,
): "refunded" | "dispute_open" | "dispute_lost" | null {
  if (reversals === null) return null;
  const refund = refundOfPeriod(reversals, currentPeriod(subscription)?.start ?? 0);
  const dispute = worstDispute(reversals);
  if (dispute === "open" && policy.openDispute === "end") return "dispute_open";
  if (dispute === "lost" && policy.lostDispute === "end") return "dispute_lost";
  if (refund === "full" && policy.fullRefund === "end") return "refunded";
  return refund === "part" && policy.partialRefund === "end" ? "refunded" : null;
}

function accessByStatus(state: SubscriptionState, policy: AccessPolicy, now: number): AccessDecision {
  switch (state.subscription.status) {
    case "active":
    case "trialing":
      return accessOfActive(state, policy, now);
    case "past_due":
      return accessOfPastDue(state, policy, now);
    case "canceled": {
      const paid = policy.keepPaidPeriod ? paidUntil(state.subscription, state.latestInvoice) : null;
      return paid === null || now >= paid ? refused("ended") : granted("canceled_paid_period", paid);
    }
    case "incomplete":
      return refused("first_payment_open");
    case "incomplete_expired":
      return refused("first_payment_missed");
    case "unpaid":
      return refused("payment_overdue");
    case "paused":
      return refused("paused");
  }
}

function accessOfActive(state: SubscriptionState, policy: AccessPolicy, now: number): AccessDecision {
  const { subscription } = state;
  const end = scheduledEnd(subscription);
  const paid = pausedUntil(state, policy, now);
  if (paid !== null && now >= paid) return refused("collection_paused");
  // Stripe ends the subscription at the instant `end`, but the event about the end may arrive later.
  if (end !== null && now >= end) return refused("ended");
  if (paid !== null) return granted("collection_paused", Math.min(paid, end ?? Infinity));
  const reason = subscription.status === "trialing" ? "trialing" : "active";
  if (end !== null) return granted(reason, end);
  return { granted: true, reason, until: currentPeriod(subscription)?.end ?? null, endsAt: null };
}

function accessOfPastDue(state: SubscriptionState, policy: AccessPolicy, now: number): AccessDecision {
  const end = scheduledEnd(state.subscription);
  const since = state.unpaidSince ?? currentPeriod(state.subscription)?.start;
  const graceEnd = since === undefined ? 0 : since + policy.pastDueGraceDays * DAY_MS;
  if (now >= graceEnd) return refused("payment_overdue");
  if (end !== null && now >= end) return refused("ended");
  return granted("past_due_grace", Math.min(graceEnd, end ?? Infinity));
}

/**
 * Returns the instant at which access ends because the collection of payments is paused: the end of the current period if its
 * invoice is paid, or else 0. Returns null if collection is not paused, if the policy keeps access, or if collection resumes
 * before the pause ends access.
 */
function pausedUntil(
  { subscription, latestInvoice }: SubscriptionState,
  policy: AccessPolicy,
  now: number,
): number | null {
  const { pauseBehavior, latestInvoiceId } = subscription;
  if (pauseBehavior === null || policy.pausedCollection[pauseBehavior] === "keep") return null;
  const resumesAt = subscription.pauseResumesAt ?? Infinity;
  const isPaid = latestInvoiceId === null || latestInvoice?.status === "paid";
  const end = isPaid ? (currentPeriod(subscription)?.end ?? 0) : 0;
  // Stripe resumes collection at the instant `resumesAt`, but the event about it may arrive later.
  return resumesAt <= Math.max(now, end) ? null : end;
}

function granted(reason: AccessReason, end: number): AccessDecision {
  return { granted: true, reason, until: end, endsAt: end };
}

function refused(reason: NoAccessReason): AccessDecision {
  return { granted: false, reason };
}

function lastsLonger(one: Entitlement, other: Entitlement): boolean {
  return (one.until ?? Infinity) > (other.until ?? Infinity);
}
