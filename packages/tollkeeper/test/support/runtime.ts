/** Makes runtimes for tests of single parts of the service. */
import { createMetrics } from "../../src/metrics.ts";
import type { Runtime } from "../../src/runtime.ts";
import { createLogRecorder } from "../../src/testing/harness/log-recorder.ts";
import { createTrace } from "../../src/tracing.ts";

/** Returns a runtime whose clocks are the given function, and whose sleeps end only when their signal aborts. */
export function testRuntime(now: () => number, changes: Partial<Runtime> = {}): Runtime {
  let ids = 0;
  return {
    now,
    billingNow: now,
    random: () => 0.5,
    newId: () => `id${++ids}`,
    sleep: (_ms, signal) => new Promise((resolve) => signal.addEventListener("abort", () => resolve())),
    log: createLogRecorder([]),
    metrics: createMetrics(),
    trace: createTrace(undefined),
    ...changes,
  };
}
