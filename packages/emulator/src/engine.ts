/** Makes time pass: does what is due, in order, and carries events to their endpoints. */
import { runClock, runTimer } from "./billing/due.ts";
import { deliver, reopen, type DeliveryNetwork } from "./core/deliveries.ts";
import { takeReordering } from "./core/faults.ts";
import { inOrder } from "./core/order.ts";
import type { RequestNote } from "./core/requests.ts";
import { moveTo } from "./core/time.ts";
import { clearTimer, nextDelivery, nextTimer, takeTimer, type Timer } from "./core/timers.ts";
import { accountOf, focus, forkAccount, lookUp, type Account, type State, type World } from "./core/world.ts";

export interface EngineOptions {
  state: State;
  baseUrl: string;
  network: DeliveryNetwork;
  /** Whether virtual time goes on by itself, or moves only by `advance`. */
  clock: "running" | "still";
  /** Whether rows are frozen between steps. */
  checked: boolean;
  /** Called for each account when it is new. */
  onAccount: (world: World) => void;
  /** Called after every change. */
  onChange: () => void;
}

/** Where `advance` stops early. */
export interface StopAt {
  /** An event's type. */
  event: string;
  when: "before" | "after";
}

export interface Engine {
  /** Replaced when a snapshot is restored. */
  state: State;
  /** The world of an API key's account. */
  worldOf(accountId: string): World;
  /** The world of the account that has this object, in the object's time; null where nobody has it. */
  worldWith(id: string): World | null;
  now(): number;
  /** Does what has become due by itself since the last look. */
  catchUp(): void;
  /** Moves time on, doing all due work step by step, deliveries included. */
  advance(seconds: number, stopAt?: StopAt): Promise<number>;
  /** Delivers what is due now. */
  deliverDue(): Promise<void>;
  /** Delivers one now, again where it was delivered before; false where there is none of that id. */
  deliverNow(id: string): Promise<boolean>;
  /** Whether deliveries wait to be asked for; and the number of the order in which due ones go, null for as they came. */
  deliveries: { held: boolean; order: number | null };
  /** The newest API requests, oldest first. */
  requests: RequestNote[];
  changed(): void;
}

const DELIVERIES_AT_ONCE = 16;

