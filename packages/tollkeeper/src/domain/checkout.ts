/** Decides what a request for a checkout may do, so that nobody ever pays twice for the same thing. */
import { plansOf, type SubscriptionState } from "./access.ts";
import type { Plan, PlanInterval, PlanPrice, Plans } from "./plans.ts";
import type { CheckoutSessionRecord } from "./records.ts";
import { isLive } from "./subscription.ts";

export interface CheckoutIntent {
  plan: string;
  interval: PlanInterval;
  successUrl: string;
  cancelUrl: string;
}

/** The user's last checkout in this plan group, as Stripe has it now. */
export interface LastCheckout {
  intent: CheckoutIntent;
  session: CheckoutSessionRecord;
  /** The trial that it offers. */
  trialDays: number;
}

export type CheckoutDecision =
  | { kind: "start" }
  | { kind: "continue"; session: CheckoutSessionRecord }
  | { kind: "replace"; session: CheckoutSessionRecord }
  | { kind: "already_subscribed"; subscriptionId: string };

export function decideCheckout(
  intent: CheckoutIntent,
  group: string,
  plans: Plans,
  states: readonly SubscriptionState[],
  last: LastCheckout | null,
): CheckoutDecision {
  const live = states.find(
    (state) => isLive(state.subscription) && plansOf(state, plans).some((plan) => plan.group === group),
  );
  if (live) return { kind: "already_subscribed", subscriptionId: live.subscription.id };
  if (last?.session.status !== "open") return { kind: "start" };
  return { kind: sameIntent(intent, last.intent) ? "continue" : "replace", session: last.session };
}

/**
 * A trial is given once: whoever had one under any plan, or has another open checkout that offers one, pays from the
 * first day.
 */
export function trialDaysFor(
  price: PlanPrice,
  states: readonly SubscriptionState[],
  others: readonly LastCheckout[],
): number {
  const had = states.some((state) => state.subscription.trialStart !== null);
  const offered = others.some(({ session, trialDays }) => session.status === "open" && trialDays > 0);
  return had || offered ? 0 : price.trialDays;
}

export function findPlanPrice(plan: Plan, interval: PlanInterval): PlanPrice | undefined {
  return plan.prices.find((price) => price.interval === interval);
}

function sameIntent(one: CheckoutIntent, other: CheckoutIntent): boolean {
  return (
    one.plan === other.plan &&
    one.interval === other.interval &&
    one.successUrl === other.successUrl &&
    one.cancelUrl === other.cancelUrl
  );
}
