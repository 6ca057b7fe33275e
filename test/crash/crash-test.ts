/**
 * Runs each replica of the service in a separate process. Simulates Stripe, webhooks, users and an app, and checks the outcome.
 */
import { fileURLToPath } from "node:url";
import { serveEmulator, type ServedEmulator } from "../../packages/emulator/src/index.ts";
import { ALLOWED_WEBHOOK_EVENTS } from "../../packages/tollkeeper/src/index.ts";
import { RECONCILE_TASK } from "../../packages/tollkeeper/src/reconcile/reconcile.ts";
import { openStore } from "../../packages/tollkeeper/src/store/open-store.ts";
import type { Store } from "../../packages/tollkeeper/src/store/store.ts";
import {
  createTestGateway,
  pushTestPlans,
  TEST_SECRET_KEY,
  TEST_WEBHOOK_SECRET,
} from "../../packages/tollkeeper/src/testing/harness/index.ts";
import { createAuditor } from "../simulation/auditor.ts";
import { createRandom, type SeededRandom } from "../simulation/seeded-random.ts";
import { AUDITED_PLANS } from "../simulation/simulation.ts";
import { PLANS } from "../support/plans.ts";
import { freePort } from "../support/ports.ts";
import { bundleService } from "./bundle.ts";
import { checkHookOrder, checkHooks, findLostEvents } from "./check-outcome.ts";
import { startHookReceiver, type HookReceiver } from "./hook-receiver.ts";
import { createReplica, sleep, type Replica } from "./replica.ts";
import { createUsers, type Users } from "./users.ts";
import { createWebhookSender, type WebhookSender } from "./webhook-sender.ts";

export interface CrashTest {
  random: SeededRandom;
  replicas: Replica[];
  sender: WebhookSender;
  /** The acknowledged events that `findLost` has not found in the inbox so far. */
  lost: string[];
  /** Checks that the inbox contains the events that were acknowledged since the last call of `findLost`. */
  findLost(): Promise<void>;
  /**
   * Resolves when the service next acknowledges an event. Throws an error if the service acknowledges no event within `ms`
   * milliseconds.
   */
  untilNextAcknowledged(ms: number): Promise<void>;
  /** Starts every replica of the service, waits until all events and hooks are processed, and checks the outcome. */
  finish(): Promise<CrashResult>;
  stop(): Promise<void>;
}

export interface CrashResult {
  /** Descriptions of violated rules, at most 20. */
  problems: string[];
  counts: Record<string, number>;
}

/**
 * Returns the test's result. The test's result lists the counts in the argument `counts` first, and the test's own counts last.
 */
export function addCounts(result: CrashResult, counts: Record<string, number>): CrashResult {
  return { ...result, counts: { ...counts, ...result.counts } };
}

export interface CrashTestOptions {
  databaseUrl: string;
  seed: number;
  replicas?: number;
  /** Webhooks per second. */
  perSecond?: number;
  usersPerSecond?: number;
}

const EVENTS_PER_SECOND = 500;
const USERS_PER_SECOND = 2;
/** The limit on requests to Stripe is high, because a killed replica still gets a share of the limit for half a minute. */
const REQUESTS_PER_SECOND = "10000";
/** The folder in which Node stores compiled code for the next start. */
const COMPILE_CACHE = fileURLToPath(new URL("../../.tollkeeper/compiled", import.meta.url));
/** The duration of the service's first run in milliseconds. In its first run, Node compiles the service's code. */
const FIRST_LIFE_MS = 3_000;
const DONE_TIMEOUT_MS = 600_000;
const POLL_MS = 250;
const MAX_PROBLEMS = 20;

interface Parts {
  databaseUrl: string;
  emulator: ServedEmulator;
  hooks: HookReceiver;
  users: Users;
  sender: WebhookSender;
  store: Store;
  replicas: Replica[];
}

