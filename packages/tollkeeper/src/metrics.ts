/**
 * Counts outcomes, and writes the counters as text for Prometheus.
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 */

const COUNTERS = {
  webhooks_total: "Webhooks by outcome and reason",
  events_total: "Attempts to process an event, by outcome",
  hooks_total: "Attempts to run a hook, by outcome",
  stripe_requests_total: "Requests to Stripe by result and urgency",
  drift_total: "Differences from Stripe that reconcile repaired",
  reconciles_total: "Reconciles by outcome",
  alarms_total: "Alarms that an operator should look at, by kind",
  payments_total: "Payments of owners by outcome, and by reason if they failed",
  checkouts_total: "Checkout sessions of owners by outcome",
  access_changes_total: "Changes of owners' access, by change",
  caught_up_total: "Events completed by a list of renewals",
} as const;
export type CounterName = keyof typeof COUNTERS;

/** Upper bounds, in seconds, of the buckets of the histogram `event_lag_seconds`. */
const LAG_BOUNDS = [0.5, 1, 2, 5, 10, 30, 60, 300, 3_600, 86_400];
const PREFIX = "tollkeeper_";

export type Labels = Readonly<Record<string, string>>;

/** A gauge: a current value, such as a queue's length, that is read each time Prometheus reads the metrics. */
export interface Gauge {
  name: string;
  help: string;
  values: { labels?: Labels; value: number }[];
}

export interface Metrics {
  count(name: CounterName, labels: Labels, by?: number): void;
  /** Records the seconds from an event's creation until the mirror reflects it. */
  lag(seconds: number): void;
  /** Returns the counters, the histogram and the given gauges as text for Prometheus. */
  render(gauges: readonly Gauge[]): string;
}

export function createMetrics(): Metrics {
  const counts = new Map<CounterName, Map<string, number>>();
  const lags = LAG_BOUNDS.map(() => 0);
  let lagCount = 0;
  let lagSum = 0;
  return {
    count(name, labels, by = 1) {
      const series = counts.get(name) ?? new Map<string, number>();
      counts.set(name, series);
      const key = labelText(labels);
      series.set(key, (series.get(key) ?? 0) + by);
    },

    lag(seconds) {
      lagCount += 1;
      lagSum += seconds;
      for (const [index, bound] of LAG_BOUNDS.entries()) if (seconds <= bound) lags[index] = (lags[index] ?? 0) + 1;
    },

    render(gauges) {
      const lines: string[] = [];
      const head = (name: string, help: string, type: string): void =>
        void lines.push(`# HELP ${PREFIX}${name} ${help}`, `# TYPE ${PREFIX}${name} ${type}`);
      for (const [name, help] of Object.entries(COUNTERS) as [CounterName, string][]) {
        head(name, help, "counter");
        for (const [labels, value] of counts.get(name) ?? []) lines.push(`${PREFIX}${name}${labels} ${value}`);
      }
      head("event_lag_seconds", "From an event's creation until the mirror has it", "histogram");
      for (const [index, bound] of LAG_BOUNDS.entries())
        lines.push(`${PREFIX}event_lag_seconds_bucket{le="${bound}"} ${lags[index] ?? 0}`);
      lines.push(
        `${PREFIX}event_lag_seconds_bucket{le="+Inf"} ${lagCount}`,
        `${PREFIX}event_lag_seconds_sum ${lagSum}`,
        `${PREFIX}event_lag_seconds_count ${lagCount}`,
      );
      for (const { name, help, values } of gauges) {
        head(name, help, "gauge");
        for (const { labels = {}, value } of values) lines.push(`${PREFIX}${name}${labelText(labels)} ${value}`);
      }
      return `${lines.join("\n")}\n`;
    },
  };
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value.replaceAll(/["\\\n]/g, "_")}"`);
  return pairs.length > 0 ? `{${pairs.join(",")}}` : "";
}
