/**
 * Declares the runtime: clock, random numbers, ids, sleep and logger. Functions receive the runtime as a parameter, so that
 * tests and simulations control it.
 */

import type { Metrics } from "./metrics.ts";
import type { Trace } from "./tracing.ts";

export interface Runtime {
  /** Returns wall time in epoch milliseconds, for signatures, tokens, leases and retries. */
  now(): number;
  /**
   * Returns billing time in epoch milliseconds, for periods, trials and grace. Billing time equals wall time unless a test
   * clock is used.
   */
  billingNow(): number;
  /** Returns a random number from 0 (inclusive) to 1 (exclusive). */
  random(): number;
  /** Returns a new id that cannot be guessed. */
  newId(): string;
  /** Sleeps: resolves after `ms` milliseconds, or immediately when the signal aborts. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  log: Logger;
  metrics: Metrics;
  trace: Trace;
}

/** A structured logger with pino's interface. The service never passes a secret, a payload or personal data to the logger. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