export async function startCrashTest(options: CrashTestOptions): Promise<CrashTest> {
  const parts = await createParts(options);
  const { sender, users, store, replicas, hooks, emulator } = parts;
  await Promise.all(replicas.map((replica) => replica.start()));
  const startedAt = performance.now();
  users.start(options.usersPerSecond ?? USERS_PER_SECOND);
  sender.start(options.perSecond ?? EVENTS_PER_SECOND);
  await keepCompiledCode(replicas[0]);
  const acknowledged: string[] = [];
  const lost: string[] = [];
  const findLost = async (): Promise<void> => {
    const fresh = sender.takeAcknowledged();
    acknowledged.push(...fresh);
    lost.push(...(await findLostEvents(store, fresh)));
  };
  return {
    random: createRandom(options.seed),
    replicas,
    sender,
    lost,
    findLost,
    untilNextAcknowledged: (ms) => untilNextAcknowledged(parts, ms),
    async finish() {
      const perSecond = sender.counts.events / ((performance.now() - startedAt) / 1_000);
      await finishWork(parts);
      await findLost();
      return addCounts(await checkOutcome(parts, acknowledged), { "events (per second)": Math.round(perSecond) });
    },
    async stop() {
      sender.close();
      await Promise.all(replicas.map((replica) => replica.close()));
      await hooks.close();
      await emulator.close();
      await store.close();
    },
  };
}

async function createParts({ databaseUrl, seed, replicas: count = 1 }: CrashTestOptions): Promise<Parts> {
  const ports: number[] = [];
  while (ports.length < count) ports.push(await freePort());
  const sender = createWebhookSender({
    ports,
    path: "/stripe/webhook",
    secret: TEST_WEBHOOK_SECRET,
    random: createRandom(seed + 1),
  });
  const emulator = await startEmulator(seed, sender);
  const hooks = await startHookReceiver(await freePort(), createRandom(seed + 2));
  const users = createUsers({ ports, emulator, random: createRandom(seed + 3) });
  const store = openStore({ url: databaseUrl, mode: "test" });
  await store.migrate();
  await preventReconcile(store);
  const env = environment({ databaseUrl, emulator, hooks, appUrl: `http://127.0.0.1:${ports[0]}` });
  const bundle = await bundleService();
  const replicas = ports.map((port) => createReplica({ port, env, bundle }));
  return { databaseUrl, emulator, hooks, users, sender, store, replicas };
}

/**
 * Starts an emulator with the plans. The emulator of Stripe passes its events to the webhook sender, which sends the events at
 * a fixed rate.
 */
async function startEmulator(seed: number, sender: WebhookSender): Promise<ServedEmulator> {
  const enabledEvents = [...ALLOWED_WEBHOOK_EVENTS.keys()];
  const emulator = await serveEmulator({
    port: await freePort(),
    seed,
    strict: true,
    webhooks: [{ url: "http://sender.test", secret: TEST_WEBHOOK_SECRET, enabledEvents }],
    fetch: async (request) => {
      sender.add(await request.text());
      return new Response(null);
    },
  });
  await pushTestPlans(createTestGateway(emulator), PLANS, Date.now);
  return emulator;
}

/**
 * A Node process writes its compiled code to disk when the process ends normally. A killed process does not write its compiled
 * code to disk.
 */
async function keepCompiledCode(replica: Replica | undefined): Promise<void> {
  await sleep(FIRST_LIFE_MS);
  await replica?.stop();
  await replica?.start();
}

/** Makes the service skip reconciles, because a reconcile would restore lost events. */
async function preventReconcile(store: Store): Promise<void> {
  await store.tasks.acquire(RECONCILE_TASK, "crash test", 0, 1);
  await store.tasks.finish(RECONCILE_TASK, "crash test", Date.now());
}

