/** Checks the URL to which Stripe's page sends the user back. */
import { checkReturnUrl, type UrlProblem } from "../domain/urls.ts";
import { InvalidRequestError } from "../errors.ts";
import type { UrlPolicy } from "./context.ts";

type UrlField = "successUrl" | "cancelUrl" | "returnUrl";

const EXPLANATIONS: Record<UrlProblem, string> = {
  malformed: "is not an http or https URL",
  not_https: "must use https",
  has_credentials: "must not contain a user name or password",
  origin_not_allowed: "has an origin that is not in APP_URL or ALLOWED_ORIGINS",
};

/**
 * Returns the requested return URL, or the app's default URL if the request names none. Throws `InvalidRequestError`
 * `invalid_url` if the URL is not allowed.
 */
export function returnUrl(policy: UrlPolicy, field: UrlField, requested: string | undefined): string {
  if (requested === undefined) return field === "returnUrl" ? policy.portalReturnUrl : policy[field];
  const problem = checkReturnUrl(requested, policy.allowedOrigins, policy.requireHttps);
  if (problem === null) return requested;
  throw new InvalidRequestError("invalid_url", `${field} ${EXPLANATIONS[problem]}.`);
}
