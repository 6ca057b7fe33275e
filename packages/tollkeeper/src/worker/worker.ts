/** The worker: processes due events, hooks and access checks until it is stopped. */
import { describeError } from "../domain/log-text.ts";
import { nextTurn, type Runtime } from "../runtime.ts";
import { createSlots, type Slots, type SlotsOptions } from "./slots.ts";

export interface Worker {
  /** Processes all work that is due now or becomes due before the processing ends. Returns the number of processed rows. */
  drain(): Promise<number>;
  /**
   * Processes due work until no work is due, `maxRows` rows were started, or `forMs` milliseconds have passed. Rows that are
   * still running then are not waited for. Returns the number of started rows, and true in `more` if more work may be due.
   */
  drainWithin(limits: DrainLimits): Promise<{ processed: number; more: boolean }>;
  /** Wakes the worker, because new events have arrived. */
  wake(): void;
  start(): void;
  /** Stops the worker. When the worker is stopped, it waits at most 8 seconds for running events and hooks. */
  stop(): Promise<void>;
}

export interface DrainLimits {
  maxRows: number;
  forMs: number;
}

/**
 * Maximum time in milliseconds for which `stop` waits. After a stop, the leases of unfinished rows expire, and another worker
 * processes the unfinished rows.
 */
const STOP_TIMEOUT_MS = 8_000;
/** Milliseconds between two checks for due work if nothing wakes the worker. */
const POLL_MS = 1_000;
/**
 * Milliseconds that the worker waits after a new event before it processes the event. Stripe sends the events of one change
 * shortly after each other, and the worker processes them together.
 */
export const BATCH_DELAY_MS = 100;
/**
 * Reasons for which the worker wakes and looks for due work. The worker waits for more events only if a new event woke the
 * worker.
 */
const NEW_EVENT = "new event";
const FINISHED = "finished";

export function createWorker(options: SlotsOptions): Worker {
  const { runtime } = options;
  let wakeSignal = new AbortController();
  const slots = createSlots(options, () => wakeSignal.abort(FINISHED));
  let stopping: AbortController | null = null;
  let looping: Promise<void> | null = null;

  /**
   * Waits for more events about the same change at Stripe. If all slots of the worker are in use, the wait ends as soon as a
   * slot is free.
   */
  const waitForBatch = async (stop: AbortSignal, isFull: boolean): Promise<void> => {
    const over = new AbortController();
    const freed = isFull ? slots.running() : [];
    await Promise.race([runtime.sleep(BATCH_DELAY_MS, AbortSignal.any([stop, over.signal])), ...freed]);
    over.abort();
  };

  const loop = async (stop: AbortSignal): Promise<void> => {
    while (!stop.aborted) {
      wakeSignal = new AbortController();
      const { signal } = wakeSignal;
      let isFull = false;
      try {
        ({ isFull } = await slots.fill());
      } catch (error) {
        runtime.log.error({ error: describeError(error) }, "worker iteration failed; retrying");
      }
      await runtime.sleep(POLL_MS, AbortSignal.any([signal, stop]));
      if (signal.reason === NEW_EVENT) await waitForBatch(stop, isFull);
      // On SQLite, the worker processes queue rows without returning to the event loop between them. If the worker did not wait
      // for the event loop, hundreds of hooks would delay pending HTTP requests.
      else if (signal.reason === FINISHED) await nextTurn();
    }
  };

  return {
    drain: () => drain(slots),
    drainWithin: (limits) => drainWithin(slots, runtime, limits),
    wake: () => wakeSignal.abort(NEW_EVENT),
    start() {
      if (looping) return;
      stopping = new AbortController();
      looping = loop(stopping.signal);
    },
    async stop() {
      stopping?.abort();
      await looping;
      looping = null;
      stopping = null;
      const timeout = new AbortController();
      await Promise.race([runtime.sleep(STOP_TIMEOUT_MS, timeout.signal), Promise.all(slots.running())]);
      timeout.abort();
    },
  };
}

/** Starts due work in the slots until no work is due and no row is being processed. Returns the number of started rows. */
async function drain(slots: Slots): Promise<number> {
  for (let total = 0; ;) {
    const before = slots.finished();
    const { started } = await slots.fill();
    total += started;
    if (slots.running().length > 0) await Promise.race(slots.running());
    else if (started === 0 && slots.finished() === before) return total;
  }
}

async function drainWithin(
  slots: Slots,
  runtime: Pick<Runtime, "sleep">,
  { maxRows, forMs }: DrainLimits,
): Promise<{ processed: number; more: boolean }> {
  const finished = new AbortController();
  let isOver = false;
  const timeout = (async (): Promise<void> => {
    await runtime.sleep(forMs, finished.signal);
    isOver = true;
  })();
  let processed = 0;
  try {
    for (;;) {
      const before = slots.finished();
      const { started } = await slots.fill();
      processed += started;
      const running = slots.running();
      if (running.length > 0) await Promise.race([timeout, ...running]);
      else if (started === 0 && slots.finished() === before) return { processed, more: false };
      if (isOver || processed >= maxRows) {
        await Promise.race([timeout, Promise.all(slots.running())]);
        return { processed, more: true };
      }
    }
  } finally {
    finished.abort();
  }
}
