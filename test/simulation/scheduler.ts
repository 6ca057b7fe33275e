/**
 * Decides who goes on. Whoever touches the network or the store stops at a point; when nobody can move by himself, chance
 * picks one of those who wait. Time passes only where it is asked to.
 */
import type { Chance } from "./chance.ts";

interface Parked {
  machine: string;
  label: string;
  /** Whether it holds the store: a frozen machine would hold up everybody, until the database throws it out. */
  holds: boolean;
  go: () => void;
}

interface Sleeper {
  machine: string;
  wakesAt: number;
  wake: () => void;
  /** Wakes no more. */
  forget: () => void;
}

export interface Scheduler {
  /** Replaced with each action, so that what one action does depends on itself alone. */
  chance: Chance;
  /** Stops here until it is picked. */
  point(machine: string, label: string, holds: boolean): Promise<void>;
  sleep(machine: string, wakesAt: number, signal: AbortSignal): Promise<void>;
  /** Nothing of a machine moves until then, as when it is suspended or collects garbage. */
  freeze(machine: string, until: number): void;
  isFrozen(machine: string): boolean;
  /** Resolves when the machine is frozen: whoever waits for it gives up. */
  untilFrozen(machine: string): Promise<void>;
  /** Forgets all that a machine was about to do. */
  drop(machine: string): void;
  /** Follows a task until it ends. */
  follow(task: Promise<unknown>): void;
  /** Lets promises run until nobody moves by himself: to be awaited once whenever something was begun from outside. */
  settle(): Promise<void>;
  /** Lets one who waits go on, and whatever follows from it; false where nobody waits. */
  step(): Promise<boolean>;
  /** Steps until all followed tasks have ended and nobody waits; moves time on where all sleep. */
  untilQuiet(passTime: (ms: number) => void): Promise<void>;
  steps: number;
}

/** More than any honest schedule needs: past it, something goes round in circles. */
const MAX_STEPS_TO_QUIET = 40_000;

/** Where all sleep, time moves on by this at least: often enough for whoever holds a lease to say so. */
const LEAST_WAIT_MS = 5_000;

export function createScheduler(now: () => number, chance: Chance): Scheduler {
  let parked: Parked[] = [];
  let sleepers: Sleeper[] = [];
  let following = 0;
  const frozen = new Map<string, number>();
  const waitingFor = new Map<string, (() => void)[]>();
  const isFrozen = (machine: string): boolean => (frozen.get(machine) ?? 0) > now();

  const settle = async (): Promise<void> => {
    await new Promise((resolve) => setImmediate(resolve));
  };

  const movable = (): Parked[] => parked.filter(({ machine, holds }) => holds || !isFrozen(machine));

  /** False where nobody was to be woken. */
  const wakeDue = (): boolean => {
    const at = now();
    const due = sleepers.filter(({ machine, wakesAt }) => wakesAt <= at && !isFrozen(machine));
    if (due.length === 0) return false;
    sleepers = sleepers.filter((one) => !due.includes(one));
    for (const { forget, wake } of due) {
      forget();
      wake();
    }
    return true;
  };

  const scheduler: Scheduler = {
    chance,
    steps: 0,
    point: (machine, label, holds) => new Promise((go) => void parked.push({ machine, label, holds, go })),
    sleep: (machine, wakesAt, signal) =>
      new Promise((resolve) => {
        if (signal.aborted) return resolve();
        const wakeEarly = (): void => {
          sleepers = sleepers.filter((one) => one !== sleeper);
          resolve();
        };
        // Node keeps a signal that somebody listens to, and all that the listener knows.
        const forget = (): void => signal.removeEventListener("abort", wakeEarly);
        const sleeper: Sleeper = { machine, wakesAt, wake: resolve, forget };
        sleepers.push(sleeper);
        signal.addEventListener("abort", wakeEarly, { once: true });
      }),
    isFrozen,
    freeze(machine, until) {
      frozen.set(machine, until);
      for (const giveUp of waitingFor.get(machine) ?? []) giveUp();
      waitingFor.delete(machine);
    },
    untilFrozen: (machine) =>
      new Promise((resolve) => void waitingFor.set(machine, [...(waitingFor.get(machine) ?? []), resolve])),
    drop(machine) {
      frozen.delete(machine);
      parked = parked.filter((one) => one.machine !== machine);
      for (const { forget } of sleepers.filter((one) => one.machine === machine)) forget();
      sleepers = sleepers.filter((one) => one.machine !== machine);
    },
    follow(task) {
      following += 1;
      const end = (): void => void (following -= 1);
      task.then(end, end);
    },
    settle,
    async step() {
      if (wakeDue()) await settle();
      // A worker that has done something lets a turn of the event loop pass before it goes on.
      if (movable().length === 0) await settle();
      const all = movable();
      if (all.length === 0) return false;
      const picked = scheduler.chance.pick(all);
      parked = parked.filter((one) => one !== picked);
      scheduler.steps += 1;
      picked.go();
      await settle();
      return true;
    },
    async untilQuiet(passTime) {
      await settle();
      for (let steps = 0; steps < MAX_STEPS_TO_QUIET; steps += 1) {
        if (await scheduler.step()) continue;
        if (following === 0 && parked.length === 0) return;
        const wakings = sleepers.map(({ machine, wakesAt }) => Math.max(wakesAt, frozen.get(machine) ?? 0));
        const thaws = parked.map(({ machine }) => frozen.get(machine) ?? 0);
        const next = Math.min(...wakings, ...thaws);
        if (!Number.isFinite(next)) throw new Error(`${following} tasks wait for nothing that could come`);
        passTime(Math.max(LEAST_WAIT_MS, next - now()));
        await settle();
      }
      throw new Error(
        `not quiet after ${MAX_STEPS_TO_QUIET} steps; waiting: ${parked.map(({ label }) => label).join(", ")}`,
      );
    },
  };
  return scheduler;
}
