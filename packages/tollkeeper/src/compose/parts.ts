/** Creates the objects that the service consists of, such as the request budget, the sync, the worker and the reconcile. */
import type { ActionContext } from "../actions/context.ts";
import { createFinishOperations } from "../actions/finish-operations.ts";
import { createSerialize } from "../actions/serialize.ts";
import type { Config } from "../config/resolve-config.ts";
import type { TollkeeperOptions } from "../options.ts";
import { WEBHOOK_PATH } from "../http/webhook-endpoint.ts";
import { createCatchUp, type CatchUpOptions } from "../reconcile/catch-up.ts";
import { createReconcile, type Reconcile } from "../reconcile/reconcile.ts";
import type { Runtime } from "../runtime.ts";
import type { Store } from "../store/store.ts";
import { createStripeGateway, STRIPE_API_VERSION } from "../stripe/gateway/gateway.ts";
import { createRateBudget, type RateBudget, type Urgency } from "../stripe/limits/request-budget.ts";
import { createSync } from "../sync/sync.ts";
import { VERSION } from "../version.ts";
import { createDeliverHook } from "../worker/deliver-hook.ts";
import { createMaintenance, type Maintenance } from "../worker/maintenance.ts";
import { createWorker, type Worker } from "../worker/worker.ts";

export interface Surroundings {
  config: Config;
  runtime: Runtime;
  store: Store;
  budget: RateBudget;
}

export function createBudget(config: Config, options: TollkeeperOptions, runtime: Runtime): RateBudget {
  return createRateBudget({
    requestsPerSecond: config.stripe.requestsPerSecond,
    requestsPerEndpoint: config.stripe.requestsPerEndpoint,
    inFlight: config.stripe.requestsInFlight,
    fetch: options.fetch ?? ((input, init) => fetch(input, init)),
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
function createSyncStack({ config, runtime, store, budget }: Surroundings, urgency: Urgency) {
  const gateway = createStripeGateway({
    secretKey: config.stripe.secretKey,
    mode: config.mode,
    userIdKey: config.userIdMetadataKey,
    apiBase: config.stripe.apiBase,
    fetch: budget.fetch(urgency),
    networkRetries: config.stripe.networkRetries,
    version: VERSION,
    now: runtime.now,
  });
  const rules = { plans: config.plans, policy: config.access, runtime, store };
  return { ...rules, gateway, sync: createSync({ ...rules, gateway }) };
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

export interface Background {
  worker: Worker;
  maintenance: Maintenance;
  reconcile: Reconcile;
}

export function createBackground(
  surroundings: Surroundings,
  context: ActionContext,
  options: TollkeeperOptions,
  catchUp?: CatchUpOptions,
): Background {
  const { config, runtime, store, budget } = surroundings;
  const background = createSyncStack(surroundings, "background");
  const target = config.hooks && { ...config.hooks, fetch: options.hooksFetch ?? fetch, now: runtime.now };
  const deliverHook = createDeliverHook(options.hooks ?? {}, target);
  const reconcile = createReconcile({
    ...createSyncStack(surroundings, "sweep"),
    webhookPath: `${config.basePath}${WEBHOOK_PATH}`,
    apiVersion: STRIPE_API_VERSION,
  });
  const maintenance = createMaintenance({
    store,
    runtime,
    reconcile,
    catchUp: createCatchUp(background, catchUp),
    reconcileEveryMs: config.reconcileEveryMs,
    keepMs: config.keepDoneMs,
    finishOperations: createFinishOperations({ ...context, ...background }),
    onReplicas: budget.shareAmong,
  });
  return { worker: createWorker({ store, sync: background.sync, deliverHook, runtime }), maintenance, reconcile };
}
