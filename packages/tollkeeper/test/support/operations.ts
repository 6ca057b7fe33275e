/** Makes operation records and operation contexts for tests. */
import type { ActionContext } from "../../src/actions/context.ts";
import type { OperationRecord } from "../../src/domain/operations.ts";
import { createMetrics } from "../../src/metrics.ts";
import type { Store } from "../../src/store/store.ts";
import { createTrace } from "../../src/tracing.ts";
import { NOW } from "./records.ts";

export function operationRecord(changes: Partial<OperationRecord> = {}): OperationRecord {
  return {
    id: "op_1",
    kind: "test",
    subject: "ada",
    generation: 1,
    fingerprint: "fingerprint",
    params: '{"amount":1}',
    idempotencyKey: "op_1",
    state: "pending",
    result: null,
    createdAt: NOW,
    keyEndsAt: NOW + 1_000,
    ...changes,
  };
}

/** Holds a context that runs operations without Stripe. The test moves the clock of this context. */
export interface TestContext {
  context: ActionContext;
  /** Contains the log lines that operations have written so far. */
  logged: [fields: object, message: string][];
  /**
   * Contains the clock that operations of the test use. The test's context calls `read` each time before it reads the clock.
   */
  clock: { now: number; read(): void };
}

export function operationContext(store: Store): TestContext {
  const logged: [object, string][] = [];
  const clock = { now: NOW, read: () => {} };
  let ids = 0;
  const readClock = (): number => {
    clock.read();
    return clock.now;
  };
  const log = (fields: object, message: string): void => void logged.push([fields, message]);
  const runtime: ActionContext["runtime"] = {
    now: readClock,
    billingNow: readClock,
    random: () => 0.5,
    newId: () => String((ids += 1)),
    sleep: async () => {},
    log: { debug: log, info: log, warn: log, error: log },
    metrics: createMetrics(),
    trace: createTrace(undefined),
  };
  // Operations use only the store and the runtime of their context.
  return { context: { store, runtime } as ActionContext, logged, clock };
}
