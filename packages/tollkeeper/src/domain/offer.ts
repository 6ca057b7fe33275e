/** Decides what the plans offer to one user: the trial, and what the user can do about each price. */
import { plansOf, type SubscriptionState } from "./access.ts";
import { findLiveInGroup, trialDaysFor, type LastCheckout } from "./checkout.ts";
import type { Plan, PlanPrice, Plans } from "./plans.ts";

/**
 * The possible actions for a price. The user can buy it in a checkout, has it already, or can change to it in Stripe's portal.
 */
export const OFFER_ACTIONS = ["checkout", "current", "manage"] as const;
export type OfferAction = (typeof OFFER_ACTIONS)[number];

/**
 * The reasons why a user can't buy a price: it is the current one, or the live subscription has another interval or another
 * plan.
 */
export const OFFER_REASONS = ["current_price", "other_interval", "other_plan"] as const;
export type OfferReason = (typeof OFFER_REASONS)[number];

export interface PriceOffer {
  /** Days of trial that a checkout would give the user now. */
  trialDays: number;
  action: OfferAction;
  reason: OfferReason | null;
  /** Id of the user's live subscription of the plan's group; null if there is none. */
  subscriptionId: string | null;
}

export interface OfferInput {
  plans: Plans;
  /** All subscriptions of the user, with their states. */
  states: readonly SubscriptionState[];
  /** True if the user has had a trial of any plan. */
  hadTrial: boolean;
  /** The user's last checkout of each plan group. */
  lastCheckouts: ReadonlyMap<string, LastCheckout>;
}

/** Decides what a price offers to a user, by the same rules as the checkout. */
export function offerPrice(
  plan: Plan,
  price: PlanPrice,
  { plans, states, hadTrial, lastCheckouts }: OfferInput,
): PriceOffer {
  const live = findLiveInGroup(states, plans, plan.group);
  if (!live) {
    const others = [...lastCheckouts].filter(([group]) => group !== plan.group).map(([, last]) => last);
    const trialDays = trialDaysFor(price, hadTrial, others);
    return { trialDays, action: "checkout", reason: null, subscriptionId: null };
  }
  const subscriptionId = live.subscription.id;
  if (!plansOf(live, plans).includes(plan))
    return { trialDays: 0, action: "manage", reason: "other_plan", subscriptionId };
  const isCurrent = live.prices.some(
    ({ interval, intervalCount }) => interval === price.interval && intervalCount === 1,
  );
  return isCurrent
    ? { trialDays: 0, action: "current", reason: "current_price", subscriptionId }
    : { trialDays: 0, action: "manage", reason: "other_interval", subscriptionId };
}
