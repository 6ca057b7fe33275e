/** A schedule is a list of actions, each with a seed of its own: what is left of a shrunk one still does what it did. */
import { RECONCILE_TASK } from "../../packages/tollkeeper/src/reconcile/reconcile.ts";
import { ACTIONS, USERS, type User } from "./actions.ts";
import { createChance, type Chance } from "./chance.ts";
import { isCalm, NO_FAULTS, type Faults } from "./machine.ts";
import { createSimulated, EVENTS_KEPT_MS, START, type Simulated, type WorldSetup } from "./world.ts";

export interface ScheduledAction {
  action: string;
  user: User;
  seed: number;
  faults: Faults;
  /** How many steps it gets before the next action begins; null lets it come to rest. */
  steps: number | null;
}

export interface Schedule {
  seed: number;
  setup: WorldSetup;
  actions: ScheduledAction[];
}

const MOST_ACTIONS = 40;
const LEAST_ACTIONS = 8;
/** Apart by more than a lease, at times. */
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
  const chance = createChance(seed);
  const replicas = 1 + chance.below(3);
  const mostSkewMs = chance.pick(SKEWS_MS);
  const skew = (): number => Math.round((chance.next() * 2 - 1) * mostSkewMs);
  const count = LEAST_ACTIONS + chance.below(MOST_ACTIONS - LEAST_ACTIONS);
  const stormy = chance.pick([0, 0.3, 0.7]);
  return {
    seed,
    setup: {
      replicas,
      skewMs: Array.from({ length: replicas }, skew),
      reconcileEveryMinutes: chance.pick([60, 1_440, 1_440]),
      losesEvents: chance.happens(0.5),
      operated: chance.happens(0.5),
      pageSize: chance.pick(PAGE_SIZES),
      survivors: chance.happens(0.7) ? replicas : 1,
      afterRetries: chance.pick(["cancel", "cancel", "unpaid", "past_due", "pause"]),
    },
    actions: Array.from({ length: count }, () => makeAction(chance, stormy)),
  };
}

const NAMES = Object.entries(ACTIONS).flatMap(([name, { weight }]) => Array.from({ length: weight }, () => name));

function makeAction(chance: Chance, stormy: number): ScheduledAction {
  return {
    action: chance.pick(NAMES),
    user: chance.pick(USERS),
    seed: chance.below(2 ** 31),
    faults: chance.pick(chance.happens(stormy) ? STORMS : CALM),
    steps: chance.happens(0.4) ? null : chance.below(60),
  };
}

export interface Outcome {
  violations: string[];
  steps: number;
}

