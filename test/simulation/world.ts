/** Everything in one process: Stripe, its webhooks, replicas that share a store, and people; on one clock and one chance. */
import { pushPlans } from "../../packages/tollkeeper/src/actions/push-plans.ts";
import { diffCatalog } from "../../packages/tollkeeper/src/domain/catalog.ts";
import { createEmulator, type Emulator, type State } from "../../packages/emulator/src/index.ts";
import { UnauthenticatedError, type Hooks } from "../../packages/tollkeeper/src/index.ts";
import { openStore, type Store, type StoreParts } from "../../packages/tollkeeper/src/store/open-store.ts";
import type { Queue } from "../../packages/tollkeeper/src/store/queue/queue.ts";
import { createStripeGateway } from "../../packages/tollkeeper/src/stripe/gateway/gateway.ts";
import { PLANS } from "../support/plans.ts";
import { RECONCILE_TASK } from "../../packages/tollkeeper/src/reconcile/reconcile.ts";
import { createAuditor, type Auditor, type HookEvent, type Write } from "./auditor.ts";
import { createChance, type Chance } from "./chance.ts";
import { createDeliveries, type Deliveries } from "./deliveries.ts";
import { createMachine, isCalm, type Faults, type Machine } from "./machine.ts";
import { createScheduler, type Scheduler } from "./scheduler.ts";
import { shortPages } from "./short-pages.ts";

export const START = Date.UTC(2026, 0, 31, 12);
/** A little less than Stripe keeps events. */
export const EVENTS_KEPT_MS = 25 * 86_400_000;
const SECRET = "whsec_simulation_1";
const STRIPE = "http://stripe.test";
const APP = "http://app.test";

export interface Answer {
  status: number;
  body: Record<string, unknown>;
}

export interface Simulated {
  setup: WorldSetup;
  emulator: Emulator;
  scheduler: Scheduler;
  auditor: Auditor;
  machines: Machine[];
  /** The store itself, past all machines. */
  store: Store;
  setChance(chance: Chance): void;
  setFaults(faults: Faults): void;
  deliveries: Deliveries;
  /** A user's browser asks some replica; null where the connection broke. */
  ask(user: string, method: "GET" | "POST", path: string, body?: object): Promise<Answer | null>;
  /** Stripe's API, as the dashboard uses it. */
  stripe(method: "GET" | "POST" | "DELETE", path: string, params?: Record<string, string>): Promise<Answer>;
  /** The emulator's own routes. */
  control(path: string, body: object): Promise<void>;
  /** Stripe and its deliveries fail no more. */
  clearFaults(): Promise<void>;
  passTime(seconds: number): void;
  /** Until nobody has anything to do. */
  quiet(): Promise<void>;
  log: string[];
  close(): Promise<void>;
}

let genesis: State | null = null;

/** Stripe with the plans in it, made once. */
async function firstState(): Promise<State> {
  if (genesis) return genesis;
  const emulator = createEmulator({
    seed: 5,
    startAt: START,
    wallNow: () => START,
    webhooks: [ENDPOINT],
    // What it tells is still under way when a schedule begins.
    fetch: () => new Promise(() => {}),
  });
  const gateway = createStripeGateway({
    secretKey: "sk_test_123",
    mode: "test",
    userIdKey: "auth0_user_id",
    apiBase: STRIPE,
    fetch: (input, init) => emulator.fetch(new Request(input, init)),
    networkRetries: 0,
    version: "simulation",
    now: () => emulator.now(),
  });
  let ids = 0;
  await pushPlans(gateway, diffCatalog(PLANS, [], []), { newId: () => `push${++ids}`, now: () => emulator.now() });
  genesis = emulator.snapshot();
  return genesis;
}

const ENDPOINT = { url: `${APP}/stripe/webhook`, secret: SECRET };

export interface WorldSetup {
  replicas: number;
  skewMs: readonly number[];
  reconcileEveryMinutes: number;
  /** Whether events can be lost for good, so that only a reconcile finds what they told; else there is no reconcile. */
  losesEvents: boolean;
  /** Whether somebody asks for the reconcile at the end; else the replicas must come to it by themselves. */
  operated: boolean;
  /** How many rows Stripe lists at once. */
  pageSize: number;
  /** How many replicas are there at the end: the others are lost. */
  survivors: number;
  afterRetries: "cancel" | "unpaid" | "past_due" | "pause";
}

