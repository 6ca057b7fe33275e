/** Stores and replays responses under idempotency keys. @see https://docs.stripe.com/api/idempotent_requests */
import { ApiError } from "./errors.ts";
import type { StoredResponse } from "./records.ts";
import type { Context } from "./state.ts";

const KEY_LIFETIME_SECONDS = 24 * 3_600;
const MAX_KEY_LENGTH = 255;

/**
 * Returns the response stored under an idempotency key; null if the key is new. Throws if the idempotency key was used for a
 * different request.
 */
export function findStoredResponse(
  context: Context,
  key: string,
  request: Pick<StoredResponse, "method" | "path" | "params">,
): StoredResponse | null {
  if (key.length > MAX_KEY_LENGTH)
    throw new ApiError(`Idempotency keys may be at most ${MAX_KEY_LENGTH} characters: this one has ${key.length}.`, {
      type: "idempotency_error",
    });
  const stored = context.account.idempotentResponses.get(key);
  if (!stored || stored.storedAt + KEY_LIFETIME_SECONDS <= context.state.now) return null;
  if (stored.method !== request.method || stored.path !== request.path)
    throw new ApiError(
      `Keys for idempotent requests can only be used for the same endpoint they were first used for ('${request.path}' vs '${stored.path}'). ` +
        `Try using a key other than '${key}' if you meant to execute a different request.`,
      { type: "idempotency_error" },
    );
  if (stored.params === request.params) return stored;
  throw new ApiError(
    `Keys for idempotent requests can only be used with the same parameters they were first used with. ` +
      `Try using a key other than '${key}' if you meant to execute a different request.`,
    { type: "idempotency_error" },
  );
}

/** Stores a response under an idempotency key. */
export function storeResponse(context: Context, key: string, answer: StoredResponse): void {
  context.account.idempotentResponses.set(key, answer);
}

/** Returns the 409 error for an idempotency key whose first request is still running. */
export function keyInUseError(key: string): ApiError {
  return new ApiError(
    `There is currently another in-progress request using this Idempotent Key (that probably means you submitted twice, and the other request is still going through): ${key}. If the problem persists, please contact support@stripe.com.`,
    { status: 409, type: "idempotency_error", code: "idempotency_key_in_use" },
  );
}
