/** Verifies the signatures of tokens with the key set of the sign-in issuer. */
import {
  createRemoteJWKSet,
  customFetch,
  decodeProtectedHeader,
  errors,
  jwtVerify,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  type JWTVerifyResult,
} from "jose";

export interface SigningKeysOptions {
  /** The URL of the issuer, without a slash at the end. */
  issuer: string;
  /** The URL of the issuer's keys. Default: the URL in the issuer's discovery document. */
  jwksUri?: string | undefined;
  now: () => number;
  fetch: typeof fetch;
}

/** Verifies a token. Throws an error of jose for an invalid token, and another error if the keys are unavailable. */
export type VerifyToken = (token: string, options: JWTVerifyOptions) => Promise<JWTVerifyResult>;

/** Milliseconds for which known keys of the sign-in issuer stay valid while the issuer is unreachable. */
const KEYS_MAX_AGE_MS = 24 * 3_600_000;
/** Milliseconds after which known keys are requested again, so that a key that the issuer has withdrawn is soon refused. */
const REFRESH_KEYS_AFTER_MS = 10 * 60_000;
const FETCH_TIMEOUT_MS = 5_000;
/** Milliseconds after a failed request to the sign-in issuer during which no new request is sent to the issuer. */
const FAILURE_COOLDOWN_MS = 5_000;
/**
 * A token with an unknown key causes a request for the issuer's keys, so that a new key works at once. An attacker can send any
 * number of tokens with unknown keys, so these requests are limited: one in each second and ten in each minute.
 */
const MIN_REFRESH_INTERVAL_MS = 1_000;
const MAX_REFRESHES = 10;
const REFRESH_WINDOW_MS = 60_000;

export function createSigningKeys(options: SigningKeysOptions): VerifyToken {
  const fetchDocument = withCooldown(options.fetch, options.now);
  let finding: Promise<VerifyToken> | null = null;
  const find = async (): Promise<VerifyToken> => {
    const url = options.jwksUri ?? (await discoverJwksUri(options.issuer, fetchDocument));
    return createKeySet(new URL(url), fetchDocument, options.now);
  };
  return async (token, verifyOptions) => {
    finding ??= find().catch((error: unknown) => {
      finding = null;
      throw error;
    });
    return (await finding)(token, verifyOptions);
  };
}

/** Returns a function that verifies tokens with a remote key set, and requests the key set again for an unknown key. */
function createKeySet(url: URL, fetchDocument: FetchDocument, now: () => number): VerifyToken {
  const limit = createRefreshLimit(now);
  let loads = 0;
  let loadedAt = now();
  /** The error of the last load; null if the last load succeeded. */
  let failure: Error | null = null;
  const keySet = createRemoteJWKSet(url, {
    cacheMaxAge: KEYS_MAX_AGE_MS,
    // The key set itself never requests an unknown key id, because its own limit has only one interval.
    cooldownDuration: Infinity,
    timeoutDuration: FETCH_TIMEOUT_MS,
    [customFetch]: async (address, init) => {
      const keys = await fetchDocument(address, { init, parse: parseKeys, onRequest: limit.record }).catch(
        (error: Error) => {
          failure = error;
          throw error;
        },
      );
      failure = null;
      loads += 1;
      loadedAt = now();
      return Response.json(keys);
    },
  });
  /** Requests old keys again. Does not wait for the request, so that a slow issuer delays no user. */
  const refreshOldKeys = (): void => {
    const isOld = loads > 0 && now() - loadedAt >= REFRESH_KEYS_AFTER_MS;
    if (isOld && !keySet.reloading && limit.allows()) void keySet.reload().catch(() => {});
  };
  return async (token, options) => {
    refreshOldKeys();
    const loadsBefore = loads;
    try {
      return await verifyWith(keySet, token, options);
    } catch (error) {
      if (!isOfUnknownKey(error, token)) throw error;
      // Another token may have requested the key set meanwhile.
      if (loads === loadsBefore) {
        // If the last load failed, the issuer may have the key, so the token is not known to be invalid.
        if (!keySet.reloading && !limit.allows()) throw failure ?? error;
        await keySet.reload();
      }
      return verifyWith(keySet, token, options);
    }
  };
}

