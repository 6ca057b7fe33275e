/** Opens Stripe's customer portal for the user's customer. */
import { canonicalJson } from "../domain/operations.ts";
import { ownerKey, userOwner } from "../domain/owner.ts";
import type { User } from "../domain/user.ts";
import { NotFoundError } from "../errors.ts";
import type { PortalRequest, PortalResponse } from "../wire.ts";
import type { ActionContext } from "./context.ts";
import { runSimpleOperation, type OperationKind } from "./operation.ts";
import { returnUrl } from "./return-url.ts";

/**
 * Milliseconds for which a portal link is reused. Stripe's portal links expire soon, so each portal link is reused only for a
 * short time.
 */
export const LINK_LIFETIME_MS = 60_000;

export const portalOperation: OperationKind<{ customerId: string; returnUrl: string }, { id: string; url: string }> = {
  kind: "portal",
  keyLifetimeMs: LINK_LIFETIME_MS,
  act: ({ gateway }, sent, { key }) => gateway.createPortalSession(sent.customerId, sent.returnUrl, key),
};

/**
 * Returns a link to Stripe's customer portal for the user. Throws `NotFoundError` `no_customer` if the user has no Stripe
 * customer.
 */
export async function createPortalSession(
  context: ActionContext,
  user: User,
  request: PortalRequest,
): Promise<PortalResponse> {
  const url = returnUrl(context.urls, "returnUrl", request.returnUrl);
  const customerId = await context.store.customers.findPrimaryCustomer(userOwner(user.id));
  if (customerId === null) throw new NotFoundError("no_customer", "You have no billing account yet: subscribe first.");
  const params = { customerId, returnUrl: url };
  const open = () => runSimpleOperation(context, portalOperation, { subject: ownerKey(userOwner(user.id)), params });
  const session = await context.serialize(`portal:${user.id}`, open, canonicalJson(params));
  return { url: session.url };
}
