/** What people, Stripe and time do in a simulation. An action depends on its own seed and on what there is, and on nothing else. */
import { FORGERIES } from "./deliveries.ts";
import { LINK_LIFETIME_MS } from "../../packages/tollkeeper/src/actions/create-portal-session.ts";
import { IDEMPOTENCY_KEY_LIFETIME_MS } from "../../packages/tollkeeper/src/domain/operations.ts";
import { NO_FAULTS, type Faults } from "./machine.ts";
import { PLANS } from "../support/plans.ts";
import { EVENTS_KEPT_MS, START, type Simulated } from "./world.ts";

export const USERS = ["ada", "bob", "cyd"] as const;
export type User = (typeof USERS)[number];

const CARDS = [
  "pm_card_visa",
  "pm_card_visa",
  "pm_card_visa",
  "pm_card_chargeDeclined",
  "pm_card_authenticationRequired",
];
const HOUR = 3_600;
const DAY = 86_400;
/** Not so long that Stripe forgets an event before anybody has looked: that is an outage. */
const SPANS = [HOUR, 3 * HOUR, 23 * HOUR, DAY, 3 * DAY, 7 * DAY, 14 * DAY, 20 * DAY];
/** No request is under way for longer than this, and Stripe keeps keys for longer. */
const LONGEST_STEP = 20 * HOUR;
/** After which Stripe still delivers. */
const HARMLESS_FAULTS = [
  "lose_answer",
  "duplicate",
  "twice_at_once",
  "delay",
  "reorder",
  "wrong_signature",
  "stale_time",
];

export type Act = (world: Simulated, user: User) => Promise<void>;

export interface Action {
  weight: number;
  act: Act;
  /** Begins when nobody has anything to do, and comes to rest by itself: nothing is under way for days. */
  comesToRest?: true;
}

/** name -> how often it is chosen, and what it does. */
export const ACTIONS: Readonly<Record<string, Action>> = {
  checkout: { weight: 8, act: checkout },
  two_tabs: {
    weight: 4,
    act: async (world, user) => void (await Promise.all([checkout(world, user), checkout(world, user)])),
  },
  buy: { weight: 8, act: buy },
  pay: { weight: 6, act: pay },
  return_page: { weight: 4, act: returnPage },
  look: { weight: 3, act: look },
  cancel: { weight: 4, act: cancelRoute },
  resume: { weight: 3, act: resumeRoute },
  portal: { weight: 2, act: portal },
  dashboard_cancel: { weight: 3, act: dashboardCancel },
  dashboard_end: { weight: 2, act: dashboardEnd },
  dashboard_plan: { weight: 3, act: changePlan },
  dashboard_subscription: { weight: 2, act: dashboardSubscription },
  dashboard_many: { weight: 1, act: dashboardMany },
  dashboard_customer: { weight: 1, act: dashboardCustomer },
  delete_customer: { weight: 1, act: deleteCustomer },
  bad_card: { weight: 3, act: (world, user) => defaultCard(world, user, "pm_card_chargeCustomerFail") },
  good_card: { weight: 3, act: goodCard },
  refund: { weight: 2, act: refund },
  pay_invoice: { weight: 2, act: payInvoice },
  rename_product: { weight: 1, act: renameProduct },
  moment: { weight: 6, act: async (world) => world.passTime(1 + world.scheduler.chance.below(60)) },
  time: { weight: 10, act: time, comesToRest: true },
  crash: { weight: 4, act: async ({ machines, scheduler }) => scheduler.chance.pick(machines).crash() },
  restart: { weight: 5, act: restart },
  freeze: { weight: 3, act: freeze },
  reconcile: { weight: 4, act: reconcile },
  comeback: { weight: 3, act: comeback, comesToRest: true },
  last_minute: { weight: 2, act: lastMinute, comesToRest: true },
  last_link: { weight: 1, act: lastLink, comesToRest: true },
  hasty: { weight: 4, act: hasty, comesToRest: true },
  burst: { weight: 10, act: burst },
  sweep_and_burst: { weight: 4, act: sweepAndBurst, comesToRest: true },
  renewals: { weight: 3, act: renewals, comesToRest: true },
  slow_burst: { weight: 4, act: slowBurst, comesToRest: true },
  outage: { weight: 1, act: outage, comesToRest: true },
  swallowed: { weight: 2, act: swallowed, comesToRest: true },
  unseen: { weight: 2, act: unseen, comesToRest: true },
  gift: { weight: 2, act: gift, comesToRest: true },
  partition: { weight: 2, act: async ({ deliveries, setup }) => void (deliveries.partitioned = setup.losesEvents) },
  silence: { weight: 2, act: async ({ deliveries, setup }) => void (deliveries.silent = setup.losesEvents) },
  heal: { weight: 4, act: heal },
  double_events: {
    weight: 3,
    act: async ({ deliveries, scheduler }) => void (deliveries.echoes += 1 + scheduler.chance.below(5)),
  },
  forged_event: { weight: 3, act: forgedEvent },
  delivery_fault: { weight: 6, act: deliveryFault },
};

