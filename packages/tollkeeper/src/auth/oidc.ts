/** Sign-in with Auth0 or any OpenID Connect issuer: verifies the access token that the browser sends. */
import { createRemoteJWKSet, customFetch, errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from "jose";
import type { User } from "../domain/user.ts";
import { UnauthenticatedError, UnavailableError } from "../errors.ts";
import type { Authenticate } from "./authenticate.ts";

export interface OidcOptions {
  /** The issuer's URL, as its tokens name it; a slash at the end makes no difference. */
  issuer: string;
  /** The API's identifier: a token for anything else is refused. */
  audience: string;
  /** Where the keys are; found by the issuer's discovery document by default. */
  jwksUri?: string | undefined;
  now: () => number;
  fetch?: typeof fetch | undefined;
}

/** Asymmetric only: a public key must never be taken for an HMAC secret. */
const ALGORITHMS = ["RS256", "ES256"];
const CLOCK_TOLERANCE_SECONDS = 30;
/** Known keys go on for a day when the issuer can't be reached. */
const KEYS_MAX_AGE_MS = 24 * 3_600_000;
/** At most one fetch of the keys in this time, however many unknown key ids come. */
const KEYS_COOLDOWN_MS = 30_000;
const FETCH_TIMEOUT_MS = 5_000;
/** After a failed fetch the issuer is left alone this long. */
const FAILURE_COOLDOWN_MS = 5_000;
/** Access tokens, and issuers that do not say; a token for logging out or binding a key proves no sign-in. */
const TOKEN_TYPES: ReadonlySet<string> = new Set(["jwt", "at+jwt", "application/at+jwt"]);
const MAX_USER_ID_LENGTH = 255;
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
        requiredClaims: ["sub", "exp"],
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        currentDate: new Date(options.now()),
      });
      if (protectedHeader.typ !== undefined && !TOKEN_TYPES.has(protectedHeader.typ.toLowerCase()))
        throw new UnauthenticatedError("The token is not an access token.");
      return toUser(payload);
    } catch (error) {
      throw toFailure(error);
    }
  };
}

/** Null when there is none. Throws `UnauthenticatedError` for a header of another kind. */
function bearerToken(request: Request): string | null {
  const header = request.headers.get("authorization");
  if (header === null) return null;
  const token = /^Bearer +([\w.~+/=-]+)$/i.exec(header)?.[1];
  if (token === undefined || token.length > MAX_TOKEN_LENGTH)
    throw new UnauthenticatedError("The Authorization header must be: Bearer <token>.");
  return token;
}

function toUser({ sub, email, name }: JWTPayload): User {
  if (typeof sub !== "string" || sub === "" || sub.length > MAX_USER_ID_LENGTH || !sub.isWellFormed())
    throw new UnauthenticatedError("The token names no user.");
  return { id: sub, email: typeof email === "string" ? email : null, name: typeof name === "string" ? name : null };
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

/** After a failure the same failure is answered for a while: tokens of strangers must not become requests to the issuer. */
function withCooldown(fetchNow: typeof fetch, now: () => number): typeof fetch {
  const failures = new Map<string, { until: number; error: unknown }>();
  return async (input, init) => {
    const url = input instanceof Request ? input.url : String(input);
    const failure = failures.get(url);
    if (failure && now() < failure.until) throw failure.error;
    try {
      const response = await fetchNow(input, init);
      if (!response.ok) throw new Error(`the issuer answered ${response.status}`);
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
  if (typeof document.jwks_uri !== "string") throw new Error("the issuer's discovery document names no jwks_uri");
  return document.jwks_uri;
}

/** The token's fault is a 401; the issuer's is a 503, so that nobody is signed out by an outage. */
function toFailure(error: unknown): Error {
  if (error instanceof UnauthenticatedError) return error;
  if (error instanceof errors.JWTExpired)
    return new UnauthenticatedError("The token has expired: sign in again.", { cause: error });
  const issuersFault = error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid;
  if (error instanceof errors.JOSEError && !issuersFault && error.code !== "ERR_JOSE_GENERIC")
    return new UnauthenticatedError("The token is not valid here.", { cause: error });
  return new UnavailableError(
    "sign_in_unavailable",
    "The sign-in's keys can't be reached now. Try again in a moment.",
    {
      cause: error,
    },
  );
}
