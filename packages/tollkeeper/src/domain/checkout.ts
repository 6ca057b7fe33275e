/** Decides if a checkout may start, so that no user pays twice for one plan group. */
import { plansOf, type SubscriptionState } from "./access.ts";
import { groupsOf, type PlanInterval, type PlanPrice, type Plans } from "./plans.ts";
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
  session: CheckoutSessionRecord;
  /** The plan and the interval that the session sells. */
  plan: string;
  interval: PlanInterval;
  /** Days of the trial that the checkout offers; 0 for no trial. */
  trialDays: number;
  /** Fingerprint of all parameters with which the session was created. */
  fingerprint: string;
}

export type CheckoutDecision =
  | { kind: "start" }
  | { kind: "continue"; session: CheckoutSessionRecord }
  | { kind: "replace"; session: CheckoutSessionRecord };

/**
 * Maximum length of a session's `client_reference_id`.
 * @see https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-client_reference_id
 */
const MAX_CLIENT_REFERENCE_LENGTH = 200;

/** Returns true if Stripe accepts the user's id as the `client_reference_id` of a session. User ids may be longer. */
export function isClientReference(userId: string): boolean {
  return userId.length <= MAX_CLIENT_REFERENCE_LENGTH;
}

/** Returns the owner's live subscription in a plan group; undefined if there is none. */
export function findLiveInGroup<State extends SubscriptionState>(
  states: readonly State[],
  plans: Plans,
  group: string,
): State | undefined {
  return states.find((state) => isLiveInGroup(state, plans, group));
}

function isLiveInGroup(state: SubscriptionState, plans: Plans, group: string): boolean {
  return isLive(state.subscription) && plansOf(state, plans).some((plan) => plan.group === group);
}

/** Returns each plan group in which the owner has several live subscriptions, and so pays several times. */
export function findSeveralLive(
  states: readonly SubscriptionState[],
  plans: Plans,
): { group: string; subscriptionIds: string[] }[] {
  return groupsOf(plans)
    .map((group) => ({
      group,
      subscriptionIds: states
        .filter((state) => isLiveInGroup(state, plans, group))
        .map(({ subscription }) => subscription.id),
    }))
    .filter(({ subscriptionIds }) => subscriptionIds.length > 1);
}

/**
 * Decides about the owner's last checkout session in a plan group. `fingerprint` is the fingerprint of the parameters of a new
 * session; null if no session can be created, for example because the price is archived. An open session continues only if a
 * new session would have the same parameters. So the user never pays another price than the one that the app shows.
 */
export function decideCheckout(last: LastCheckout | null, fingerprint: string | null): CheckoutDecision {
  if (last?.session.status !== "open") return { kind: "start" };
  return { kind: last.fingerprint === fingerprint ? "continue" : "replace", session: last.session };
}

/** Milliseconds by which our clock may differ from Stripe's clock. */
const CLOCK_SLACK_MS = 300_000;

/** Returns true if the session can't be open at the instant `now`, even if our clock is a little ahead of Stripe's clock. */
export function isLongExpired({ expiresAt }: Pick<CheckoutSessionRecord, "expiresAt">, now: number): boolean {
  return now >= expiresAt + CLOCK_SLACK_MS;
}

/**
 * Returns the days of the trial that a checkout offers. Each user gets only one trial, whatever the plan. The trial has 0 days
 * if the user has had a trial of any plan, or has another open checkout that offers a trial.
 */
export function trialDaysFor(price: PlanPrice, hadTrial: boolean, others: readonly LastCheckout[]): number {
  const offered = others.some(({ session, trialDays }) => session.status === "open" && trialDays > 0);
  return hadTrial || offered ? 0 : price.trialDays;
}
