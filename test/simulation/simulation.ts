/**
 * Simulates Stripe, webhooks, users, and replicas with a shared store in one process. One clock and one random seed control the
 * whole simulation.
 */
import { createEmulator, type Emulator } from "../../packages/emulator/src/index.ts";
import type { Hooks, Plans } from "../../packages/tollkeeper/src/index.ts";
import type { Store } from "../../packages/tollkeeper/src/store/store.ts";
import {
  createLogRecorder,
  createServiceClient,
  createStripeClient,
  emulatorOptions,
  TEST_STRIPE_URL,
  TEST_START,
  type LogLine,
  type StripeClient,
  type TestResponse,
} from "../../packages/tollkeeper/src/testing/harness/index.ts";
import { PLANS } from "../support/plans.ts";
import type { AuditedPlan, HookEvent } from "./audit-types.ts";
import { createAuditor, type Auditor } from "./auditor.ts";
import { createDeliveries, type Deliveries } from "./deliveries.ts";
import { isCalm, type Faults } from "./faults.ts";
import { loadFirstState, WEBHOOK_ENDPOINT } from "./first-state.ts";
import { observeStore, withoutEarlyPruning, withoutReconcile } from "./observed-store.ts";
import type { ReplicaSetup, SimulatedReplica } from "./replica-types.ts";
import { createScheduler, type Scheduler } from "./scheduler.ts";
import { createRandom, type SeededRandom } from "./seeded-random.ts";
import { openRestorableStore } from "./restorable-store.ts";
import { shortPages } from "./short-pages.ts";
import { createSimulatedReplica } from "./simulated-replica.ts";

/**
 * The time for which Stripe certainly keeps events. The value is slightly less than the time for which Stripe really keeps
 * events.
 */
export const EVENTS_KEPT_MS = 25 * 86_400_000;

const toAudited = (plans: Plans): AuditedPlan[] =>
  plans.map(({ id, group, features }) => ({ id, group, features: features.map((feature) => feature.id) }));

export const AUDITED_PLANS: readonly AuditedPlan[] = toAudited(PLANS);

export interface SimulationSetup {
  replicas: number;
  skewMs: readonly number[];
  reconcileEveryMinutes: number;
  /**
   * True if events can be lost permanently, so that only a reconcile finds the changes at Stripe. If `losesEvents` is false, no
   * reconcile runs.
   */
  losesEvents: boolean;
  /**
   * True if an operator starts a reconcile at the end of the schedule. If `operated` is false, the replicas must reconcile at
   * their configured intervals.
   */
  operated: boolean;
  /** The maximum number of objects in one page of Stripe's lists. */
  pageSize: number;
  /** The number of replicas that are up at the end of the schedule. */
  survivors: number;
  afterRetries: "cancel" | "unpaid" | "past_due" | "pause";
  /** True if the schedule restores the database from a backup, so that the database must be in a file. */
  restores: boolean;
}

export interface Simulation {
  setup: SimulationSetup;
  emulator: Emulator;
  scheduler: Scheduler;
  auditor: Auditor;
  replicas: SimulatedReplica[];
  /** The process of a command of the command line, which has no hooks and runs beside the replicas. */
  command: SimulatedReplica;
  /** Restarts all replicas with other plans. Plans that are left out keep their last features for their subscribers. */
  deploy(plans: Plans): void;
  /** Saves a copy of the database. */
  backup(): void;
  /** Replaces the database by its last copy. No replica may run meanwhile. */
  restore(): Promise<void>;
  /** The store that all replicas share, without injected faults. */
  store: Store;
  deliveries: Deliveries;
  setRandom(random: SeededRandom): void;
  setFaults(faults: Faults): void;
  /** Sends a request from a user's browser to a replica. Returns null if the connection to the replica fails. */
  call(user: string, method: "GET" | "POST", path: string, body?: object): Promise<TestResponse | null>;
  /** Calls the emulator's Stripe API, as Stripe's dashboard does. */
  stripe: StripeClient;
  /** Calls a control route of the emulator. */
  control(path: string, body: object): Promise<void>;
  /** Ends all simulated faults of Stripe's API and of its webhook deliveries. */
  clearFaults(): Promise<void>;
  passTime(seconds: number): void;
  /** Runs the simulation until no work is pending. */
  untilQuiet(): Promise<void>;
  logText(): string[];
  stop(): Promise<void>;
}

const HOOK_FAILURE_RATE = 0.3;
const EMULATOR_OPTIONS = {
  startAt: TEST_START,
  strict: true,
  baseUrl: TEST_STRIPE_URL,
  webhooks: [WEBHOOK_ENDPOINT],
};

