/** What the world gives: time, chance and a place to log. Passed in, so that tests and simulations decide them. */

import type { Metrics } from "./metrics.ts";
import type { Trace } from "./tracing.ts";

export interface Runtime {
  /** Wall time in epoch milliseconds: signatures, tokens, leases and retries. */
  now(): number;
  /** Time as billing sees it: periods, trials and grace. The same as `now` unless a test clock is in use. */
  billingNow(): number;
  /** In [0, 1). */
  random(): number;
  /** A new id that nobody can guess. */
  newId(): string;
  /** Resolves after the time, or at once when aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  log: Logger;
  metrics: Metrics;
  trace: Trace;
}

/** Structured logging, as pino has it. Never given a secret, a payload or personal data. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
