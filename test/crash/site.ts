/** Everything that a crash test needs around the service: Stripe, its webhooks, people, the app that is told, and a judge. */
import { fileURLToPath } from "node:url";
import { pushPlans } from "../../packages/tollkeeper/src/actions/push-plans.ts";
import { diffCatalog } from "../../packages/tollkeeper/src/domain/catalog.ts";
import { serveEmulator, type ServedEmulator } from "../../packages/emulator/src/index.ts";
import { ALLOWED_WEBHOOK_EVENTS } from "../../packages/tollkeeper/src/index.ts";
import { openStore, type Store } from "../../packages/tollkeeper/src/store/open-store.ts";
import { createStripeGateway } from "../../packages/tollkeeper/src/stripe/gateway/gateway.ts";
import { RECONCILE_TASK } from "../../packages/tollkeeper/src/reconcile/reconcile.ts";
import { createAuditor } from "../simulation/auditor.ts";
import { createChance, type Chance } from "../simulation/chance.ts";
import { PLANS } from "../support/plans.ts";
import { freePort } from "../support/ports.ts";
import { bundleService } from "./bundle.ts";
import { receiveHooks, type HooksReceiver } from "./hooks-receiver.ts";
import { judgeHooks, judgeOrder, lostOf } from "./judge.ts";
import { createPeople, type People } from "./people.ts";
import { after, createReplica, type Replica } from "./replica.ts";
import { createSender, type Sender } from "./sender.ts";

export interface Site {
  chance: Chance;
  replicas: Replica[];
  sender: Sender;
  /** Compares what was acknowledged since the last look with the inbox. */
  look(): Promise<void>;
  /** Resolves once a further event is acknowledged; throws where none is within the time. */
  storesAgain(ms: number): Promise<void>;
  /** Lets all come to rest with every replica up, and judges. */
  finish(): Promise<Verdict>;
  /** Events that were answered 2xx and are gone, so far. */
  lost: string[];
  close(): Promise<void>;
}

export interface Verdict {
  /** What does not hold; empty where all does. */
  problems: string[];
  /** One line of figures. */
  figures: string;
}

export interface SiteOptions {
  databaseUrl: string;
  seed: number;
  replicas?: number;
  /** Webhooks a second. */
  perSecond?: number;
  peoplePerSecond?: number;
}

const EVENTS_PER_SECOND = 500;
const PEOPLE_PER_SECOND = 2;
/** The emulator's account of that name is what the auditor reads. */
const SECRET_KEY = "sk_test_123";
const WEBHOOK_SECRET = "whsec_crash_secret";
/** Replicas that die every second still share the budget for half a minute. */
const REQUESTS_PER_SECOND = "10000";
/** What a start has compiled the next need not compile. */
const COMPILE_CACHE = fileURLToPath(new URL("../../.tollkeeper/compiled", import.meta.url));
/** Long enough to do what a service does at all. */
const FIRST_LIFE_MS = 3_000;
const WORKED_OFF_TIMEOUT_MS = 600_000;
const LOOK_AGAIN_MS = 250;
const MAX_TOLD = 20;