export function createEngine(options: EngineOptions): Engine {
  const { network, clock, onChange } = options;
  const wallSeconds = () => Math.floor(network.wallNow() / 1000);
  let delivering: Promise<void> | null = null;
  let advancing: Promise<unknown> = Promise.resolve();

  const worldIn = (account: Account): World => ({
    state: engine.state,
    account,
    clock: null,
    baseUrl: options.baseUrl,
    request: { id: null, idempotencyKey: null },
    own: new Set(),
    undo: [],
    checked: options.checked,
  });

  const worldOf = (accountId: string): World => {
    const isNew = !engine.state.accounts.has(accountId);
    const world = worldIn(accountOf(engine.state, accountId));
    if (isNew) options.onAccount(world);
    return world;
  };

  const worlds = (): World[] => [...engine.state.accounts.values()].map(worldIn);

  const catchUp = (): void => {
    if (clock === "still") return;
    const target = wallSeconds() + engine.state.aheadSeconds;
    let done = 0;
    for (const world of worlds()) done += runClock(world, "", target);
    moveTo(engine.state, target);
    if (done > 0) onChange();
  };

  const deliverAll = async (): Promise<void> => {
    while (!engine.deliveries.held) {
      const batch = takeDeliveries(engine, worlds());
      if (batch.length === 0) return;
      for (let start = 0; start < batch.length; start += DELIVERIES_AT_ONCE)
        await Promise.all(
          batch.slice(start, start + DELIVERIES_AT_ONCE).map(({ world, id }) => deliver(world, network, id)),
        );
      onChange();
    }
  };

  const deliverDue = async (): Promise<void> => {
    delivering ??= deliverAll().finally(() => {
      delivering = null;
    });
    await delivering;
  };

  const advance = async (seconds: number, stopAt?: StopAt): Promise<number> => {
    catchUp();
    const target = engine.state.now + seconds;
    await deliverDue();
    for (;;) {
      const billing = earliest(worlds(), (world) => nextTimer(world.account.timers, "", target));
      const delivery = engine.deliveries.held
        ? null
        : earliest(worlds(), (world) => nextDelivery(world.account.timers, target));
      if (delivery && (!billing || delivery.timer.at <= billing.timer.at)) {
        moveTo(engine.state, delivery.timer.at);
        await deliverDue();
        continue;
      }
      if (!billing) break;
      if (stopAt?.when === "before" && tellsOf(inFork(billing), stopAt.event)) return stopped(engine, onChange);
      if (tellsOf(billing, stopAt?.event ?? null)) return stopped(engine, onChange);
    }
    moveTo(engine.state, target);
    return stopped(engine, onChange);
  };

  /** Keeps a running clock as far ahead of the wall's as it has come. */
  const stopped = (stoppedEngine: Engine, tell: () => void): number => {
    if (clock === "running") stoppedEngine.state.aheadSeconds = stoppedEngine.state.now - wallSeconds();
    tell();
    return stoppedEngine.state.now;
  };

  const engine: Engine = {
    state: options.state,
    worldOf,
    worldWith(id) {
      const world = worlds().find((candidate) => lookUp(candidate, id) !== undefined);
      if (!world) return null;
      focus(world, lookUp(world, id));
      return world;
    },
    now() {
      catchUp();
      return engine.state.now;
    },
    catchUp,
    deliverDue,
    async deliverNow(id) {
      const world = worlds().find(({ account }) => account.deliveries.has(id));
      if (!world) return false;
      clearTimer(world, "delivery", id);
      reopen(world, id);
      await deliver(world, network, id);
      onChange();
      return true;
    },
    deliveries: { held: false, order: null },
    requests: [],
    changed: onChange,
    advance(seconds, stopAt) {
      const mine = advancing.then(() => advance(seconds, stopAt));
      advancing = mine.catch(() => {});
      return mine;
    },
  };
  return engine;
}

interface Due {
  world: World;
  timer: Timer;
}

function earliest(worlds: readonly World[], next: (world: World) => Timer | null): Due | null {
  let first: Due | null = null;
  for (const world of worlds) {
    const timer = next(world);
    if (!timer) continue;
    if (!first || timer.at < first.timer.at || (timer.at === first.timer.at && timer.order < first.timer.order))
      first = { world, timer };
  }
  return first;
}

/** Takes all deliveries that are due, in the order they are to go. */
function takeDeliveries({ state, deliveries }: Engine, worlds: readonly World[]): { world: World; id: string }[] {
  const due: { world: World; id: string }[] = [];
  for (;;) {
    const next = earliest(worlds, (world) => nextDelivery(world.account.timers, state.now));
    if (!next) break;
    takeTimer(next.world.account.timers, next.timer, null);
    due.push({ world: next.world, id: next.timer.id });
  }
  if (deliveries.order !== null) return inOrder(due, deliveries.order);
  return due.length > 1 && takeReordering(state) ? due.toReversed() : due;
}

/** The step on a copy of the account, to see what it would tell. */
function inFork({ world, timer }: Due): Due {
  const account = forkAccount(world.account);
  const state = { ...world.state, accounts: new Map([[account.id, account]]) };
  return { world: { ...world, own: new Set(), account, state }, timer };
}

/** Does the step; answers whether it told of an event of this type. */
function tellsOf({ world, timer }: Due, type: string | null): boolean {
  // What is forgotten as time moves on would not be counted.
  moveTo(world.state, timer.at);
  const { event } = world.account.tables;
  const known = event.size;
  runTimer(world, timer, "");
  return type !== null && [...event.values()].slice(known).some((told) => told.type === type);
}
