/** Builds the parts of the test kit and connects them. */
import { randomUUID } from "node:crypto";
import Stripe from "stripe";
import { planChanges, pushPlans } from "../actions/push-plans.ts";
import { DEFAULT_BASE_PATH } from "../config/defaults.ts";
import { resolveConfig } from "../config/resolve-config.ts";
import { withApp, type Plans } from "../domain/plans.ts";
import type { Tollkeeper } from "../tollkeeper.ts";
import type { TollkeeperOptions } from "../options.ts";
import { createAppClient, type AppClient, type AppHandler } from "./app-client.ts";
import { postControl } from "./control.ts";
import { TEST_APP_URL, TEST_SECRET_KEY, TEST_STRIPE_URL, TEST_WEBHOOK_SECRET } from "./harness/constants.ts";
import { loadEmulator, type CreateEmulator, type TestEmulator } from "./harness/emulator.ts";
import { SEED, TEST_START, virtualRuntime } from "./harness/harness.ts";
import { createLogRecorder, type LogLine } from "./harness/log-recorder.ts";
import { createTestGateway } from "./harness/plans.ts";
import { readResponse } from "./harness/read-response.ts";
import type { ServiceClient } from "./harness/service-client.ts";
import { emulatorOptions } from "./harness/service-options.ts";
import { recordHooks, type HookRun } from "./recorded-hooks.ts";
import { createRestartableService, type RestartableService } from "./restartable-service.ts";
import type { TestBillingOptions } from "./test-options.ts";
import { createTestClock, type TestClock } from "./test-clock.ts";
import type { ServedBilling } from "./test-server.ts";
import { createTestUser, type TestUser } from "./test-user.ts";
import { createTestWebhooks, type TestWebhooks } from "./test-webhooks.ts";
import { createTimeline, type Timeline } from "./timeline.ts";

export interface Kit {
  emulator: TestEmulator;
  service: Tollkeeper;
  restartable: RestartableService;
  clock: TestClock;
  timeline: Timeline;
  webhooks: TestWebhooks;
  hooks: HookRun[];
  log: LogLine[];
  stripe: Stripe;
  state: KitState;
  /** Restarts the service with changed options, and creates the plans at Stripe that are new. */
  restart(changes?: RestartChanges): Promise<void>;
  connect(handler: AppHandler): AppClient;
  createUser(id: string): TestUser;
}

/** The parts of the kit that change during a test. */
export interface KitState {
  /** The options of the service, as the test gave them. */
  options: Omit<TestBillingOptions, "startAt" | "signIn" | "createEmulator" | "afterRetries" | "test">;
  isStripeDown: boolean;
  /** The instant at which the service looks for missed events; null if it has missed none. */
  reconcileAt: number | null;
  /** The addresses of the servers; null if nothing is served. */
  served: ServedBilling | null;
}

export type RestartChanges = Partial<KitState["options"]>;

/** The emulator is loaded with the kit, so that the first test needs no more time than the others. */
const loaded = await loadEmulator().catch((error: unknown) => ({ error }));

/** Throws `ConfigError` if the package of the emulator is not installed. */
function installedEmulator(): CreateEmulator {
  if (typeof loaded === "function") return loaded;
  throw loaded.error;
}

export async function createKit(options: TestBillingOptions): Promise<Kit> {
  const {
    startAt,
    signIn = bearer,
    createEmulator = installedEmulator(),
    afterRetries,
    test: _test,
    ...given
  } = options;
  const state: KitState = { options: given, isStripeDown: false, reconcileAt: null, served: null };
  const emulator: TestEmulator = createEmulator({
    seed: SEED,
    startAt: startAt?.getTime() ?? TEST_START,
    wallNow: () => emulator.now(),
    baseUrl: () => state.served?.stripeUrl ?? TEST_STRIPE_URL,
    webhooks: [{ url: `${TEST_APP_URL}${given.basePath ?? DEFAULT_BASE_PATH}/webhook`, secret: TEST_WEBHOOK_SECRET }],
    async fetch(request) {
      const response = await disturbance.deliver(request, (passed) => service.fetch(passed));
      if (state.served) await service.drain();
      return response;
    },
  });
  const timeline = createTimeline(emulator, () => resolveConfig(serviceOptions).userIdMetadataKey);
  const records = { log: [] as LogLine[], hooks: [] as HookRun[] };
  const serviceOptions = toServiceOptions({ ...records, emulator, timeline, state });
  const restartable = createRestartableService(serviceOptions);
  const { service, store } = restartable;
  const clock = createTestClock({ emulator, service, store, state, onSettled: timeline.update });
  const disturbance = createTestWebhooks({ emulator, clock, timeline, state });
  const connect = (handler: AppHandler): AppClient => createAppClient({ handler, signIn, clock, timeline });
  const stripe = createStripe(emulator, clock);
  const push = async (): Promise<void> => {
    await pushMissingPlans(emulator, withApp(state.options.plans, state.options.app));
    await clock.settle();
  };
  const restart = async (changes: RestartChanges = {}): Promise<void> => {
    state.options = { ...state.options, ...changes };
    await restartable.restart(toServiceOptions({ ...records, emulator, timeline, state }));
    await push();
  };
  if (afterRetries) await postControl(emulator, "settings", { after_retries: afterRetries });
  await service.start();
  await push();
  const parts = { ...records, emulator, stripe, service, restartable, clock, timeline, state, connect, restart };
  return { ...parts, webhooks: disturbance.webhooks, createUser: createUsers(parts) };
}

