/** The test kit: the service, a local Stripe and one clock in the test's process, without a network. */
import type Stripe from "stripe";
import type { Tollkeeper } from "../tollkeeper.ts";
import type { AppClient, AppHandler } from "./app-client.ts";
import { checkDuration, type Duration } from "./duration.ts";
import type { LogLine } from "./harness/log-recorder.ts";
import { createKit, type Kit } from "./kit.ts";
import type { RestartChanges, ServedBilling } from "./kit-state.ts";
import type { HookRun } from "./recorded-hooks.ts";
import { onTestEnd } from "./runners.ts";
import type { TestBillingOptions } from "./test-options.ts";
import { startServers, type RunningServers, type ServeOptions } from "./test-server.ts";
import type { TestUser } from "./test-user.ts";
import type { TestWebhooks } from "./test-webhooks.ts";

/** A billing system for one test. Each one has its own Stripe, database and clock. */
export interface TestBilling {
  /** Returns a user of the app. Users with the same id are the same. */
  user(id: string): TestUser;
  /** The service: pass it to the app's routes. It stays the same after a restart. */
  service: Tollkeeper;
  /** Stripe's SDK, connected to the local Stripe. Each call resolves after everything that it caused was processed. */
  stripe: Stripe;
  /** The hooks that ran, the oldest first. */
  hooks: readonly HookRun[];
  /** The lines that the service logged. */
  log: readonly LogLine[];
  /** Returns the virtual time. */
  now(): Date;
  /** Moves all clocks, such as `{ months: 1, days: 8 }`. Everything that becomes due happens in order and at its own time. */
  advance(duration: Duration): Promise<void>;
  /** Delivers due webhooks and processes due work. Needed only after changes that did not go through the kit. */
  settle(): Promise<void>;
  /** Loses, repeats and holds webhooks. */
  webhooks: TestWebhooks;
  /** Makes every request of the service to Stripe fail, until `stripeUp` is called. */
  stripeDown(): void;
  stripeUp(): void;
  /** Stops the service and starts it again, with changed options if given, such as other plans. The database stays. */
  restart(changes?: RestartChanges): Promise<void>;
  /** Returns a function that sends requests to the app's own routes as a user. */
  fetch(handler: AppHandler): AppClient;
  /**
   * Serves the app, the service and Stripe's pages on free ports of this machine, for tests in a browser. Webhooks are then
   * processed at once. Call `stop` at the end of the test.
   */
  serve(options?: ServeOptions): Promise<ServedBilling>;
  /** Prints what happened to a user, or to all users, in order and with times. Returns the printed text. */
  timeline(user?: string): string;
  /** Stops everything. In vitest, the end of a test stops what the test has created. */
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts the service with a local Stripe, and creates the plans there.
 *
 * @example
 * const billing = await createTestBilling({ plans });
 * const ada = await billing.user("ada").subscribe("pro");
 * await ada.failPayments();
 * await billing.advance({ months: 1, days: 8 });
 * expect(await ada.can("exports")).toBe(false);
 */
export async function createTestBilling(options: TestBillingOptions): Promise<TestBilling> {
  const kit = await createKit(options);
  const { clock, emulator, restartable, timeline } = kit;
  const users = new Map<string, TestUser>();
  const servers = createServers(kit);
  const stop = async (): Promise<void> => {
    await servers.close();
    await restartable.stop();
  };
  const billing: TestBilling = {
    ...createFaults(kit),
    service: restartable.service,
    stripe: kit.stripe,
    hooks: kit.hooks,
    log: kit.log,
    webhooks: kit.webhooks,
    now: () => new Date(emulator.now()),
    settle: clock.settle,
    async advance(duration) {
      checkDuration(duration);
      timeline.add(null, "test", `the clock moves by ${durationText(duration)}`);
      await clock.advance(duration);
    },
    user(id) {
      const user = users.get(id) ?? kit.createUser(id);
      users.set(id, user);
      return user;
    },
    fetch: kit.connect,
    serve: servers.serve,
    timeline(user) {
      const text = timeline.textOf(user);
      console.log(text);
      return text;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
  await onTestEnd(options.test, { failed: () => console.error(timeline.textOf()), finished: stop });
  return billing;
}

function createFaults({ state, timeline, restart }: Kit): Pick<TestBilling, "stripeDown" | "stripeUp" | "restart"> {
  return {
    stripeDown() {
      timeline.add(null, "fault", "Stripe is down");
      state.isStripeDown = true;
    },
    stripeUp() {
      timeline.add(null, "fault", "Stripe is up again");
      state.isStripeDown = false;
    },
    async restart(changes) {
      timeline.add(null, "fault", "the service restarts");
      await restart(changes);
    },
  };
}

function createServers({ state, emulator, service, restart, clock }: Kit): {
  serve: TestBilling["serve"];
  close(): Promise<void>;
} {
  let running: RunningServers | null = null;
  return {
    async serve(options = {}) {
      if (running) throw new Error("The app is served already.");
      running = await startServers({ emulator, service, settle: clock.settle }, options);
      const { appUrl, stripeUrl } = running;
      state.served = { appUrl, stripeUrl };
      // Users return from Stripe to the address of the app, which the service reads when it starts.
      await restart();
      return state.served;
    },
    async close() {
      await running?.close();
    },
  };
}

function durationText(duration: Duration): string {
  return Object.entries(duration)
    .map(([part, count]) => `${String(count)} ${count === 1 ? part.replace(/s$/, "") : part}`)
    .join(", ");
}
