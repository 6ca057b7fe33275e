/** Actions that affect replicas, their operators and the clock. */
import { PLANS } from "../../support/plans.ts";
import { NO_FAULTS, type Faults } from "../faults.ts";
import type { Simulation } from "../simulation.ts";
import { DAY, HOUR, USERS } from "./action.ts";
import { buy } from "./user-actions.ts";

/**
 * Lists the periods of time that the action `time` lets pass. All periods of the action `time` are shorter than the time for
 * which Stripe keeps events. Only the action `outage` lasts longer than the time for which Stripe keeps events.
 */
const SPANS = [HOUR, 3 * HOUR, 23 * HOUR, DAY, 3 * DAY, 7 * DAY, 14 * DAY, 20 * DAY];
/**
 * The longest time by which the simulated clock moves at once, in seconds. The longest move of the clock takes longer than any
 * request, and less than the lifetime of Stripe's idempotency keys.
 */
export const LONGEST_STEP = 20 * HOUR;
/** The freeze of a replica can last longer than a lease. */
const LONGEST_FREEZE_MS = 40_000;

export async function time(simulation: Simulation): Promise<void> {
  const seconds = simulation.scheduler.random.pick(SPANS);
  await simulation.untilQuiet();
  for (let left = seconds; left > 0; left -= LONGEST_STEP) {
    // In schedules that must not lose events, the replicas must be up again before Stripe stops retrying failed deliveries.
    if (!simulation.setup.losesEvents) await restart(simulation);
    simulation.passTime(Math.min(left, LONGEST_STEP));
    await simulation.untilQuiet();
  }
}

export async function shortTime({ passTime, scheduler }: Simulation): Promise<void> {
  passTime(1 + scheduler.random.below(60));
}

export async function crash({ replicas, scheduler }: Simulation): Promise<void> {
  scheduler.random.pick(replicas).crash();
}

export async function restart({ replicas }: Simulation): Promise<void> {
  for (const replica of replicas) replica.start();
}

export async function freeze({ replicas, scheduler, emulator }: Simulation): Promise<void> {
  const { random } = scheduler;
  scheduler.freeze(random.pick(replicas).name, emulator.now() + random.below(LONGEST_FREEZE_MS));
}

/** An operator starts a reconcile, even while other work is running. */
export async function reconcile({ replicas, scheduler }: Simulation): Promise<void> {
  const up = replicas.filter(({ service }) => service !== null);
  if (up.length > 0) await scheduler.random.pick(up).run((service) => service.reconcile({ sweep: true }));
}

/** The secret key of another Stripe account. */
const OTHER_ACCOUNT = { stripeSecretKey: "sk_test_other" };

/** For an hour, a replica has the secret key of another Stripe account. */
export async function wrongKey(simulation: Simulation): Promise<void> {
  const replica = simulation.scheduler.random.pick(simulation.replicas);
  const { options } = replica;
  replica.crash();
  replica.options = { ...options, ...OTHER_ACCOUNT };
  replica.start();
  await simulation.untilQuiet();
  simulation.passTime(HOUR);
  await simulation.untilQuiet();
  replica.crash();
  replica.options = options;
  replica.start();
}

/** A deploy adds a feature to a plan and removes another one, or removes a plan that users may pay for. */
export async function changeCatalogue(simulation: Simulation): Promise<void> {
  const { random } = simulation.scheduler;
  // Each deploy is a new version of the catalogue.
  const added = `feature_${simulation.emulator.now()}`;
  const changed = random.pick(PLANS).id;
  const plans = PLANS.map((plan) =>
    plan.id === changed ? { ...plan, features: [...plan.features.slice(1), { id: added, name: added }] } : plan,
  );
  await simulation.untilQuiet();
  simulation.deploy(random.happens(0.3) ? plans.filter(({ id }) => id !== "team") : plans);
  await simulation.untilQuiet();
}

/** An operator runs the command `reconcile` while the replicas are up or down. */
export async function commandLine({ command, replicas, scheduler }: Simulation): Promise<void> {
  if (command.service !== null) return;
  if (scheduler.random.happens(0.5)) for (const replica of replicas) replica.crash();
  const sweep = scheduler.random.happens(0.5);
  command.start();
  await command
    .run(async (service) => {
      await service.reconcile({ sweep });
      await service.drain();
    })
    .finally(() => command.crash());
}

/** The database is lost, and an operator restores a backup that is some hours old. */
export async function restoreBackup(simulation: Simulation): Promise<void> {
  const { auditor, command, emulator, replicas, scheduler, setup } = simulation;
  // Only a reconcile finds the events since the backup.
  if (!setup.losesEvents) return;
  await simulation.untilQuiet();
  simulation.backup();
  const backupAt = emulator.now();
  for (const user of USERS) {
    // The auditor checks the users who did not buy since the backup also after the restore.
    if (scheduler.random.happens(0.5)) await withFaults(simulation, NO_FAULTS, () => buy(simulation, user));
    simulation.passTime(HOUR);
    await simulation.untilQuiet();
  }
  for (const replica of [...replicas, command]) replica.crash();
  await simulation.restore();
  auditor.restored(backupAt);
  await restart(simulation);
}

/** Keeps all replicas down for longer than Stripe keeps events. */
export async function outage(simulation: Simulation): Promise<void> {
  if (!simulation.setup.losesEvents) return;
  await simulation.untilQuiet();
  for (const replica of simulation.replicas) replica.crash();
  for (let days = 31 + simulation.scheduler.random.below(10); days > 0; days -= 5) {
    simulation.passTime(5 * DAY);
    await simulation.untilQuiet();
  }
  await restart(simulation);
  await simulation.untilQuiet();
}

/**
 * Runs the given function, and waits until all work that the function causes has ended. While the function runs, the given
 * faults replace the schedule's faults.
 */
export async function withFaults(simulation: Simulation, faults: Faults, work: () => Promise<unknown>): Promise<void> {
  const before = faultsOf(simulation);
  simulation.setFaults(faults);
  simulation.scheduler.follow(work());
  await simulation.untilQuiet();
  simulation.setFaults(before);
}

/** Returns the faults that are currently injected, which are the same for all replicas. */
export function faultsOf({ replicas }: Simulation): Faults {
  return replicas[0]?.faults ?? NO_FAULTS;
}

/** Continues the simulated code at a random number of pause points, and lets a few seconds pass. */
export async function continueBriefly({ passTime, scheduler }: Simulation): Promise<void> {
  await scheduler.settle();
  for (let step = scheduler.random.below(60); step > 0 && (await scheduler.step()); step -= 1);
  passTime(1 + scheduler.random.below(8));
  await scheduler.settle();
}
