/** Returns the plans with what applies to one user. Changes nothing at Stripe, and creates no customer. */
import type { LastCheckout } from "../domain/checkout.ts";
import { fractionDigitsOf } from "../domain/money.ts";
import { isCurrentPlan, offerPrice, type OfferInput } from "../domain/offer.ts";
import { userOwner } from "../domain/owner.ts";
import type { User } from "../domain/user.ts";
import type { OfferResponse } from "../wire.ts";
import type { ActionContext } from "./context.ts";
import { loadLastCheckout } from "./create-checkout-session.ts";
import { viewPlan } from "./plan-view.ts";

/** Throws `UnavailableError` if the store, or Stripe for a user with an open checkout, is unavailable. */
export async function getOffer(context: ActionContext, user: User): Promise<OfferResponse> {
  const { plans, store } = context;
  const owner = userOwner(user.id);
  const input: OfferInput = {
    plans,
    states: await store.subscriptions.listOfOwner(owner),
    hadTrial: await store.subscriptions.hasHadTrial(owner),
    lastCheckouts: await loadLastCheckouts(context, user),
  };
  return {
    plans: plans.flatMap((plan) => {
      if (plan.retired) return [];
      const view = viewPlan(plan);
      return {
        ...view,
        current: isCurrentPlan(plan, input),
        prices: plan.prices.map((price) => ({
          ...price,
          fractionDigits: fractionDigitsOf(price.currency),
          ...offerPrice(plan, price, input),
        })),
      };
    }),
  };
}

/** Loads the user's last checkout of each plan group. With one group, no other checkout can hold the user's trial. */
async function loadLastCheckouts(context: ActionContext, user: User): Promise<Map<string, LastCheckout>> {
  const groups = [...new Set(context.plans.map((plan) => plan.group))];
  if (groups.length === 1) return new Map();
  const loaded = await Promise.all(
    groups.map(async (group) => ({ group, last: await loadLastCheckout(context, user, group) })),
  );
  return new Map(loaded.flatMap(({ group, last }) => (last === null ? [] : [[group, last] as const])));
}
