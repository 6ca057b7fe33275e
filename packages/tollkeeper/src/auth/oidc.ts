/** Verifies access tokens of Auth0 or any other OpenID Connect issuer. */
import { errors, type JWTPayload } from "jose";
import { findIdProblem } from "../domain/owner.ts";
import { toUser, type User } from "../domain/user.ts";
import { SIGNING_ALGORITHMS } from "../domain/signing-algorithms.ts";
import { ConfigError, UnauthenticatedError, UnavailableError } from "../errors.ts";
import type { Authenticate } from "./authenticate.ts";
import { createSigningKeys } from "./signing-keys.ts";

export interface OidcOptions {
  /** The issuer's URL, with or without a slash at the end. */
  issuer: string;
  /**
   * Identifier of the API for which tokens must be issued. A token that was issued for another API is rejected. Without an
   * audience, `clientIds` is required, for issuers whose tokens name no audience.
   */
  audience?: string | undefined;
  /** Accepted values of the claims `azp` and `client_id`. Default: the claims `azp` and `client_id` are not checked. */
  clientIds?: readonly string[] | undefined;
  /** Accepted signature algorithms. Default: `SIGNING_ALGORITHMS`, all of which are asymmetric. */
  algorithms?: readonly string[] | undefined;
  /** The URL of the issuer's keys. Default: the URL in the issuer's discovery document. */
  jwksUri?: string | undefined;
  now: () => number;
  fetch?: typeof fetch | undefined;
}

const CLOCK_TOLERANCE_SECONDS = 30;
/**
 * Accepted values of a token's `typ` header. Some issuers do not set the header `typ`. Tokens of any other type, such as logout
 * tokens and DPoP proofs, are rejected.
 */
const TOKEN_TYPES: ReadonlySet<string> = new Set(["jwt", "at+jwt", "application/at+jwt"]);
const MAX_TOKEN_LENGTH = 16_384;
/** Maximum number of characters of a wrong value that an error text shows. */
const MAX_SHOWN = 100;

/** Creates a sign-in by access tokens. Throws `ConfigError` if neither an audience nor a client is required. */
export function createOidcAuthenticate(options: OidcOptions): Authenticate {
  checkOptions(options);
  const { audience, clientIds = [], algorithms = SIGNING_ALGORITHMS, now, jwksUri } = options;
  const issuer = options.issuer.replace(/\/+$/, "");
  const verify = createSigningKeys({ issuer, jwksUri, now, fetch: options.fetch ?? fetch });
  return async (request) => {
    const token = bearerToken(request);
    if (token === null) return null;
    try {
      const { payload, protectedHeader } = await verify(token, {
        algorithms: [...algorithms],
        issuer: [issuer, `${issuer}/`],
        ...(audience && { audience }),
        requiredClaims: ["exp"],
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        currentDate: new Date(now()),
      });
      if (!isAccessToken(protectedHeader.typ))
        throw new UnauthenticatedError("The token is not an access token. Send an access token.");
      if (clientIds.length > 0) requireClient(payload, clientIds);
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

/** Returns true if a token's `typ` header allows an access token. The issuer decides the header, so it may be any value. */
function isAccessToken(type: unknown): boolean {
  return type === undefined || (typeof type === "string" && TOKEN_TYPES.has(type.toLowerCase()));
}

function userOf({ sub, email, name }: JWTPayload): User {
  if (findIdProblem(sub) !== null)
    throw new UnauthenticatedError(
      'The token\'s "sub" claim is missing or not valid. Use a token that the issuer made for a user.',
    );
  return toUser({ id: sub, email, name });
}

/** Checks the `azp` and `client_id` claims: at least one of them must be set, and each of them must be allowed. */
function requireClient({ azp, client_id: clientId }: JWTPayload, allowed: readonly string[]): void {
  const named = [azp, clientId].filter((claim) => claim !== undefined);
  if (named.length > 0 && named.every((claim) => allowed.includes(claim as string))) return;
  throw new UnauthenticatedError("The token was issued for another client. Sign in again.");
}

/** Throws `ConfigError` if the options would accept tokens for other APIs or tokens signed with a shared secret. */
function checkOptions({ audience, clientIds, algorithms }: OidcOptions): void {
  const problems = [
    ...(clientIds?.includes("") ? ["clientIds has a blank entry: remove it"] : []),
    ...(!audience && !clientIds?.some((id) => id !== "")
      ? ["audience is missing: set it, or set clientIds, because tokens for other APIs would be accepted without both"]
      : []),
    ...(algorithms?.length === 0 ? ["algorithms is empty: name at least one algorithm or leave the option out"] : []),
    ...(algorithms ?? [])
      .filter((name) => !SIGNING_ALGORITHMS.includes(name))
      .map((name) => `algorithms has "${name.slice(0, MAX_SHOWN)}": use ${SIGNING_ALGORITHMS.join(", ")}`),
  ];
  if (problems.length > 0) throw new ConfigError(problems);
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