async function time(world: Simulated): Promise<void> {
  const seconds = world.scheduler.chance.pick(SPANS);
  // Where nothing may be lost for good, nobody stays down for as long as Stripe tries.
  await world.quiet();
  for (let left = seconds; left > 0; left -= LONGEST_STEP) {
    if (!world.setup.losesEvents) await restart(world);
    world.passTime(Math.min(left, LONGEST_STEP));
    await world.quiet();
  }
}

async function restart({ machines }: Simulated): Promise<void> {
  for (const machine of machines) machine.start();
}

async function heal({ deliveries }: Simulated): Promise<void> {
  Object.assign(deliveries, { partitioned: false, silent: false });
}

/** Does something while other things go wrong than the schedule says, and lets it come to rest. */
async function under(world: Simulated, faults: Faults, work: () => Promise<unknown>): Promise<void> {
  const before = faultsOf(world);
  world.setFaults(faults);
  world.scheduler.follow(work());
  await world.quiet();
  world.setFaults(before);
}

/** Longer than a lease, at times. */
const LONGEST_FREEZE_MS = 40_000;

async function freeze({ machines, scheduler, emulator }: Simulated): Promise<void> {
  const { chance } = scheduler;
  scheduler.freeze(chance.pick(machines).name, emulator.now() + chance.below(LONGEST_FREEZE_MS));
}

/** By hand, whatever else is going on. */
async function reconcile({ machines, scheduler }: Simulated): Promise<void> {
  const up = machines.filter(({ service }) => service !== null);
  if (up.length > 0) await scheduler.chance.pick(up).ask((service) => service.reconcile({ sweep: true }));
}

/** A sweep of slow lists takes about so many times a few seconds. */
const SWEEP_ROUNDS = 14;
const SLOW_ROUNDS = 4;

const CHANGES = [dashboardCancel, dashboardEnd, cancelRoute, resumeRoute, changePlan];

/** Everything is read while much changes: what a list tells is old by the time it is used. */
async function sweepAndBurst(world: Simulated, user: User): Promise<void> {
  const { chance } = world.scheduler;
  await world.quiet();
  const before = faultsOf(world);
  world.setFaults({ ...NO_FAULTS, slowLists: 0.8 });
  if (chance.happens(0.8)) await refuseRetrieves(world);
  const run = { isOver: false };
  const sweep = reconcile(world).finally(() => (run.isOver = true));
  world.scheduler.follow(sweep);
  sweep.catch(() => {});
  const whose = customerOr(world, user);
  for (let round = 0; round < SWEEP_ROUNDS && !run.isOver; round += 1) {
    if (isTimeToChange(world)) world.scheduler.follow(chance.pick([burst, ...CHANGES, ...CHANGES])(world, whose));
    await goOn(world);
  }
  await world.quiet();
  world.setFaults(before);
}

const RETRIEVES = ["/v1/subscriptions/", "/v1/invoices/", "/v1/customers/"];

/** Lists are answered and retrieves are not, so that hints wait while pages are used. */
async function refuseRetrieves(world: Simulated): Promise<void> {
  const times = 4 + world.scheduler.chance.below(16);
  for (const path of RETRIEVES) await world.control("faults", { method: "GET", path, answer: 503, times });
}

/** Seldom but while a list of subscriptions is under way: each change tells of what was lost of the one before. */
function isTimeToChange({ machines, scheduler }: Simulated): boolean {
  return scheduler.chance.happens(machines.some(({ listing }) => listing === "/v1/subscriptions") ? 0.5 : 0.05);
}

const RENEWAL_ROUNDS = 6;

