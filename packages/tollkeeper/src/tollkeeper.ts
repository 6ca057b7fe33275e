/** The composition root: puts the parts together. The only file that knows every server part. */
import { randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { pino } from "pino";
import { cancelSubscription, resumeSubscription } from "./actions/change-subscription.ts";
import type { ActionContext } from "./actions/context.ts";
import { createCheckoutSession } from "./actions/create-checkout-session.ts";
import { createPortalSession } from "./actions/create-portal-session.ts";
import { ensureCustomer } from "./actions/ensure-customer.ts";
import { createFinishOperations } from "./actions/finish-operations.ts";
import { can, getEntitlements } from "./actions/get-entitlements.ts";
import { listSubscriptions } from "./actions/list-subscriptions.ts";
import { createSerialize } from "./actions/serialize.ts";
import { verifyCheckoutSession } from "./actions/verify-checkout-session.ts";
import { createOidcAuthenticate } from "./auth/oidc.ts";
import { resolveConfig, type Config, type TollkeeperOptions } from "./config.ts";
import type { Entitlement } from "./domain/access.ts";
import type { User } from "./domain/user.ts";
import type { SubscriptionView } from "./domain/views.ts";
import type { HttpContext } from "./http/context.ts";
import { createHandler, type FetchHandler } from "./http/handler.ts";
import type { ReceiveWebhook } from "./ingest/webhook-endpoint.ts";
import { createMetrics, type Gauge } from "./metrics.ts";
import type { Runtime } from "./runtime.ts";
import { openStore, type Store } from "./store/open-store.ts";
import { createRateBudget, type RateBudget, type Urgency } from "./stripe/limits/request-budget.ts";
import { createStripeGateway, STRIPE_API_VERSION } from "./stripe/gateway/gateway.ts";
import { createCatchUp, type CatchUpOptions } from "./reconcile/catch-up.ts";
import { createHousekeeping } from "./worker/maintenance.ts";
import { createInboxWriter } from "./ingest/inbox-writer.ts";
import { createDeliverHook } from "./worker/deliver-hook.ts";
import { createReceiver } from "./ingest/receive-event.ts";
import { createReconcile, type ReconcileOptions, type ReconcileReport } from "./reconcile/reconcile.ts";
import { createSync } from "./sync/sync.ts";
import { createWorker } from "./worker/worker.ts";
import { createTrace } from "./tracing.ts";
import { VERSION } from "./version.ts";
import type { ConfigAnswer } from "./wire.ts";

export type { ReconcileOptions, ReconcileReport };

export interface Tollkeeper {
  /** All routes. Starts by itself with the first request, where `start` was not called. */
  fetch: FetchHandler;
  basePath: string;
  /**
   * Takes one webhook without a `Request`: what `toNodeHandler` does, for servers that have neither. Give it the raw body as
   * `{ kind: "ok", bytes }` and the `Stripe-Signature` header, and answer what it answers. Never throws.
   */
  receiveWebhook: ReceiveWebhook;
  /** Applies migrations and begins to work off the inbox. Throws when the store can't be used. */
  start(): Promise<void>;
  /** Finishes what is under way and closes the store. */
  stop(): Promise<void>;
  /** Works off all that is due now; for tests and scripts. */
  settle(): Promise<void>;
  /** One round of what is done now and then by itself: finishing, forgetting, catching up; for tests and scripts. */
  tidyUp(): Promise<void>;
  /**
   * Reads what was missed and repairs the mirror; null where another replica is at it. Runs by itself every
   * `reconcileEveryMinutes`. Throws `UnavailableError` when Stripe or the store can't go on.
   */
  reconcile(options?: ReconcileOptions): Promise<ReconcileReport | null>;
  /** Whether the user may use a feature now. */
  can(userId: string, feature: string): Promise<boolean>;
  getEntitlements(userId: string): Promise<Entitlement[]>;
  listSubscriptions(userId: string): Promise<SubscriptionView[]>;
  /** The id of the user's Stripe customer, made where there is none. */
  ensureCustomer(user: User): Promise<string>;
}

/**
 * Puts the service together. Throws `ConfigError` listing everything that is missing or contradictory; touches neither
 * network nor database before `start` or the first request.
 *
 * @example
 * const tollkeeper = createTollkeeper({ ...optionsFromEnvironment(process.env), plans });
 * app.use(toNodeHandler(tollkeeper));
 */
export function createTollkeeper(options: TollkeeperOptions): Tollkeeper {
  return compose(options, openStore);
}

/**
 * As `createTollkeeper`, on a store that is opened some other way: a simulation's, which fails when it is told to, and where
 * few hints are many.
 */
export function compose(options: TollkeeperOptions, open: typeof openStore, catchUp?: CatchUpOptions): Tollkeeper {
  const config = resolveConfig(options);
  const runtime = createRuntime(options);
  const store = open({
    url: config.databaseUrl,
    mode: config.mode,
    onConnectionLost: (error) => runtime.log.warn({ error: error.message }, "database connection lost"),
  });
  const budget = createRateBudget({
    requestsPerSecond: config.stripe.requestsPerSecond,
    requestsPerEndpoint: config.stripe.requestsPerEndpoint,
    inFlight: config.stripe.requestsInFlight,
    fetch: options.fetch ?? ((input, init) => fetch(input, init)),
    now: runtime.now,
    sleep: runtime.sleep,
    trace: runtime.trace,
    onAnswer: (urgency, result) => runtime.metrics.count("stripe_requests_total", { urgency, result }),
  });
  const context = createContext(config, { runtime, store, budget });
  const background = createReach(config, { runtime, store, budget }, "background");
  const target = config.hooks && { ...config.hooks, fetch: options.hooksFetch ?? fetch, now: runtime.now };
  const deliverHook = createDeliverHook(options.hooks ?? {}, target);
  const worker = createWorker({ store, sync: background.sync, deliverHook, runtime });
  const reconcile = createReconcile({
    ...createReach(config, { runtime, store, budget }, "sweep"),
    webhookPath: `${config.basePath}/webhook`,
    apiVersion: STRIPE_API_VERSION,
  });
  const housekeeping = createHousekeeping({
    store,
    runtime,
    reconcile,
    catchUp: createCatchUp(background, catchUp),
    reconcileEveryMs: config.reconcileEveryMs,
    keepMs: config.keepDoneMs,
    finishOperations: createFinishOperations({ ...context, ...background }),
    onReplicas: budget.share,
  });
  let stopListening: (() => Promise<void>) | null = null;
  const started = once(async () => {
    try {
      await store.migrate();
    } catch (error) {
      runtime.log.error({ error: String(error) }, "the service could not start; it tries again with the next request");
      throw error;
    }
    const works = options.runWorker !== false;
    if (works) {
      worker.start();
      stopListening = store.onArrival(worker.wake);
    }
    housekeeping.start(works);
  });
  const handler = createHandler(
    createHttpContext(options, config, context, { started, onStored: worker.wake, budget }),
  );
  /** What an app calls directly works before `start` was called, too. */
  const whenStarted = async <T>(work: () => Promise<T>): Promise<T> => {
    await started();
    return work();
  };
  return {
    basePath: config.basePath,
    ...handler,
    start: started,
    stop: async () => {
      await Promise.all([stopListening?.(), worker.stop(), housekeeping.stop()]);
      await store.close();
    },
    settle: () =>
      whenStarted(async () => {
        await worker.drain();
      }),
    tidyUp: () => whenStarted(housekeeping.tick),
    reconcile: (request) => whenStarted(() => reconcile(request)),
    can: (userId, feature) => whenStarted(() => can(context, userId, feature)),
    getEntitlements: (userId) => whenStarted(() => getEntitlements(context, userId)),
    listSubscriptions: (userId) => whenStarted(() => listSubscriptions(context, { id: userId })),
    ensureCustomer: (user) => whenStarted(() => ensureCustomer(context, user)),
  };
}

function createRuntime(options: TollkeeperOptions): Runtime {
  const now = options.runtime?.now ?? Date.now;
  return {
    random: Math.random,
    newId: randomUUID,
    sleep: (ms, signal) => wait(ms, undefined, { signal }).catch(() => {}),
    billingNow: now,
    metrics: createMetrics(),
    trace: createTrace(options.tracer),
    ...options.runtime,
    now,
    log: options.log ?? pino({ level: options.logLevel ?? "info", redact: { paths: REDACTED, censor: "[redacted]" } }),
  };
}

/** Nothing here logs these; the list is for what an app passes through our logger. */
const REDACTED = ["authorization", "headers.authorization", "secretKey", "webhookSecrets", "token", "email", "*.email"];

interface Surroundings {
  runtime: Runtime;
  store: Store;
  budget: RateBudget;
}

/** The way to Stripe, and what writes the mirror, for one kind of caller. */
function createReach(config: Config, { runtime, store, budget }: Surroundings, urgency: Urgency) {
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

function createContext(config: Config, surroundings: Surroundings) {
  return {
    ...createReach(config, surroundings, "user"),
    urls: config.urls,
    allowPromotionCodes: config.allowPromotionCodes,
    serialize: createSerialize(),
  } satisfies ActionContext;
}

function createHttpContext(
  options: TollkeeperOptions,
  config: Config,
  context: ActionContext,
  { started, onStored, budget }: { started: () => Promise<void>; onStored: () => void; budget: RateBudget },
): HttpContext {
  const { store, runtime } = context;
  return {
    basePath: config.basePath,
    allowedOrigins: config.urls.allowedOrigins,
    runtime,
    authenticate:
      "authenticate" in config.auth
        ? config.auth.authenticate
        : createOidcAuthenticate({ ...config.auth, now: runtime.now, fetch: options.fetch }),
    config: publicConfig(config),
    started,
    receiveEvent: createReceiver({
      inbox: createInboxWriter(store, runtime),
      mode: config.mode,
      secrets: config.stripe.webhookSecrets,
      toleranceMs: config.webhookToleranceMs,
      keepBodies: config.keepEventBodies,
      runtime,
      onStored,
    }),
    actions: {
      createCheckoutSession: (user, request) => createCheckoutSession(context, user, request),
      verifyCheckoutSession: (user, sessionId) => verifyCheckoutSession(context, user, sessionId),
      listSubscriptions: (user) => listSubscriptions(context, user),
      cancelSubscription: (user, request) => cancelSubscription(context, user, request),
      resumeSubscription: (user, request) => resumeSubscription(context, user, request),
      createPortalSession: (user, request) => createPortalSession(context, user, request),
      getEntitlements: (userId) => getEntitlements(context, userId),
    },
    checkReady: () => store.ping(),
    metrics:
      config.metricsToken === null
        ? null
        : {
            token: config.metricsToken,
            render: async () => runtime.metrics.render(await readGauges(store, budget, runtime)),
          },
  };
}

async function readGauges(store: Store, budget: RateBudget, runtime: Runtime): Promise<Gauge[]> {
  const { perSecond, inFlight, waiting } = budget.state();
  const queues = await Promise.all(
    (["inbox", "outbox"] as const).map(async (name) => {
      const [counts, oldestAt] = await Promise.all([store[name].countOpen(), store[name].oldestAt()]);
      const age = oldestAt === null ? 0 : Math.max(0, runtime.now() - oldestAt) / 1_000;
      return [
        {
          name: `${name}_rows`,
          help: `Rows of the ${name} that are not done, by state`,
          values: Object.entries(counts).map(([state, value]) => ({ labels: { state }, value })),
        },
        { name: `${name}_oldest_seconds`, help: `How long the oldest of the ${name} waits`, values: [{ value: age }] },
      ];
    }),
  );
  return [
    ...queues.flat(),
    { name: "stripe_budget_per_second", help: "What this replica may ask of Stripe", values: [{ value: perSecond }] },
    { name: "stripe_in_flight", help: "Requests to Stripe under way", values: [{ value: inFlight }] },
    {
      name: "stripe_waiting",
      help: "Requests that wait for the budget",
      values: Object.entries(waiting).map(([urgency, value]) => ({ labels: { urgency }, value })),
    },
  ];
}

function publicConfig(config: Config): ConfigAnswer {
  return {
    mode: config.mode,
    publishableKey: config.stripe.publishableKey,
    apiVersion: STRIPE_API_VERSION,
    features: {
      checkout: true,
      portal: true,
      trials: config.plans.some((plan) => plan.prices.some((price) => price.trialDays > 0)),
      promotionCodes: config.allowPromotionCodes,
    },
    plans: config.plans.map(({ id, name, description, features, prices }) => ({
      id,
      name,
      description,
      features: features.map((feature) => feature.id),
      featureNames: Object.fromEntries(features.map((feature) => [feature.id, feature.name])),
      prices: prices.map((price) => ({ ...price })),
    })),
  };
}

/** Runs until it succeeds, then never again; callers at the same time share one run. */
function once(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null;
  return () => {
    running ??= work().catch((error: unknown) => {
      running = null;
      throw error;
    });
    return running;
  };
}
