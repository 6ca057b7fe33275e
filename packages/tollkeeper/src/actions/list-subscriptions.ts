/** The user's own subscriptions, from the mirror. */
import type { User } from "../domain/user.ts";
import { viewSubscription, type SubscriptionView } from "../domain/views.ts";
import type { ActionContext } from "./context.ts";

export async function listSubscriptions(
  { store, plans }: Pick<ActionContext, "store" | "plans">,
  user: Pick<User, "id">,
): Promise<SubscriptionView[]> {
  const states = await store.subscriptions.listOfUser(user.id);
  return states.map((state) => viewSubscription(state, plans));
}
