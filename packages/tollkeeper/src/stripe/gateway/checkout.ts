/** Sends requests about checkout sessions and portal sessions to Stripe. */
import type Stripe from "stripe";
import { isClientReference } from "../../domain/checkout.ts";
import * as records from "../records.ts";
import { translateErrors, translateErrorsOrNull } from "./stripe-errors.ts";
import { MAX_LISTED, PAGE_SIZE, type CallContext, type CheckoutCalls, type NewCheckoutSession } from "./types.ts";

export function checkoutCalls(stripe: Stripe, { userIdKey, withKey }: CallContext): CheckoutCalls {
  const retrieve = async (id: string) => records.toCheckoutSession(await stripe.checkout.sessions.retrieve(id));
  return {
    createCheckoutSession: (session, key) =>
      translateErrors(async () => {
        const params = sessionParams(session, userIdKey);
        return records.toCheckoutSession(
          await withKey(key, (options) => stripe.checkout.sessions.create(params, options)),
        );
      }),

    retrieveCheckoutSession: (id) => translateErrorsOrNull(() => retrieve(id)),

    findCheckoutSessionOfOperation: (customerId, operationId) =>
      translateErrors(async () => {
        const listed = await stripe.checkout.sessions
          .list({ customer: customerId, limit: PAGE_SIZE })
          .autoPagingToArray({ limit: MAX_LISTED });
        const found = listed.find((session) => session.metadata?.[records.OPERATION_METADATA] === operationId);
        return found ? records.toCheckoutSession(found) : null;
      }),

    expireCheckoutSession: async (id, key) => {
      try {
        const expired = await translateErrors(() =>
          withKey(key, (options) => stripe.checkout.sessions.expire(id, {}, options)),
        );
        return records.toCheckoutSession(expired);
      } catch (error) {
        // Stripe expires a checkout session only if the session is open. If the checkout session is no longer open, Stripe's
        // error is ignored and the session is returned.
        const current = await translateErrorsOrNull(() => retrieve(id));
        if (current?.status === "open") throw error;
        return current;
      }
    },

    createPortalSession: (customerId, returnUrl, key) =>
      translateErrors(async () => {
        const params = { customer: customerId, return_url: returnUrl };
        const session = await withKey(key, (options) => stripe.billingPortal.sessions.create(params, options));
        return { id: session.id, url: session.url };
      }),
  };
}

function sessionParams(session: NewCheckoutSession, userIdKey: string): Stripe.Checkout.SessionCreateParams {
  const metadata = {
    [userIdKey]: session.userId,
    [records.PLAN_METADATA]: session.plan,
    [records.OPERATION_METADATA]: session.operationId,
    ...(session.app !== undefined && { [records.APP_METADATA]: session.app }),
  };
  return {
    mode: "subscription",
    customer: session.customerId,
    ...(isClientReference(session.userId) && { client_reference_id: session.userId }),
    line_items: [{ price: session.priceId, quantity: session.quantity }],
    success_url: session.successUrl,
    cancel_url: session.cancelUrl,
    metadata,
    subscription_data: { metadata, ...(session.trialDays > 0 && { trial_period_days: session.trialDays }) },
    ...(session.allowPromotionCodes && { allow_promotion_codes: true }),
  };
}
