/** Returns the addresses of a checkout session's pages: its own page, and the app's page after the completion. */
import type { CheckoutSession } from "../objects/checkout-session.ts";

/** Origins of apps on the same machine. No DNS server decides these addresses. */
const LOOPBACK = ["localhost", "*.localhost", "127.0.0.1"].flatMap((host) => [`http://${host}:*`, `https://${host}:*`]);

/** Returns the path of the page on which the customer pays: a page of its own, or a page for a frame of the app. */
export function addressOf({ id, client_secret: secret }: CheckoutSession): string {
  return secret === null ? `/c/pay/${id}` : `/c/embed/${secret}`;
}

/**
 * Returns the URL of the app to which the customer is redirected after the completion. Returns null if the session has no redirect,
 * because the app's own script reacts to the completion. Card payments need no redirect.
 */
export function completionUrl(session: CheckoutSession): string | null {
  if ((session.redirect_on_completion ?? "always") !== "always") return null;
  return returnUrl(session);
}

/** Returns the URL of the app for a link on a closed page; null if the app gave none. */
export function returnUrl(session: CheckoutSession): string | null {
  const url = session.success_url ?? session.return_url ?? null;
  return url && url.replaceAll("{CHECKOUT_SESSION_ID}", session.id);
}

/** An origin that can be part of a content security policy. Other characters, such as ";", would change the policy. */
const PLAIN_ORIGIN = /^https?:\/\/[\w.-]+(:\d+)?$/;

/** Returns the origins whose pages may show the session's page in a frame: the return URL's origin, and apps on this machine. */
export function frameAncestors({ return_url: url = "" }: CheckoutSession): string[] {
  const origin = URL.canParse(url) ? new URL(url).origin : "";
  return PLAIN_ORIGIN.test(origin) ? [...LOOPBACK, origin] : LOOPBACK;
}
