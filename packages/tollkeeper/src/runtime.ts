/**
 * Declares the runtime: clock, random numbers, ids, sleep, logger and alarms. Functions receive the runtime as a parameter, so
 * that tests and simulations control it.
 */

import type { Metrics } from "./metrics.ts";
import type { Trace } from "./tracing.ts";

export interface Runtime {
  /** Returns wall time in epoch milliseconds, for signatures, tokens, leases and retries. */
  now(): number;
  /**
   * Returns billing time in epoch milliseconds, for periods, trials and grace. Billing time equals wall time unless an
   * emulator replaces Stripe or a test sets another clock.
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

/** Taken when the module is loaded, because tests of apps may replace the global function by a fake timer later. */
const runSoon = setImmediate;

/** Resolves after the event loop has run once and has read pending network input. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => runSoon(resolve));
}

/** The kinds of alarm, each with the sentence that the log shows. docs/operations.md explains what to do. */
const ALARMS = {
  account_refused: "the secret key belongs to another Stripe account than the database",
  customer_moved:
    "a customer's metadata names another owner, so the customer and its subscriptions were moved to this owner",
  owner_removed: "a customer's metadata names no owner any more; the customer keeps its last known owner",
  plan_removed: "users pay for a plan that is no longer in the plans; they keep its last known features",
  sweep_stopped: "a sweep would end too many live subscriptions, so it changed nothing",
  two_customers: "an owner has several customers at Stripe; access counts the subscriptions of all of them",
  two_subscriptions: "an owner has several live subscriptions in one plan group and pays for each of them",
} as const;
export type AlarmKind = keyof typeof ALARMS;
export const ALARM_KINDS: readonly AlarmKind[] = Object.keys(ALARMS) as AlarmKind[];

/** Raises an alarm. The fields identify the objects at Stripe; they never contain an owner's id, which may be an email. */
export function raiseAlarm({ log, metrics }: Pick<Runtime, "log" | "metrics">, kind: AlarmKind, fields: object): void {
  metrics.count("alarms_total", { kind });
  log.error({ ...fields, alarm: kind }, ALARMS[kind]);
}
