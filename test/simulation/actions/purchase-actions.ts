/**
 * Defines actions in which a purchase fails. After the failed purchase, the user returns to the app while Stripe's lists are
 * stale or after an idempotency key has expired.
 */
import { LINK_LIFETIME_MS } from "../../../packages/tollkeeper/src/actions/create-portal-session.ts";
import { IDEMPOTENCY_KEY_LIFETIME_MS } from "../../../packages/tollkeeper/src/domain/operations.ts";
import { NO_FAULTS } from "../faults.ts";
import type { Simulation } from "../simulation.ts";
import { HOUR, type User } from "./action.ts";
import { pickCustomer } from "./lists.ts";
import { continueBriefly, faultsOf, LONGEST_STEP, restart, withFaults } from "./replica-actions.ts";
import { buy, checkout, linkToPortal, pay } from "./user-actions.ts";

/**
 * A user's checkout fails at a random request. The user returns with two browser tabs after Stripe has deleted the checkout's
 * idempotency key.
 */
export async function comeback(simulation: Simulation, user: User): Promise<void> {
  const { random } = simulation.scheduler;
  await withFaults(simulation, { ...NO_FAULTS, crash: 0.1, network: 0.3 }, () => checkout(simulation, user));
  // If all replicas stay down, no replica finishes the failed checkout before the user returns.
  const staysDown = random.happens(0.5);
  for (let hours = 0; hours < 24 + random.below(3); hours += 6) {
    if (staysDown) for (const replica of simulation.replicas) replica.crash();
    else await restart(simulation);
    simulation.passTime(6 * HOUR);
    await simulation.untilQuiet();
  }
  await restart(simulation);
  simulation.scheduler.follow(Promise.all([buy(simulation, user), buy(simulation, user), checkout(simulation, user)]));
  await simulation.untilQuiet();
  if (!staysDown) return;
  // If the delivery of an event has failed for a day, Stripe retries the delivery at intervals of at most ten hours. The
  // replicas must be up when Stripe next retries a delivery.
  simulation.setFaults(NO_FAULTS);
  await restart(simulation);
  simulation.passTime(12 * HOUR);
  await simulation.untilQuiet();
}

/**
 * A user buys a plan twice in quick succession. When the user buys again, neither Stripe's webhooks nor its lists show the
 * first purchase yet.
 */
export async function hasty(simulation: Simulation, user: User): Promise<void> {
  await simulation.untilQuiet();
  await simulation.control("faults/deliveries", { effect: "delay", seconds: HOUR, times: 12 });
  await withFaults(simulation, { ...NO_FAULTS, stale: 0.7 }, async () => {
    await buy(simulation, user);
    await buy(simulation, user);
  });
}

/**
 * The number of seconds from the moment when a checkout takes effect until its idempotency key expires. The remaining lifetime
 * of the idempotency key allows for clock skew. The remaining lifetime of the key is so short that Stripe's lists are still
 * stale when the key expires.
 */
const LAST_MINUTE_SECONDS = 50;

/**
 * A checkout takes effect in the last minute before its idempotency key expires, and Stripe's response is lost. The user starts
 * the checkout again after the idempotency key has expired.
 */
export async function lastMinute(simulation: Simulation, user: User): Promise<void> {
  const { random } = simulation.scheduler;
  const sessions = { method: "POST", path: "/v1/checkout/sessions", answer: "reset" };
  await simulation.untilQuiet();
  await restart(simulation);
  await simulation.control("faults", { ...sessions, when: "before" });
  await withFaults(simulation, NO_FAULTS, () => checkout(simulation, user));
  for (const replica of simulation.replicas) replica.crash();
  const seconds = IDEMPOTENCY_KEY_LIFETIME_MS / 1_000 - LAST_MINUTE_SECONDS;
  for (const part of [seconds - LONGEST_STEP, LONGEST_STEP]) {
    simulation.passTime(part);
    await simulation.untilQuiet();
  }
  await simulation.control("faults", { ...sessions, when: "after", times: 2 + random.below(9) });
  await restart(simulation);
  await withFaults(simulation, NO_FAULTS, () => checkout(simulation, user));
  simulation.passTime(LAST_MINUTE_SECONDS + random.below(40));
  await withFaults(simulation, { ...NO_FAULTS, stale: 1 }, () =>
    Promise.all([buy(simulation, user), checkout(simulation, user)]),
  );
  // When a replica looks up the checkout session, the session may be open or paid.
  const tabs = [checkout, checkout, pay];
  await withFaults(simulation, { ...NO_FAULTS, slowRequests: 0.4 }, () =>
    Promise.all(tabs.map((tab) => tab(simulation, user))),
  );
}

/**
 * The number of seconds from the request for a portal link until the request's idempotency key expires. Some of Stripe's
 * responses arrive only after the request's idempotency key has expired.
 */
const LAST_LINK_SECONDS = 10;

/**
 * A link to the portal is requested with an idempotency key that expires before Stripe's response arrives. If the user requests
 * the portal again, the service must return a new link to the portal.
 */
export async function lastLink(simulation: Simulation, user: User): Promise<void> {
  const { auditor, emulator, scheduler, store } = simulation;
  const clicking = pickCustomer(simulation, user);
  await simulation.untilQuiet();
  await restart(simulation);
  const endsAt = emulator.now() + LINK_LIFETIME_MS;
  await simulation.control("faults", { method: "POST", path: "/v1/billing_portal/sessions", answer: "reset" });
  await withFaults(simulation, NO_FAULTS, () => linkToPortal(simulation, clicking));
  simulation.passTime((endsAt - emulator.now()) / 1_000 - LAST_LINK_SECONDS);
  await simulation.untilQuiet();
  const before = faultsOf(simulation);
  simulation.setFaults({ ...NO_FAULTS, slow: 0.5 });
  scheduler.follow(linkToPortal(simulation, clicking));
  await continueBriefly(simulation);
  simulation.passTime(scheduler.random.below(LAST_LINK_SECONDS));
  await scheduler.settle();
  scheduler.follow(linkToPortal(simulation, clicking));
  await simulation.untilQuiet();
  await auditor.check(store, { isSettled: false, isCalm: false });
  simulation.setFaults(before);
}
