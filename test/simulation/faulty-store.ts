/** Simulates one replica's connection to the shared store, on which each call can fail before or after it took effect. */
import { UnavailableError } from "../../packages/tollkeeper/src/errors.ts";
import type { Store } from "../../packages/tollkeeper/src/store/store.ts";
import { BEFORE_OR_AFTER } from "./faulty-network.ts";
import { never, pause, type Life } from "./life.ts";
import { wrapParts } from "./wrap-store.ts";

const READS = /\.(find|filterUnstored|list|has|all|versionOf|lastSeq|nextDueAt|oldestAt|countByState)/;
const CLAIMS = /\.claim$/;
/**
 * Matches the store methods that have no effect on other replicas. Calls of the store without an effect on other replicas
 * need no pause point.
 */
const UNOBSERVED = /\.(pruneDone|heartbeat|countPending)$/;

/**
 * Returns true if another replica may see the effect of the store call before the calling replica continues. After a read of
 * the store, no pause is needed, because the replica also pauses before its next store call. The store call that claims events
 * or hooks has an effect only if it returns rows.
 */
function isVisible(label: string, result: unknown): boolean {
  // If a store call returns null, the call has changed nothing.
  if (READS.test(label) || UNOBSERVED.test(label) || result === null) return false;
  return !CLAIMS.test(label) || (result as unknown[]).length > 0;
}

function unavailable(): UnavailableError {
  return new UnavailableError("store_unavailable", "The database is unavailable.");
}

export function faultyStore(life: Life): Store {
  const { store } = life.setup;
  const outside = wrapParts(
    store,
    (label, method) =>
      (...args) =>
        callStore(life, label, () => method(...args)),
  );
  return {
    ...outside,
    // If a replica crashes, the database rolls back the replica's transaction.
    transaction: (work) =>
      callStore(life, "transaction", () =>
        store.transaction((parts) => {
          const inside = wrapParts(
            parts,
            (label, method) =>
              (...args) =>
                callInTransaction(life, label, () => method(...args)),
          );
          return Promise.race([work(inside), life.death]);
        }),
      ),
    migrate: () => callStore(life, "migrate", () => store.migrate()),
    findMissingMigrations: () => callStore(life, "findMissingMigrations", () => store.findMissingMigrations()),
    analyze: (sample) => callStore(life, "analyze", () => store.analyze(sample)),
    ping: (now) => callStore(life, "ping", () => store.ping(now)),
    onNewEvents: (listener) => store.onNewEvents(listener),
    close: async () => {},
  };
}

async function callStore<T>(life: Life, label: string, work: () => Promise<T>): Promise<T> {
  if (life.isOver) return never();
  if (!UNOBSERVED.test(label)) await pause(life, label);
  const { random } = life.setup.scheduler;
  const fails = random.happens(life.replica.faults.store) ? random.pick(BEFORE_OR_AFTER) : null;
  if (fails === "before") throw unavailable();
  const result = await work();
  if (life.isOver) return never();
  if (isVisible(label, result)) await pause(life, `after ${label}`);
  if (fails === "after") throw unavailable();
  return result;
}

/**
 * The share of a transaction's SQL statements that have a pause point. A few pause points are enough, because other replicas
 * cannot see at which SQL statement a replica crashes.
 */
const SHARE_OF_PAUSES = 0.25;

/**
 * Runs one SQL statement of a transaction. Other replicas see no effect of a statement before the commit, and a failure rolls
 * back the whole transaction.
 */
async function callInTransaction<T>(life: Life, label: string, work: () => Promise<T>): Promise<T> {
  if (life.isOver) return never();
  if (READS.test(label)) return work();
  const { random } = life.setup.scheduler;
  if (random.happens(SHARE_OF_PAUSES)) await pause(life, label, true);
  if (random.happens(life.replica.faults.store)) throw unavailable();
  return work();
}
