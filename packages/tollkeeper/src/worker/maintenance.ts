/**
 * Runs periodic work: sends heartbeats, deletes old rows, finishes interrupted operations, catches up with renewals and
 * reconciles.
 */
import { describeError } from "../domain/log-text.ts";
import type { Runtime } from "../runtime.ts";
import type { Store } from "../store/store.ts";
import type { CatchUp } from "../reconcile/catch-up.ts";
import type { CompareAccess } from "../reconcile/compare-access.ts";
import { RECONCILE_TASK, type Reconcile } from "../reconcile/reconcile.ts";

export interface MaintenanceOptions {
  store: Store;
  runtime: Runtime;
  reconcile: Reconcile;
  catchUp: CatchUp;
  /** Milliseconds between two reconciles. */
  reconcileEveryMs: number;
  /** Milliseconds for which processed rows of inbox and outbox are kept. */
  keepMs: number;
  /** Finishes operations that a crash left pending. Returns the number of finished operations. */
  finishOperations: () => Promise<number>;
  /** Fingerprint of the plans and the policy of this replica's own code. */
  catalogue: string;
  /** Takes over the plans and the policy that count for all replicas. */
  followCatalogue: () => Promise<unknown>;
  /** Compares the access of all owners after the plans, the policy or a product's plan has changed. */
  compareAccess: CompareAccess;
  /** Milliseconds without a heartbeat after which a replica no longer counts as live. */
  deadAfterMs: number;
  /** A callback that is called after each heartbeat with the number of live replicas. */
  onReplicas: (count: number) => void;
}

export interface Maintenance {
  /** Runs one round of all periodic work except reconcile. */
  runOnce(): Promise<void>;
  /**
   * Runs one round of all periodic work, including a reconcile if it is due, until the signal aborts. The next round continues
   * an aborted reconcile.
   */
  runDue(signal: AbortSignal): Promise<void>;
  /**
   * Starts all periodic work of this replica. If `runsWorker` is false, starts only the heartbeats of this replica. Heartbeats
   * are needed because a replica without a worker also sends requests to Stripe.
   */
  start(runsWorker: boolean): void;
  stop(): Promise<void>;
}

const INTERVAL_MS = 10_000;
/** Maximum number of old rows that one round of maintenance deletes from each queue, so that a round is short. */
const MAX_PRUNED_PER_ROUND = 1_000;

/** Milliseconds after the start of a process in which it deletes no hooks that no process handles. */
const UNHANDLED_KEPT_AFTER_START_MS = 600_000;

export function createMaintenance(options: MaintenanceOptions): Maintenance {
  const { store, runtime, catchUp } = options;
  const id = runtime.newId();
  let stopping: AbortController | null = null;
  let looping: Promise<unknown> | null = null;

  const sendHeartbeat = async (): Promise<void> => {
    const now = runtime.now();
    options.onReplicas(await store.replicas.heartbeat(id, now, now - options.deadAfterMs, options.catalogue));
    await options.followCatalogue();
  };

  /** Deletes old rows. Deletes unhandled hooks only after the processes of the app had time to register their hooks. */
  const prune = async (startedAt: number): Promise<void> => {
    await pruneProcessed(options);
    if (runtime.now() - startedAt >= UNHANDLED_KEPT_AFTER_START_MS) await pruneUnhandledHooks(options);
  };
  /** Does not wait, because a single round may be all that its process does. A serverless process is stopped between requests. */
  const pruneAtOnce = (): Promise<void> => prune(-Infinity);
  const reconcile = (stop: AbortSignal): Promise<void> => reconcileIfDue(options, stop);

  return {
    async runOnce() {
      await pruneAtOnce();
      await options.finishOperations();
      await catchUp(new AbortController().signal);
      await options.compareAccess(new AbortController().signal);
    },
    async runDue(signal) {
      await pruneAtOnce();
      await options.finishOperations();
      await catchUp(signal);
      await options.compareAccess(signal);
      if (!signal.aborted) await reconcile(signal);
    },
    start(runsWorker) {
      if (looping) return;
      stopping = new AbortController();
      const { signal } = stopping;
      const startedAt = runtime.now();
      const acts = runsWorker
        ? [sendHeartbeat, () => prune(startedAt), options.finishOperations, catchUp, options.compareAccess, reconcile]
        : [sendHeartbeat];
      looping = Promise.all(acts.map((act) => repeat(act, runtime, signal)));
    },
    async stop() {
      stopping?.abort();
      await looping;
      if (looping) await store.replicas.leave(id).catch(() => {});
      looping = null;
    },
  };
}

/**
 * Repeats one kind of periodic work until the service stops. Each kind of work is repeated for itself, so that a long reconcile
 * does not delay other work.
 */
async function repeat(
  act: (stop: AbortSignal) => Promise<unknown>,
  runtime: Pick<Runtime, "sleep" | "log">,
  stop: AbortSignal,
): Promise<void> {
  while (!stop.aborted) {
    await act(stop).catch((error: unknown) =>
      runtime.log.warn({ error: describeError(error) }, "maintenance failed; retrying"),
    );
    await runtime.sleep(INTERVAL_MS, stop);
  }
}

/** Deletes old processed rows of the inbox and the outbox. Takes hooks that no process handles out of their lanes. */
async function pruneProcessed({ store, runtime, keepMs }: MaintenanceOptions): Promise<void> {
  const now = runtime.now();
  const before = now - keepMs;
  await store.inbox.pruneDone(before, MAX_PRUNED_PER_ROUND);
  await store.outbox.pruneDone(before, MAX_PRUNED_PER_ROUND);
  await store.outbox.expireHooks(now);
}

/** Deletes old hooks that no process handles. */
async function pruneUnhandledHooks({ store, runtime, keepMs }: MaintenanceOptions): Promise<void> {
  const now = runtime.now();
  const before = now - keepMs;
  for (const [hook, rows] of await store.outbox.pruneUnhandled(before, now, MAX_PRUNED_PER_ROUND))
    runtime.log.warn({ hook, rows }, "deleted old hooks that no process handles; define the hook, or set HOOKS_URL");
}

async function reconcileIfDue(
  { store, runtime, reconcile, reconcileEveryMs }: MaintenanceOptions,
  signal: AbortSignal,
): Promise<void> {
  const last = await store.tasks.find(RECONCILE_TASK);
  if (last !== null && (last.finishedAt ?? 0) + reconcileEveryMs > runtime.now()) return;
  const report = await reconcile({ signal }).catch((error: unknown) => {
    runtime.metrics.count("reconciles_total", { outcome: "failed" });
    throw error;
  });
  if (!report) return;
  runtime.metrics.count("reconciles_total", { outcome: report.sweepStopped ? "sweep_stopped" : "done" });
  const { events, swept, drift, differences, warnings } = report;
  const fields = { ...events, swept, differences, warnings: warnings.length };
  if (differences === 0) return runtime.log.info(fields, "reconciled");
  const first = drift.slice(0, 10);
  runtime.log.warn({ ...fields, first }, "the mirror differed from Stripe; the differences are repaired");
}
