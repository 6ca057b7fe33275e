/**
 * Creates and plays schedules: lists of actions. Each action has a separate seed, so its effect stays the same if other actions
 * are removed from the schedule.
 */
import { RECONCILE_TASK } from "../../packages/tollkeeper/src/reconcile/reconcile.ts";
import { TEST_START } from "../../packages/tollkeeper/src/testing/harness/index.ts";
import { USERS, type User } from "./actions/action.ts";
import { ACTIONS, RESTORE_BACKUP } from "./actions/actions.ts";
import { isCalm, NO_FAULTS, type Faults } from "./faults.ts";
import { createRandom, type SeededRandom } from "./seeded-random.ts";
import { createSimulation, EVENTS_KEPT_MS, type Simulation, type SimulationSetup } from "./simulation.ts";

export interface ScheduledAction {
  action: string;
  user: User;
  seed: number;
  faults: Faults;
  /**
   * The number of pause points that the simulation passes before the next action begins. If the value is null, the next action
   * begins when no work is pending.
   */
  steps: number | null;
}

export interface Schedule {
  seed: number;
  setup: Omit<SimulationSetup, "restores">;
  actions: ScheduledAction[];
}

const MOST_ACTIONS = 40;
const LEAST_ACTIONS = 8;
/** Contains the possible clock skews of replicas. The longest clock skew exceeds the duration of a lease. */
const SKEWS_MS = [3_000, 3_000, 20_000];
const PAGE_SIZES = [100, 100, 3, 2];

const CALM: readonly Faults[] = [NO_FAULTS];
const STORMS: readonly Faults[] = [
  { ...NO_FAULTS, crash: 0.02 },
  { ...NO_FAULTS, network: 0.15 },
  { ...NO_FAULTS, stripe: 0.15 },
  { ...NO_FAULTS, store: 0.08 },
  { ...NO_FAULTS, stale: 0.3 },
  { ...NO_FAULTS, slow: 0.3 },
  { ...NO_FAULTS, slowRequests: 0.2 },
  { ...NO_FAULTS, slowLists: 0.6, stripe: 0.1 },
  {
    crash: 0.008,
    network: 0.06,
    stripe: 0.06,
    stale: 0.1,
    slow: 0.08,
    slowRequests: 0.04,
    slowLists: 0.1,
    store: 0.04,
  },
];

export function makeSchedule(seed: number): Schedule {
  const random = createRandom(seed);
  const replicas = 1 + random.below(3);
  const mostSkewMs = random.pick(SKEWS_MS);
  const skew = (): number => Math.round((random.next() * 2 - 1) * mostSkewMs);
  const count = LEAST_ACTIONS + random.below(MOST_ACTIONS - LEAST_ACTIONS);
  const stormy = random.pick([0, 0.3, 0.7]);
  return {
    seed,
    setup: {
      replicas,
      skewMs: Array.from({ length: replicas }, skew),
      reconcileEveryMinutes: random.pick([60, 1_440, 1_440]),
      losesEvents: random.happens(0.5),
      operated: random.happens(0.5),
      pageSize: random.pick(PAGE_SIZES),
      survivors: random.happens(0.7) ? replicas : 1,
      afterRetries: random.pick(["cancel", "cancel", "unpaid", "past_due", "pause"]),
    },
    actions: Array.from({ length: count }, () => makeAction(random, stormy)),
  };
}

const NAMES = Object.entries(ACTIONS).flatMap(([name, { weight }]) => Array.from({ length: weight }, () => name));

function makeAction(random: SeededRandom, stormy: number): ScheduledAction {
  return {
    action: random.pick(NAMES),
    user: random.pick(USERS),
    seed: random.below(2 ** 31),
    faults: random.pick(random.happens(stormy) ? STORMS : CALM),
    steps: random.happens(0.4) ? null : random.below(60),
  };
}

export interface Outcome {
  violations: string[];
  steps: number;
}

