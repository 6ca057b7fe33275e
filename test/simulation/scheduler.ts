/**
 * Decides the order of all work in the simulation. In the simulation, every call to the network or the store waits at a pause
 * point. When all simulated code waits at pause points, a random number decides at which pause point the code continues. In the
 * simulation, time passes only when the simulation moves the clock.
 */
import type { SeededRandom } from "./seeded-random.ts";

interface Paused {
  replica: string;
  label: string;
  /**
   * True if the paused code holds the store's lock. Code that holds the store's lock continues even if its replica is frozen.
   * In production, the database ends the session of a frozen replica that holds a lock.
   */
  holdsStore: boolean;
  resume: () => void;
}

interface Sleeper {
  replica: string;
  wakesAt: number;
  wake: () => void;
  /** Removes the listener of the abort signal. */
  dispose: () => void;
}

export interface Scheduler {
  /**
   * The generator of random numbers for the current action. Each action gets a new generator of random numbers, so that the
   * action's choices depend only on its seed.
   */
  random: SeededRandom;
  /** Adds a pause point, and waits until the scheduler lets the code at the pause point continue. */
  pause(replica: string, label: string, holdsStore: boolean): Promise<void>;
  sleep(replica: string, wakesAt: number, signal: AbortSignal): Promise<void>;
  /** Stops all work of a replica until the given time, as if the machine were suspended. */
  freeze(replica: string, until: number): void;
  isFrozen(replica: string): boolean;
  /** Resolves when the replica is frozen, so that clients of the replica can time out. */
  untilFrozen(replica: string): Promise<void>;
  /** Discards all pending work of a replica. */
  drop(replica: string): void;
  /** Counts the given task as running until the task ends. */
  follow(task: Promise<unknown>): void;
  /**
   * Runs pending promises until all simulated code waits at pause points. Call this function after code outside the scheduler
   * has started work.
   */
  settle(): Promise<void>;
  /**
   * Lets the code at one pause point continue, and waits until all simulated code waits at pause points again. Returns false if
   * no simulated code waits at a pause point.
   */
  step(): Promise<boolean>;
  /**
   * Continues the simulated code until all tasks passed to `follow` have ended and no code waits at a pause point. Moves the
   * clock when all replicas sleep.
   */
  untilQuiet(passTime: (ms: number) => void): Promise<void>;
  steps: number;
}

/**
 * The maximum number of pause points that the simulation passes until no work is pending. Schedules without an endless loop
 * pass fewer pause points than this maximum. A simulation that exceeds this maximum is in an endless loop.
 */
const MAX_STEPS_TO_QUIET = 40_000;

/**
 * The minimum time that passes when all replicas sleep. This waiting time is so short that replicas renew their leases before
 * the leases expire.
 */
const LEAST_WAIT_MS = 5_000;

interface SchedulerState {
  now: () => number;
  paused: Paused[];
  sleepers: Sleeper[];
  /** The number of tasks that were passed to `follow` and have not ended. */
  running: number;
  /** Maps each frozen replica to the time at which the replica continues to run. */
  frozen: Map<string, number>;
  frozenListeners: Map<string, (() => void)[]>;
}

export function createScheduler(now: () => number, random: SeededRandom): Scheduler {
  const state: SchedulerState = {
    now,
    paused: [],
    sleepers: [],
    running: 0,
    frozen: new Map(),
    frozenListeners: new Map(),
  };
  const scheduler: Scheduler = {
    random,
    steps: 0,
    settle,
    pause: (replica, label, holdsStore) =>
      new Promise((resume) => void state.paused.push({ replica, label, holdsStore, resume })),
    sleep: (replica, wakesAt, signal) => sleep(state, { replica, wakesAt }, signal),
    isFrozen: (replica) => isFrozen(state, replica),
    freeze(replica, until) {
      state.frozen.set(replica, until);
      for (const notify of state.frozenListeners.get(replica) ?? []) notify();
      state.frozenListeners.delete(replica);
    },
    untilFrozen: (replica) =>
      new Promise((resolve) => {
        state.frozenListeners.set(replica, [...(state.frozenListeners.get(replica) ?? []), resolve]);
      }),
    drop: (replica) => drop(state, replica),
    follow(task) {
      state.running += 1;
      const end = (): void => void (state.running -= 1);
      task.then(end, end);
    },
    step: () => step(state, scheduler),
    untilQuiet: (passTime) => untilQuiet(state, scheduler, passTime),
  };
  return scheduler;
}

