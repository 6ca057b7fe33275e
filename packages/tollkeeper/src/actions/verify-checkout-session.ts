/** Verifies a checkout session when its user returns from Stripe's page, and syncs the session as an event does. */
import { checkoutOutcome } from "../domain/checkout-outcome.ts";
import { ownerKey, userOwner } from "../domain/owner.ts";
import type { CheckoutSessionRecord } from "../domain/records.ts";
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
  if (session === null || !(await isOfUser(context, session, user)))
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

/**
 * Returns true if the session belongs to the user. The session's customer decides, because a long user id is not in the
 * session. Only a session without a customer is checked by its `client_reference_id`.
 */
async function isOfUser(
  { store, sync }: ActionContext,
  { customerId, clientReferenceId }: CheckoutSessionRecord,
  user: User,
): Promise<boolean> {
  if (customerId === null) return clientReferenceId === user.id;
  let owner = await store.customers.findOwnerOf(customerId);
  if (owner === null) {
    // The event about a new customer may arrive later than the user.
    await sync.object({ object: "customer", id: customerId, customerId });
    owner = await store.customers.findOwnerOf(customerId);
  }
  return owner !== null && ownerKey(owner) === ownerKey(userOwner(user.id));
}
