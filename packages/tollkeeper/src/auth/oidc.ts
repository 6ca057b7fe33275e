/** Verifies access tokens of Auth0 or any other OpenID Connect issuer. */
import { createRemoteJWKSet, customFetch, errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from "jose";
import { findIdProblem } from "../domain/owner.ts";
import { toUser, type User } from "../domain/user.ts";
import { UnauthenticatedError, UnavailableError } from "../errors.ts";
import type { Authenticate } from "./authenticate.ts";

export interface OidcOptions {
  /** The issuer's URL, with or without a slash at the end. */
  issuer: string;
  /** Identifier of the API for which tokens must be issued. A token that was issued for another API is rejected. */
  audience: string;
  /** The URL of the issuer's keys. Default: the URL in the issuer's discovery document. */
  jwksUri?: string | undefined;
  now: () => number;
  fetch?: typeof fetch | undefined;
}

/**
 * Accepted signature algorithms. All accepted algorithms are asymmetric, so that a public key is never used as an HMAC secret.
 */
const ALGORITHMS = ["RS256", "ES256"];
const CLOCK_TOLERANCE_SECONDS = 30;
/** Milliseconds for which known keys of the sign-in issuer stay valid while the issuer is unreachable. */
const KEYS_MAX_AGE_MS = 24 * 3_600_000;
/** Milliseconds in which tokens with unknown key ids cause at most one request for the issuer's keys. */
const KEYS_COOLDOWN_MS = 30_000;
const FETCH_TIMEOUT_MS = 5_000;
/** Milliseconds after a failed request to the sign-in issuer during which no new request is sent to the issuer. */
const FAILURE_COOLDOWN_MS = 5_000;
/**
 * Accepted values of a token's `typ` header. Some issuers do not set the header `typ`. Tokens of any other type, such as logout
 * tokens and DPoP proofs, are rejected.
 */
const TOKEN_TYPES: ReadonlySet<string> = new Set(["jwt", "at+jwt", "application/at+jwt"]);
const MAX_TOKEN_LENGTH = 16_384;

export function createOidcAuthenticate(options: OidcOptions): Authenticate {
  const issuer = options.issuer.replace(/\/+$/, "");
  const keys = lazyKeys(issuer, options);
  return async (request) => {
    const token = bearerToken(request);
    if (token === null) return null;
    try {
      const { payload, protectedHeader } = await jwtVerify(token, keys, {
        algorithms: ALGORITHMS,
        issuer: [issuer, `${issuer}/`],
        audience: options.audience,
        requiredClaims: ["exp"],
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        currentDate: new Date(options.now()),
      });
      if (protectedHeader.typ !== undefined && !TOKEN_TYPES.has(protectedHeader.typ.toLowerCase()))
        throw new UnauthenticatedError("The token is not an access token. Send an access token.");
      return userOf(payload);
    } catch (error) {
      throw toFailure(error);
    }
  };
}

/**
 * Returns the request's bearer token. Returns null if the request has no `Authorization` header. Throws `UnauthenticatedError`
 * if the header has no bearer token.
 */
function bearerToken(request: Request): string | null {
  const header = request.headers.get("authorization");
  if (header === null) return null;
  const token = /^Bearer +([\w.~+/=-]+)$/i.exec(header)?.[1];
  if (token === undefined || token.length > MAX_TOKEN_LENGTH)
    throw new UnauthenticatedError("The Authorization header has no bearer token. Send Authorization: Bearer <token>.");
  return token;
}

function userOf({ sub, email, name }: JWTPayload): User {
  if (findIdProblem(sub) !== null)
    throw new UnauthenticatedError(
      'The token\'s "sub" claim is missing or not valid. Use a token that the issuer made for a user.',
    );
  return toUser({ id: sub, email, name });
}

function lazyKeys(issuer: string, options: OidcOptions): JWTVerifyGetKey {
  const fetchOnce = withCooldown(options.fetch ?? fetch, options.now);
  let finding: Promise<JWTVerifyGetKey> | null = null;
  const find = async (): Promise<JWTVerifyGetKey> =>
    createRemoteJWKSet(new URL(options.jwksUri ?? (await discoverJwksUri(issuer, fetchOnce))), {
      cacheMaxAge: KEYS_MAX_AGE_MS,
      cooldownDuration: KEYS_COOLDOWN_MS,
      timeoutDuration: FETCH_TIMEOUT_MS,
      [customFetch]: fetchOnce,
    });
  return async (header, token) => {
    finding ??= find().catch((error: unknown) => {
      finding = null;
      throw error;
    });
    return (await finding)(header, token);
  };
}

/**
 * Returns a fetch function that, after a failed request, returns the same failure for some seconds without a new request.
 * Because the failure is repeated, a flood of invalid tokens causes no flood of requests to the sign-in issuer.
 */
function withCooldown(fetchNow: typeof fetch, now: () => number): typeof fetch {
  const failures = new Map<string, { until: number; error: unknown }>();
  return async (input, init) => {
    const url = input instanceof Request ? input.url : String(input);
    const failure = failures.get(url);
    if (failure && now() < failure.until) throw failure.error;
    try {
      const response = await fetchNow(input, init);
      if (!response.ok) throw new Error(`the issuer returned ${response.status} for ${url}`);
      failures.delete(url);
      return response;
    } catch (error) {
      failures.set(url, { until: now() + FAILURE_COOLDOWN_MS, error });
      throw error;
    }
  };
}

/** @see https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig */
async function discoverJwksUri(issuer: string, fetchDocument: typeof fetch): Promise<string> {
  const response = await fetchDocument(`${issuer}/.well-known/openid-configuration`, {
    signal: AbortSignal.timeout(FETCH_TIMEOUT_MS),
  });
  const document = (await response.json()) as { jwks_uri?: unknown };
  if (typeof document.jwks_uri !== "string") throw new Error("the issuer's discovery document has no jwks_uri");
  return document.jwks_uri;
}

/**
 * Returns the error for a failed check of a token: 401 for an invalid token, and 503 if the sign-in issuer is unavailable. With
 * a 503, clients keep users signed in during an outage of the issuer.
 */
function toFailure(error: unknown): Error {
  if (error instanceof UnauthenticatedError) return error;
  if (error instanceof errors.JWTExpired)
    return new UnauthenticatedError("The token has expired. Sign in again.", { cause: error });
  const issuersFault = error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid;
  if (error instanceof errors.JOSEError && !issuersFault && error.code !== "ERR_JOSE_GENERIC")
    return new UnauthenticatedError("The token is not valid for this service. Sign in again.", { cause: error });
  return new UnavailableError("sign_in_unavailable", "The issuer's keys are unavailable. Retry later.", {
    cause: error,
  });
}
