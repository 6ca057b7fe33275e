/** Provides the emulator's state at the start of every schedule: an account that contains the plans. */
import { createEmulator, type State } from "../../packages/emulator/src/index.ts";
import {
  createTestGateway,
  pushTestPlans,
  TEST_APP_URL,
  TEST_START,
  TEST_WEBHOOK_SECRET,
} from "../../packages/tollkeeper/src/testing/harness/index.ts";
import { PLANS } from "../support/plans.ts";

export const WEBHOOK_ENDPOINT = { url: `${TEST_APP_URL}/stripe/webhook`, secret: TEST_WEBHOOK_SECRET };

let firstState: Promise<State> | null = null;

/** Creates the emulator's first state when a process of the simulation first needs this state. */
export function loadFirstState(): Promise<State> {
  firstState ??= createFirstState();
  return firstState;
}

async function createFirstState(): Promise<State> {
  const emulator = createEmulator({
    seed: 5,
    startAt: TEST_START,
    wallNow: () => TEST_START,
    strict: true,
    webhooks: [WEBHOOK_ENDPOINT],
    // When a schedule begins, the events about the plans are not yet delivered.
    fetch: () => new Promise(() => {}),
  });
  await pushTestPlans(createTestGateway(emulator), PLANS, emulator.now);
  return emulator.snapshot();
}
