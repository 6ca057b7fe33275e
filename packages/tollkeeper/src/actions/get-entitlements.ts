/** Decides from the mirror which features a billing owner may use. */
import { decideEntitlements, type Entitlement } from "../domain/access.ts";
import type { BillingOwner } from "../domain/owner.ts";
import type { Entitlement as EntitlementView } from "../wire.ts";
import type { ActionContext } from "./context.ts";

export type AccessContext = Pick<ActionContext, "store" | "plans" | "policy" | "runtime">;

export async function getEntitlements(context: AccessContext, owner: BillingOwner): Promise<Entitlement[]> {
  const states = await context.store.subscriptions.listOfOwner(owner);
  return decideEntitlements(states, context.plans, context.policy, context.runtime.billingNow());
}

/** Returns the owner's entitlements as the routes return them: without the id of the subscription. */
export async function listEntitlements(context: AccessContext, owner: BillingOwner): Promise<EntitlementView[]> {
  const entitlements = await getEntitlements(context, owner);
  return entitlements.map(({ subscriptionId: _id, ...view }) => view);
}

/** Returns true if the owner may use the feature now. */
export async function can(context: AccessContext, owner: BillingOwner, feature: string): Promise<boolean> {
  const entitlements = await getEntitlements(context, owner);
  return entitlements.some((entitlement) => entitlement.feature === feature);
}