function environment({
  databaseUrl,
  emulator,
  hooks,
  appUrl,
}: Pick<Parts, "databaseUrl" | "emulator" | "hooks"> & { appUrl: string }): Record<string, string> {
  return {
    APP_URL: appUrl,
    DATABASE_URL: databaseUrl,
    HOOKS_URL: hooks.url,
    HOOKS_SECRET: hooks.secret,
    LOG_LEVEL: "error",
    STRIPE_API_BASE: emulator.url,
    STRIPE_PUBLISHABLE_KEY: "pk_test_123",
    STRIPE_REQUESTS_PER_SECOND: REQUESTS_PER_SECOND,
    STRIPE_SECRET_KEY: TEST_SECRET_KEY,
    STRIPE_WEBHOOK_SECRET: TEST_WEBHOOK_SECRET,
    NODE_COMPILE_CACHE: COMPILE_CACHE,
  };
}

async function untilNextAcknowledged({ sender, replicas }: Parts, ms: number): Promise<void> {
  const before = sender.counts.acknowledged;
  const deadline = performance.now() + ms;
  while (sender.counts.acknowledged === before) {
    if (performance.now() > deadline) {
      const outputs = replicas.map((replica) => replica.output()).join("\n");
      throw new Error(`no event was stored for ${ms} ms:\n${outputs}`);
    }
    await sleep(POLL_MS);
  }
}

async function finishWork({ replicas, users, emulator, sender, store }: Parts): Promise<void> {
  await Promise.all(replicas.filter((replica) => !replica.isUp()).map((replica) => replica.start()));
  await users.finish();
  await emulator.drain();
  await sender.finish();
  await untilDone(store);
}

async function untilDone(store: Store): Promise<void> {
  const deadline = performance.now() + DONE_TIMEOUT_MS;
  for (;;) {
    const [inbox, outbox] = [await store.inbox.countByState(), await store.outbox.countByState()];
    if (inbox.dead + outbox.dead > 0) throw new Error(`dead letters: ${JSON.stringify({ inbox, outbox })}`);
    if (inbox.pending + outbox.pending === 0) return;
    if (performance.now() > deadline) throw new Error(`work is still pending: ${JSON.stringify({ inbox, outbox })}`);
    await sleep(POLL_MS);
  }
}

async function checkOutcome(parts: Parts, acknowledged: readonly string[]): Promise<CrashResult> {
  const { databaseUrl, emulator, hooks, sender, store, users } = parts;
  const { counts } = sender;
  const lost = await findLostEvents(store, acknowledged);
  const problems = [
    ...users.problems,
    ...hooks.problems,
    ...lost.map((id) => `${id} was acknowledged and is not in the inbox`),
  ];
  const auditor = createAuditor(emulator, AUDITED_PLANS);
  auditor.update();
  const { problems: hookProblems, repeated } = checkHooks(hooks.received, auditor);
  problems.push(...hookProblems, ...(await checkHookOrder(hooks.received, databaseUrl)));
  await auditor.checkEnd(store, {
    featuresOf: (user) => featuresOf(users, user),
    isComplete: true,
    operationsFinished: false,
  });
  problems.push(...auditor.violations);
  if (counts.acknowledged !== counts.events)
    problems.push(`${counts.events} events were sent, but ${counts.acknowledged} were acknowledged`);
  const responses = Object.entries(counts.responses).map(([outcome, count]) => [`responses ${outcome}`, count]);
  return {
    problems: problems.slice(0, MAX_PROBLEMS),
    counts: {
      events: counts.events,
      deliveries: counts.attempts,
      ...(Object.fromEntries(responses) as Record<string, number>),
      acknowledged: acknowledged.length,
      lost: lost.length,
      users: users.count(),
      hooks: hooks.received.length - repeated,
      "repeated hooks": repeated,
      problems: problems.length,
    },
  };
}

async function featuresOf(users: Users, user: string): Promise<string[]> {
  const { body } = await users.call(user, "GET", "entitlements");
  return (body["entitlements"] as { feature: string }[]).map(({ feature }) => feature);
}
