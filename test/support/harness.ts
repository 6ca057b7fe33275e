/**
 * Provides the test harness that the vitest tests use. Each test has a separate database and service, which are closed at the
 * end of the test.
 */
import { expect, onTestFinished } from "vitest";
import { createEmulator, type Emulator } from "../../packages/emulator/src/index.ts";
import type { TollkeeperOptions } from "../../packages/tollkeeper/src/index.ts";
import { openStore } from "../../packages/tollkeeper/src/store/open-store.ts";
import type { StripeGateway } from "../../packages/tollkeeper/src/stripe/gateway/gateway.ts";
import * as testing from "../../packages/tollkeeper/src/testing/harness/index.ts";
import { compose } from "../../packages/tollkeeper/src/tollkeeper.ts";
import { freshDatabase, type DialectName } from "./databases.ts";
import { PLANS } from "./plans.ts";

export const DAY = 86_400;

export interface TestHarness extends testing.Harness<Emulator> {
  gateway: StripeGateway;
  databaseUrl: string;
}

export interface TestHarnessOptions extends Pick<
  testing.HarnessOptions,
  "network" | "deliver" | "payload" | "pushPlans"
> {
  dialect?: DialectName;
  options?: Partial<TollkeeperOptions>;
  /** Opens the store. By default, the service's real function `openStore` opens the store. */
  open?: typeof openStore;
  /** If more lanes of pending events than this number are due, the service reads renewals from pages of Stripe's lists. */
  catchUpAbove?: number;
}

/**
 * Starts a service on the emulator. At the end of the test, stops the service and fails the test if the emulator's audit finds
 * a problem.
 */
export async function createTestHarness(setup: TestHarnessOptions = {}): Promise<TestHarness> {
  const { dialect = "sqlite", options: { plans = PLANS, ...options } = {}, open = openStore, ...rest } = setup;
  const { catchUpAbove, ...harness } = rest;
  const databaseUrl = await freshDatabase(dialect);
  const billing = await testing.createHarness<Emulator>({
    ...harness,
    plans,
    options,
    databaseUrl,
    createEmulator: (emulatorOptions) => createEmulator({ ...emulatorOptions, checkResponses: true, strict: true }),
    createService: (serviceOptions) => compose(serviceOptions, open, { above: catchUpAbove }),
  });
  onTestFinished(() => expect(billing.emulator.audit()).toEqual([]));
  onTestFinished(() => billing.stop());
  return { ...billing, gateway: testing.createTestGateway(billing.emulator), databaseUrl };
}
