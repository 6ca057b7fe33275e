/**
 * Limits the number of requests to Stripe in every window of one second. The allowed rate drops after a 429 response and then
 * recovers.
 */

export interface RateLimiter {
  /** Returns the current rate of this replica, in requests per second. */
  perSecond(): number;
  /** Returns the milliseconds until the next request may be sent; 0 if it may be sent now. */
  msUntilAvailable(): number;
  /**
   * Counts a request to Stripe as sent at the current time. If the counted request is sent a little after it was counted, the
   * caller updates the field `at` of the returned entry.
   */
  acquire(): SentRequest;
  /** Pauses all requests for `pauseMs`, then continues at half the rate. The allowed rate recovers within 20 seconds. */
  backOff(pauseMs: number): void;
}

export interface SentRequest {
  at: number;
}

export interface RateLimiterOptions {
  /** Allowed requests per second of all replicas together. */
  requestsPerSecond: number;
  /** Returns the number of replicas that share the rate of requests. */
  replicas(): number;
  now(): number;
}

/**
 * After a pause, a burst may contain as many requests to Stripe as the rate allows in this number of seconds. Even with bursts,
 * no one-second window exceeds the rate.
 */
const BURST_SECONDS = 0.2;
/** Resolution of our clock: one millisecond. */
const CLOCK_RESOLUTION_MS = 1;
const MIN_PER_SECOND = 1;
const BACK_OFF_FACTOR = 0.5;
/** Share of the full rate that recovers each second. */
const RECOVERY_PER_SECOND = 0.05;

export function createRateLimiter({ requestsPerSecond, replicas, now }: RateLimiterOptions): RateLimiter {
  let rateFactor = 1;
  let tokens = Math.max(1, requestsPerSecond * BURST_SECONDS);
  let updatedAt: number | null = null;
  let pausedUntil = 0;
  /** The latest requests to Stripe. The list has at most as many requests as a one-second window may contain. */
  const sent: SentRequest[] = [];

  const full = (): number => Math.max(MIN_PER_SECOND, requestsPerSecond / replicas());
  const rate = (): number => Math.max(MIN_PER_SECOND, full() * rateFactor);

  const update = (): void => {
    const at = now();
    if (updatedAt !== null && at < updatedAt) {
      // If the clock was set back, the recorded times of requests can't be compared with the current time.
      sent.length = 0;
      pausedUntil = at + Math.max(0, pausedUntil - updatedAt);
    }
    const seconds = Math.max(0, at - (updatedAt ?? at)) / 1_000;
    updatedAt = at;
    rateFactor = Math.min(1, rateFactor + RECOVERY_PER_SECOND * seconds);
    tokens = Math.min(Math.max(1, rate() * BURST_SECONDS), tokens + rate() * seconds);
  };

  /**
   * Returns the milliseconds until another request may be sent without exceeding the rate in any window of one second. Stripe
   * counts the requests in every window of one second, not only in whole seconds of the clock. For a fractional rate, the
   * window is shorter than one second: 2.5 requests per second become 2 requests in 0.8 seconds.
   */
  const msUntilWindowHasRoom = (): number => {
    const most = Math.max(1, Math.floor(rate()));
    const first = sent.at(-most);
    return first === undefined ? 0 : first.at + (most / rate()) * 1_000 + CLOCK_RESOLUTION_MS - now();
  };

  return {
    perSecond() {
      update();
      return rate();
    },
    msUntilAvailable() {
      update();
      const msUntilToken = ((1 - tokens) / rate()) * 1_000;
      return Math.max(0, msUntilToken, msUntilWindowHasRoom(), pausedUntil - now());
    },
    acquire() {
      tokens -= 1;
      const one = { at: now() };
      sent.push(one);
      if (sent.length > Math.max(1, requestsPerSecond)) sent.shift();
      return one;
    },
    backOff(pauseMs) {
      update();
      rateFactor = Math.max(MIN_PER_SECOND / full(), rateFactor * BACK_OFF_FACTOR);
      pausedUntil = Math.max(pausedUntil, now() + pauseMs);
    },
  };
}
