/** Moves the virtual time of a test, step by step, so that everything happens in order and at its own time. */
import type { Store } from "../store/store.ts";
import type { Tollkeeper } from "../tollkeeper.ts";
import { DEFAULT_RECONCILE_EVERY_MINUTES } from "../config/defaults.ts";
import { addDuration, type Duration } from "./duration.ts";
import type { TestEmulator } from "./harness/emulator.ts";
import type { KitState } from "./kit-state.ts";
import { isInHook } from "./recorded-hooks.ts";
import type { Timeline } from "./timeline.ts";

export interface TestClock {
  /** Delivers each due webhook and processes all due work, until nothing more is due at the current time. */
  settle(): Promise<void>;
  /** Moves the clock by a duration. Stops at each instant at which something happens. */
  advance(duration: Duration): Promise<void>;
}

export interface TestClockOptions {
  emulator: TestEmulator;
  service: Pick<Tollkeeper, "drain" | "reconcile">;
  store: () => Pick<Store, "dueWork">;
  state: KitState;
  timeline: Pick<Timeline, "update" | "add">;
}

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
/** While Stripe is down, the service only repeats failed requests, so the clock makes steps of at least this length. */
const DOWN_STEP_MS = 3_600_000;
/** Maximum number of rounds until nothing is due at one instant. More rounds mean that work causes itself again. */
const MAX_ROUNDS = 1_000;
/** Maximum number of steps of one call of `advance`. */
const MAX_STEPS = 100_000;

const MOVED_BY_HOOK = "A hook can't move the clock that runs it. Advance in the test.";

export function createTestClock(options: TestClockOptions): TestClock {
  const { emulator, service, state } = options;
  let last: Promise<void> = Promise.resolve();

  const noteEvents = (): void => {
    // The service does not receive the events of held webhooks, so it has missed them when it looks for missed events.
    if (options.timeline.update() > 0 && state.isHeld) state.reconcileAt ??= emulator.now() + reconcileEveryMs(state);
  };

  const settle = async (): Promise<void> => {
    // The processing that called the hook continues after the hook, and then processes what the hook caused.
    if (isInHook()) return;
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      await emulator.drain();
      await service.drain();
      if ((emulator.nextDueAt() ?? Infinity) > emulator.now()) return noteEvents();
    }
    throw new Error(
      `Webhooks still cause new webhooks after ${MAX_ROUNDS} rounds. Look for a hook that changes Stripe.`,
    );
  };

  const reconcileIfDue = async (): Promise<void> => {
    if ((state.reconcileAt ?? Infinity) > emulator.now()) return;
    state.reconcileAt = emulator.now() + reconcileEveryMs(state);
    if (state.isStripeDown) return;
    options.timeline.add(null, "fault", "the service looks for missed events");
    if ((await service.reconcile().catch(() => null)) !== null) state.reconcileAt = null;
    await settle();
  };

  /** Returns the next instant at which something happens, in whole seconds after the current time. */
  const nextInstant = async (): Promise<number> => {
    const work = await options.store().dueWork.findNextInstant();
    const instants = [emulator.nextDueAt(), work, state.reconcileAt].map((instant) => instant ?? Infinity);
    const next = Math.ceil(Math.min(...instants) / SECOND_MS) * SECOND_MS;
    return Math.max(next, emulator.now() + (state.isStripeDown ? DOWN_STEP_MS : SECOND_MS));
  };

  const moveTo = async (target: number): Promise<void> => {
    await settle();
    for (let step = 0; emulator.now() < target; step += 1) {
      if (step === MAX_STEPS) throw new Error(`The clock made ${MAX_STEPS} steps. Advance by less time at once.`);
      const to = Math.min(await nextInstant(), target);
      await emulator.advance((to - emulator.now()) / SECOND_MS);
      await settle();
      await reconcileIfDue();
    }
  };

  return {
    settle,
    advance(duration) {
      if (isInHook()) return Promise.reject(new Error(MOVED_BY_HOOK));
      const moved = last.then(() => moveTo(addDuration(emulator.now(), duration)));
      last = moved.catch(() => {});
      return moved;
    },
  };
}

/** Returns the milliseconds between two looks for missed events, as the service's options set them. */
export function reconcileEveryMs({ options }: Pick<KitState, "options">): number {
  return (options.reconcileEveryMinutes ?? DEFAULT_RECONCILE_EVERY_MINUTES) * MINUTE_MS;
}