/** Plays a schedule, ends all faults, reconciles once, and tells what did not hold. */
export async function play({ seed, setup, actions }: Schedule): Promise<Outcome> {
  const world = await createSimulated(seed, setup);
  const { auditor, scheduler } = world;
  try {
    for (const one of actions) {
      await perform(world, one);
      if (auditor.violations.length > 0) break;
    }
    if (auditor.violations.length === 0) await converge(world);
  } catch (error) {
    auditor.violations.push(
      `it came to no end: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
  }
  auditor.checkLog(world.log);
  await world.close();
  return { violations: auditor.violations, steps: scheduler.steps };
}

async function perform(world: Simulated, { action, user, seed, faults, steps }: ScheduledAction): Promise<void> {
  const { scheduler, auditor } = world;
  world.setChance(createChance(seed));
  world.setFaults(faults);
  const act = ACTIONS[action];
  if (!act) throw new Error(`there is no action "${action}"`);
  if (act.comesToRest) await act.act(world, user);
  else scheduler.follow(act.act(world, user));
  if (steps === null || act.comesToRest) {
    await world.quiet();
    // With time gone by and nothing in its way, whatever was due has been done.
    const hasWaited = action === "time" && isCalm(faults);
    const isSettled = !world.setup.losesEvents && isAllDelivered(world);
    await auditor.check(world.store, { isSettled, isCalm: hasWaited });
  } else {
    await scheduler.settle();
    for (let step = 0; step < steps; step += 1) if (!(await scheduler.step())) break;
    auditor.look();
  }
}

/** Longer than any backoff, and than the time that a dead reconcile's holder keeps it. */
const PATIENCE_SECONDS = 900;
const ROUNDS = 4;
const HOUR = 3_600;
/** Stripe tries for three days. */
const DELIVERED_WITHIN_HOURS = 96;
/** Replicas read everything once a day, and have some time for it. */
const SWEPT_WITHIN_HOURS = 30;
const LONGEST_STEP_HOURS = 6;

async function converge(world: Simulated): Promise<void> {
  const { auditor, machines, setup } = world;
  world.setChance(createChance(1));
  world.setFaults(NO_FAULTS);
  Object.assign(world.deliveries, { partitioned: false, silent: false, swallowed: false, echoes: 0 });
  await world.clearFaults();
  for (const machine of machines.slice(setup.survivors)) machine.crash();
  for (const machine of machines.slice(0, setup.survivors)) machine.start();
  await world.quiet();
  world.passTime(PATIENCE_SECONDS);
  await world.quiet();
  if (setup.losesEvents && setup.operated) await reconcileByHand(world);
  else if (setup.losesEvents) await passHours(world, SWEPT_WITHIN_HOURS, () => false);
  // Nothing is lost for good: Stripe's own deliveries must do.
  else await passHours(world, DELIVERED_WITHIN_HOURS, () => isAllDelivered(world));
  for (let round = 0; round < ROUNDS; round += 1) {
    world.passTime(PATIENCE_SECONDS);
    await world.quiet();
  }
  await auditor.check(world.store, { isSettled: false, isCalm: false });
  await auditor.checkEnd(world.store, {
    featuresOf: (userId) => featuresOf(world, userId),
    isToldOfAll: !setup.losesEvents,
    isTidied: true,
  });
  if (auditor.violations.length === 0) await checkNobodyIsLockedOut(world);
}

/** Whoever asks is given the rest of a run that had broken off, and asks again: what happened meanwhile is the next one's. */
async function reconcileByHand(world: Simulated): Promise<void> {
  const { auditor, store } = world;
  // As long as Stripe has every event, its list of them must do.
  const sweep = world.emulator.now() - START > EVENTS_KEPT_MS || world.deliveries.untold.size > 0;
  const brokenOff = (await store.tasks.find(RECONCILE_TASK))?.progress != null;
  for (let runs = brokenOff ? 2 : 1; runs > 0; runs -= 1)
    if (!(await isReconciled(world, sweep))) auditor.violations.push("I4: nobody could reconcile");
}

/** Where a replica is at it by itself, it is asked again when that has come to its end. */
async function isReconciled(world: Simulated, sweep: boolean): Promise<boolean> {
  const { machines, scheduler } = world;
  for (let asked = 0; asked < ROUNDS; asked += 1) {
    const reconcile =
      machines[0]?.ask((service) => service.reconcile({ sweep, since: START })) ?? Promise.resolve(null);
    scheduler.follow(reconcile);
    await world.quiet();
    if ((await reconcile) !== null) return true;
    world.passTime(PATIENCE_SECONDS);
    await world.quiet();
  }
  return false;
}

async function passHours(world: Simulated, hours: number, isEnough: () => boolean): Promise<void> {
  for (let passed = 0; passed < hours && !isEnough(); passed += LONGEST_STEP_HOURS) {
    world.passTime(LONGEST_STEP_HOURS * HOUR);
    await world.quiet();
  }
}

function isAllDelivered({ emulator }: Simulated): boolean {
  return emulator.deliveries().every(({ state }) => state === "delivered");
}

/** Whatever has broken off, everybody can buy, or is told that it is bought; and that makes nothing twice either. */
async function checkNobodyIsLockedOut(world: Simulated): Promise<void> {
  const answers = USERS.map(async (user) => {
    const answer = await world.ask(user, "POST", "create-checkout-session", { plan: "premium", interval: "month" });
    if (answer?.status !== 200 && answer?.status !== 409)
      world.auditor.violations.push(`I4: ${user} can't check out: ${JSON.stringify(answer)}`);
  });
  world.scheduler.follow(Promise.all(answers));
  await world.quiet();
  world.auditor.look();
}

async function featuresOf(world: Simulated, userId: string): Promise<string[]> {
  const [machine] = world.machines;
  if (!machine) throw new Error("there is no replica");
  const entitlements = machine.ask((service) => service.getEntitlements(userId));
  world.scheduler.follow(entitlements);
  await world.quiet();
  return (await entitlements).map(({ feature }) => feature);
}

/** Leaves away what the failure does not need: halves first, then smaller pieces, then faults and overlaps. */
export async function shrink(schedule: Schedule, failure: string): Promise<Schedule> {
  const kind = failure.slice(0, 3);
  const fails = async (candidate: Schedule): Promise<boolean> =>
    (await play(candidate)).violations.some((violation) => violation.startsWith(kind));
  let best = schedule;
  for (let size = Math.ceil(best.actions.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let start = 0; start < best.actions.length;) {
      const actions = [...best.actions.slice(0, start), ...best.actions.slice(start + size)];
      const candidate = { ...best, actions };
      if (await fails(candidate)) best = candidate;
      else start += size;
    }
  }
  for (const index of best.actions.keys()) {
    for (const calmer of [{ faults: NO_FAULTS }, { steps: null }]) {
      const actions = best.actions.map((one, at) => (at === index ? { ...one, ...calmer } : one));
      const candidate = { ...best, actions };
      if (await fails(candidate)) best = candidate;
    }
  }
  return best;
}
