/** Starts the test kit `tollkeeper/testing` with the emulator of this repository, which checks its own responses. */
import { expect, onTestFinished } from "vitest";
import { createEmulator, type Emulator } from "../../packages/emulator/src/index.ts";
import {
  createTestBilling,
  type TestBilling,
  type TestBillingOptions,
} from "../../packages/tollkeeper/src/testing/index.ts";
import { PLANS } from "./plans.ts";

/** Fails the test if the emulator's audit finds a problem. */
export async function createKit(options: Partial<TestBillingOptions> = {}): Promise<TestBilling> {
  let emulator: Emulator | null = null;
  onTestFinished(() => expect(emulator?.audit()).toEqual([]));
  return createTestBilling({
    plans: PLANS,
    createEmulator: (settings) => (emulator = createEmulator({ ...settings, checkResponses: true })),
    ...options,
  });
}
