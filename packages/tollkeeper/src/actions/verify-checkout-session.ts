/** The return from Stripe's page: verifies the session for its own user and syncs, as the webhook does. */
import type { Entitlement } from "../domain/access.ts";
import type { CheckoutSessionRecord } from "../domain/records.ts";
import type { User } from "../domain/user.ts";
import type { SubscriptionView } from "../domain/views.ts";
import { NotFoundError } from "../errors.ts";
import type { ActionContext } from "./context.ts";
import { getEntitlements } from "./get-entitlements.ts";
import { listSubscriptions } from "./list-subscriptions.ts";

export interface VerifiedCheckout {
  sessionId: string;
  status: CheckoutSessionRecord["status"];
  paymentStatus: CheckoutSessionRecord["paymentStatus"];
  subscription: SubscriptionView | null;
  entitlements: Entitlement[];
}

/** Throws `NotFoundError` for a session that does not exist and for another user's, which are told apart for nobody. */
export async function verifyCheckoutSession(
  context: ActionContext,
  user: User,
  sessionId: string,
): Promise<VerifiedCheckout> {
  const session = await context.gateway.retrieveCheckoutSession(sessionId);
  if (session?.clientReferenceId !== user.id)
    throw new NotFoundError("not_found", `You have no checkout session "${sessionId}".`);
  if (session.status === "complete")
    await context.sync.object({ object: "checkout_session", id: session.id, customerId: session.customerId });
  const subscriptions = await listSubscriptions(context, user);
  return {
    sessionId: session.id,
    status: session.status,
    paymentStatus: session.paymentStatus,
    subscription: subscriptions.find(({ id }) => id === session.subscriptionId) ?? null,
    entitlements: await getEntitlements(context, user.id),
  };
}