/** Everybody's periods begin at once, and change again while they are read by the page. */
async function renewals(world: Simulated, user: User): Promise<void> {
  const { auditor, scheduler, store } = world;
  await world.quiet();
  const before = faultsOf(world);
  world.setFaults({ ...NO_FAULTS, slowLists: 0.8 });
  await refuseRetrieves(world);
  for (const one of USERS) scheduler.follow(dashboardSubscription(world, one));
  const whose = customerOr(world, user);
  for (let round = 0; round < RENEWAL_ROUNDS; round += 1) {
    await goOn(world);
    if (isTimeToChange(world)) scheduler.follow(scheduler.chance.pick(CHANGES)(world, whose));
  }
  await world.quiet();
  await auditor.check(store, { isSettled: false, isCalm: false });
  world.setFaults(before);
}

/** Things change while Stripe's answer about the change before is under way, and come to rest; time and again. */
async function slowBurst(world: Simulated, user: User): Promise<void> {
  const { auditor, scheduler, store } = world;
  await world.quiet();
  const before = faultsOf(world);
  world.setFaults({ ...NO_FAULTS, slow: 0.9 });
  const whose = customerOr(world, user);
  for (let round = 0; round < SLOW_ROUNDS; round += 1) {
    for (let changes = 0; changes < 2; changes += 1) {
      scheduler.follow(scheduler.chance.pick(CHANGES)(world, whose));
      await goOn(world);
    }
    await world.quiet();
    await auditor.check(store, { isSettled: false, isCalm: false });
  }
  world.setFaults(before);
}

/** Some steps, and some seconds. */
async function goOn({ passTime, scheduler }: Simulated): Promise<void> {
  await scheduler.settle();
  for (let step = scheduler.chance.below(60); step > 0 && (await scheduler.step()); step -= 1);
  passTime(1 + scheduler.chance.below(8));
  await scheduler.settle();
}

/** All machines have the same. */
function faultsOf({ machines }: Simulated): Faults {
  return machines[0]?.faults ?? NO_FAULTS;
}

/** Everything is down for longer than Stripe keeps events. */
async function outage(world: Simulated): Promise<void> {
  if (!world.setup.losesEvents) return;
  await world.quiet();
  for (const machine of world.machines) machine.crash();
  for (let days = 31 + world.scheduler.chance.below(10); days > 0; days -= 5) {
    world.passTime(5 * DAY);
    await world.quiet();
  }
  await restart(world);
  await world.quiet();
}

/** A checkout that breaks somewhere, and the user who comes back with two tabs when Stripe has forgotten its key. */
async function comeback(world: Simulated, user: User): Promise<void> {
  const { chance } = world.scheduler;
  await under(world, { ...NO_FAULTS, crash: 0.1, network: 0.3 }, () => checkout(world, user));
  // With nobody up, nobody finishes it.
  const staysDown = chance.happens(0.5);
  for (let hours = 0; hours < 24 + chance.below(3); hours += 6) {
    if (staysDown) for (const machine of world.machines) machine.crash();
    else await restart(world);
    world.passTime(6 * HOUR);
    await world.quiet();
  }
  await restart(world);
  world.scheduler.follow(Promise.all([buy(world, user), buy(world, user), checkout(world, user)]));
  await world.quiet();
  if (!staysDown) return;
  // Stripe, which tries at most ten hours apart by now, finds them up, whatever has crashed since.
  world.setFaults(NO_FAULTS);
  await restart(world);
  world.passTime(12 * HOUR);
  await world.quiet();
}

/** Who buys clicks again at once: neither a webhook nor a list tells of the first purchase yet. */
async function hasty(world: Simulated, user: User): Promise<void> {
  await world.quiet();
  await world.control("faults/deliveries", { effect: "delay", seconds: HOUR, times: 12 });
  await under(world, { ...NO_FAULTS, stale: 0.7 }, async () => {
    await buy(world, user);
    await buy(world, user);
  });
}

/** Before the end of a key, with room for clocks that differ; after it lists are still old. */
const LAST_MINUTE_SECONDS = 50;

