/** What the user may use now, and why. */
import { decideEntitlements, type Entitlement } from "../domain/access.ts";
import type { ActionContext } from "./context.ts";

export type AccessContext = Pick<ActionContext, "store" | "plans" | "policy" | "runtime">;

export async function getEntitlements(context: AccessContext, userId: string): Promise<Entitlement[]> {
  const states = await context.store.subscriptions.listOfUser(userId);
  return decideEntitlements(states, context.plans, context.policy, context.runtime.billingNow());
}

/** Whether the user may use one feature now. */
export async function can(context: AccessContext, userId: string, feature: string): Promise<boolean> {
  const entitlements = await getEntitlements(context, userId);
  return entitlements.some((entitlement) => entitlement.feature === feature);
}