async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

function isFrozen({ frozen, now }: SchedulerState, replica: string): boolean {
  return (frozen.get(replica) ?? 0) > now();
}

function sleep(state: SchedulerState, what: { replica: string; wakesAt: number }, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const wakeEarly = (): void => {
      state.sleepers = state.sleepers.filter((one) => one !== sleeper);
      resolve();
    };
    // Without the removal of the listener, Node would keep the abort signal and the objects of its listeners in memory.
    const dispose = (): void => signal.removeEventListener("abort", wakeEarly);
    const sleeper: Sleeper = { ...what, wake: resolve, dispose };
    state.sleepers.push(sleeper);
    signal.addEventListener("abort", wakeEarly, { once: true });
  });
}

function drop(state: SchedulerState, replica: string): void {
  state.frozen.delete(replica);
  state.paused = state.paused.filter((one) => one.replica !== replica);
  for (const { dispose } of state.sleepers.filter((one) => one.replica === replica)) dispose();
  state.sleepers = state.sleepers.filter((one) => one.replica !== replica);
}

function listReady(state: SchedulerState): Paused[] {
  return state.paused.filter(({ replica, holdsStore }) => holdsStore || !isFrozen(state, replica));
}

/** Ends each simulated `sleep` whose time has come. Returns false if no simulated `sleep` was due to end. */
function wakeDue(state: SchedulerState): boolean {
  const at = state.now();
  const due = state.sleepers.filter(({ replica, wakesAt }) => wakesAt <= at && !isFrozen(state, replica));
  if (due.length === 0) return false;
  state.sleepers = state.sleepers.filter((one) => !due.includes(one));
  for (const { dispose, wake } of due) {
    dispose();
    wake();
  }
  return true;
}

async function step(state: SchedulerState, scheduler: Scheduler): Promise<boolean> {
  if (wakeDue(state)) await settle();
  // After a worker has processed events or hooks, it yields to the event loop before it continues.
  if (listReady(state).length === 0) await settle();
  const ready = listReady(state);
  if (ready.length === 0) return false;
  const picked = scheduler.random.pick(ready);
  state.paused = state.paused.filter((one) => one !== picked);
  scheduler.steps += 1;
  picked.resume();
  await settle();
  return true;
}

async function untilQuiet(state: SchedulerState, scheduler: Scheduler, passTime: (ms: number) => void): Promise<void> {
  await settle();
  for (let steps = 0; steps < MAX_STEPS_TO_QUIET; steps += 1) {
    if (await scheduler.step()) continue;
    const { running, paused, sleepers, frozen, now } = state;
    if (running === 0 && paused.length === 0) return;
    const wakeTimes = sleepers.map(({ replica, wakesAt }) => Math.max(wakesAt, frozen.get(replica) ?? 0));
    const thawTimes = paused.map(({ replica }) => frozen.get(replica) ?? 0);
    const next = Math.min(...wakeTimes, ...thawTimes);
    if (!Number.isFinite(next)) throw new Error(`${running} tasks wait for an event that cannot happen`);
    passTime(Math.max(LEAST_WAIT_MS, next - now()));
    await settle();
  }
  const labels = state.paused.map(({ label }) => label).join(", ");
  throw new Error(`not quiet after ${MAX_STEPS_TO_QUIET} steps; still paused: ${labels}`);
}
