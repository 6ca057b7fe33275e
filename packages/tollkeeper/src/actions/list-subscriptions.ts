/** Lists a billing owner's subscriptions from the mirror. */
import { withoutOtherApps } from "../domain/access.ts";
import type { BillingOwner } from "../domain/owner.ts";
import type { Subscription } from "../wire.ts";
import type { ActionContext } from "./context.ts";
import { viewSubscriptions } from "./subscription-view.ts";

export async function listSubscriptions(
  context: Pick<ActionContext, "store" | "plans" | "policy" | "runtime">,
  owner: BillingOwner,
): Promise<Subscription[]> {
  const states = await context.store.subscriptions.listOfOwner(owner);
  return viewSubscriptions(context, withoutOtherApps(states, context.plans));
}
