/** Processes due work within limits, for serverless platforms that stop a process between two requests. */
import type { Runtime } from "../runtime.ts";
import type { WorkResponse } from "../wire.ts";
import type { Maintenance } from "../worker/maintenance.ts";
import type { Worker } from "../worker/worker.ts";

/**
 * Maximum time in milliseconds of each part of a call of `run`: due events and hooks, periodic work, and the events and hooks
 * that became due meanwhile. Each part can need 2 seconds more: to prepare, or to save its progress. So a call takes at most
 * 13.5 seconds, and many platforms end a request after 15 seconds. The next call continues unfinished work.
 */
const WORK_FOR_MS = 2_500;
/** Milliseconds that periodic work has to save its progress after its time is over. */
const STOP_WITHIN_MS = 2_000;
/** Maximum number of events and hooks that each part of a call processes. */
const MAX_ROWS = 500;

export interface Work {
  /** Processes due events and hooks. */
  processDue(): Promise<WorkResponse>;
  /** Processes due events and hooks, then does periodic work. */
  run(): Promise<WorkResponse>;
}

interface WorkParts {
  start: () => Promise<void>;
  drainWithin: Worker["drainWithin"];
  maintenance: Maintenance;
  runtime: Runtime;
}

export function createWork({ start, drainWithin, maintenance, runtime }: WorkParts): Work {
  const processDue = coalesced(async () => {
    await start();
    return drainWithin({ maxRows: MAX_ROWS, forMs: WORK_FOR_MS });
  });
  return {
    processDue,
    run: shared(async () => {
      const { processed } = await processDue();
      await runWithin(runtime, WORK_FOR_MS, maintenance.runDue);
      // A reconcile can find missed events, which become due now.
      const rest = await processDue();
      return { processed: processed + rest.processed, more: rest.more };
    }),
  };
}

/**
 * Runs the function with a signal that aborts after a time. An error that follows from the abort is ignored. If the function
 * does not end soon after the abort, it is not waited for.
 */
async function runWithin(
  { sleep, log }: Runtime,
  forMs: number,
  act: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const finished = new AbortController();
  const tooLong = new AbortController();
  const giveUp = async (): Promise<void> => {
    await sleep(forMs, finished.signal);
    tooLong.abort();
    await sleep(STOP_WITHIN_MS, finished.signal);
  };
  const work = act(tooLong.signal).catch((error: unknown) => {
    if (!tooLong.signal.aborted) throw error;
    log.info({ forMs }, "periodic work takes longer than one request may take; the next request continues it");
  });
  try {
    await Promise.race([work, giveUp()]);
  } finally {
    finished.abort();
  }
}

/** Returns a function whose concurrent calls share one run of `act`, so that many requests cause no more work than one. */
function shared<Result>(act: () => Promise<Result>): () => Promise<Result> {
  let running: Promise<Result> | null = null;
  return () => {
    running ??= act().finally(() => {
      running = null;
    });
    return running;
  };
}

/**
 * Returns a function whose calls never run `act` at the same time. All calls during a run share the next run, because the
 * current run may have looked for work before the calls.
 */
function coalesced<Result>(act: () => Promise<Result>): () => Promise<Result> {
  let current: Promise<Result> | null = null;
  let next: Promise<Result> | null = null;
  const run = (): Promise<Result> => {
    next = null;
    current = act().finally(() => {
      current = null;
    });
    return current;
  };
  return () => {
    if (next !== null) return next;
    return current === null ? run() : (next = current.then(run, run));
  };
}
