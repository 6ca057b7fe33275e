/** When to try again, and when to stop. */

export interface RetryPolicy {
  /** After this many attempts the work goes to the dead letters. */
  maxAttempts: number;
  firstDelayMs: number;
  maxDelayMs: number;
}

/** 16 attempts over about an hour: past that a person should look. */
export const DEFAULT_RETRY_POLICY: RetryPolicy = { maxAttempts: 16, firstDelayMs: 1_000, maxDelayMs: 600_000 };

/** An outage is nobody's fault and passes; something unexpected may pass; what is refused stays refused. */
export type Failure = "outage" | "unexpected" | "refused";

export type RetryDecision = { kind: "retry"; delayMs: number } | { kind: "dead" };

/**
 * Exponential backoff with half of it drawn by lot, so that what failed together does not come back together.
 * `attempt` counts from 1; `random` is in [0, 1).
 */
export function decideRetry(attempt: number, failure: Failure, policy: RetryPolicy, random: number): RetryDecision {
  // However long Stripe or the app's database is away, nothing is given up for it.
  const over = failure === "refused" || (failure === "unexpected" && attempt >= policy.maxAttempts);
  if (over) return { kind: "dead" };
  const full = Math.min(policy.maxDelayMs, policy.firstDelayMs * 2 ** (attempt - 1));
  return { kind: "retry", delayMs: Math.round(full / 2 + (full / 2) * random) };
}
