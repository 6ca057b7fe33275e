/** Creates the service from its options. This module is the composition root: it connects all parts of the service. */
import { ensureCustomer } from "./actions/ensure-customer.ts";
import { can, getEntitlements } from "./actions/get-entitlements.ts";
import { listSubscriptions } from "./actions/list-subscriptions.ts";
import { createHttpContext } from "./compose/http-context.ts";
import {
  createActionContext,
  createBackground,
  createClocks,
  createSurroundings,
  type Background,
  type Surroundings,
} from "./compose/parts.ts";
import { createWork } from "./compose/work.ts";
import { resolveConfig } from "./config/resolve-config.ts";
import type { TollkeeperOptions } from "./options.ts";
import type { Entitlement } from "./domain/access.ts";
import { describeError } from "./domain/log-text.ts";
import { toOwner, type BillingOwner } from "./domain/owner.ts";
import { toUser, type User } from "./domain/user.ts";
import { getUser, type SignedRequest } from "./http/get-user.ts";
import { createHandler, type FetchHandler } from "./http/handler.ts";
import type { ReceiveWebhook } from "./http/webhook-endpoint.ts";
import type { CatchUpOptions } from "./reconcile/catch-up.ts";
import type { ReconcileOptions, ReconcileReport } from "./reconcile/reconcile.ts";
import { reportRemovedPlans } from "./reconcile/compare-access.ts";
import type { Logger } from "./runtime.ts";
import { openStore } from "./store/open-store.ts";
import type { Subscription } from "./wire.ts";

export type { ReconcileOptions, ReconcileReport };

/** The service with all its methods. If a method's parameter `owner` is a string, it is a user's id. */
export interface Tollkeeper {
  /**
   * Handles the requests to all routes. If `start` was not called, the first request starts the service. On a serverless
   * platform, pass `{ waitUntil }` as the second argument, so that the platform runs the work that a request caused.
   */
  fetch: FetchHandler;
  basePath: string;
  /** The service's logger. `toNodeHandler` uses it. */
  log: Logger;
  /**
   * Receives one webhook without a `Request` object, for servers that do not use `Request` objects. `toNodeHandler` uses it.
   * Pass the `Stripe-Signature` header and a function that returns the raw body as `{ kind: "ok", bytes }`. Send the returned
   * reply to Stripe.
   * Never throws.
   */
  receiveWebhook: ReceiveWebhook;
  /**
   * Applies migrations, confirms the Stripe account and starts the worker. Throws if the service can't use the database, or if
   * the secret key belongs to another Stripe account than the database.
   */
  start(): Promise<void>;
  /** Finishes running work and closes the database. */
  stop(): Promise<void>;
  /** Processes all events and hooks that are due now. The method `drain` is useful in tests and scripts. */
  drain(): Promise<void>;
  /**
   * Runs one round of maintenance: deletes old rows, finishes interrupted operations and catches up with renewals. The method
   * `runMaintenance` is useful in tests and scripts.
   */
  runMaintenance(): Promise<void>;
  /**
   * Reads missed events and repairs the mirror. Returns null if another replica is reconciling. The service also reconciles
   * automatically, at the interval `reconcileEveryMinutes`. Throws `UnavailableError` if Stripe or the store is unavailable.
   */
  reconcile(options?: ReconcileOptions): Promise<ReconcileReport | null>;
  /**
   * Returns the user who sent a request to one of the app's own routes, with the sign-in of the service's routes. Returns null
   * if the request has no valid credentials. Accepts a `Request`, and a request of node:http, Express or Fastify. Throws `UnavailableError` if
   * the sign-in cannot be checked now.
   */
  getUser(request: SignedRequest): Promise<User | null>;
  /** Returns true if the owner may use the feature now. */
  can(owner: string | BillingOwner, feature: string): Promise<boolean>;
  getEntitlements(owner: string | BillingOwner): Promise<Entitlement[]>;
  listSubscriptions(owner: string | BillingOwner): Promise<Subscription[]>;
  /** Returns the id of the user's Stripe customer. Creates the Stripe customer if the user has none. */
  ensureCustomer(user: User): Promise<string>;
}

