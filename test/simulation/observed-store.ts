/** Wraps the store that all replicas share, so that the auditor observes all commits. */
import { RECONCILE_TASK } from "../../packages/tollkeeper/src/reconcile/reconcile.ts";
import type { Queue } from "../../packages/tollkeeper/src/store/queue/queue.ts";
import type { Store, StoreParts } from "../../packages/tollkeeper/src/store/store.ts";
import { TEST_START } from "../../packages/tollkeeper/src/testing/harness/index.ts";
import type { Auditor } from "./auditor.ts";
import type { Write } from "./audit-types.ts";
import { wrapParts } from "./wrap-store.ts";

/**
 * Prevents reconciles. For this purpose, the store reports that a reconcile has just ended, and that another replica is
 * reconciling.
 */
export function withoutReconcile(store: Store): Store {
  const { tasks } = store;
  const justDone = { progress: null, finishedAt: Number.MAX_SAFE_INTEGER };
  const find: typeof tasks.find = async (name) => (name === RECONCILE_TASK ? justDone : tasks.find(name));
  const acquire: typeof tasks.acquire = async (name, ...how) =>
    name === RECONCILE_TASK ? null : tasks.acquire(name, ...how);
  return { ...store, tasks: { ...tasks, find, acquire } };
}

/**
 * Skips the deletion of old rows while no row can be old enough for deletion. Without this wrapper, the simulation would spend
 * a tenth of its time on the deletion of old rows.
 */
export function withoutEarlyPruning(store: Store): Store {
  const lazy = (queue: Pick<Queue, "pruneDone">): Pick<Queue, "pruneDone"> => ({
    pruneDone: async (before, limit) => (before < TEST_START ? 0 : queue.pruneDone(before, limit)),
  });
  return {
    ...store,
    inbox: { ...store.inbox, ...lazy(store.inbox) },
    outbox: { ...store.outbox, ...lazy(store.outbox) },
  };
}

/** Reports each committed write to the auditor. */
export function observeStore(store: Store, auditor: Auditor): Store {
  return {
    ...observeParts(store, (write) => auditor.committed([write])),
    transaction: async (work) => {
      const writes: Write[] = [];
      const result = await store.transaction((parts) => work(observeParts(parts, (write) => void writes.push(write))));
      auditor.committed(writes);
      return result;
    },
    migrate: () => store.migrate(),
    findMissingMigrations: () => store.findMissingMigrations(),
    analyze: (sample) => store.analyze(sample),
    ping: (now) => store.ping(now),
    onNewEvents: (listener) => store.onNewEvents(listener),
    close: () => store.close(),
  };
}

function observeParts(parts: StoreParts, report: (write: Write) => void): StoreParts {
  return wrapParts(parts, (label, method) => async (...args) => {
    const result = await method(...args);
    report({ method: label, args, result });
    return result;
  });
}
