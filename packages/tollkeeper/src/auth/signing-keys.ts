/** Finds the key that verifies a token, in the key set of the sign-in issuer. */
import { createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey } from "jose";

export interface SigningKeysOptions {
  /** The URL of the issuer, without a slash at the end. */
  issuer: string;
  /** The URL of the issuer's keys. Default: the URL in the issuer's discovery document. */
  jwksUri?: string | undefined;
  now: () => number;
  fetch: typeof fetch;
}

/** Milliseconds for which known keys of the sign-in issuer stay valid while the issuer is unreachable. */
const KEYS_MAX_AGE_MS = 24 * 3_600_000;
const FETCH_TIMEOUT_MS = 5_000;
/** Milliseconds after a failed request to the sign-in issuer during which no new request is sent to the issuer. */
const FAILURE_COOLDOWN_MS = 5_000;
/**
 * A token with an unknown key id causes a request for the issuer's keys, so that a new key works at once. An attacker can send
 * any number of unknown key ids, so these requests are limited: one in each second and ten in each minute.
 */
const MIN_REFRESH_INTERVAL_MS = 1_000;
const MAX_REFRESHES = 10;
const REFRESH_WINDOW_MS = 60_000;

export function createSigningKeys(options: SigningKeysOptions): JWTVerifyGetKey {
  const fetchOnce = withCooldown(options.fetch, options.now);
  let finding: Promise<JWTVerifyGetKey> | null = null;
  const find = async (): Promise<JWTVerifyGetKey> => {
    const url = options.jwksUri ?? (await discoverJwksUri(options.issuer, fetchOnce));
    return createKeySet(new URL(url), fetchOnce, options.now);
  };
  return async (header, token) => {
    finding ??= find().catch((error: unknown) => {
      finding = null;
      throw error;
    });
    return (await finding)(header, token);
  };
}

/** Returns a function that finds a key in a remote key set, and requests the key set again for an unknown key id. */
function createKeySet(url: URL, fetchKeys: typeof fetch, now: () => number): JWTVerifyGetKey {
  const limit = createRefreshLimit(now);
  let loads = 0;
  const keySet = createRemoteJWKSet(url, {
    cacheMaxAge: KEYS_MAX_AGE_MS,
    // The key set itself never requests an unknown key id, because its own limit has only one interval.
    cooldownDuration: Infinity,
    timeoutDuration: FETCH_TIMEOUT_MS,
    [customFetch]: async (...request: Parameters<typeof fetch>) => {
      limit.record();
      const response = await fetchKeys(...request);
      loads += 1;
      return response;
    },
  });
  return async (header, token) => {
    const loadsBefore = loads;
    try {
      return await keySet(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      // Another token may have requested the key set meanwhile.
      if (loads === loadsBefore) {
        if (!keySet.reloading && !limit.allows()) throw error;
        await keySet.reload();
      }
      return keySet(header, token);
    }
  };
}

interface RefreshLimit {
  allows(): boolean;
  record(): void;
}

function createRefreshLimit(now: () => number): RefreshLimit {
  /** Times of the last requests, the oldest first. */
  let times: number[] = [];
  return {
    allows() {
      times = times.filter((at) => now() - at < REFRESH_WINDOW_MS);
      return times.length < MAX_REFRESHES && now() - (times.at(-1) ?? -Infinity) >= MIN_REFRESH_INTERVAL_MS;
    },
    record: () => void times.push(now()),
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