/** Creates the products and prices that Stripe lacks, as the command `plans push` does. */
async function pushMissingPlans(emulator: TestEmulator, plans: Plans): Promise<void> {
  const gateway = createTestGateway(emulator);
  const changes = await planChanges(gateway, plans);
  await pushPlans(gateway, changes, { newId: randomUUID, now: emulator.now });
}

function createUsers({
  emulator,
  stripe,
  service,
  restartable,
  clock,
  timeline,
  state,
  connect,
}: Omit<Kit, "webhooks" | "createUser">): Kit["createUser"] {
  const call = createCall(connect(service), service.basePath);
  const plans = (): Plans => state.options.plans;
  const shared = { emulator, stripe, plans, call, service, store: restartable.store, settle: clock.settle };
  return (id) => createTestUser({ ...shared, id, note: (text) => timeline.add(id, "test", text) });
}

type Surroundings = Pick<Kit, "emulator" | "state" | "log" | "hooks" | "timeline">;

/** Returns the app's options with the keys, the addresses, the clock and the database of the test. */
function toServiceOptions({ emulator, state, log, hooks, timeline }: Surroundings): TollkeeperOptions {
  const given = state.options;
  const defaults = emulatorOptions(given.plans);
  const onHook = (run: HookRun): void => {
    hooks.push(run);
    timeline.addHook(run);
  };
  return {
    ...withoutProduction(given),
    ...defaults,
    appUrl: state.served?.appUrl ?? defaults.appUrl,
    authenticate: given.authenticate ?? defaults.authenticate,
    hooks: recordHooks(given.hooks ?? {}, emulator.now, onHook),
    databaseUrl: given.database ?? "file::memory:",
    environment: "test",
    runWorker: false,
    log: createLogRecorder(log),
    runtime: { ...virtualRuntime(emulator), sleep },
    async fetch(input, init) {
      if (state.isStripeDown) throw new TypeError("fetch failed: the test has called stripeDown()");
      return emulator.fetch(new Request(input, init));
    },
  };
}

/** Returns the options without those that name the app's real database, issuer or receiver of hooks. */
function withoutProduction(options: KitState["options"]): Partial<TollkeeperOptions> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !PRODUCTION_ONLY.has(name)));
}

const PRODUCTION_ONLY: ReadonlySet<string> = new Set<keyof KitState["options"]>([
  "database",
  "stripeAccountChanged",
  "stripeWebhookMode",
  "databaseDirectUrl",
  "authIssuer",
  "authJwksUri",
  "authAudience",
  "authClientIds",
  "authAlgorithms",
  "hooksUrl",
  "hooksSecret",
  "hooksFetch",
]);

/** Ends only if the signal aborts. The test's clock moves without waiting, and a real timer would keep the process alive. */
function sleep(_ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function createStripe(emulator: TestEmulator, clock: TestClock): Stripe {
  return new Stripe(TEST_SECRET_KEY, {
    maxNetworkRetries: 0,
    httpClient: Stripe.createFetchHttpClient(async (input, init) => {
      const response = await emulator.fetch(new Request(input, init));
      await clock.settle();
      return response;
    }),
  });
}

/** Returns a function that sends JSON to the service's routes. */
function createCall(client: AppClient, basePath: string): ServiceClient {
  return async (user, method, path, body = {}) =>
    readResponse(
      await client(user, `${basePath}/${path}`, {
        method,
        ...(method === "POST" && { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
      }),
    );
}

function bearer(user: string): Record<string, string> {
  return { authorization: `Bearer ${user}` };
}
