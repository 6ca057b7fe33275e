/** Writes the errors for refused requests to cancel or to resume a subscription. */
import type { Plans } from "../domain/plans.ts";
import type { RefusalReason } from "../domain/subscription-change.ts";
import { scheduledEnd } from "../domain/subscription.ts";
import { ConflictError, type PossibleRequest } from "../errors.ts";
import type { MirroredSubscription } from "../store/mirror/subscriptions.ts";
import { planNameOf } from "./subscription-view.ts";

/**
 * Returns the error for a refused request. The error names the reason and the requests that are possible instead. The sentence
 * for the user names the plan instead of the subscription's id.
 */
export function changeRefused(
  route: "cancel-subscription" | "resume-subscription",
  reason: RefusalReason,
  state: MirroredSubscription,
  plans: Plans,
): ConflictError {
  const { subscription } = state;
  const planName = planNameOf(state, plans);
  const named = { subscriptionId: subscription.id, ...(planName !== null && { planName }) };
  const code = route === "cancel-subscription" ? "not_cancelable" : "not_resumable";
  const { text, possible } = refusalOf(route, reason, state);
  const end = scheduledEnd(subscription);
  const yours = planName === null ? "Your subscription" : `Your subscription to ${planName}`;
  return new ConflictError(code, `Subscription "${subscription.id}" (${subscription.status}) ${text}`, {
    userMessage: `${yours} ${text}`,
    details: {
      subscriptionId: subscription.id,
      reason,
      ...(end !== null && { cancelAt: new Date(end).toISOString() }),
    },
    possible: possible.map((other) =>
      other === "create-checkout-session" ? { route: other } : { route: other, ...named },
    ),
  });
}

function refusalOf(
  route: "cancel-subscription" | "resume-subscription",
  reason: RefusalReason,
  { subscription }: MirroredSubscription,
): { text: string; possible: PossibleRequest["route"][] } {
  switch (reason) {
    case "not_live": {
      const state = subscription.status === "incomplete" ? "has not started" : "has ended";
      return route === "cancel-subscription"
        ? { text: `${state}, so it can't be canceled.`, possible: [] }
        : { text: `${state}. Start a new checkout instead.`, possible: ["create-checkout-session"] };
    }
    case "set_by_merchant": {
      const day = new Date(scheduledEnd(subscription) ?? 0).toISOString().slice(0, 10);
      return {
        text: `ends on ${day}. The seller has set this date, so only the seller can change it. Contact support.`,
        possible: [],
      };
    }
    case "paused":
      return {
        text: "is paused, and no cancellation is scheduled. Add a payment method in the portal, or cancel the subscription.",
        possible: ["create-portal-session", "cancel-subscription"],
      };
    case "collection_paused":
      return {
        text:
          "has no scheduled cancellation. The seller has paused its payments, so only the seller can continue them. " +
          "Contact support, or cancel the subscription.",
        possible: ["cancel-subscription"],
      };
  }
}
