/** Creates the runtime: clocks, randomness, ids, metrics, traces and the log. */
import { randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { pino } from "pino";
import type { TollkeeperOptions } from "../options.ts";
import { createMetrics } from "../metrics.ts";
import { startSeries } from "./metrics-series.ts";
import type { Runtime } from "../runtime.ts";
import { createTrace } from "../tracing.ts";

/**
 * Names of log fields whose values are hidden. Tollkeeper itself logs no secrets and no emails, but the app may log them with
 * Tollkeeper's logger.
 */
const REDACTED = ["authorization", "headers.authorization", "secretKey", "webhookSecrets", "token", "email", "*.email"];

export function createRuntime(options: TollkeeperOptions): Runtime {
  const now = options.runtime?.now ?? Date.now;
  return {
    random: Math.random,
    newId: randomUUID,
    sleep: (ms, signal) => wait(ms, undefined, { signal }).catch(() => {}),
    billingNow: now,
    metrics: startSeries(createMetrics()),
    trace: createTrace(options.tracer),
    ...options.runtime,
    now,
    log: options.log ?? pino({ level: options.logLevel ?? "info", redact: { paths: REDACTED, censor: "[redacted]" } }),
  };
}
