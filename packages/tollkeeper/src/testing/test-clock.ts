/** Moves the virtual time of a test, step by step, so that everything happens in order and at its own time. */
import type { Store } from "../store/store.ts";
import type { Tollkeeper } from "../tollkeeper.ts";
import { addDuration, type Duration } from "./duration.ts";
import type { TestEmulator } from "./harness/emulator.ts";

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
  /** The instant at which the service looks for missed events; null if it has missed none. */
  state: { reconcileAt: number | null };
  /** A callback that is called each time that everything due was processed. */
  onSettled: () => void;
}

const SECOND_MS = 1_000;
/** Milliseconds after which the service looks for missed events again if it could not. */
const RETRY_MS = 60_000;
/** Maximum number of rounds until nothing is due at one instant. More rounds mean that work causes itself again. */
const MAX_ROUNDS = 1_000;
/** Maximum number of steps of one call of `advance`. */
const MAX_STEPS = 100_000;

export function createTestClock(options: TestClockOptions): TestClock {
  const { emulator, service, state } = options;

  const settle = async (): Promise<void> => {
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      await emulator.drain();
      await service.drain();
      if ((emulator.nextDueAt() ?? Infinity) > emulator.now()) return options.onSettled();
    }
    throw new Error(
      `Webhooks still cause new webhooks after ${MAX_ROUNDS} rounds. Look for a hook that changes Stripe.`,
    );
  };

  const reconcileIfDue = async (): Promise<void> => {
    if ((state.reconcileAt ?? Infinity) > emulator.now()) return;
    const report = await service.reconcile().catch(() => null);
    state.reconcileAt = report === null ? emulator.now() + RETRY_MS : null;
    await settle();
  };

  /** Returns the next instant at which something happens, in whole seconds after the current time. */
  const nextInstant = async (): Promise<number> => {
    const work = await options.store().dueWork.findNextInstant();
    const instants = [emulator.nextDueAt(), work, state.reconcileAt].map((instant) => instant ?? Infinity);
    const next = Math.ceil(Math.min(...instants) / SECOND_MS) * SECOND_MS;
    return Math.max(next, emulator.now() + SECOND_MS);
  };

  return {
    settle,
    async advance(duration) {
      const target = addDuration(emulator.now(), duration);
      await settle();
      for (let step = 0; emulator.now() < target; step += 1) {
        if (step === MAX_STEPS) throw new Error(`The clock made ${MAX_STEPS} steps. Advance by less time at once.`);
        const to = Math.min(await nextInstant(), target);
        await emulator.advance((to - emulator.now()) / SECOND_MS);
        await settle();
        await reconcileIfDue();
      }
    },
  };
}
