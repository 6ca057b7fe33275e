/** Actions after which events are lost, so that only a reconcile can find the changes. */
import { TEST_START } from "../../../packages/tollkeeper/src/testing/harness/index.ts";
import { NO_FAULTS } from "../faults.ts";
import { EVENTS_KEPT_MS, type Simulation } from "../simulation.ts";
import { HOUR, type Act, type User } from "./action.ts";
import {
  cancelAll,
  changePlan,
  dashboardCancel,
  dashboardEnd,
  dashboardMany,
  dashboardSubscription,
  deleteCustomer,
  goodCard,
} from "./dashboard-actions.ts";
import { heal } from "./delivery-actions.ts";
import { pickCustomer } from "./lists.ts";
import { restart, withFaults } from "./replica-actions.ts";
import { buy, checkout } from "./user-actions.ts";

/**
 * For some time, a different server receives Stripe's deliveries, so the service never receives the delivered events. Stripe's
 * list of events still contains the lost events.
 */
export async function swallowed(simulation: Simulation, user: User): Promise<void> {
  const { deliveries, emulator, setup } = simulation;
  if (!setup.losesEvents) return;
  await loseEvents(simulation, pickCustomer(simulation, user), "swallowed");
  if (deliveries.unreported.size === 0 && emulator.now() - TEST_START < EVENTS_KEPT_MS)
    await reconcileAndCheck(simulation, { sweep: false });
}

/**
 * Stripe neither delivers nor lists the events of some changes. A sweep must find the changes whose events Stripe never lists.
 */
export async function unseen(simulation: Simulation, user: User): Promise<void> {
  if (!simulation.setup.losesEvents) return;
  await loseEvents(simulation, pickCustomer(simulation, user), "silent");
  await reconcileAndCheck(simulation, { sweep: true });
}

/**
 * Creates subscriptions for a user in the dashboard, and loses the events about the new subscriptions. After the events are
 * lost, the user buys another subscription.
 */
export async function gift(simulation: Simulation, user: User): Promise<void> {
  const { deliveries, setup } = simulation;
  if (!setup.losesEvents) return;
  await restart(simulation);
  await withFaults(simulation, NO_FAULTS, async () => {
    await checkout(simulation, user);
    await cancelAll(simulation, user, { keep: 0 });
  });
  deliveries.silent = true;
  await withFaults(simulation, NO_FAULTS, async () => {
    for (let count = 0; count < 4; count += 1) await dashboardSubscription(simulation, user);
    await cancelAll(simulation, user, { keep: 1 });
  });
  deliveries.silent = false;
  simulation.passTime(HOUR / 2);
  await withFaults(simulation, NO_FAULTS, () => buy(simulation, user));
}

const DASHBOARD: readonly Act[] = [
  dashboardMany,
  dashboardMany,
  deleteCustomer,
  dashboardCancel,
  dashboardEnd,
  dashboardSubscription,
  changePlan,
  goodCard,
];

/** Makes some changes in the dashboard while Stripe's events are lost. */
async function loseEvents(simulation: Simulation, user: User, how: "swallowed" | "silent"): Promise<void> {
  const { deliveries, scheduler } = simulation;
  await simulation.untilQuiet();
  await heal(simulation);
  deliveries[how] = true;
  for (let acts = 1 + scheduler.random.below(3); acts > 0; acts -= 1) {
    scheduler.follow(scheduler.random.pick(DASHBOARD)(simulation, user));
    await simulation.untilQuiet();
  }
  deliveries[how] = false;
}

/** The number of seconds that the service may need to process the missing events that a sweep has found. */
const REPAIRED_WITHIN = 900;

/** Checks that a reconcile without faults repairs all lost changes, either directly or through the events that it stores. */
async function reconcileAndCheck(simulation: Simulation, { sweep }: { sweep: boolean }): Promise<void> {
  const { auditor, replicas, scheduler, store } = simulation;
  await restart(simulation);
  await simulation.clearFaults();
  let isDone = false;
  await withFaults(simulation, NO_FAULTS, async () => {
    const replica = scheduler.random.pick(replicas);
    // A call of `reconcile` returns null while a different replica is reconciling. The reconcile of a different replica may
    // have started before the lost changes happened.
    isDone = (await replica.run((service) => service.reconcile({ sweep, since: TEST_START }))) !== null;
  });
  if (!isDone) return;
  for (let round = 0; round < 2; round += 1) {
    simulation.passTime(REPAIRED_WITHIN);
    await withFaults(simulation, NO_FAULTS, async () => {});
  }
  await auditor.check(store, { isSettled: true, isCalm: true });
}
