/** A replica's machine: its clock may be off, its network and its store may fail, and it can die at any point. */
import type { Runtime } from "../../packages/tollkeeper/src/runtime.ts";
import { UnavailableError } from "../../packages/tollkeeper/src/errors.ts";
import type { Store, StoreParts } from "../../packages/tollkeeper/src/store/open-store.ts";
import { compose, type Tollkeeper } from "../../packages/tollkeeper/src/tollkeeper.ts";
import type { TollkeeperOptions } from "../../packages/tollkeeper/src/config.ts";
import { GATHER_MS } from "../../packages/tollkeeper/src/worker/worker.ts";
import type { Scheduler } from "./scheduler.ts";

/** How often each thing goes wrong, from 0 to 1. */
export interface Faults {
  /** The machine dies at a point. */
  crash: number;
  /** A request to Stripe gets no answer, before or after it took effect. */
  network: number;
  /** Stripe answers 429, 500, 503, 409 or a lock timeout, before or after it took effect. */
  stripe: number;
  /** A list or a search is old. */
  stale: number;
  /** Stripe's answer takes long: longer than a lease, at times. */
  slow: number;
  /** A request takes long to get to Stripe: what it was decided on is old by then. */
  slowRequests: number;
  /** The answer to a list takes long, so that much happens between what it tells and its use. */
  slowLists: number;
  /** The store can't now: busy, full, or its connection lost, before or after the commit. */
  store: number;
}

export const NO_FAULTS: Faults = {
  crash: 0,
  network: 0,
  stripe: 0,
  stale: 0,
  slow: 0,
  slowRequests: 0,
  slowLists: 0,
  store: 0,
};

export function isCalm(faults: Faults): boolean {
  return Object.values(faults).every((probability) => probability === 0);
}

export interface Machine {
  name: string;
  service: Tollkeeper | null;
  faults: Faults;
  /** The list whose answer takes long to reach it just now. */
  listing: string | null;
  /** Answers a request, or breaks the connection. */
  fetch(request: Request): Promise<Response>;
  /** Asks the service itself; rejects when the machine dies, or is not up. */
  ask<T>(what: (service: Tollkeeper) => Promise<T>): Promise<T>;
  start(): void;
  crash(): void;
}

export interface MachineOptions {
  name: string;
  /** How far its clock is ahead of true time, in milliseconds. */
  skewMs: number;
  scheduler: Scheduler;
  store: Store;
  now(): number;
  /** Stripe, with no faults of its own. */
  stripe(request: Request): Promise<Response>;
  /** Makes Stripe's next answer a failure. */
  fail(answer: object): Promise<void>;
  options: Omit<TollkeeperOptions, "fetch" | "runtime" | "log">;
  newId(): string;
  log: Runtime["log"];
}

class Died extends Error {
  override readonly name = "Died";
}

/** Here few people are many. */
const CAUGHT_UP_ABOVE = 1;

export function createMachine(setup: MachineOptions): Machine {
  const { scheduler, name } = setup;
  let life: Life | null = null;

  const machine: Machine = {
    name,
    service: null,
    faults: NO_FAULTS,
    listing: null,
    fetch: (request) => machine.ask((service) => service.fetch(request)),
    ask(what) {
      const { service } = machine;
      const mine = life;
      if (!service || !mine) return Promise.reject(new TypeError("fetch failed: connection refused"));
      return Promise.race([what(service), mine.death]);
    },
    start() {
      if (machine.service) return;
      const mine = newLife();
      life = mine;
      machine.service = compose(
        {
          ...setup.options,
          fetch: network(setup, machine, mine),
          log: setup.log,
          runtime: {
            now: () => setup.now() + setup.skewMs,
            billingNow: setup.now,
            random: () => scheduler.chance.next(),
            newId: setup.newId,
            sleep(ms, signal) {
              if (mine.dead) return never();
              // A moment is a turn of the others: time does not pass for that alone.
              return ms === GATHER_MS
                ? point(setup, machine, mine, "a moment")
                : scheduler.sleep(name, setup.now() + ms, signal);
            },
          },
        },
        () => storeOf(setup, machine, mine),
        { above: CAUGHT_UP_ABOVE },
      );
      // What can't start ends, and is started again, as a supervisor does it.
      machine.service.start().catch(() => {
        if (life === mine) machine.crash();
      });
    },
    crash() {
      if (!life) return;
      life.dead = true;
      life.die(new Died(name));
      life = null;
      machine.service = null;
      scheduler.drop(name);
    },
  };
  return machine;
}

/** From start to crash; what belongs to a life that is over never goes on. */
interface Life {
  dead: boolean;
  death: Promise<never>;
  die(reason: Error): void;
}

function newLife(): Life {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => {});
  return { dead: false, death: promise, die: reject };
}

function never(): Promise<never> {
  return new Promise(() => {});
}

/** A point of this life: chance may end it here. */
async function point(
  { scheduler, name }: MachineOptions,
  machine: Machine,
  life: Life,
  label: string,
  holds = false,
): Promise<void> {
  if (life.dead) return never();
  await scheduler.point(name, label, holds);
  if (life.dead) return never();
  if (scheduler.chance.happens(machine.faults.crash)) {
    machine.crash();
    return never();
  }
}

/** The SDK's own timeout: a request that has not left by then is given up. (Real timers may stop with a machine that sleeps.) */
const SENT_WITHIN_MS = 20_000;
const LONGEST_ANSWER_MS = 19_000;

