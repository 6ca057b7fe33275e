/** Checks the URL to which Stripe's page sends the user back. */
import { checkReturnUrl, normalizeReturnUrl, type UrlProblem } from "../domain/urls.ts";
import { InvalidRequestError } from "../errors.ts";
import type { UrlPolicy } from "./context.ts";

type UrlField = "successUrl" | "cancelUrl" | "returnUrl";

const MAX_SHOWN_ORIGIN = 200;

/** The text for each problem of a URL. The texts contain no more of the URL than its origin, because a URL may hold secrets. */
const EXPLANATIONS: Record<UrlProblem, (url: string) => string> = {
  malformed: () => "is not an http or https URL. Send an absolute URL of at most 2000 characters.",
  not_https: () => "must use https. Send an https URL.",
  has_credentials: () => "must not contain a user name or password. Remove them.",
  origin_not_allowed: (url) =>
    `has the origin "${new URL(url).origin.slice(0, MAX_SHOWN_ORIGIN)}", which is not allowed. Add it to ALLOWED_ORIGINS.`,
};

/**
 * Returns the requested return URL as browsers read it, or the app's default URL if the request names none. Throws
 * `InvalidRequestError` `invalid_url` if the URL is not allowed.
 */
export function returnUrl(policy: UrlPolicy, field: UrlField, requested: string | undefined): string {
  if (requested === undefined) return field === "returnUrl" ? policy.portalReturnUrl : policy[field];
  const problem = checkReturnUrl(requested, policy.allowedOrigins, policy.requireHttps);
  if (problem === null) return normalizeReturnUrl(requested);
  throw new InvalidRequestError("invalid_url", `${field} ${EXPLANATIONS[problem](requested)}`);
}
