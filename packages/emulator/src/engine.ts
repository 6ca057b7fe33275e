/** The engine of the emulator runs timers and webhook deliveries as virtual time advances. */
import { createDelays, type Delays } from "./core/delays.ts";
import { runClock, runTimer } from "./billing/run-timers.ts";
import { type ChangeFeed, createChangeFeed } from "./core/change-feed.ts";
import { type ClockMove, recordTimer, startMove } from "./core/clock-move.ts";
import { switchToClockOf } from "./core/clock.ts";
import { deliver, type DeliveryNetwork, makePending } from "./core/deliveries.ts";
import { finish } from "./core/events.ts";
import { consumeReordering } from "./core/faults.ts";
import { permute } from "./core/permutation.ts";
import type { Timer } from "./core/records.ts";
import type { RequestRecord } from "./core/request-log.ts";
import { findById } from "./core/rows.ts";
import { forkAccount } from "./core/snapshots.ts";
import { type Account, type Context, getOrCreateAccount, type State } from "./core/state.ts";
import { clearTimer, nextDelivery, nextTimer, popTimer } from "./core/timers.ts";
import { advanceTimeTo } from "./core/virtual-time.ts";
import { recordWebhook, type SentWebhook } from "./core/webhook-log.ts";
import type { StripeEvent } from "./objects/event.ts";

export interface EngineOptions {
  state: State;
  baseUrl: () => string;
  network: Omit<DeliveryNetwork, "onSent">;
  /**
   * If the clock has the value "running", virtual time follows wall time. If the clock has the value "still", only `advance`
   * moves virtual time.
   */
  clock: "running" | "still";
  /** If true, the engine freezes rows between transactions, so that a direct change of a row throws an error. */
  freezeRows: boolean;
  /** A callback function: the engine calls it once for each account that the engine creates. */
  onAccount: (context: Context) => void;
  /** A callback function: the engine calls it after every change of the engine's state. */
  onChange: () => void;
}

/** The event at which `advance` stops early. */
export interface StopAt {
  /** The type of the event, such as "invoice.paid". */
  event: string;
  when: "before" | "after";
}

export interface Engine {
  /** The emulator's current state, which is replaced when a snapshot is restored. */
  state: State;
  /** Returns one context for each account in the state. */
  contexts(): Context[];
  /** Returns a context for the account of an API key. Creates the account if the API key is new. */
  contextOf(accountId: string): Context;
  /**
   * Returns a context for the account that contains the object with this ID. The context uses the object's clock. Returns null
   * if no account contains the object.
   */
  contextWith(id: string): Context | null;
  now(): number;
  /** The delays of responses, which `delay` faults cause. */
  delays: Delays;
  /**
   * Advances virtual time to wall time and runs the timers that are due. Does nothing if the clock has the value
   * "still".
   */
  catchUp(): void;
  /** Advances virtual time and runs all due timers and deliveries in order. Returns the new time in epoch seconds. */
  advance(by: { seconds: number; stopAt?: StopAt | undefined }): Promise<number>;
  /**
   * Returns the virtual time at which the next timer or delivery is due, in epoch seconds. Returns null if nothing is planned.
   * Held deliveries and the timers of test clocks do not count.
   */
  nextDueAt(): number | null;
  /** Sends all webhook deliveries that are due now. */
  deliverDue(): Promise<void>;
  /**
   * Tries to send one webhook delivery now, even if the delivery succeeded before. Returns false if the delivery does
   * not exist.
   */
  deliverNow(id: string): Promise<boolean>;
  /**
   * If `held` is true, the engine sends no deliveries by itself. `order` is the number of the permutation in which due
   * deliveries are sent; null keeps their order.
   */
  deliveries: { held: boolean; order: number | null };
  /** The most recent API requests, oldest first. */
  requests: RequestRecord[];
  /** The newest webhook requests that the emulator sent from the current state, oldest first. */
  webhooks: SentWebhook[];
  /** The last move of the emulator's clock by `advance`; null before the first move. */
  lastMove: ClockMove | null;
  /** The mode of the emulator's clock. */
  clock: "running" | "still";
  /** Notifies the open pages of the viewer. */
  feed: ChangeFeed;
  /** Replaces the whole state, as a restored snapshot does. */
  replaceState(state: State): void;
  changed(): void;
  /**
   * Ends the transaction of a context outside of an API request: stores its events, reports the change, and sends the
   * deliveries.
   */
  finish(context: Context): void;
}

