/** Decides if and when a failed job (an event or a hook) is retried. */

export interface RetryPolicy {
  /** Number of attempts after which a job becomes a dead letter. */
  maxAttempts: number;
  firstDelayMs: number;
  maxDelayMs: number;
}

/**
 * The usual retry policy makes 16 attempts, which take about an hour. After 16 failed attempts, an operator should look at the
 * job.
 */
export const DEFAULT_RETRY_POLICY: RetryPolicy = { maxAttempts: 16, firstDelayMs: 1_000, maxDelayMs: 600_000 };

/**
 * Kinds of failure. A retry succeeds after an outage, and may succeed after an unexpected error. A retry of a refused request
 * is always refused.
 */
export type Failure = "outage" | "unexpected" | "refused";

export type RetryDecision = { kind: "retry"; delayMs: number } | { kind: "dead" };

/**
 * Decides if a failed job is retried, and after which delay. The delay between attempts grows exponentially. Half of the delay
 * between attempts is random, so that jobs that failed together are not retried together. `attempt` counts from 1; `random` is
 * in [0, 1).
 */
export function decideRetry(attempt: number, failure: Failure, policy: RetryPolicy, random: number): RetryDecision {
  // An outage of Stripe or of the database never makes a job a dead letter, however long it lasts.
  const over = failure === "refused" || (failure === "unexpected" && attempt >= policy.maxAttempts);
  if (over) return { kind: "dead" };
  const full = Math.min(policy.maxDelayMs, policy.firstDelayMs * 2 ** (attempt - 1));
  return { kind: "retry", delayMs: Math.round(full / 2 + (full / 2) * random) };
}