async function dawdle({ scheduler, name, now }: MachineOptions, life: Life): Promise<void> {
  if (life.dead) return never();
  const { signal } = new AbortController();
  await scheduler.sleep(name, now() + scheduler.chance.below(LONGEST_ANSWER_MS), signal);
}

const BEFORE_OR_AFTER = ["before", "after"] as const;
const STRIPE_ANSWERS = [429, 500, 502, 503, 409, "lock_timeout", "cut"] as const;

function network(setup: MachineOptions, machine: Machine, life: Life): typeof fetch {
  return async (input, init) => {
    const request = new Request(input, init);
    const path = new URL(request.url).pathname;
    const begunAt = setup.now();
    await point(setup, machine, life, `${request.method} ${path}`);
    if (setup.scheduler.chance.happens(machine.faults.slowRequests)) await dawdle(setup, life);
    if (setup.now() - begunAt > SENT_WITHIN_MS) throw new TypeError("fetch failed: given up before it was sent");
    const { chance } = setup.scheduler;
    const lost = chance.happens(machine.faults.network) ? chance.pick(BEFORE_OR_AFTER) : null;
    if (lost === "before") throw new TypeError("fetch failed: connection lost");
    if (chance.happens(machine.faults.stripe))
      await setup.fail({ answer: chance.pick(STRIPE_ANSWERS), when: chance.pick(BEFORE_OR_AFTER) });
    else if (request.method === "GET" && chance.happens(machine.faults.stale))
      await setup.fail({ answer: "stale", seconds: 120 });
    const response = await setup.stripe(request);
    const isList = request.method === "GET" && new URL(request.url).searchParams.has("limit");
    if (chance.happens(isList ? Math.max(machine.faults.slow, machine.faults.slowLists) : machine.faults.slow)) {
      if (isList) machine.listing = path;
      await dawdle(setup, life);
      machine.listing = null;
    }
    await point(setup, machine, life, `answer to ${request.method} ${path}`);
    if (lost === "after") throw new TypeError("fetch failed: connection lost");
    return response;
  };
}

const READS = /\.(find|list|has|all|unknown|versionOf|lastSeq|nextDueAt|oldestAt|countByState)/;
const CLAIMS = /\.claim$/;
/** Chores that nobody else waits for or sees. */
const CHORES = /\.(forget|beat|countWaiting)$/;

/**
 * Whether something was changed that others may see before this machine goes on. After a read it stops at its next point
 * anyhow, with the same answer; and most of a worker's looks find nothing.
 */
function changes(label: string, result: unknown): boolean {
  // Null: there was nothing to take.
  if (READS.test(label) || CHORES.test(label) || result === null) return false;
  return !CLAIMS.test(label) || (result as unknown[]).length > 0;
}

function unavailable(): UnavailableError {
  return new UnavailableError("store_unavailable", "The database can't be reached now.");
}

/** The shared store as this machine reaches it. */
function storeOf(setup: MachineOptions, machine: Machine, life: Life): Store {
  const { store } = setup;
  const call = async <T>(label: string, work: () => Promise<T>): Promise<T> => {
    if (life.dead) return never();
    if (!CHORES.test(label)) await point(setup, machine, life, label);
    const { chance } = setup.scheduler;
    const fails = chance.happens(machine.faults.store) ? chance.pick(BEFORE_OR_AFTER) : null;
    if (fails === "before") throw unavailable();
    const result = await work();
    if (life.dead) return never();
    if (changes(label, result)) await point(setup, machine, life, `after ${label}`);
    if (fails === "after") throw unavailable();
    return result;
  };
  const wrap = (parts: StoreParts, within: boolean): StoreParts =>
    Object.fromEntries(
      Object.entries(parts)
        .filter(([, part]) => typeof part === "object")
        .map(([part, methods]) => [
          part,
          Object.fromEntries(
            Object.entries(methods as Record<string, (...args: unknown[]) => Promise<unknown>>).map(
              ([name, method]) => [
                name,
                (...args: unknown[]) =>
                  within
                    ? inside(setup, machine, life, `${part}.${name}`, () => method(...args))
                    : call(`${part}.${name}`, () => method(...args)),
              ],
            ),
          ),
        ]),
    ) as unknown as StoreParts;
  return {
    ...wrap(store, false),
    // A machine that dies in a transaction takes it along: the database rolls it back.
    transaction: (work) =>
      call("transaction", () => store.transaction((parts) => Promise.race([work(wrap(parts, true)), life.death]))),
    writers: store.writers,
    migrate: () => call("migrate", () => store.migrate()),
    analyze: (sample) => call("analyze", () => store.analyze(sample)),
    ping: () => call("ping", () => store.ping()),
    onArrival: (listener) => store.onArrival(listener),
    close: async () => {},
  };
}

/** How many of a transaction's statements a machine stops at: to others it is all the same at which it dies. */
const SHARE_OF_STOPS = 0.25;

/** Within a transaction nothing is seen from outside; where a statement fails, all of it does. */
async function inside<T>(
  setup: MachineOptions,
  machine: Machine,
  life: Life,
  label: string,
  work: () => Promise<T>,
): Promise<T> {
  if (life.dead) return never();
  if (READS.test(label)) return work();
  const { chance } = setup.scheduler;
  if (chance.happens(SHARE_OF_STOPS)) await point(setup, machine, life, label, true);
  if (chance.happens(machine.faults.store)) throw unavailable();
  return work();
}
