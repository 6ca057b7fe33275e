/**
 * Starts the series of counters at 0. Prometheus does not see the first increase of a series that begins with 1, so an alert
 * about the first alarm would not fire.
 */
import { DECLINE_REASONS } from "../domain/payment.ts";
import type { CounterName, Labels, Metrics } from "../metrics.ts";
import { ALARM_KINDS } from "../runtime.ts";

const SERIES: readonly (readonly [CounterName, Labels])[] = [
  ["payments_total", { outcome: "paid", reason: "none" }],
  ["payments_total", { outcome: "action_required", reason: "none" }],
  ...DECLINE_REASONS.map((reason) => ["payments_total", { outcome: "failed", reason }] as const),
  ...["started", "completed", "expired"].map((outcome) => ["checkouts_total", { outcome }] as const),
  ...["granted", "revoked"].map((change) => ["access_changes_total", { change }] as const),
  ...ALARM_KINDS.map((kind) => ["alarms_total", { kind }] as const),
  ...["done", "failed"].map((outcome) => ["reconciles_total", { outcome }] as const),
  ["drift_total", {}],
];

/** Creates each series whose labels are known, with the value 0. */
export function startSeries(metrics: Metrics): Metrics {
  for (const [name, labels] of SERIES) metrics.count(name, labels, 0);
  return metrics;
}