/** Plays a schedule, ends all faults, reconciles once, and returns the violations of the rules. */
export async function play({ seed, setup, actions }: Schedule): Promise<Outcome> {
  const restores = actions.some(({ action }) => action === RESTORE_BACKUP);
  const simulation = await createSimulation(seed, { ...setup, restores });
  const { auditor, scheduler } = simulation;
  try {
    for (const one of actions) {
      await perform(simulation, one);
      if (auditor.violations.length > 0) break;
    }
    if (auditor.violations.length === 0) await converge(simulation);
  } catch (error) {
    auditor.violations.push(
      `the schedule did not end: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
  }
  auditor.checkLog(simulation.logText());
  await simulation.stop();
  return { violations: auditor.violations, steps: scheduler.steps };
}

async function perform(simulation: Simulation, { action, user, seed, faults, steps }: ScheduledAction): Promise<void> {
  const { scheduler, auditor } = simulation;
  simulation.setRandom(createRandom(seed));
  simulation.setFaults(faults);
  const act = ACTIONS[action];
  if (!act) throw new Error(`unknown action "${action}"`);
  if (act.untilQuiet) await act.act(simulation, user);
  else scheduler.follow(act.act(simulation, user));
  if (steps === null || act.untilQuiet) {
    await simulation.untilQuiet();
    // If the clock has moved without faults, the service must have processed all due events and hooks.
    const hasWaited = action === "time" && isCalm(faults);
    const isSettled = !simulation.setup.losesEvents && isAllDelivered(simulation);
    await auditor.check(simulation.store, { isSettled, isCalm: hasWaited });
  } else {
    await scheduler.settle();
    for (let step = 0; step < steps; step += 1) if (!(await scheduler.step())) break;
    auditor.update();
  }
}

/** The simulation waits for a time that exceeds every retry delay and the lease of a crashed reconcile. */
const PATIENCE_SECONDS = 900;
const ROUNDS = 4;
const HOUR = 3_600;
/** The maximum time that Stripe needs to deliver all events. Stripe retries failed deliveries for three days. */
const DELIVERED_WITHIN_HOURS = 96;
/** The maximum time that the replicas need to complete a sweep. The replicas sweep once a day. */
const SWEPT_WITHIN_HOURS = 30;
const LONGEST_STEP_HOURS = 6;

async function converge(simulation: Simulation): Promise<void> {
  const { auditor, replicas, setup } = simulation;
  simulation.setRandom(createRandom(1));
  simulation.setFaults(NO_FAULTS);
  Object.assign(simulation.deliveries, { partitioned: false, silent: false, swallowed: false, echoes: 0 });
  await simulation.clearFaults();
  for (const replica of replicas.slice(setup.survivors)) replica.crash();
  for (const replica of replicas.slice(0, setup.survivors)) replica.start();
  await simulation.untilQuiet();
  simulation.passTime(PATIENCE_SECONDS);
  await simulation.untilQuiet();
  if (setup.losesEvents && setup.operated) await reconcileByHand(simulation);
  else if (setup.losesEvents) await passHours(simulation, SWEPT_WITHIN_HOURS, () => false);
  // If no event is lost permanently, Stripe's retries are sufficient to repair the mirror.
  else await passHours(simulation, DELIVERED_WITHIN_HOURS, () => isAllDelivered(simulation));
  for (let round = 0; round < ROUNDS; round += 1) {
    simulation.passTime(PATIENCE_SECONDS);
    await simulation.untilQuiet();
  }
  await auditor.check(simulation.store, { isSettled: false, isCalm: false });
  await auditor.checkEnd(simulation.store, {
    featuresOf: (userId) => featuresOf(simulation, userId),
    isComplete: !setup.losesEvents,
    operationsFinished: true,
  });
  if (auditor.violations.length === 0) await checkCheckouts(simulation);
}

/**
 * If a reconcile was interrupted, the first call of `reconcile` resumes the interrupted reconcile. A second call of `reconcile`
 * reads the changes since the interruption.
 */
async function reconcileByHand(simulation: Simulation): Promise<void> {
  const { auditor, store } = simulation;
  // While Stripe still has all events, a reconcile can read Stripe's list of events, and no sweep is necessary.
  const sweep = simulation.emulator.now() - TEST_START > EVENTS_KEPT_MS || simulation.deliveries.unreported.size > 0;
  const interrupted = (await store.tasks.find(RECONCILE_TASK))?.progress != null;
  for (let runs = interrupted ? 2 : 1; runs > 0; runs -= 1)
    if (!(await isReconciled(simulation, sweep))) auditor.violations.push("I4: no replica could reconcile");
}

/**
 * Starts a reconcile, and retries while another replica reconciles. Returns false if no attempt to start a reconcile succeeds.
 */
async function isReconciled(simulation: Simulation, sweep: boolean): Promise<boolean> {
  const { replicas, scheduler } = simulation;
  for (let tries = 0; tries < ROUNDS; tries += 1) {
    const reconcile =
      replicas[0]?.run((service) => service.reconcile({ sweep, since: TEST_START })) ?? Promise.resolve(null);
    scheduler.follow(reconcile);
    await simulation.untilQuiet();
    if ((await reconcile) !== null) return true;
    simulation.passTime(PATIENCE_SECONDS);
    await simulation.untilQuiet();
  }
  return false;
}

async function passHours(simulation: Simulation, hours: number, isEnough: () => boolean): Promise<void> {
  for (let passed = 0; passed < hours && !isEnough(); passed += LONGEST_STEP_HOURS) {
    simulation.passTime(LONGEST_STEP_HOURS * HOUR);
    await simulation.untilQuiet();
  }
}

function isAllDelivered({ emulator }: Simulation): boolean {
  return emulator.deliveries().every(({ state }) => state === "delivered");
}

/**
 * Checks that every user can check out or has a subscription, even after interrupted operations. Also checks that the users'
 * checkout requests create no duplicate customers or checkout sessions.
 */
async function checkCheckouts(simulation: Simulation): Promise<void> {
  const calls = USERS.map(async (user) => {
    const response = await simulation.call(user, "POST", "create-checkout-session", {
      plan: "premium",
      interval: "month",
    });
    if (response?.status !== 200 && response?.status !== 409)
      simulation.auditor.violations.push(`I4: ${user} cannot check out: ${JSON.stringify(response)}`);
  });
  simulation.scheduler.follow(Promise.all(calls));
  await simulation.untilQuiet();
  simulation.auditor.update();
}

async function featuresOf(simulation: Simulation, userId: string): Promise<string[]> {
  const [replica] = simulation.replicas;
  if (!replica) throw new Error("no replica");
  const entitlements = replica.run((service) => service.getEntitlements(userId));
  simulation.scheduler.follow(entitlements);
  await simulation.untilQuiet();
  return (await entitlements).map(({ feature }) => feature);
}
