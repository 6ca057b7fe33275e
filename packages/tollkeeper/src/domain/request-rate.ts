/** Decides if a user may send another request that can cause requests to Stripe, or must wait. */

/**
 * Limits of the requests of one user that can cause requests to Stripe: a user may send `burst` requests at once, and then one
 * request per `intervalMs`. Repeated clicks and several tabs stay far below the limits.
 */
export const USER_RATE = { burst: 60, intervalMs: 1_000 };

export interface RequestRate {
  burst: number;
  intervalMs: number;
}

/** `freeAt` is the instant from which the user may again send `burst` requests at once. */
export type RateDecision = { kind: "allowed"; freeAt: number } | { kind: "refused"; retryAfterMs: number };

/**
 * Decides about the next request of a user. `freeAt` comes from the decision about the user's previous allowed request;
 * undefined if there is none. A refused request does not lengthen the wait.
 */
export function decideRate(freeAt: number | undefined, now: number, { burst, intervalMs }: RequestRate): RateDecision {
  // If the machine's clock is set back, `freeAt` may be far in the future.
  const from = Math.min(Math.max(freeAt ?? now, now), now + burst * intervalMs);
  const retryAfterMs = from + intervalMs - (now + burst * intervalMs);
  return retryAfterMs > 0 ? { kind: "refused", retryAfterMs } : { kind: "allowed", freeAt: from + intervalMs };
}