const CONCURRENT_DELIVERIES = 16;

export function createEngine(options: EngineOptions): Engine {
  const network = recordingNetwork(options.network, () => engine.webhooks);
  const feed = createChangeFeed();
  const onChange = (): void => {
    options.onChange();
    feed.notify();
  };
  const engine: Engine = {
    state: options.state,
    contexts: () => [...engine.state.accounts.values()].map((account) => newContext(options, engine.state, account)),
    contextOf: (accountId) => openAccount(options, engine.state, accountId),
    contextWith(id) {
      const context = engine.contexts().find((candidate) => findById(candidate, id) !== undefined);
      if (!context) return null;
      switchToClockOf(context, findById(context, id));
      return context;
    },
    now() {
      engine.catchUp();
      return engine.state.now;
    },
    catchUp: () => catchUp(engine, options),
    nextDueAt: () => nextDue(engine, Infinity)?.timer.at ?? null,
    deliverDue: shareRun(() => deliverAll(engine, network)),
    async deliverNow(id) {
      const context = engine.contexts().find(({ account }) => account.deliveries.has(id));
      if (!context) return false;
      clearTimer(context, "delivery", id);
      makePending(context, id);
      await deliver(context, network, id);
      onChange();
      return true;
    },
    deliveries: { held: false, order: null },
    requests: [],
    webhooks: [],
    lastMove: null,
    clock: options.clock,
    delays: createDelays(options.clock, () => engine.state),
    feed,
    replaceState(state) {
      engine.state = state;
      void engine.delays.runAll();
      engine.lastMove = null;
      engine.webhooks = [];
      onChange();
    },
    changed: onChange,
    finish: (context) => finishAndDeliver(engine, context),
    advance: runInTurn(async ({ seconds, stopAt }) => {
      await advance(engine, seconds, stopAt);
      // `secondsAhead` is the number of seconds by which a running clock stays ahead of wall time.
      if (options.clock === "running") engine.state.secondsAhead = engine.state.now - wallSeconds(options);
      onChange();
      return engine.state.now;
    }),
  };
  return engine;
}

function finishAndDeliver(engine: Engine, context: Context): void {
  finish(context);
  engine.changed();
  void engine.deliverDue();
}

/** Adds the log of webhook requests to the network. */
function recordingNetwork(network: EngineOptions["network"], log: () => SentWebhook[]): DeliveryNetwork {
  return { ...network, onSent: (webhook) => recordWebhook(log(), webhook) };
}

/** Returns a context for an account. Creates the account if it does not exist. */
function openAccount(options: EngineOptions, state: State, accountId: string): Context {
  const isNew = !state.accounts.has(accountId);
  const context = newContext(options, state, getOrCreateAccount(state, accountId));
  if (isNew) options.onAccount(context);
  return context;
}

function newContext({ baseUrl, freezeRows }: EngineOptions, state: State, account: Account): Context {
  return {
    state,
    account,
    clock: null,
    baseUrl: baseUrl(),
    request: { id: null, idempotencyKey: null },
    writable: new Set(),
    originals: new Map(),
    undo: [],
    pendingEvents: [],
    freezeRows,
  };
}

function wallSeconds({ network }: EngineOptions): number {
  return Math.floor(network.wallNow() / 1000);
}

/**
 * Wraps an asynchronous function so that it never runs twice at once. A call during a run of the function only waits until the
 * run ends.
 */
function shareRun(run: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null;
  return async () => {
    running ??= run().finally(() => {
      running = null;
    });
    await running;
  };
}

/** Wraps a function so that its calls run one after the other. */
function runInTurn<Input, Output>(run: (input: Input) => Promise<Output>): (input: Input) => Promise<Output> {
  let last: Promise<unknown> = Promise.resolve();
  return (input) => {
    const current = last.then(() => run(input));
    last = current.catch(() => {});
    return current;
  };
}

function catchUp(engine: Engine, options: EngineOptions): void {
  if (options.clock === "still") return;
  const target = wallSeconds(options) + engine.state.secondsAhead;
  let count = 0;
  for (const context of engine.contexts()) count += runClock(context, "", target);
  advanceTimeTo(engine.state, target);
  if (count > 0) engine.changed();
}

