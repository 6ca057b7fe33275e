/** Delays the responses to requests, as a slow network does. */
import { advanceTimeTo } from "./virtual-time.ts";
import type { State } from "./state.ts";

/** The largest number of requests that wait at once. Further requests are not delayed. */
const MAX_WAITING = 1_000;

export interface Delays {
  /** Calls `act` after a delay in milliseconds, and returns its result. */
  after<Result>(milliseconds: number, act: () => Promise<Result>): Promise<Result>;
  /** Returns the virtual time at which the next request ends its wait; null if none waits for virtual time. */
  nextAt(): number | null;
  /** Moves virtual time to the end of the next wait, and completes the request. */
  runNext(): Promise<void>;
  /** Completes all waiting requests at once, because the state was replaced. */
  runAll(): Promise<void>;
}

interface Waiting {
  /** Virtual time in epoch seconds. */
  at: number;
  run(): Promise<void>;
}

/**
 * Creates the delays of an emulator. With a running clock, a delay lasts for real time. With a clock that stands still, a delay
 * lasts until the clock has moved by it, rounded up to a second.
 */
export function createDelays(clock: "still" | "running", state: () => State): Delays {
  let waiting: Waiting[] = [];
  const take = (): Waiting | undefined => {
    const first = waiting.toSorted((one, other) => one.at - other.at)[0];
    waiting = waiting.filter((one) => one !== first);
    return first;
  };
  return {
    async after(milliseconds, act) {
      if (clock === "running") {
        await new Promise((resolve) => setTimeout(resolve, milliseconds));
        return act();
      }
      if (waiting.length >= MAX_WAITING) return act();
      const { promise, resolve } = Promise.withResolvers<void>();
      const ended = promise.then(act);
      const run = async (): Promise<void> => {
        resolve();
        await Promise.allSettled([ended]);
      };
      waiting.push({ at: state().now + Math.ceil(milliseconds / 1_000), run });
      return ended;
    },
    nextAt: () => (waiting.length === 0 ? null : Math.min(...waiting.map(({ at }) => at))),
    async runNext() {
      const next = take();
      if (!next) return;
      advanceTimeTo(state(), next.at);
      await next.run();
    },
    async runAll() {
      const all = waiting;
      waiting = [];
      for (const one of all) await one.run();
    },
  };
}
