/**
 * Creates the next action of an intent that requires 3-D Secure.
 * @see https://docs.stripe.com/payments/3d-secure/authentication-flow
 */
import type { Context } from "../core/state.ts";
import type { NextAction } from "../objects/payment-intent.ts";

/** The client that handles a next action. */
export interface ActionClient {
  /** The URL to which the 3-D Secure page redirects; null if Stripe.js handles the next action. */
  returnUrl?: string | null | undefined;
  /** True if Stripe.js handles the next action even though there is a return URL. */
  usesStripeSdk?: boolean | undefined;
}

/** Returns a redirect if there is a return URL, and otherwise an action for Stripe.js. */
export function challengeAction(context: Context, intent: string, client: ActionClient): NextAction {
  const url = `${context.baseUrl}/challenge/${intent}`;
  if (client.returnUrl && !client.usesStripeSdk)
    return { type: "redirect_to_url", redirect_to_url: { url, return_url: client.returnUrl } };
  return {
    type: "use_stripe_sdk",
    use_stripe_sdk: { type: "three_d_secure_redirect", stripe_js: url, source: intent },
  };
}

/** Returns the URL of the 3-D Secure page; null if there is no next action. */
export function challengeUrl(action: NextAction | null): string | null {
  if (action === null) return null;
  return action.type === "redirect_to_url" ? action.redirect_to_url.url : action.use_stripe_sdk.stripe_js;
}
