/** Decides if a checkout may start, so that no user pays twice for one plan group. */
import { plansOf, type SubscriptionState } from "./access.ts";
import type { PlanInterval, PlanPrice, Plans } from "./plans.ts";
import type { CheckoutSessionRecord } from "./records.ts";
import { isLive } from "./subscription.ts";

export interface CheckoutIntent {
  plan: string;
  interval: PlanInterval;
  successUrl: string;
  cancelUrl: string;
}

/** The user's last checkout in a plan group, with its current state at Stripe. */
export interface LastCheckout {
  intent: CheckoutIntent;
  session: CheckoutSessionRecord;
  /** Days of the trial that the checkout offers; 0 for no trial. */
  trialDays: number;
}

export type CheckoutDecision =
  | { kind: "start" }
  | { kind: "continue"; session: CheckoutSessionRecord }
  | { kind: "replace"; session: CheckoutSessionRecord }
  | { kind: "already_subscribed"; subscriptionId: string };

export interface CheckoutInput {
  intent: CheckoutIntent;
  /** Plan group of the plan that the user wants to buy. */
  group: string;
  plans: Plans;
  /** All subscriptions of the owner, with their states. */
  states: readonly SubscriptionState[];
  /** The owner's last checkout in the plan group; null if there is none. */
  last: LastCheckout | null;
}

export function decideCheckout({ intent, group, plans, states, last }: CheckoutInput): CheckoutDecision {
  const live = states.find(
    (state) => isLive(state.subscription) && plansOf(state, plans).some((plan) => plan.group === group),
  );
  if (live) return { kind: "already_subscribed", subscriptionId: live.subscription.id };
  if (last?.session.status !== "open") return { kind: "start" };
  return { kind: sameIntent(intent, last.intent) ? "continue" : "replace", session: last.session };
}

/**
 * Returns the days of the trial that a checkout offers. Each user gets only one trial, whatever the plan. The trial has 0 days
 * if the user has had a trial of any plan, or has another open checkout that offers a trial.
 */
export function trialDaysFor(price: PlanPrice, hadTrial: boolean, others: readonly LastCheckout[]): number {
  const offered = others.some(({ session, trialDays }) => session.status === "open" && trialDays > 0);
  return hadTrial || offered ? 0 : price.trialDays;
}

function sameIntent(one: CheckoutIntent, other: CheckoutIntent): boolean {
  return (
    one.plan === other.plan &&
    one.interval === other.interval &&
    one.successUrl === other.successUrl &&
    one.cancelUrl === other.cancelUrl
  );
}