/** Verifies a token. If the token has no key id, tries all keys that its algorithm allows. */
async function verifyWith(keySet: JWTVerifyGetKey, token: string, options: JWTVerifyOptions): Promise<JWTVerifyResult> {
  try {
    return await jwtVerify(token, keySet, options);
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    for await (const key of error) {
      const verified = await verifyWithKey(key, token, options);
      if (verified) return verified;
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}

/** Returns null if another key has signed the token. */
async function verifyWithKey(
  key: Awaited<ReturnType<JWTVerifyGetKey>>,
  token: string,
  options: JWTVerifyOptions,
): Promise<JWTVerifyResult | null> {
  try {
    return await jwtVerify(token, key, options);
  } catch (error) {
    if (error instanceof errors.JWSSignatureVerificationFailed) return null;
    throw error;
  }
}

/** Returns true if a token may be signed with a key that the known key set does not contain. */
function isOfUnknownKey(error: unknown, token: string): boolean {
  if (error instanceof errors.JWKSNoMatchingKey) return true;
  const namesNoKey = (): boolean => decodeProtectedHeader(token).kid === undefined;
  return error instanceof errors.JWSSignatureVerificationFailed && namesNoKey();
}

interface RefreshLimit {
  allows(): boolean;
  record: () => void;
}

function createRefreshLimit(now: () => number): RefreshLimit {
  /** Times of the last requests, the oldest first. */
  let times: number[] = [];
  const inWindow = (): number[] => times.filter((at) => now() - at < REFRESH_WINDOW_MS);
  return {
    allows: () => inWindow().length < MAX_REFRESHES && now() - (times.at(-1) ?? -Infinity) >= MIN_REFRESH_INTERVAL_MS,
    record: () => {
      times = [...inWindow().slice(-MAX_REFRESHES), now()];
    },
  };
}

interface DocumentRequest<T> {
  init: RequestInit;
  /** Returns the usable part of a document. Throws if the document is not usable. */
  parse: (document: unknown) => T;
  /** Called before a request is sent. */
  onRequest?: () => void;
}

/** Requests a JSON document of the sign-in issuer. */
type FetchDocument = <T>(url: string, request: DocumentRequest<T>) => Promise<T>;

/**
 * Returns a function that, after a failed request or an unusable document, throws the same failure for some seconds without a
 * new request. So a flood of invalid tokens causes no flood of requests to the sign-in issuer.
 */
function withCooldown(fetchNow: typeof fetch, now: () => number): FetchDocument {
  const failures = new Map<string, { until: number; error: unknown }>();
  return async (url, { init, parse, onRequest }) => {
    const failure = failures.get(url);
    if (failure && now() < failure.until) throw failure.error;
    onRequest?.();
    try {
      const response = await fetchNow(url, init);
      if (!response.ok) throw new Error(`the issuer returned ${response.status} for ${url}`);
      const document: unknown = await response.json().catch((cause: unknown) => {
        throw new Error(`the issuer returned no JSON for ${url}`, { cause });
      });
      const parsed = parse(document);
      failures.delete(url);
      return parsed;
    } catch (error) {
      failures.set(url, { until: now() + FAILURE_COOLDOWN_MS, error });
      throw error;
    }
  };
}

/** @see https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig */
function discoverJwksUri(issuer: string, fetchDocument: FetchDocument): Promise<string> {
  return fetchDocument(`${issuer}/.well-known/openid-configuration`, {
    init: { signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) },
    parse(document) {
      const { jwks_uri: uri } = (document ?? {}) as { jwks_uri?: unknown };
      if (typeof uri === "string" && URL.canParse(uri)) return uri;
      throw new Error("the issuer's discovery document has no jwks_uri that is a URL");
    },
  });
}

function parseKeys(document: unknown): { keys: object[] } {
  const { keys } = (document ?? {}) as { keys?: unknown };
  if (Array.isArray(keys) && keys.every((key) => typeof key === "object" && key !== null && !Array.isArray(key)))
    return { keys: keys as object[] };
  throw new Error("the issuer's key set is not a list of keys");
}
