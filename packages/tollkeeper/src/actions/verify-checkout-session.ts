/** Verifies a checkout session when its user returns from Stripe's page, and syncs the session as an event does. */
import { checkoutOutcome } from "../domain/checkout-outcome.ts";
import { userOwner } from "../domain/owner.ts";
import type { User } from "../domain/user.ts";
import { NotFoundError } from "../errors.ts";
import type { VerifiedCheckout } from "../wire.ts";
import type { ActionContext } from "./context.ts";
import { listEntitlements } from "./get-entitlements.ts";
import { listSubscriptions } from "./list-subscriptions.ts";

/**
 * Returns the state of the user's checkout session. Syncs the session's subscription if the checkout is complete. Throws
 * `NotFoundError`, always with the same text, if the session does not exist or belongs to another user.
 */
export async function verifyCheckoutSession(
  context: ActionContext,
  user: User,
  sessionId: string,
): Promise<VerifiedCheckout> {
  const session = await context.gateway.retrieveCheckoutSession(sessionId);
  if (session?.clientReferenceId !== user.id)
    throw new NotFoundError("not_found", `Checkout session "${sessionId}" not found for this user.`);
  if (session.status === "complete")
    await context.sync.object({ object: "checkout_session", id: session.id, customerId: session.customerId });
  const owner = userOwner(user.id);
  const subscriptions = await listSubscriptions(context, owner);
  const subscription = subscriptions.find(({ id }) => id === session.subscriptionId) ?? null;
  return {
    sessionId: session.id,
    status: session.status,
    paymentStatus: session.paymentStatus,
    outcome: checkoutOutcome(session, subscription),
    subscription,
    entitlements: await listEntitlements(context, owner),
  };
}
