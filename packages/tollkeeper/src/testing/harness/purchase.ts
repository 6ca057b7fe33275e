/** Buys plans through checkout. */
import type { Plans } from "../../domain/plans.ts";
import type { TestResponse } from "./read-response.ts";
import type { ServiceClient } from "./service-client.ts";
import type { StripeClient } from "./stripe-client.ts";

/** The emulator accepts the names of Stripe's test cards. @see https://docs.stripe.com/testing */
const DEFAULT_CARD = "pm_card_visa";

/** Pays an open checkout session on Stripe's page. */
export function payCheckout(stripe: StripeClient, sessionId: string, card = DEFAULT_CARD): Promise<TestResponse> {
  return stripe("POST", `/v1/payment_pages/${sessionId}/confirm`, { payment_method: card });
}

/**
 * Opens a checkout session for a user and pays it. Returns the response to the payment. If the status of the checkout's
 * response is not 200, returns the checkout's response.
 */
export type Buy = (user: string, plan?: string, card?: string) => Promise<TestResponse>;

export function createBuy({ call, stripe, plans }: { call: ServiceClient; stripe: StripeClient; plans: Plans }): Buy {
  return async (user, planId = plans[0]?.id, card = DEFAULT_CARD) => {
    const interval = plans.find(({ id }) => id === planId)?.prices[0]?.interval ?? "month";
    const opened = await call(user, "POST", "create-checkout-session", { plan: planId, interval });
    if (opened.status !== 200) return opened;
    return payCheckout(stripe, String(opened.body["sessionId"]), card);
  };
}
