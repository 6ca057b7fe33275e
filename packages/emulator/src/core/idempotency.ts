/** Idempotency keys as Stripe keeps them. @see https://docs.stripe.com/api/idempotent_requests */
import { ApiError } from "./errors.ts";
import type { World } from "./world.ts";

export interface StoredAnswer {
  method: string;
  path: string;
  params: string;
  requestId: string;
  status: number;
  body: string;
  storedAt: number;
}

const KEY_LIFETIME_SECONDS = 24 * 3_600;
const MAX_KEY_LENGTH = 255;

/** The stored answer for a key; null for a new one. Throws for a key that was used for something else. */
export function storedAnswer(
  world: World,
  key: string,
  request: Pick<StoredAnswer, "method" | "path" | "params">,
): StoredAnswer | null {
  if (key.length > MAX_KEY_LENGTH)
    throw new ApiError(`Idempotency keys may be at most ${MAX_KEY_LENGTH} characters: this one has ${key.length}.`, {
      type: "idempotency_error",
    });
  const stored = world.account.answers.get(key);
  if (!stored || stored.storedAt + KEY_LIFETIME_SECONDS <= world.state.now) return null;
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

/** Once a request has begun its work its outcome is kept, a 500 too. */
export function storeAnswer(world: World, key: string, answer: StoredAnswer): void {
  world.account.answers.set(key, answer);
}

/** The second request with a key while the first is under way. */
export function inFlight(key: string): ApiError {
  return new ApiError(
    `There is currently another in-progress request using this Idempotent Key (that probably means you submitted twice, and the other request is still going through): ${key}. If the problem persists, please contact support@stripe.com.`,
    { status: 409, type: "idempotency_error", code: "idempotency_key_in_use" },
  );
}