/** A checkout takes effect in its key's last minute, with no answer; the user clicks again when the key has ended. */
async function lastMinute(world: Simulated, user: User): Promise<void> {
  const { chance } = world.scheduler;
  const sessions = { method: "POST", path: "/v1/checkout/sessions", answer: "reset" };
  await world.quiet();
  await restart(world);
  await world.control("faults", { ...sessions, when: "before" });
  await under(world, NO_FAULTS, () => checkout(world, user));
  for (const machine of world.machines) machine.crash();
  const seconds = IDEMPOTENCY_KEY_LIFETIME_MS / 1_000 - LAST_MINUTE_SECONDS;
  for (const part of [seconds - LONGEST_STEP, LONGEST_STEP]) {
    world.passTime(part);
    await world.quiet();
  }
  await world.control("faults", { ...sessions, when: "after", times: 2 + chance.below(9) });
  await restart(world);
  await under(world, NO_FAULTS, () => checkout(world, user));
  world.passTime(LAST_MINUTE_SECONDS + chance.below(40));
  await under(world, { ...NO_FAULTS, stale: 1 }, () => Promise.all([buy(world, user), checkout(world, user)]));
  // Who looks for what has become of it may find the session open or paid.
  const tabs = [checkout, checkout, pay];
  await under(world, { ...NO_FAULTS, slowRequests: 0.4 }, () => Promise.all(tabs.map((tab) => tab(world, user))));
}

/** Before the end of a link's key: shorter than an answer takes, at times. */
const LAST_LINK_SECONDS = 10;

/** A link to the portal is asked for under a key that ends while the answer is under way; who clicks again gets another. */
async function lastLink(world: Simulated, user: User): Promise<void> {
  const { auditor, emulator, scheduler, store } = world;
  const whose = customerOr(world, user);
  await world.quiet();
  await restart(world);
  const endsAt = emulator.now() + LINK_LIFETIME_MS;
  await world.control("faults", { method: "POST", path: "/v1/billing_portal/sessions", answer: "reset" });
  await under(world, NO_FAULTS, () => linkToPortal(world, whose));
  world.passTime((endsAt - emulator.now()) / 1_000 - LAST_LINK_SECONDS);
  await world.quiet();
  const before = faultsOf(world);
  world.setFaults({ ...NO_FAULTS, slow: 0.5 });
  scheduler.follow(linkToPortal(world, whose));
  await goOn(world);
  world.passTime(scheduler.chance.below(LAST_LINK_SECONDS));
  await scheduler.settle();
  scheduler.follow(linkToPortal(world, whose));
  await world.quiet();
  await auditor.check(store, { isSettled: false, isCalm: false });
  world.setFaults(before);
}

/** Somebody else answers Stripe that its events have come; its list of them tells of what has happened. */
async function swallowed(world: Simulated, user: User): Promise<void> {
  const { deliveries, emulator, setup } = world;
  if (!setup.losesEvents) return;
  await meanwhile(world, customerOr(world, user), "swallowed");
  if (deliveries.untold.size === 0 && emulator.now() - START < EVENTS_KEPT_MS) await reconcileAndCheck(world, false);
}

/** Things happen of which no event tells, until everything is read. */
async function unseen(world: Simulated, user: User): Promise<void> {
  if (!world.setup.losesEvents) return;
  await meanwhile(world, customerOr(world, user), "silent");
  await reconcileAndCheck(world, true);
}

/** Who has nothing is given subscriptions by hand, of which no event tells, and comes to buy. */
async function gift(world: Simulated, user: User): Promise<void> {
  const { deliveries, setup } = world;
  if (!setup.losesEvents) return;
  await restart(world);
  await under(world, NO_FAULTS, async () => {
    await checkout(world, user);
    await endAll(world, user, 0);
  });
  deliveries.silent = true;
  await under(world, NO_FAULTS, async () => {
    for (let count = 0; count < 4; count += 1) await dashboardSubscription(world, user);
    await endAll(world, user, 1);
  });
  deliveries.silent = false;
  world.passTime(HOUR / 2);
  await under(world, NO_FAULTS, () => buy(world, user));
}

const BY_HAND = [
  dashboardMany,
  dashboardMany,
  deleteCustomer,
  dashboardCancel,
  dashboardEnd,
  dashboardSubscription,
  changePlan,
  goodCard,
];

/** What a person does by hand while events go astray. */
async function meanwhile(world: Simulated, user: User, how: "swallowed" | "silent"): Promise<void> {
  const { deliveries, scheduler } = world;
  await world.quiet();
  await heal(world);
  deliveries[how] = true;
  for (let acts = 1 + scheduler.chance.below(3); acts > 0; acts -= 1) {
    scheduler.follow(scheduler.chance.pick(BY_HAND)(world, user));
    await world.quiet();
  }
  deliveries[how] = false;
}

