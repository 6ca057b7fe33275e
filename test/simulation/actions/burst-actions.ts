/**
 * Defines actions that change many Stripe objects in a short time. Some actions change objects while the service reads Stripe's
 * lists.
 */
import { NO_FAULTS } from "../faults.ts";
import type { Simulation } from "../simulation.ts";
import { USERS, type Act, type User } from "./action.ts";
import { changePlan, dashboardCancel, dashboardEnd, dashboardSubscription, goodCard } from "./dashboard-actions.ts";
import { pickCustomer } from "./lists.ts";
import { continueBriefly, faultsOf, reconcile } from "./replica-actions.ts";
import { buy, cancelRoute, checkout, pay, resumeRoute, returnPage, viewSubscriptions } from "./user-actions.ts";

const BURST: readonly Act[] = [
  checkout,
  buy,
  pay,
  returnPage,
  returnPage,
  viewSubscriptions,
  changePlan,
  cancelRoute,
  resumeRoute,
  dashboardEnd,
  dashboardCancel,
  dashboardSubscription,
  goodCard,
];

/** Performs several actions for one user at the same time. */
export async function burst(simulation: Simulation, user: User): Promise<void> {
  const { random } = simulation.scheduler;
  const acts = Array.from({ length: 2 + random.below(4) }, () => random.pick(BURST));
  await Promise.all(acts.map((act) => act(simulation, user)));
}

/** The approximate number of steps of the simulation for which a sweep runs when Stripe's list responses are slow. */
const SWEEP_ROUNDS = 14;
const SLOW_ROUNDS = 4;
const RENEWAL_ROUNDS = 6;
const CHANGES: readonly Act[] = [dashboardCancel, dashboardEnd, cancelRoute, resumeRoute, changePlan];

/** Changes subscriptions during a sweep, so that Stripe's lists are stale when the service uses them. */
export async function sweepAndBurst(simulation: Simulation, user: User): Promise<void> {
  const { random } = simulation.scheduler;
  await simulation.untilQuiet();
  const before = faultsOf(simulation);
  simulation.setFaults({ ...NO_FAULTS, slowLists: 0.8 });
  if (random.happens(0.8)) await failRetrieves(simulation);
  const run = { isOver: false };
  const sweep = reconcile(simulation).finally(() => (run.isOver = true));
  simulation.scheduler.follow(sweep);
  sweep.catch(() => {});
  const changed = pickCustomer(simulation, user);
  for (let round = 0; round < SWEEP_ROUNDS && !run.isOver; round += 1) {
    if (isTimeToChange(simulation))
      simulation.scheduler.follow(random.pick([burst, ...CHANGES, ...CHANGES])(simulation, changed));
    await continueBriefly(simulation);
  }
  await simulation.untilQuiet();
  simulation.setFaults(before);
}

const RETRIEVES = ["/v1/subscriptions/", "/v1/invoices/", "/v1/customers/"];

/**
 * Makes Stripe fail requests for single objects but not for lists, so that events stay pending while the service uses lists.
 */
async function failRetrieves(simulation: Simulation): Promise<void> {
  const times = 4 + simulation.scheduler.random.below(16);
  for (const path of RETRIEVES) await simulation.control("faults", { method: "GET", path, answer: 503, times });
}

/**
 * Decides at random whether subscriptions change at the current moment of a sweep. Changes are most likely while Stripe's list
 * response is in transit.
 */
function isTimeToChange({ replicas, scheduler }: Simulation): boolean {
  return scheduler.random.happens(replicas.some(({ slowList }) => slowList === "/v1/subscriptions") ? 0.5 : 0.05);
}

/**
 * Starts new subscriptions for all simulated users at the same time. Some subscriptions change again while the service reads
 * the renewals from pages of Stripe's lists.
 */
export async function renewals(simulation: Simulation, user: User): Promise<void> {
  const { auditor, scheduler, store } = simulation;
  await simulation.untilQuiet();
  const before = faultsOf(simulation);
  simulation.setFaults({ ...NO_FAULTS, slowLists: 0.8 });
  await failRetrieves(simulation);
  for (const one of USERS) scheduler.follow(dashboardSubscription(simulation, one));
  const changed = pickCustomer(simulation, user);
  for (let round = 0; round < RENEWAL_ROUNDS; round += 1) {
    await continueBriefly(simulation);
    if (isTimeToChange(simulation)) scheduler.follow(scheduler.random.pick(CHANGES)(simulation, changed));
  }
  await simulation.untilQuiet();
  await auditor.check(store, { isSettled: false, isCalm: false });
  simulation.setFaults(before);
}

/** Repeatedly changes a subscription while Stripe's response about the previous change is still in transit. */
export async function slowBurst(simulation: Simulation, user: User): Promise<void> {
  const { auditor, scheduler, store } = simulation;
  await simulation.untilQuiet();
  const before = faultsOf(simulation);
  simulation.setFaults({ ...NO_FAULTS, slow: 0.9 });
  const changed = pickCustomer(simulation, user);
  for (let round = 0; round < SLOW_ROUNDS; round += 1) {
    for (let changes = 0; changes < 2; changes += 1) {
      scheduler.follow(scheduler.random.pick(CHANGES)(simulation, changed));
      await continueBriefly(simulation);
    }
    await simulation.untilQuiet();
    await auditor.check(store, { isSettled: false, isCalm: false });
  }
  simulation.setFaults(before);
}
