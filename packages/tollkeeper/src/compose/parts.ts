/** Creates the objects that the service consists of, such as the request budget, the sync, the worker and the reconcile. */
import type { ActionContext } from "../actions/context.ts";
import { createFinishOperations } from "../actions/finish-operations.ts";
import { createSerialize } from "../actions/serialize.ts";
import type { Config } from "../config/resolve-config.ts";
import type { TollkeeperOptions } from "../options.ts";
import { WEBHOOK_PATH } from "../http/webhook-endpoint.ts";
import { createCatchUp, type CatchUpOptions } from "../reconcile/catch-up.ts";
import { createCompareAccess, type CompareAccess } from "../reconcile/compare-access.ts";
import { createReconcile, type Reconcile } from "../reconcile/reconcile.ts";
import type { Runtime } from "../runtime.ts";
import type { Store } from "../store/store.ts";
import { createEmulatorClock, isEmulatorPossible, type EmulatorClock } from "../stripe/emulator-clock.ts";
import { createStripeGateway, STRIPE_API_VERSION, type StripeGateway } from "../stripe/gateway/gateway.ts";
import { createRateBudget, type RateBudget, type Urgency } from "../stripe/limits/request-budget.ts";
import { createSync } from "../sync/sync.ts";
import { VERSION } from "../version.ts";
import { createDeliverHook } from "../worker/deliver-hook.ts";
import { createMaintenance, type Maintenance } from "../worker/maintenance.ts";
import { createWorker, type Worker } from "../worker/worker.ts";
import { createAccountGuard, type AccountGuard } from "./account-guard.ts";
import { createCurrentCatalogue, DEAD_AFTER_MS, type CurrentCatalogue } from "./catalogue.ts";
import { createRuntime } from "./runtime.ts";

export interface Surroundings {
  config: Config;
  runtime: Runtime;
  store: Store;
  budget: RateBudget;
  /** The emulator's clock; null if the service does not follow one. */
  clock: EmulatorClock | null;
  account: AccountGuard;
  catalogue: CurrentCatalogue;
}

const globalFetch: typeof fetch = (input, init) => fetch(input, init);

/**
 * Creates the runtime, whose billing clock follows the emulator that replaces Stripe. The clock is null if the service uses
 * Stripe, or if the options set the billing clock. The callback `onJump` runs after the emulator's clock has been moved.
 */
export function createClocks(
  config: Config,
  options: TollkeeperOptions,
  onJump: () => void,
): Pick<Surroundings, "runtime" | "clock"> {
  const runtime = createRuntime(options);
  const { apiBase, secretKey } = config.stripe;
  if (options.runtime?.billingNow !== undefined || !isEmulatorPossible(apiBase, secretKey))
    return { runtime, clock: null };
  const clock = createEmulatorClock({
    base: apiBase,
    secretKey,
    fetch: options.fetch ?? globalFetch,
    wallNow: runtime.now,
    sleep: runtime.sleep,
    onJump(billingNow) {
      runtime.log.info({ billingNow }, "the emulator's clock moved; the billing clock follows");
      onJump();
    },
  });
  return { runtime: { ...runtime, billingNow: clock.now }, clock };
}

/** Creates the surroundings of the service: the request budget and the guard of the Stripe account. */
export function createSurroundings(
  basics: Omit<Surroundings, "budget" | "account" | "catalogue">,
  options: TollkeeperOptions,
): Surroundings {
  const { config, runtime, store } = basics;
  const budget = createBudget(options, basics);
  const gateway = createGateway({ ...basics, budget }, "user");
  const account = createAccountGuard({ store, gateway, runtime, changedTo: config.stripe.accountChangedTo });
  const catalogue = createCurrentCatalogue({ store, runtime }, { plans: config.plans, policy: config.access });
  return { ...basics, budget, account, catalogue };
}

function createBudget(
  options: TollkeeperOptions,
  { config, runtime, clock }: Omit<Surroundings, "budget" | "account" | "catalogue">,
): RateBudget {
  return createRateBudget({
    requestsPerSecond: config.stripe.requestsPerSecond,
    requestsPerEndpoint: config.stripe.requestsPerEndpoint,
    inFlight: config.stripe.requestsInFlight,
    fetch: clock?.fetch ?? options.fetch ?? globalFetch,
    now: runtime.now,
    sleep: runtime.sleep,
    trace: runtime.trace,
    onResponse: (urgency, result) => runtime.metrics.count("stripe_requests_total", { urgency, result }),
  });
}