async function deliverAll(engine: Engine, network: DeliveryNetwork): Promise<void> {
  while (!engine.deliveries.held) {
    const batch = takeDueDeliveries(engine);
    if (batch.length === 0) return;
    for (let start = 0; start < batch.length; start += CONCURRENT_DELIVERIES) {
      const chunk = batch.slice(start, start + CONCURRENT_DELIVERIES);
      await Promise.all(chunk.map(({ context, id }) => deliver(context, network, id)));
    }
    engine.changed();
  }
}

async function advance(engine: Engine, seconds: number, stopAt: StopAt | undefined): Promise<void> {
  engine.catchUp();
  const move = startMove(engine.state.now);
  await moveTo(engine, move, engine.state.now + seconds, stopAt);
  move.to = engine.state.now;
  engine.lastMove = move;
}

async function moveTo(engine: Engine, move: ClockMove, target: number, stopAt: StopAt | undefined): Promise<void> {
  await engine.deliverDue();
  for (;;) {
    const due = nextDue(engine, target);
    const responds = engine.delays.nextAt() ?? Infinity;
    if (responds <= Math.min(target, due?.timer.at ?? Infinity)) {
      await engine.delays.runNext();
      continue;
    }
    if (!due) break;
    if (due.timer.kind === "delivery") {
      advanceTimeTo(engine.state, due.timer.at);
      await engine.deliverDue();
      continue;
    }
    if (stopAt?.when === "before" && emits(runDue(onFork(due)), stopAt.event)) return;
    const emitted = runDue(due);
    recordTimer(move, due.timer, emitted);
    if (stopAt && emits(emitted, stopAt.event)) return;
  }
  advanceTimeTo(engine.state, target);
}

interface DueTimer {
  context: Context;
  timer: Timer;
}

/** Returns the next timer that is due at or before `until`. A delivery comes before a billing timer of the same time. */
function nextDue(engine: Engine, until: number): DueTimer | null {
  const billing = earliest(engine.contexts(), (context) => nextTimer(context.account.timers, "", until));
  if (engine.deliveries.held) return billing;
  const delivery = earliest(engine.contexts(), (context) => nextDelivery(context.account.timers, until));
  return delivery && (!billing || delivery.timer.at <= billing.timer.at) ? delivery : billing;
}

function earliest(contexts: readonly Context[], next: (context: Context) => Timer | null): DueTimer | null {
  let first: DueTimer | null = null;
  for (const context of contexts) {
    const timer = next(context);
    if (!timer) continue;
    if (!first || timer.at < first.timer.at || (timer.at === first.timer.at && timer.order < first.timer.order))
      first = { context, timer };
  }
  return first;
}

/**
 * Removes the timers of all webhook deliveries that are due. Returns the due deliveries in the order in which to send
 * them.
 */
function takeDueDeliveries({ state, deliveries, contexts }: Engine): { context: Context; id: string }[] {
  const due: { context: Context; id: string }[] = [];
  for (;;) {
    const next = earliest(contexts(), (context) => nextDelivery(context.account.timers, state.now));
    if (!next) break;
    popTimer(next.context.account.timers, next.timer, null);
    due.push({ context: next.context, id: next.timer.id });
  }
  if (deliveries.order !== null) return permute(due, deliveries.order);
  return due.length > 1 && consumeReordering(state) ? due.toReversed() : due;
}

/** Returns the timer with a copy of its account, so that the timer can run without changing the real account. */
function onFork({ context, timer }: DueTimer): DueTimer {
  const account = forkAccount(context.account);
  const state = { ...context.state, accounts: new Map([[account.id, account]]) };
  const transaction = {
    writable: new Set<object>(),
    originals: new Map<object, object>(),
    undo: [],
    pendingEvents: [],
  };
  return { context: { ...context, ...transaction, account, state }, timer };
}

/** Runs a timer. Returns the events that the timer emitted. */
function runDue({ context, timer }: DueTimer): readonly StripeEvent[] {
  context.emitted = [];
  advanceTimeTo(context.state, timer.at);
  runTimer(context, timer, "");
  return context.emitted;
}

function emits(emitted: readonly StripeEvent[], type: string): boolean {
  return emitted.some((event) => event.type === type);
}