/** Somebody who has a subscription, or whom Stripe knows, or else this user. */
function customerOr({ emulator, scheduler }: Simulated, user: User): User {
  const tables = emulator.snapshot().accounts.get("123")?.tables;
  const owners = new Map<string, string | undefined>();
  for (const customer of tables?.customer.values() ?? [])
    if ("metadata" in customer) owners.set(customer.id, customer.metadata["auth0_user_id"]);
  const live = [...(tables?.subscription.values() ?? [])].filter(({ status }) => status !== "canceled");
  const having = new Set(live.map(({ customer }) => owners.get(customer)));
  const known = USERS.filter((one) => (having.size > 0 ? having : new Set(owners.values())).has(one));
  return known.length > 0 ? scheduler.chance.pick(known) : user;
}

/** Longer than missed events wait for a sweep. */
const REPAIRED_WITHIN = 900;

/** With nothing in its way a reconcile, and what it leaves to be asked about, repairs whatever was lost. */
async function reconcileAndCheck(world: Simulated, sweep: boolean): Promise<void> {
  const { auditor, machines, scheduler, store } = world;
  await restart(world);
  await world.clearFaults();
  let isDone = false;
  await under(world, NO_FAULTS, async () => {
    const machine = scheduler.chance.pick(machines);
    // Null where another replica is at it, which may have begun before things happened.
    isDone = (await machine.ask((service) => service.reconcile({ sweep, since: START }))) !== null;
  });
  if (!isDone) return;
  for (let round = 0; round < 2; round += 1) {
    world.passTime(REPAIRED_WITHIN);
    await under(world, NO_FAULTS, async () => {});
  }
  await auditor.check(store, { isSettled: true, isCalm: true });
}

const BURSTS = [
  checkout,
  buy,
  pay,
  returnPage,
  returnPage,
  look,
  changePlan,
  cancelRoute,
  resumeRoute,
  dashboardEnd,
  dashboardCancel,
  dashboardSubscription,
  goodCard,
];

/** Several things for one user at once. */
async function burst(world: Simulated, user: User): Promise<void> {
  const { chance } = world.scheduler;
  const acts = Array.from({ length: 2 + chance.below(4) }, () => chance.pick(BURSTS));
  await Promise.all(acts.map((act) => act(world, user)));
}

async function cancelRoute(world: Simulated, user: User): Promise<void> {
  await world.ask(user, "POST", "cancel-subscription");
}

async function linkToPortal(world: Simulated, user: User): Promise<string | null> {
  const answer = await world.ask(user, "POST", "create-portal-session");
  return answer?.status === 200 ? String(answer.body["url"]) : null;
}

/** Goes to Stripe's page, and cancels there, or takes that back. */
async function portal(world: Simulated, user: User): Promise<void> {
  const url = await linkToPortal(world, user);
  if (url === null) return;
  const action = world.scheduler.chance.pick(["cancel", "cancel", "resume"]);
  await onSubscription(world, user, async (subscription) => {
    const body = new URLSearchParams({ subscription });
    await world.emulator.fetch(new Request(`${url}/${action}`, { method: "POST", body }));
  });
}

async function resumeRoute(world: Simulated, user: User): Promise<void> {
  await world.ask(user, "POST", "resume-subscription");
}

async function dashboardCancel(world: Simulated, user: User): Promise<void> {
  await onSubscription(world, user, (id) => world.stripe("DELETE", `/v1/subscriptions/${id}`));
}

async function dashboardEnd(world: Simulated, user: User): Promise<void> {
  await onSubscription(world, user, (id) =>
    world.stripe("POST", `/v1/subscriptions/${id}`, { cancel_at_period_end: "true" }),
  );
}

async function goodCard(world: Simulated, user: User): Promise<void> {
  await defaultCard(world, user, "pm_card_visa");
}

async function checkout(world: Simulated, user: User): Promise<void> {
  const { chance } = world.scheduler;
  const plan = chance.pick(PLANS);
  await world.ask(user, "POST", "create-checkout-session", {
    plan: plan.id,
    interval: chance.pick(plan.prices).interval,
  });
}

async function buy(world: Simulated, user: User): Promise<void> {
  await checkout(world, user);
  await pay(world, user);
}