export async function createSimulated(seed: number, setup: WorldSetup): Promise<Simulated> {
  const log: string[] = [];
  const emulator = createEmulator({
    startAt: START,
    wallNow: () => emulator.now(),
    baseUrl: STRIPE,
    webhooks: [ENDPOINT],
    fetch: (request) => deliveries.deliver(request),
  });
  emulator.restore({ ...(await firstState()), afterRetries: setup.afterRetries });
  const scheduler = createScheduler(() => emulator.now(), createChance(seed));
  const auditor = createAuditor(
    emulator,
    PLANS.map(({ id, group, features }) => ({ id, group, features: features.map((feature) => feature.id) })),
  );
  const store = openStore({ url: "file::memory:", mode: "test" });
  await store.migrate();
  const watched = watchedStore(withoutChores(setup.losesEvents ? store : withoutReconcile(store)), auditor);
  const stripe = shortPages({
    fetch: (request) => emulator.fetch(request),
    pageSize: setup.pageSize,
    untold: () => deliveries.untold,
  });
  let ids = 0;
  let hookFails = 0;
  const hooks = createHooks(auditor, () => scheduler.chance.happens(hookFails));
  const machines = Array.from({ length: setup.replicas }, (_, index) =>
    createMachine({
      name: `replica${index + 1}`,
      skewMs: setup.skewMs[index] ?? 0,
      scheduler,
      store: watched,
      now: () => emulator.now(),
      stripe,
      fail: (answer) => control("faults", answer),
      newId: () => `id${String(++ids).padStart(6, "0")}`,
      log: recorder(log),
      options: {
        plans: PLANS,
        stripeSecretKey: "sk_test_123",
        stripePublishableKey: "pk_test_123",
        stripeWebhookSecrets: [SECRET],
        stripeApiBase: STRIPE,
        stripeNetworkRetries: 0,
        stripeRequestsPerSecond: 10_000,
        reconcileEveryMinutes: setup.reconcileEveryMinutes,
        appUrl: APP,
        authenticate: (request) => {
          const id = request.headers.get("authorization")?.replace("Bearer ", "");
          if (!id) throw new UnauthenticatedError("Nobody is signed in.");
          return { id, email: `${id}@example.com`, name: null };
        },
        hooks,
      },
    }),
  );

  const alive = (): Machine[] => machines.filter(({ service }) => service !== null);

  const deliveries = createDeliveries({
    endpoint: ENDPOINT,
    machines,
    scheduler,
    auditor,
    now: () => emulator.now(),
  });

  const control = async (path: string, body: object): Promise<void> => {
    await emulator.fetch(
      new Request(`${STRIPE}/_emulator/${path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      }),
    );
  };

  const world: Simulated = {
    setup,
    emulator,
    scheduler,
    auditor,
    machines,
    store,
    deliveries,
    log,
    control,
    async clearFaults() {
      await emulator.fetch(new Request(`${STRIPE}/_emulator/faults`, { method: "DELETE" }));
    },
    setChance(chance) {
      scheduler.chance = chance;
    },
    setFaults(faults) {
      for (const machine of machines) machine.faults = faults;
      hookFails = isCalm(faults) ? 0 : 0.3;
    },
    async ask(user, method, path, body) {
      const up = alive();
      if (up.length === 0) return null;
      const machine = scheduler.chance.pick(up);
      const headers = { authorization: `Bearer ${user}`, "content-type": "application/json" };
      const text = method === "POST" ? { body: JSON.stringify(body ?? {}) } : {};
      try {
        const response = await machine.fetch(new Request(`${APP}/stripe/${path}`, { method, headers, ...text }));
        return { status: response.status, body: (await response.json()) as Record<string, unknown> };
      } catch {
        return null;
      }
    },
    async stripe(method, path, params = {}) {
      // People take their time, too: whatever else is under way goes on between their clicks.
      await scheduler.point("people", `${method} ${path}`, false);
      const form = new URLSearchParams(params).toString();
      const query = method === "GET" && form !== "" ? `?${form}` : "";
      const response = await emulator.fetch(
        new Request(`${STRIPE}${path}${query}`, {
          method,
          headers: { authorization: "Bearer sk_test_123", "content-type": "application/x-www-form-urlencoded" },
          ...(method === "POST" && { body: form }),
        }),
      );
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    },
    passTime(seconds) {
      scheduler.follow(emulator.advance(seconds));
    },
    async quiet() {
      await scheduler.untilQuiet((ms) => world.passTime(Math.ceil(ms / 1_000)));
    },
    async close() {
      for (const machine of machines) machine.crash();
      await store.close();
    },
  };
  for (const machine of machines) machine.start();
  await world.quiet();
  return world;
}

/** Somebody else has always just been at it, or is. */
function withoutReconcile(store: Store): Store {
  const { tasks } = store;
  const justDone = { progress: null, finishedAt: Number.MAX_SAFE_INTEGER };
  const find: typeof tasks.find = async (name) => (name === RECONCILE_TASK ? justDone : tasks.find(name));
  const take: typeof tasks.take = async (name, ...how) => (name === RECONCILE_TASK ? null : tasks.take(name, ...how));
  return { ...store, tasks: { ...tasks, find, take } };
}

/** Before there can be anything to forget, nobody looks for it: that alone would be a tenth of all work. */
function withoutChores(store: Store): Store {
  const lazy = (queue: Queue): Pick<Queue, "forget"> => ({
    forget: async (before, limit) => (before < START ? 0 : queue.forget(before, limit)),
  });
  return {
    ...store,
    inbox: { ...store.inbox, ...lazy(store.inbox) },
    outbox: { ...store.outbox, ...lazy(store.outbox) },
  };
}

/** Tells the auditor of what has been written, once it is committed. */
function watchedStore(store: Store, auditor: Auditor): Store {
  return {
    ...watchedParts(store, (write) => auditor.committed([write])),
    transaction: async (work) => {
      const writes: Write[] = [];
      const result = await store.transaction((parts) => work(watchedParts(parts, (write) => void writes.push(write))));
      auditor.committed(writes);
      return result;
    },
    // As PostgreSQL has it.
    writers: 2,
    migrate: () => store.migrate(),
    analyze: (sample) => store.analyze(sample),
    ping: () => store.ping(),
    onArrival: (listener) => store.onArrival(listener),
    close: () => store.close(),
  };
}

function watchedParts(parts: StoreParts, tell: (write: Write) => void): StoreParts {
  const watched = (part: string, methods: object): object =>
    Object.fromEntries(
      Object.entries(methods as Record<string, (...args: unknown[]) => Promise<unknown>>).map(([name, method]) => [
        name,
        async (...args: unknown[]) => {
          const result = await method(...args);
          tell({ method: `${part}.${name}`, args, result });
          return result;
        },
      ]),
    );
  return Object.fromEntries(
    Object.entries(parts)
      .filter(([, methods]) => typeof methods === "object")
      .map(([part, methods]: [string, object]) => [part, watched(part, methods)]),
  ) as unknown as StoreParts;
}

function createHooks(auditor: Auditor, fails: () => boolean): Hooks {
  const hook =
    (name: string) =>
    (event: HookEvent): void => {
      if (fails()) throw new Error("the app's database was away");
      auditor.told(name, event);
    };
  return {
    onAccessGranted: hook("onAccessGranted"),
    onAccessRevoked: hook("onAccessRevoked"),
    onPaymentSucceeded: hook("onPaymentSucceeded"),
    onPaymentFailed: hook("onPaymentFailed"),
    onPaymentActionRequired: hook("onPaymentActionRequired"),
    onTrialWillEnd: hook("onTrialWillEnd"),
  };
}

function recorder(log: string[]) {
  const at = (level: string) => (fields: object, message: string) =>
    void log.push(`${level} ${message} ${JSON.stringify(fields)}`);
  return { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") };
}
