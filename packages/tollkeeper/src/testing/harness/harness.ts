/** A service and the emulator in one process, on one virtual clock, without sockets. */
import { withApp, type Plans } from "../../domain/plans.ts";
import type { TollkeeperOptions } from "../../options.ts";
import { createTollkeeper, type Tollkeeper } from "../../tollkeeper.ts";
import { TEST_APP_URL, TEST_STRIPE_URL, TEST_WEBHOOK_SECRET } from "./constants.ts";
import { loadEmulator, type CreateEmulator, type Network, type TestEmulator } from "./emulator.ts";
import { createLogRecorder, type LogLine } from "./log-recorder.ts";
import { createTestGateway, pushTestPlans } from "./plans.ts";
import { createBuy, type Buy } from "./purchase.ts";
import { createServiceClient, type ServiceClient } from "./service-client.ts";
import { emulatorOptions } from "./service-options.ts";
import { createStripeClient, type StripeClient } from "./stripe-client.ts";

/** The virtual time at which a test starts by default. */
export const TEST_START: number = Date.UTC(2026, 0, 31, 12);

/** A test's interceptor handles a request itself or passes the request to `next`. */
export type Interceptor = (request: Request, next: Network) => Promise<Response>;

export interface HarnessOptions<Emulator extends TestEmulator = TestEmulator> {
  plans: Plans;
  /** Default: a database in memory. A test with several replicas needs PostgreSQL or a SQLite database in a file. */
  databaseUrl?: string;
  /** Options that every service of the test gets in addition to the default options. */
  options?: Partial<Omit<TollkeeperOptions, "plans" | "databaseUrl">>;
  /** Default: `createEmulator` of the package `@tollkeeper/emulator`. */
  createEmulator?: CreateEmulator<Emulator>;
  /** Default: `createTollkeeper`. */
  createService?: (options: TollkeeperOptions) => Tollkeeper;
  /** Intercepts requests from the service to Stripe. */
  network?: Interceptor;
  /** Intercepts webhooks from Stripe to the service. */
  deliver?: Interceptor;
  /** The content of webhooks: whole objects or thin notifications. Default `snapshot`. */
  payload?: "snapshot" | "thin";
  /** Creates the plans as products and prices in the emulator. Default true. */
  pushPlans?: boolean;
}

export interface Harness<Emulator extends TestEmulator = TestEmulator> {
  emulator: Emulator;
  service: Tollkeeper;
  log: LogLine[];
  /** Creates another replica with the same database and the same emulator. */
  addReplica(options?: Partial<TollkeeperOptions>): Tollkeeper;
  call: ServiceClient;
  stripe: StripeClient;
  /** Delivers every due webhook and processes all due work. */
  drain(): Promise<void>;
  /** Moves the virtual clock by a number of seconds, and performs all work that becomes due. */
  advance(seconds: number): Promise<void>;
  /** Buys a plan for a user through checkout with a test card. The webhooks of the purchase stay undelivered. */
  buy: Buy;
  /** Buys a plan, then delivers all due webhooks and processes all due work. */
  subscribe: Buy;
  /** Returns the ids of the features that the user may use. */
  features(user: string): Promise<string[]>;
  /** Stops every service. */
  stop(): Promise<void>;
}

/** The seed of the ids in tests. */
export const SEED = 7;
const pass: Interceptor = (request, next) => next(request);

export async function createHarness<Emulator extends TestEmulator = TestEmulator>(
  setup: HarnessOptions<Emulator>,
): Promise<Harness<Emulator>> {
  const createEmulator = setup.createEmulator ?? ((await loadEmulator()) as CreateEmulator<Emulator>);
  const log: LogLine[] = [];
  const replicas: Tollkeeper[] = [];
  const { deliver = pass, network = pass } = setup;
  const emulator: Emulator = createEmulator({
    seed: SEED,
    startAt: TEST_START,
    wallNow: () => emulator.now(),
    baseUrl: TEST_STRIPE_URL,
    webhooks: [{ url: `${TEST_APP_URL}/stripe/webhook`, secret: TEST_WEBHOOK_SECRET, payload: setup.payload }],
    fetch: (request) => deliver(request, (passed) => service.fetch(passed)),
  });
  const baseOptions: TollkeeperOptions = {
    ...emulatorOptions(setup.plans),
    databaseUrl: setup.databaseUrl ?? "file::memory:",
    runWorker: false,
    fetch: (input, init) => network(new Request(input, init), emulator.fetch),
    log: createLogRecorder(log),
    runtime: virtualRuntime(emulator),
    ...setup.options,
  };
  const addReplica = (options: Partial<TollkeeperOptions> = {}): Tollkeeper => {
    const replica = (setup.createService ?? createTollkeeper)({ ...baseOptions, ...options });
    replicas.push(replica);
    return replica;
  };
  const stop = async (): Promise<void> => void (await Promise.all(replicas.map((replica) => replica.stop())));
  const service = addReplica();
  try {
    await service.start();
    if (setup.pushPlans !== false)
      await pushTestPlans(createTestGateway(emulator), withApp(setup.plans, setup.options?.app), emulator.now);
  } catch (error) {
    await stop();
    throw error;
  }
  return { emulator, service, log, addReplica, stop, ...createActions(service, emulator, setup.plans) };
}

type Actions = Pick<Harness, "call" | "stripe" | "drain" | "advance" | "buy" | "subscribe" | "features">;

function createActions(service: Tollkeeper, emulator: TestEmulator, plans: Plans): Actions {
  const call = createServiceClient({ fetch: service.fetch });
  const stripe = createStripeClient({ fetch: emulator.fetch });
  const buy = createBuy({ call, stripe, plans });
  const drain = async (): Promise<void> => {
    await emulator.drain();
    await service.drain();
  };
  return {
    call,
    stripe,
    buy,
    drain,
    async advance(seconds) {
      await emulator.advance(seconds);
      await service.drain();
    },
    async subscribe(...purchase) {
      const response = await buy(...purchase);
      await drain();
      return response;
    },
    async features(user) {
      const { body } = await call(user, "GET", "entitlements");
      return (body["entitlements"] as { feature: string }[]).map(({ feature }) => feature);
    },
  };
}

/** All clocks follow the emulator's clock, and ids are numbered. */
export function virtualRuntime({ now }: Pick<TestEmulator, "now">): NonNullable<TollkeeperOptions["runtime"]> {
  let count = 0;
  return {
    now: () => now(),
    billingNow: () => now(),
    random: () => 0.5,
    newId: () => `id${String(++count).padStart(6, "0")}`,
  };
}