/** Pays on the page of one of the user's open sessions, new ones first. */
async function pay(world: Simulated, user: User): Promise<void> {
  const { chance } = world.scheduler;
  const open = (await list(world, "/v1/checkout/sessions")).filter(
    (session) => session["status"] === "open" && session["client_reference_id"] === user,
  );
  const session = open[0];
  if (!session) return;
  const { body } = await world.stripe("POST", `/v1/payment_pages/${String(session["id"])}/confirm`, {
    payment_method: chance.pick(CARDS),
  });
  const intent = body["payment_intent"] as { id?: string; status?: string } | string | null | undefined;
  if (typeof intent === "object" && intent?.status === "requires_action" && intent.id)
    await challenge(world, intent.id);
}

/** The bank's page: yes, no, or nothing. */
async function challenge(world: Simulated, intent: string): Promise<void> {
  const { chance } = world.scheduler;
  if (chance.happens(0.3)) return;
  const body = new URLSearchParams({ answer: chance.happens(0.7) ? "yes" : "no" });
  await world.emulator.fetch(new Request(`http://stripe.test/challenge/${intent}`, { method: "POST", body }));
}

async function returnPage(world: Simulated, user: User): Promise<void> {
  const sessions = (await list(world, "/v1/checkout/sessions")).filter(
    (session) => session["client_reference_id"] === user,
  );
  const session = sessions[0];
  if (session) await world.ask(user, "GET", `checkout-session?session_id=${String(session["id"])}`);
}

/** What a user sees is the user's own. */
async function look(world: Simulated, user: User): Promise<void> {
  const answer = await world.ask(user, "GET", "subscriptions");
  if (answer?.status !== 200) return;
  for (const { id } of answer.body["subscriptions"] as { id: string }[]) {
    const { body } = await world.stripe("GET", `/v1/subscriptions/${id}`);
    const owner = await world.stripe("GET", `/v1/customers/${String(body["customer"])}`);
    const metadata = owner.body["metadata"] as Record<string, string> | undefined;
    if (metadata !== undefined && metadata["auth0_user_id"] !== user)
      world.auditor.violations.push(`I9: ${user} sees ${id}, which is ${metadata["auth0_user_id"] ?? "nobody"}'s`);
  }
}

async function onSubscription(
  world: Simulated,
  user: User,
  act: (id: string, subscription: Record<string, unknown>) => Promise<unknown>,
): Promise<void> {
  const subscription = world.scheduler.chance.happens(0.5)
    ? (await subscriptionsOf(world, user))[0]
    : (await subscriptionsOf(world, user)).at(-1);
  if (subscription) await act(String(subscription["id"]), subscription);
}

async function changePlan(world: Simulated, user: User): Promise<void> {
  const { chance } = world.scheduler;
  const prices = await list(world, "/v1/prices");
  await onSubscription(world, user, (id, subscription) => {
    const [item] = (subscription["items"] as { data: { id: string }[] }).data;
    return world.stripe("POST", `/v1/subscriptions/${id}`, {
      "items[0][id]": item?.id ?? "",
      "items[0][price]": String(chance.pick(prices)["id"]),
      proration_behavior: chance.pick(["none", "create_prorations", "always_invoice"]),
    });
  });
}

async function dashboardSubscription(world: Simulated, user: User): Promise<void> {
  const customer = (await customersOf(world, user))[0];
  const prices = await list(world, "/v1/prices");
  if (!customer) return;
  await world.stripe("POST", "/v1/subscriptions", {
    customer: String(customer["id"]),
    "items[0][price]": String(world.scheduler.chance.pick(prices)["id"]),
    trial_period_days: "5",
  });
}

/** More than a page of them; one ends at once, or all but the oldest. */
async function dashboardMany(world: Simulated, user: User): Promise<void> {
  for (let count = 0; count < 4; count += 1) await dashboardSubscription(world, user);
  if (world.scheduler.chance.happens(0.5)) await dashboardCancel(world, user);
  else await endAll(world, user, 1);
}

/** Ends a user's subscriptions, but for so many of the oldest. */
async function endAll(world: Simulated, user: User, but: number): Promise<void> {
  const live = await subscriptionsOf(world, user);
  for (const { id } of live.slice(0, live.length - but))
    await world.stripe("DELETE", `/v1/subscriptions/${String(id)}`);
}

