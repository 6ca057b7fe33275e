/** Lists a billing owner's subscriptions from the mirror. */
import type { BillingOwner } from "../domain/owner.ts";
import type { Subscription } from "../wire.ts";
import type { ActionContext } from "./context.ts";
import { viewSubscription } from "./subscription-view.ts";

export async function listSubscriptions(
  { store, plans }: Pick<ActionContext, "store" | "plans">,
  owner: BillingOwner,
): Promise<Subscription[]> {
  const states = await store.subscriptions.listOfOwner(owner);
  return states.map((state) => viewSubscription(state, plans));
}
