/** Opens Stripe's customer portal for the user's own customer. */
import type { User } from "../domain/user.ts";
import { NotFoundError } from "../errors.ts";
import type { ActionContext } from "./context.ts";
import { runSimpleOperation, type OperationKind } from "./operation.ts";
import { returnUrl } from "./return-url.ts";

export interface PortalRequest {
  /** On an allowed origin; the app's own by default. */
  returnUrl?: string | undefined;
}

/** The link that an answer carries goes stale: past this a new one is asked for. */
export const LINK_LIFETIME_MS = 60_000;

export const portalOperation: OperationKind<{ customerId: string; returnUrl: string }, { id: string; url: string }> = {
  kind: "portal",
  keyLifetimeMs: LINK_LIFETIME_MS,
  act: ({ gateway }, sent, { key }) => gateway.createPortalSession(sent.customerId, sent.returnUrl, key),
};

/** Throws `NotFoundError` `no_customer` for a user who never started a checkout. */
export async function createPortalSession(
  context: ActionContext,
  user: User,
  request: PortalRequest,
): Promise<{ url: string }> {
  const url = returnUrl(context.urls, "returnUrl", request.returnUrl);
  const customerId = await context.store.customers.findCustomerOf(user.id);
  if (customerId === null) throw new NotFoundError("no_customer", "There is nothing to manage yet: subscribe first.");
  const session = await runSimpleOperation(context, portalOperation, {
    subject: user.id,
    params: { customerId, returnUrl: url },
  });
  return { url: session.url };
}
