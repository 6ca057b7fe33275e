/**
 * Implements a virtual clock that moves only when all running work waits for a later virtual time. Work that waits for a rate
 * limit takes virtual time, but no real time.
 */

export interface VirtualClock {
  now(): number;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Moves the virtual time forward until the given work is done. Returns the result of the given work. */
  during<T>(work: Promise<T>): Promise<T>;
  /** Moves the virtual time forward by a number of milliseconds, without waiting for work. */
  jump(ms: number): void;
}

interface Sleeper {
  at: number;
  wake: () => void;
}

/** Number of turns of the event loop after which the virtual clock assumes that all work waits for a later virtual time. */
const QUIET_TURNS = 3;

export function createVirtualClock(startAt: number): VirtualClock {
  let now = startAt;
  const sleepers = new Set<Sleeper>();

  const wakeNext = (): void => {
    let first: Sleeper | null = null;
    for (const sleeper of sleepers) if (first === null || sleeper.at < first.at) first = sleeper;
    if (first === null) return;
    now = Math.max(now, first.at);
    first.wake();
  };

  return {
    now: () => Math.floor(now),
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        const sleeper: Sleeper = {
          at: now + ms,
          wake: () => {
            sleepers.delete(sleeper);
            resolve();
          },
        };
        sleepers.add(sleeper);
        if (signal?.aborted) sleeper.wake();
        signal?.addEventListener("abort", sleeper.wake, { once: true });
      }),
    async during(work) {
      const over = new AbortController();
      const end = (): void => over.abort();
      work.then(end, end);
      while (!over.signal.aborted) {
        for (let turn = 0; turn < QUIET_TURNS; turn += 1) await new Promise((resolve) => setImmediate(resolve));
        if (!over.signal.aborted) wakeNext();
      }
      return work;
    },
    jump(ms) {
      now += ms;
    },
  };
}
