/** Reads a URL that the browser asks to be sent back to. */
import { checkReturnUrl, type UrlProblem } from "../domain/urls.ts";
import { InvalidRequestError } from "../errors.ts";
import type { UrlPolicy } from "./context.ts";

type UrlField = "successUrl" | "cancelUrl" | "returnUrl";

const EXPLANATIONS: Record<UrlProblem, string> = {
  malformed: "is not an http or https URL",
  not_https: "must use https",
  has_credentials: "must not carry a user name or password",
  origin_not_allowed: "is on an origin that APP_URL and ALLOWED_ORIGINS do not name",
};

/** Throws `InvalidRequestError` `invalid_url`; the app's own URL where none is asked for. */
export function returnUrl(policy: UrlPolicy, field: UrlField, requested: string | undefined): string {
  if (requested === undefined) return field === "returnUrl" ? policy.portalReturnUrl : policy[field];
  const problem = checkReturnUrl(requested, policy.allowedOrigins, policy.requireHttps);
  if (problem === null) return requested;
  throw new InvalidRequestError("invalid_url", `${field} ${EXPLANATIONS[problem]}.`);
}
