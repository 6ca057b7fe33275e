/**
 * What is done now and then, by whichever replica comes first: reconcile, catching up by lists, forgetting what is old, saying
 * that one lives.
 */
import type { Runtime } from "../runtime.ts";
import type { Store } from "../store/open-store.ts";
import type { CatchUp } from "../reconcile/catch-up.ts";
import { RECONCILE_TASK, type Reconcile } from "../reconcile/reconcile.ts";

export interface HousekeepingOptions {
  store: Store;
  runtime: Runtime;
  reconcile: Reconcile;
  catchUp: CatchUp;
  /** How long after the last reconcile the next one comes, in milliseconds. */
  reconcileEveryMs: number;
  /** How long done rows of inbox and outbox are kept, in milliseconds. */
  keepMs: number;
  /** Finishes what crashes have left unfinished towards Stripe. */
  finishOperations: () => Promise<number>;
  /** Told how many replicas live. */
  onReplicas: (count: number) => void;
}

export interface Housekeeping {
  /** One round, without the reconcile. */
  tick(): Promise<void>;
  /** Begins; a replica that works nothing off still says that it lives, since it asks Stripe, too. */
  start(works: boolean): void;
  stop(): Promise<void>;
}

const TICK_MS = 10_000;
/** A replica that has been silent for so long does not count. */
const DEAD_AFTER_MS = 35_000;
/** Rows forgotten in one round: no round may hold the others up. */
const FORGET_AT_ONCE = 1_000;

export function createHousekeeping(options: HousekeepingOptions): Housekeeping {
  const { store, runtime, reconcile, catchUp } = options;
  const id = runtime.newId();
  let stopping: AbortController | null = null;
  let looping: Promise<unknown> | null = null;

  const isDue = async (): Promise<boolean> => {
    const last = await store.tasks.find(RECONCILE_TASK);
    return last === null || (last.finishedAt ?? 0) + options.reconcileEveryMs <= runtime.now();
  };

  const beat = async (): Promise<void> => {
    const now = runtime.now();
    options.onReplicas(await store.replicas.beat(id, now, now - DEAD_AFTER_MS));
  };

  const tidy = async (): Promise<void> => {
    const now = runtime.now();
    await store.inbox.forget(now - options.keepMs, FORGET_AT_ONCE);
    await store.outbox.forget(now - options.keepMs, FORGET_AT_ONCE);
    await options.finishOperations();
  };

  const reconcileIfDue = async (signal: AbortSignal): Promise<void> => {
    if (!(await isDue())) return;
    const report = await reconcile({ signal }).catch((error: unknown) => {
      runtime.metrics.count("reconciles_total", { outcome: "failed" });
      throw error;
    });
    if (!report) return;
    runtime.metrics.count("reconciles_total", { outcome: "done" });
    const { events, swept, drift, differences, alarms } = report;
    const fields = { ...events, swept, differences, alarms: alarms.length };
    if (differences > 0)
      runtime.log.warn({ ...fields, first: drift.slice(0, 10) }, "the mirror differed from Stripe; it is repaired");
    else runtime.log.info(fields, "reconciled");
  };

  /** Each on its own: a reconcile of hours holds up nothing else. */
  const loop = async (stop: AbortSignal, act: (stop: AbortSignal) => Promise<unknown>): Promise<void> => {
    while (!stop.aborted) {
      await act(stop).catch((error: unknown) =>
        runtime.log.warn({ error: String(error) }, "housekeeping could not go on; it tries again"),
      );
      await runtime.sleep(TICK_MS, stop);
    }
  };

  return {
    async tick() {
      await tidy();
      await catchUp(new AbortController().signal);
    },
    start(works) {
      if (looping) return;
      stopping = new AbortController();
      const { signal } = stopping;
      looping = Promise.all((works ? [beat, tidy, catchUp, reconcileIfDue] : [beat]).map((act) => loop(signal, act)));
    },
    async stop() {
      stopping?.abort();
      await looping;
      if (looping) await store.replicas.leave(id).catch(() => {});
      looping = null;
    },
  };
}