export async function openSite(options: SiteOptions): Promise<Site> {
  const { databaseUrl, seed, perSecond = EVENTS_PER_SECOND, peoplePerSecond = PEOPLE_PER_SECOND } = options;
  const chance = createChance(seed);
  const ports: number[] = [];
  for (let count = options.replicas ?? 1; count > 0; count -= 1) ports.push(await freePort());
  const sender = createSender({
    ports,
    path: "/stripe/webhook",
    secret: WEBHOOK_SECRET,
    chance: createChance(seed + 1),
  });
  const emulator = await serveEmulator({
    port: await freePort(),
    seed,
    webhooks: [
      { url: "http://sender.test", secret: WEBHOOK_SECRET, enabledEvents: [...ALLOWED_WEBHOOK_EVENTS.keys()] },
    ],
    fetch: async (request) => {
      sender.offer(await request.text());
      return new Response(null);
    },
  });
  await sellPlans(emulator);
  const hooks = await receiveHooks(await freePort(), createChance(seed + 2));
  const people = createPeople({ ports, emulator, secretKey: SECRET_KEY, chance: createChance(seed + 3) });
  const store = openStore({ url: databaseUrl, mode: "test" });
  await store.migrate();
  await keepReconcileAway(store);
  const env = environment({ databaseUrl, emulator, hooks, appUrl: `http://127.0.0.1:${ports[0]}` });
  const bundle = await bundleService();
  const replicas = ports.map((port) => createReplica({ port, env, bundle }));
  await Promise.all(replicas.map((replica) => replica.start()));
  const startedAt = performance.now();
  people.start(peoplePerSecond);
  sender.start(perSecond);
  await writeDownCompiled(replicas[0]);

  const acknowledged: string[] = [];
  const lost: string[] = [];
  const look = async (): Promise<void> => {
    const fresh = sender.takeAcknowledged();
    acknowledged.push(...fresh);
    lost.push(...(await lostOf(store, fresh)));
  };

  return {
    chance,
    replicas,
    sender,
    lost,
    look,
    async storesAgain(ms) {
      const before = sender.counts.acknowledged;
      const deadline = performance.now() + ms;
      while (sender.counts.acknowledged === before) {
        if (performance.now() > deadline)
          throw new Error(
            `nothing was stored for ${ms} ms:\n${replicas.map((replica) => replica.output()).join("\n")}`,
          );
        await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
      }
    },
    async finish() {
      const { counts } = sender;
      const rate = counts.events / ((performance.now() - startedAt) / 1_000);
      await Promise.all(replicas.filter((replica) => !replica.isUp()).map((replica) => replica.start()));
      await people.finish();
      await emulator.settle();
      await sender.finish();
      await workedOff(store);
      await look();
      const gone = await lostOf(store, acknowledged);
      const problems = [
        ...people.problems,
        ...hooks.problems,
        ...gone.map((id) => `${id} was acknowledged and is gone`),
      ];
      const auditor = createAuditor(emulator, PLANS_OF_THE_AUDITOR);
      auditor.look();
      const { problems: inHooks, repeated } = judgeHooks(hooks.told, auditor);
      problems.push(...inHooks, ...(await judgeOrder(hooks.told, databaseUrl)));
      await auditor.checkEnd(store, {
        featuresOf: async (user) => featuresOf(people, user),
        isToldOfAll: true,
        isTidied: false,
      });
      problems.push(...auditor.violations);
      if (counts.acknowledged !== counts.events)
        problems.push(`${counts.events} events were sent and ${counts.acknowledged} were acknowledged`);
      const answers = Object.entries(counts.answers).map(([answer, times]) => `${times} × ${answer}`);
      const figures =
        `${counts.events} events (${rate.toFixed(0)}/s), ${counts.attempts} deliveries (${answers.join(", ")}); ` +
        `${acknowledged.length} acknowledged, ${gone.length} lost; ${people.count()} people; ` +
        `${hooks.told.length - repeated} hooks, ${repeated} told again; ${problems.length} problems`;
      return { problems: problems.slice(0, MAX_TOLD), figures };
    },
    async close() {
      sender.close();
      await Promise.all(replicas.map((replica) => replica.close()));
      await hooks.close();
      await emulator.close();
      await store.close();
    },
  };
}

const PLANS_OF_THE_AUDITOR = PLANS.map((plan) => ({
  id: plan.id,
  group: plan.group,
  features: plan.features.map(({ id }) => id),
}));

async function sellPlans(emulator: ServedEmulator): Promise<void> {
  const gateway = createStripeGateway({
    secretKey: SECRET_KEY,
    mode: "test",
    userIdKey: "auth0_user_id",
    fetch: (input, init) => emulator.fetch(new Request(input, init)),
    networkRetries: 0,
    version: "test",
    now: Date.now,
  });
  await pushPlans(gateway, diffCatalog(PLANS, [], []), { newId: () => crypto.randomUUID(), now: Date.now });
}

/** A process writes down what it has compiled when it ends by itself; who is killed compiles it all again. */
async function writeDownCompiled(replica: Replica | undefined): Promise<void> {
  await after(FIRST_LIFE_MS);
  await replica?.stop();
  await replica?.start();
}

/** As if it had just been: it would put into the inbox what is lost. */
async function keepReconcileAway(store: Store): Promise<void> {
  await store.tasks.take(RECONCILE_TASK, "crash test", 0, 1);
  await store.tasks.finish(RECONCILE_TASK, "crash test", Date.now());
}

function environment({
  databaseUrl,
  emulator,
  hooks,
  appUrl,
}: {
  databaseUrl: string;
  emulator: ServedEmulator;
  hooks: HooksReceiver;
  appUrl: string;
}): Record<string, string> {
  return {
    APP_URL: appUrl,
    DATABASE_URL: databaseUrl,
    HOOKS_URL: hooks.url,
    HOOKS_SECRET: hooks.secret,
    LOG_LEVEL: "error",
    STRIPE_API_BASE: emulator.url,
    STRIPE_PUBLISHABLE_KEY: "pk_test_123",
    STRIPE_REQUESTS_PER_SECOND: REQUESTS_PER_SECOND,
    STRIPE_SECRET_KEY: SECRET_KEY,
    STRIPE_WEBHOOK_SECRET: WEBHOOK_SECRET,
    NODE_COMPILE_CACHE: COMPILE_CACHE,
  };
}

async function workedOff(store: Store): Promise<void> {
  const deadline = performance.now() + WORKED_OFF_TIMEOUT_MS;
  for (;;) {
    const [inbox, outbox] = [await store.inbox.countByState(), await store.outbox.countByState()];
    if (inbox.dead + outbox.dead > 0) throw new Error(`dead letters: ${JSON.stringify({ inbox, outbox })}`);
    if (inbox.pending + outbox.pending === 0) return;
    if (performance.now() > deadline) throw new Error(`still not worked off: ${JSON.stringify({ inbox, outbox })}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

async function featuresOf(people: People, user: string): Promise<string[]> {
  const { body } = await people.ask(user, "GET", "entitlements");
  return (body["entitlements"] as { feature: string }[]).map(({ feature }) => feature);
}