/** Made by hand, with no word of whose it is. */
async function dashboardCustomer(world: Simulated): Promise<void> {
  const { body } = await world.stripe("POST", "/v1/customers", { name: "By hand" });
  const price = (await list(world, "/v1/prices"))[0];
  await world.stripe("POST", "/v1/subscriptions", {
    customer: String(body["id"]),
    "items[0][price]": String(price?.["id"]),
    trial_period_days: "3",
  });
}

async function deleteCustomer(world: Simulated, user: User): Promise<void> {
  const customer = (await customersOf(world, user))[0];
  if (customer) await world.stripe("DELETE", `/v1/customers/${String(customer["id"])}`);
}

async function defaultCard(world: Simulated, user: User, token: string): Promise<void> {
  const customer = (await customersOf(world, user))[0];
  if (!customer) return;
  const id = String(customer["id"]);
  const { body } = await world.stripe("POST", `/v1/payment_methods/${token}/attach`, { customer: id });
  const card = String(body["id"]);
  await world.stripe("POST", `/v1/customers/${id}`, { "invoice_settings[default_payment_method]": card });
  await onSubscription(world, user, (subscription) =>
    world.stripe("POST", `/v1/subscriptions/${subscription}`, { default_payment_method: card }),
  );
}

async function refund(world: Simulated, user: User): Promise<void> {
  const owners = new Set((await customersOf(world, user)).map((customer) => customer["id"]));
  const charge = (await list(world, "/v1/charges")).find((one) => one["paid"] === true && owners.has(one["customer"]));
  if (charge) await world.stripe("POST", "/v1/refunds", { charge: String(charge["id"]) });
}

async function payInvoice(world: Simulated, user: User): Promise<void> {
  const owners = new Set((await customersOf(world, user)).map((customer) => customer["id"]));
  const open = (await list(world, "/v1/invoices")).find(
    (one) => one["status"] === "open" && owners.has(one["customer"]),
  );
  if (!open) return;
  const { body } = await world.stripe("POST", "/v1/payment_methods/pm_card_visa/attach", {
    customer: String(open["customer"]),
  });
  await world.stripe("POST", `/v1/invoices/${String(open["id"])}/pay`, { payment_method: String(body["id"]) });
}

async function renameProduct(world: Simulated): Promise<void> {
  const products = await list(world, "/v1/products");
  const { chance } = world.scheduler;
  await world.stripe("POST", `/v1/products/${String(chance.pick(products)["id"])}`, {
    name: `Name ${chance.below(9)}`,
  });
}

async function deliveryFault(world: Simulated): Promise<void> {
  const { chance } = world.scheduler;
  await world.control("faults/deliveries", {
    effect: chance.pick(world.setup.losesEvents ? [...HARMLESS_FAULTS, "drop"] : HARMLESS_FAULTS),
    times: 1 + chance.below(4),
    skip: chance.below(3),
    seconds: chance.pick([30, HOUR, DAY]),
  });
}

/** What happened, told by somebody whom it is not to be believed, or about somebody else's account. */
async function forgedEvent(world: Simulated): Promise<void> {
  const { chance } = world.scheduler;
  const events = await list(world, "/v1/events");
  if (events.length === 0) return;
  const event = chance.pick(events);
  const { object } = event["data"] as { object: Record<string, unknown> };
  const elsewhere = chance.happens(0.5) && { data: { object: { ...object, id: `${String(object["id"])}_elsewhere` } } };
  await world.deliveries.forge(chance.pick(FORGERIES), { ...event, ...elsewhere });
}

async function list(world: Simulated, path: string): Promise<Record<string, unknown>[]> {
  const { body } = await world.stripe("GET", path, { limit: "100" });
  return (body["data"] as Record<string, unknown>[] | undefined) ?? [];
}

async function customersOf(world: Simulated, user: User): Promise<Record<string, unknown>[]> {
  return (await list(world, "/v1/customers")).filter(
    (customer) => (customer["metadata"] as Record<string, string>)["auth0_user_id"] === user,
  );
}

async function subscriptionsOf(world: Simulated, user: User): Promise<Record<string, unknown>[]> {
  const customers = new Set((await customersOf(world, user)).map((customer) => customer["id"]));
  return (await list(world, "/v1/subscriptions")).filter((subscription) => customers.has(subscription["customer"]));
}
