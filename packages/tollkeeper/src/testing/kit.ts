/** Builds the parts of the test kit and connects them. */
import { randomUUID } from "node:crypto";
import Stripe from "stripe";
import { planChanges, pushPlans } from "../actions/push-plans.ts";
import { DEFAULT_BASE_PATH } from "../config/defaults.ts";
import { resolveConfig } from "../config/resolve-config.ts";
import { withApp, type Plans } from "../domain/plans.ts";
import { maskSecrets } from "../domain/log-text.ts";
import type { Store } from "../store/store.ts";
import type { Tollkeeper } from "../tollkeeper.ts";
import { createAppClient, type AppClient, type AppHandler } from "./app-client.ts";
import { postControl } from "./control.ts";
import { TEST_APP_URL, TEST_SECRET_KEY, TEST_STRIPE_URL, TEST_WEBHOOK_SECRET } from "./harness/constants.ts";
import { loadEmulator, type CreateEmulator, type TestEmulator } from "./harness/emulator.ts";
import { SEED, TEST_START } from "./harness/harness.ts";
import type { LogLine } from "./harness/log-recorder.ts";
import { createTestGateway } from "./harness/plans.ts";
import { readResponse } from "./harness/read-response.ts";
import type { ServiceClient } from "./harness/service-client.ts";
import type { KitState, RestartChanges } from "./kit-state.ts";
import type { HookRun } from "./recorded-hooks.ts";
import { createRestartableService, type RestartableService } from "./restartable-service.ts";
import { toServiceOptions } from "./kit-options.ts";
import type { TestBillingOptions } from "./test-options.ts";
import { bearer } from "./test-sign-in.ts";
import { createTestClock, type TestClock } from "./test-clock.ts";
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
  checkOptions(options);
  const state: KitState = { options: given, isStripeDown: false, isHeld: false, reconcileAt: null, served: null };
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
  const clock = createTestClock({ emulator, service, store, state, timeline });
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
  await requireEmpty(store(), given.database);
  if (afterRetries) await postControl(emulator, "settings", { after_retries: afterRetries });
  await service.start();
  await push();
  const parts = { ...records, emulator, stripe, service, restartable, clock, timeline, state, connect, restart };
  return { ...parts, webhooks: disturbance.webhooks, createUser: createUsers(parts) };
}

/** The times at which the local Stripe's cards and identifiers are valid. */
const START_RANGE = [Date.UTC(2000, 0, 1), Date.UTC(2100, 0, 1)] as const;

/** Throws `TypeError` if the options can't be those of a test. */
function checkOptions(options: TestBillingOptions): void {
  if (typeof options !== "object" || !Array.isArray(options.plans))
    throw new TypeError("createTestBilling needs the plans: createTestBilling({ plans }).");
  const { startAt } = options;
  if (startAt === undefined) return;
  const [first, last] = START_RANGE;
  if (!(startAt instanceof Date && startAt.getTime() >= first && startAt.getTime() < last))
    throw new TypeError(`startAt is ${String(startAt)}. Use a Date from 2000 to 2099.`);
}

/** Throws if the database was used before. Its data belongs to another Stripe than the new one of this test. */
async function requireEmpty(store: Store, url: string | undefined): Promise<void> {
  if ((await store.findMissingMigrations()).length > 0) return;
  await store.close();
  throw new Error(`The database ${maskSecrets(url ?? "")} was used before. Give each test billing an empty database.`);
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

const JSON_HEADERS = { "content-type": "application/json" };

/** Returns a function that sends JSON to the service's routes. */
function createCall(client: AppClient, basePath: string): ServiceClient {
  return async (user, method, path, body = {}) =>
    readResponse(
      await client(user, `${basePath}/${path}`, {
        method,
        ...(method === "POST" && { headers: JSON_HEADERS, body: JSON.stringify(body) }),
      }),
    );
}