export async function createSimulation(seed: number, setup: SimulationSetup): Promise<Simulation> {
  const emulator = createEmulator({
    ...EMULATOR_OPTIONS,
    wallNow: () => emulator.now(),
    fetch: (request) => deliveries.deliver(request),
  });
  emulator.restore({ ...(await loadFirstState()), afterRetries: setup.afterRetries });
  const scheduler = createScheduler(() => emulator.now(), createRandom(seed));
  const auditedPlans = [...AUDITED_PLANS];
  const auditor = createAuditor(emulator, auditedPlans);
  const { store, ...backups } = await openRestorableStore(setup.restores);
  const log: LogLine[] = [];
  let hookFailureRate = 0;
  const shared: SharedSetup = {
    ...createShared({ emulator, scheduler }),
    store: observeStore(withoutEarlyPruning(setup.losesEvents ? store : withoutReconcile(store)), auditor),
    stripe: shortPages({
      fetch: (request) => emulator.fetch(request),
      pageSize: setup.pageSize,
      unreported: () => deliveries.unreported,
    }),
    log: createLogRecorder(log),
    options: {
      ...emulatorOptions(PLANS),
      reconcileEveryMinutes: setup.reconcileEveryMinutes,
      hooks: createHooks(auditor, () => scheduler.random.happens(hookFailureRate)),
    },
  };
  const { replicas, command } = createProcesses(setup, shared);
  const processes = [...replicas, command];
  const now = (): number => emulator.now();
  const deliveries = createDeliveries({ endpoint: WEBHOOK_ENDPOINT, replicas, scheduler, auditor, now });
  const simulation: Simulation = {
    setup,
    emulator,
    scheduler,
    auditor,
    replicas,
    command,
    deploy: createDeploy({ replicas, command }, auditedPlans),
    ...backups,
    store,
    deliveries,
    setFaults(faults) {
      for (const replica of processes) replica.faults = faults;
      hookFailureRate = isCalm(faults) ? 0 : HOOK_FAILURE_RATE;
    },
    ...createControls(emulator, scheduler, replicas),
    logText: () => log.map(({ level, message, fields }) => `${level} ${message} ${JSON.stringify(fields)}`),
    async stop() {
      for (const replica of processes) replica.crash();
      await backups.close();
    },
  };
  for (const replica of replicas) replica.start();
  await simulation.untilQuiet();
  return simulation;
}

type SharedSetup = Omit<ReplicaSetup, "name" | "skewMs">;

function createShared({
  emulator,
  scheduler,
}: Pick<Simulation, "emulator" | "scheduler">): Pick<SharedSetup, "scheduler" | "now" | "fail" | "newId"> {
  let ids = 0;
  return {
    scheduler,
    now: () => emulator.now(),
    fail: (response) => postControl(emulator, "faults", response),
    newId: () => `id${String(++ids).padStart(6, "0")}`,
  };
}

type Processes = Pick<Simulation, "replicas" | "command">;

function createProcesses({ replicas: count, skewMs }: SimulationSetup, shared: SharedSetup): Processes {
  const replicas = Array.from({ length: count }, (_, index) =>
    createSimulatedReplica({ ...shared, name: `replica${index + 1}`, skewMs: skewMs[index] ?? 0 }),
  );
  const command = createSimulatedReplica({ ...shared, name: "command", skewMs: 0 });
  command.options = { hooks: undefined, runWorker: false };
  return { replicas, command };
}

function createDeploy({ replicas, command }: Processes, auditedPlans: AuditedPlan[]): Simulation["deploy"] {
  return (plans) => {
    const removed = auditedPlans.filter(({ id }) => !plans.some((plan) => plan.id === id));
    auditedPlans.splice(0, Infinity, ...toAudited(plans), ...removed);
    for (const replica of [...replicas, command]) {
      replica.crash();
      replica.options = { ...replica.options, plans };
    }
    for (const replica of replicas) replica.start();
  };
}

async function postControl(emulator: Emulator, path: string, body: object): Promise<void> {
  await emulator.fetch(
    new Request(`${TEST_STRIPE_URL}/_emulator/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    }),
  );
}

type Controls = Pick<
  Simulation,
  "setRandom" | "call" | "stripe" | "control" | "clearFaults" | "passTime" | "untilQuiet"
>;

function createControls(emulator: Emulator, scheduler: Scheduler, replicas: readonly SimulatedReplica[]): Controls {
  const stripe = createStripeClient({ fetch: emulator.fetch });
  const passTime = (seconds: number): void => scheduler.follow(emulator.advance(seconds));
  return {
    passTime,
    setRandom: (random) => void (scheduler.random = random),
    control: (path, body) => postControl(emulator, path, body),
    async clearFaults() {
      await emulator.fetch(new Request(`${TEST_STRIPE_URL}/_emulator/faults`, { method: "DELETE" }));
    },
    async call(...request) {
      const up = replicas.filter(({ service }) => service !== null);
      if (up.length === 0) return null;
      const replica = scheduler.random.pick(up);
      try {
        return await createServiceClient({ fetch: replica.fetch })(...request);
      } catch {
        return null;
      }
    },
    async stripe(method, path, params) {
      // Simulated users pause between their clicks. The simulation continues other work while a user pauses.
      await scheduler.pause("people", `${method} ${path}`, false);
      return stripe(method, path, params);
    },
    untilQuiet: () => scheduler.untilQuiet((ms) => passTime(Math.ceil(ms / 1_000))),
  };
}

function createHooks(auditor: Auditor, fails: () => boolean): Hooks {
  const hook =
    (name: string) =>
    (event: HookEvent): void => {
      if (fails()) throw new Error("the app's database is unavailable");
      auditor.hookRan(name, event);
    };
  return {
    onAccessGranted: hook("onAccessGranted"),
    onAccessRevoked: hook("onAccessRevoked"),
    onPaymentSucceeded: hook("onPaymentSucceeded"),
    onPaymentFailed: hook("onPaymentFailed"),
    onPaymentActionRequired: hook("onPaymentActionRequired"),
    onTrialStarted: hook("onTrialStarted"),
    onTrialWillEnd: hook("onTrialWillEnd"),
    onRefund: hook("onRefund"),
    onDispute: hook("onDispute"),
  };
}
