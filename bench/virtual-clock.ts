/** Time that passes only where everybody waits: work that is bound by a rate takes its time in it, and the machine's none. */

export interface VirtualClock {
  now(): number;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Lets time go by until the work is done. */
  during<T>(work: Promise<T>): Promise<T>;
  /** Moves on at once. */
  jump(ms: number): void;
}

interface Sleeper {
  at: number;
  wake: () => void;
}

/** Turns of the event loop after which nobody is thought to be at work. */
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
