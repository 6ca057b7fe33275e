/** Returns the plans with what applies to one user. Changes nothing at Stripe, and creates no customer. */
import { offerPrice, type OfferInput } from "../domain/offer.ts";
import { userOwner } from "../domain/owner.ts";
import { groupsOf } from "../domain/plans.ts";
import type { User } from "../domain/user.ts";
import type { OfferResponse } from "../wire.ts";
import type { ActionContext } from "./context.ts";
import { loadLastCheckouts } from "./last-checkouts.ts";
import { viewPlan } from "./plan-view.ts";

/** Throws `UnavailableError` if the store, or Stripe for a user with an open checkout, is unavailable. */
export async function getOffer(context: ActionContext, user: User): Promise<OfferResponse> {
  const { plans, store } = context;
  const owner = userOwner(user.id);
  const groups = groupsOf(plans);
  const input: OfferInput = {
    plans,
    states: await store.subscriptions.listOfOwner(owner),
    hadTrial: await store.subscriptions.hasHadTrial(owner),
    // With one group, no checkout of another group can hold the user's trial.
    lastCheckouts: await loadLastCheckouts(context, user, groups.length > 1 ? groups : []),
  };
  return {
    plans: plans.flatMap((plan) => {
      if (plan.retired) return [];
      const view = viewPlan(plan);
      const prices = view.prices.map((price) => ({ ...price, ...offerPrice(plan, price, input) }));
      const current = prices.some(({ reason }) => reason === "current_price" || reason === "other_interval");
      return { ...view, current, prices };
    }),
  };
}
