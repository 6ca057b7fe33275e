/** The options of the test kit. */
import type { TollkeeperOptions } from "../options.ts";
import type { CreateEmulator } from "./harness/emulator.ts";
import type { TestContext } from "./runners.ts";

/**
 * The options of the app's service, as `createTollkeeper` takes them, and the options of the kit. The kit replaces the keys, the
 * addresses, the clock and the database of the service, so a test never reaches Stripe or the app's own database.
 */
export interface TestBillingOptions extends Omit<Partial<TollkeeperOptions>, "plans"> {
  plans: TollkeeperOptions["plans"];
  /** The time at which the test starts. Default: January 31, 2026, 12:00 UTC. */
  startAt?: Date;
  /** Default: a database in memory. Set a URL to test with a file or with PostgreSQL. The database must be empty. */
  database?: string;
  /**
   * Returns the headers that sign a user in. Default: `Authorization: Bearer` with the user's id, which the service of the kit
   * accepts. Set this option if `authenticate` or the app's own routes expect something else.
   */
  signIn?: (user: string) => Record<string, string> | Promise<Record<string, string>>;
  /** The effect on a subscription when the last retry of a payment fails, as set in Stripe's dashboard. Default `cancel`. */
  afterRetries?: "cancel" | "unpaid" | "past_due" | "pause";
  /** The context of the test. Pass it in tests that run at the same time, so that the kit knows which test has failed. */
  test?: TestContext;
  /** Default: `createEmulator` of the package `@tollkeeper/emulator`. */
  createEmulator?: CreateEmulator;
}