/**
 * Creates the service. If options are invalid, throws a `ConfigError` that lists all problems. Before the method `start` or the
 * first request runs, the service uses neither the network nor the database.
 *
 * @example const tollkeeper = createTollkeeper({ ...optionsFromEnvironment(process.env), plans });
 * app.use(toNodeHandler(tollkeeper));
 */
export function createTollkeeper(options: TollkeeperOptions): Tollkeeper {
  return compose(options, openStore);
}

/** Creates the service for tests, with a custom store and a lower threshold for catching up with renewals. */
export function compose(options: TollkeeperOptions, open: typeof openStore, catchUp?: CatchUpOptions): Tollkeeper {
  const config = resolveConfig(options);
  const { runtime, clock } = createClocks(config, options, () => worker.wake());
  const store = open({
    url: config.databaseUrl,
    directUrl: config.databaseDirectUrl,
    mode: config.mode,
    onPolling: () =>
      runtime.log.info(
        {},
        "a connection pooler is in use, so new events are found by polling each second; set DATABASE_DIRECT_URL to avoid this",
      ),
    onConnectionLost: (error) => runtime.log.warn({ error: describeError(error) }, "database connection lost"),
  });
  const surroundings = createSurroundings({ config, runtime, store, clock }, options);
  const context = createActionContext(surroundings);
  const background = createBackground(surroundings, context, options, catchUp);
  const { worker, drain, maintenance, reconcile } = background;
  const { start, startStore, stop } = createLifecycle(surroundings, background, options.runWorker !== false);
  const work = createWork({ start, drainWithin: background.drainWithin, maintenance, runtime });
  const http = createHttpContext(surroundings, context, { options, start, startStore, onStored: worker.wake, work });
  const handler = createHandler(http);
  /** Starts the service if it is not started, then runs the function `act`. All methods that need the database use it. */
  const whenStarted = async <T>(act: () => Promise<T>): Promise<T> => {
    await start();
    return act();
  };
  return {
    basePath: config.basePath,
    log: runtime.log,
    ...handler,
    start,
    stop,
    drain: () => whenStarted(drain),
    runMaintenance: () => whenStarted(maintenance.runOnce),
    reconcile: (request) => whenStarted(() => reconcile(request)),
    getUser: (request) => getUser(http, request),
    can: (owner, feature) => whenStarted(() => can(context, toOwner(owner), feature)),
    getEntitlements: (owner) => whenStarted(() => getEntitlements(context, toOwner(owner))),
    listSubscriptions: (owner) => whenStarted(() => listSubscriptions(context, toOwner(owner))),
    ensureCustomer: (user) => whenStarted(() => ensureCustomer(context, toUser(user))),
  };
}

interface Lifecycle {
  start(): Promise<void>;
  /** Prepares the database, and starts the service in the background. Throws if the database can't be used. */
  startStore(): Promise<void>;
  stop(): Promise<void>;
}

function createLifecycle(
  { runtime, store, clock, account, catalogue }: Surroundings,
  { worker, maintenance }: Background,
  runsWorker: boolean,
): Lifecycle {
  const stopping = new AbortController();
  let stopListening: (() => Promise<void>) | null = null;
  const migrate = once(async () => void (await store.migrate()));
  const start = once(async () => {
    try {
      await migrate();
      const { inCode } = await catalogue.register();
      await reportRemovedPlans({ store, runtime }, inCode);
      await account.start(stopping.signal, worker.wake);
    } catch (error) {
      runtime.log.error({ error: describeError(error) }, "failed to start the service; retrying with the next request");
      throw error;
    }
    if (stopping.signal.aborted) return;
    await clock?.start();
    if (stopping.signal.aborted) return;
    if (runsWorker) {
      worker.start();
      stopListening = store.onNewEvents(worker.wake);
    }
    maintenance.start(runsWorker);
  });
  return {
    start,
    async startStore() {
      // The start logs its own failure. The next request starts the service again.
      void start().catch(() => {});
      await migrate();
    },
    async stop() {
      stopping.abort();
      await Promise.all([clock?.stop(), stopListening?.(), worker.stop(), maintenance.stop()]);
      await store.close();
    },
  };
}

/**
 * Returns a function that runs `work`, and does nothing after `work` has succeeded once. Concurrent calls of the returned
 * function share one run of `work`.
 */
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
