/** Starts the test kit `tollkeeper/testing` with the emulator of this repository, which checks its own responses. */
import { expect, onTestFinished } from "vitest";
import { createEmulator, type Emulator } from "../../packages/emulator/src/index.ts";
import {
  createTestBilling,
  type TestBilling,
  type TestBillingOptions,
} from "../../packages/tollkeeper/src/testing/index.ts";
import { freshDatabase, type DialectName } from "./databases.ts";
import { PLANS } from "./plans.ts";

export interface KitOptions extends Partial<TestBillingOptions> {
  /** Creates a new database on the disk or in PostgreSQL. Default: a database in memory. */
  dialect?: DialectName;
}

/** Fails the test if the emulator's audit finds a problem. */
export async function createKit({ dialect, ...options }: KitOptions = {}): Promise<TestBilling> {
  let emulator: Emulator | null = null;
  const database = dialect && (await freshDatabase(dialect));
  onTestFinished(() => expect(emulator?.audit() ?? []).toEqual([]));
  return createTestBilling({
    plans: PLANS,
    createEmulator: (settings) => (emulator = createEmulator({ ...settings, checkResponses: true, strict: true })),
    ...(database !== undefined && { database }),
    ...options,
  });
}
