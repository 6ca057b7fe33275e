/**
 * Checks the URLs to which Stripe sends users back. A URL to which Stripe sends users back must have an origin that the app
 * allows.
 */

export type UrlProblem = "malformed" | "not_https" | "origin_not_allowed" | "has_credentials";

const MAX_URL_LENGTH = 2000;

/** Returns the problem of the URL that `normalizeReturnUrl` returns for the text; null if the URL is allowed. */
export function checkReturnUrl(
  text: string,
  allowedOrigins: readonly string[],
  requireHttps: boolean,
): UrlProblem | null {
  if (text.length > MAX_URL_LENGTH || !URL.canParse(text)) return "malformed";
  const url = new URL(text);
  if (url.protocol !== "https:" && url.protocol !== "http:") return "malformed";
  if (normalizeReturnUrl(text).length > MAX_URL_LENGTH) return "malformed";
  if (url.username !== "" || url.password !== "") return "has_credentials";
  if (requireHttps && !isSecureUrl(url)) return "not_https";
  return allowedOrigins.includes(url.origin) ? null : "origin_not_allowed";
}

/**
 * Returns true if a request to the URL can't be read on the network: the URL uses https, or a loopback address of this machine.
 * Loopback addresses are secure in the same sense for browsers.
 * @see https://www.w3.org/TR/secure-contexts/#is-origin-trustworthy
 */
export function isSecureUrl({ protocol, hostname }: URL): boolean {
  return protocol === "https:" || /^(localhost|.+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
}

/**
 * Placeholder in the URL to which Stripe sends the user after a payment. Stripe replaces the placeholder with the checkout
 * session's id.
 * @see https://docs.stripe.com/payments/checkout/custom-success-page
 */
export const SESSION_ID_PLACEHOLDER = "{CHECKOUT_SESSION_ID}";

const ESCAPED_PLACEHOLDER = "%7BCHECKOUT_SESSION_ID%7D";

/**
 * Returns the URL as browsers read it, such as "https://a.test/@b.test" for "https://a.test\@b.test". Only this form is sent to
 * Stripe, because another program could find another host in the original text. Keeps the placeholder of the session id.
 */
export function normalizeReturnUrl(text: string): string {
  const { href } = new URL(text);
  return text.includes(SESSION_ID_PLACEHOLDER) ? href.replaceAll(ESCAPED_PLACEHOLDER, SESSION_ID_PLACEHOLDER) : href;
}

export function withSessionId(successUrl: string): string {
  if (successUrl.includes(SESSION_ID_PLACEHOLDER)) return successUrl;
  const [beforeHash = "", ...hash] = successUrl.split("#");
  const separator = beforeHash.includes("?") ? "&" : "?";
  const tail = hash.length > 0 ? `#${hash.join("#")}` : "";
  // The URL is built by hand, because URLSearchParams would escape the placeholder's braces, and Stripe would not find the
  // placeholder.
  return `${beforeHash}${separator}session_id=${SESSION_ID_PLACEHOLDER}${tail}`;
}
