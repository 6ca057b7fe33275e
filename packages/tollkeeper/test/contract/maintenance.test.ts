/** Tests the periodic work of a process. */
import { expect, onTestFinished, test } from "vitest";
import type { Runtime } from "../../src/runtime.ts";
import type { Store } from "../../src/store/store.ts";
import { createMaintenance, type Maintenance } from "../../src/worker/maintenance.ts";
import { freshDatabase } from "../../../../test/support/databases.ts";
import { DAY_MS, NOW } from "../support/records.ts";
import { testRuntime } from "../support/runtime.ts";
import { openStoreAt, outboxMessage } from "../support/store.ts";

const MINUTE_MS = 60_000;
const nothing = async (): Promise<number> => 0;

function createTestMaintenance(store: Store, runtime: Runtime): Maintenance {
  return createMaintenance({
    store,
    runtime,
    reconcile: async () => null,
    catchUp: nothing,
    reconcileEveryMs: DAY_MS,
    keepMs: 30 * DAY_MS,
    finishOperations: nothing,
    catalogue: "",
    followCatalogue: nothing,
    compareAccess: nothing,
    deadAfterMs: MINUTE_MS,
    onReplicas() {},
  });
}

test("a process deletes old hooks that no process handles only after other processes had time to start", async () => {
  const store = await openStoreAt(await freshDatabase("sqlite"));
  await store.outbox.add([outboxMessage("granted", { createdAt: NOW - 40 * DAY_MS })]);
  let now = NOW;
  const sleeps: (() => void)[] = [];
  const runtime = testRuntime(() => now, {
    sleep: (_ms, signal) =>
      new Promise((resolve) => {
        sleeps.push(resolve);
        signal.addEventListener("abort", () => resolve());
      }),
  });
  const maintenance = createTestMaintenance(store, runtime);
  maintenance.start(true);
  onTestFinished(() => maintenance.stop());
  await expect.poll(() => sleeps.length).toBe(6);
  expect(await store.outbox.countByState()).toMatchObject({ pending: 1 });
  now += 10 * MINUTE_MS;
  for (const wake of sleeps.splice(0)) wake();
  await expect.poll(() => store.outbox.countByState()).toMatchObject({ pending: 0 });
});

test.each<[string, (maintenance: Maintenance) => Promise<void>]>([
  ["for a request to /work", (maintenance) => maintenance.runDue(new AbortController().signal)],
  ["for a script", (maintenance) => maintenance.runOnce()],
])(
  "a process that runs one round %s deletes old hooks that no process handles, although it has just started",
  async (_, run) => {
    const store = await openStoreAt(await freshDatabase("sqlite"));
    await store.outbox.add([outboxMessage("granted", { createdAt: NOW - 40 * DAY_MS })]);
    const runtime = testRuntime(() => NOW, {
      sleep: (_ms, signal) => new Promise((resolve) => signal.addEventListener("abort", () => resolve())),
    });
    const maintenance = createTestMaintenance(store, runtime);
    maintenance.start(false);
    onTestFinished(() => maintenance.stop());
    await run(maintenance);
    expect(await store.outbox.countByState()).toMatchObject({ pending: 0 });
  },
);