/**
 * Returns a gateway (which sends requests to Stripe) and a sync (which writes the mirror). All requests that the returned
 * gateway and sync send to Stripe have the given urgency.
 */
function createSyncStack(surroundings: Surroundings, urgency: Urgency) {
  const { runtime, store, account, catalogue } = surroundings;
  const gateway = account.protect(createGateway(surroundings, urgency));
  const rules = { plans: catalogue.plans, policy: catalogue.policy, runtime, store };
  return { ...rules, gateway, sync: createSync({ ...rules, gateway }) };
}

function createGateway(
  { config, runtime, budget }: Omit<Surroundings, "account" | "catalogue">,
  urgency: Urgency,
): StripeGateway {
  return createStripeGateway({
    secretKey: config.stripe.secretKey,
    mode: config.mode,
    userIdKey: config.userIdMetadataKey,
    apiBase: config.stripe.apiBase,
    fetch: budget.fetch(urgency),
    networkRetries: config.stripe.networkRetries,
    version: VERSION,
    now: runtime.now,
  });
}

export function createActionContext(surroundings: Surroundings): ActionContext {
  const { config } = surroundings;
  return {
    ...createSyncStack(surroundings, "user"),
    urls: config.urls,
    allowPromotionCodes: config.allowPromotionCodes,
    serialize: createSerialize(),
  };
}

/** Maximum time in milliseconds that a limited drain waits for Stripe before it processes due work. */
const PREPARE_FOR_MS = 2_000;

export interface Background {
  worker: Worker;
  /** Processes all work that is due at the current time of Stripe. */
  drain(): Promise<void>;
  /** Processes due work within limits. */
  drainWithin: Worker["drainWithin"];
  maintenance: Maintenance;
  reconcile: Reconcile;
}

export function createBackground(
  surroundings: Surroundings,
  context: ActionContext,
  options: TollkeeperOptions,
  catchUp?: CatchUpOptions,
): Background {
  const { config, runtime, store, budget, clock, account, catalogue } = surroundings;
  const background = createSyncStack(surroundings, "background");
  const target = config.hooks && { ...config.hooks, fetch: options.hooksFetch ?? fetch, now: runtime.now };
  const deliverHook = createDeliverHook(options.hooks ?? {}, target);
  const reconcile = createReconcile({
    ...createSyncStack(surroundings, "sweep"),
    webhookPath: `${config.basePath}${WEBHOOK_PATH}`,
    apiVersion: STRIPE_API_VERSION,
  });
  const compareAccess = createCompareAccess({ store, runtime, sync: background.sync, follow: catalogue.follow });
  const maintenance = createMaintenance({
    catalogue: catalogue.own,
    followCatalogue: catalogue.follow,
    compareAccess,
    store,
    runtime,
    reconcile,
    catchUp: createCatchUp(background, catchUp),
    reconcileEveryMs: config.reconcileEveryMs,
    keepMs: config.keepDoneMs,
    finishOperations: createFinishOperations({ ...context, ...background }),
    deadAfterMs: DEAD_AFTER_MS,
    onReplicas: budget.shareAmong,
  });
  const worker = createWorker({
    store,
    sync: background.sync,
    canSync: account.isConfirmed,
    deliverHook,
    runtime,
  });
  const prepare = async (): Promise<void> => {
    await clock?.poll();
    // If the account can't be confirmed, events stay pending, and hooks run.
    await account.confirm().catch(() => {});
  };
  return {
    worker,
    maintenance,
    reconcile,
    ...createDrains({ worker, runtime, compareAccess, prepare }),
  };
}

interface DrainOptions {
  worker: Worker;
  runtime: Runtime;
  compareAccess: CompareAccess;
  /** Reads the clock of Stripe, and confirms the account. */
  prepare: () => Promise<void>;
}

function createDrains({ worker, runtime, compareAccess, prepare }: DrainOptions) {
  return {
    async drain() {
      await prepare();
      await compareAccess(new AbortController().signal);
      await worker.drain();
      // The processed events may have changed the plan of a product.
      if ((await compareAccess(new AbortController().signal)) > 0) await worker.drain();
    },
    async drainWithin(limits) {
      const over = new AbortController();
      await Promise.race([prepare(), runtime.sleep(PREPARE_FOR_MS, over.signal)]);
      over.abort();
      return worker.drainWithin(limits);
    },
  } satisfies Pick<Background, "drain" | "drainWithin">;
}
