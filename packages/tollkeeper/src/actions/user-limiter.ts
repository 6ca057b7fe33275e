/** Limits the requests of each user that can cause requests to Stripe. Each process counts by itself. */
import { decideRate, USER_RATE, type RequestRate } from "../domain/request-rate.ts";
import { TooManyRequestsError } from "../errors.ts";

/** Counts a request of the user. Throws `TooManyRequestsError` if the user has sent too many requests. */
export type LimitUser = (userId: string) => void;

/**
 * Maximum number of users whose requests are counted at the same time. If more users send requests, the user whose last request
 * is the oldest is no longer counted.
 */
const MAX_USERS = 10_000;

export function createUserLimiter(now: () => number, rate: RequestRate = USER_RATE, maxUsers = MAX_USERS): LimitUser {
  /** Maps each user to the instant from which the user has the full burst again. The oldest request comes first. */
  const users = new Map<string, number>();
  return (userId) => {
    const decision = decideRate(users.get(userId), now(), rate);
    if (decision.kind === "refused") throw new TooManyRequestsError(decision.retryAfterMs);
    users.delete(userId);
    users.set(userId, decision.freeAt);
    const [oldest] = users.keys();
    if (users.size > maxUsers && oldest !== undefined) users.delete(oldest);
  };
}
