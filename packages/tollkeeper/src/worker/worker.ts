/** Works off the inbox, the outbox and access that time has changed: a few lanes at once, one row a lane. */
import { decideRetry, DEFAULT_RETRY_POLICY, type Failure, type RetryPolicy } from "../domain/retry.ts";
import { TollkeeperError } from "../errors.ts";
import type { Runtime } from "../runtime.ts";
import { ALLOWED_WEBHOOK_EVENTS } from "../stripe/webhook/event-types.ts";
import type { Store } from "../store/open-store.ts";
import type { DueWork } from "../store/queue/due-work.ts";
import type { ClaimedEvent } from "../store/queue/inbox.ts";
import type { OutboxMessage } from "../store/queue/outbox.ts";
import type { Claim, Queue } from "../store/queue/queue.ts";
import type { SpanAttributes } from "../tracing.ts";
import type { DeliverHook } from "./deliver-hook.ts";
import { toldBy } from "../sync/retrieve.ts";
import { LeaseLostError, type Sync } from "../sync/sync.ts";

export interface WorkerOptions {
  store: Store;
  sync: Sync;
  deliverHook: DeliverHook;
  runtime: Runtime;
  retry?: RetryPolicy;
}

export interface Worker {
  /** Does all that is due, and what that makes due; answers how many rows it took. */
  drain(): Promise<number>;
  /** Says that there is something to do. */
  wake(): void;
  start(): void;
  /** Finishes what is under way. */
  stop(): Promise<void>;
}

/** Rows of one kind worked on at once: one that is slow holds up its lane, never the others. */
const SLOTS = 8;
/** Past this a claim counts as lost with its worker: how long a crash holds up a customer. */
const LEASE_MS = 10_000;
/** How often a worker that lives says so: a lease outlasts two missed beats. */
const HEARTBEAT_MS = 3_000;
/** A hook that has not answered by then is tried again. */
const HOOK_TIMEOUT_MS = 30_000;
/** How long `stop` waits for what is under way; leases end what it leaves. */
const STOP_TIMEOUT_MS = 8_000;
/** How long the worker sleeps when nobody wakes it. */
const POLL_MS = 1_000;
/** Events of one change come one after the other: who is woken by one waits so long for the others before it asks Stripe. */
export const GATHER_MS = 100;
/** Why a sleep ends: only what arrives may have others behind it. */
const ARRIVED = "something has arrived";
const FINISHED = "something was finished";
const MAX_REASON_LENGTH = 300;

/** One kind of work. */
interface Source {
  /** What is due, at most so many; each is nobody else's until it is done. */
  take(limit: number): Promise<(() => Promise<void>)[]>;
}

export function createWorker(options: WorkerOptions): Worker {
  const { runtime } = options;
  const sources: { kind: keyof DueWork; source: Source; running: Set<Promise<void>> }[] = [
    { kind: "inbox", source: inboxSource(options), running: new Set() },
    { kind: "outbox", source: outboxSource(options), running: new Set() },
    { kind: "access", source: accessSource(options), running: new Set() },
  ];
  let stopping: AbortController | null = null;
  let looping: Promise<void> | null = null;
  let alarm = new AbortController();

  /** Counts what was finished: what that makes due is to be looked for. */
  let finished = 0;

  const underWay = (): Promise<void>[] => sources.flatMap(({ running }) => [...running]);

  const begin = (act: () => Promise<void>, running: Set<Promise<void>>): void => {
    const task: Promise<void> = act()
      .catch((error: unknown) => {
        // Its lease runs out, and it is taken again.
        runtime.log.error({ error: String(error) }, "the outcome of some work could not be written down");
      })
      .finally(() => {
        running.delete(task);
        finished += 1;
        alarm.abort(FINISHED);
      });
    running.add(task);
  };

  /** Fills the free slots; answers how many rows it took, and whether one kind of work may have more than it has slots for. */
  const fill = async (): Promise<{ taken: number; isFull: boolean }> => {
    const due = await options.store.dueWork.find(runtime.now(), runtime.billingNow());
    let taken = 0;
    let isFull = false;
    for (const { kind, source, running } of sources) {
      if (!due[kind]) continue;
      const free = SLOTS - running.size;
      const acts = free > 0 ? await source.take(free) : [];
      for (const act of acts) begin(act, running);
      taken += acts.length;
      isFull ||= acts.length >= free;
    }
    return { taken, isFull };
  };

  const drain = async (): Promise<number> => {
    let total = 0;
    for (;;) {
      const before = finished;
      const { taken } = await fill();
      total += taken;
      if (underWay().length > 0) await Promise.race(underWay());
      else if (taken === 0 && finished === before) return total;
    }
  };

  /** Where one kind of work has more than it has slots for, a slot that is free again is not kept waiting. */
  const gather = async (stop: AbortSignal, isFull: boolean): Promise<void> => {
    const over = new AbortController();
    const freed = isFull ? underWay() : [];
    await Promise.race([runtime.sleep(GATHER_MS, AbortSignal.any([stop, over.signal])), ...freed]);
    over.abort();
  };

  const loop = async (stop: AbortSignal): Promise<void> => {
    while (!stop.aborted) {
      alarm = new AbortController();
      const { signal } = alarm;
      let isFull = false;
      try {
        ({ isFull } = await fill());
      } catch (error) {
        runtime.log.error({ error: String(error) }, "the worker could not go on; it tries again");
      }
      await runtime.sleep(POLL_MS, AbortSignal.any([signal, stop]));
      if (signal.reason === ARRIVED) await gather(stop, isFull);
      // On SQLite work follows work by promises alone: hundreds of hooks would go before whoever waits for an answer.
      else if (signal.reason === FINISHED) await nextTurn();
    }
  };

  return {
    drain,
    wake: () => alarm.abort(ARRIVED),
    start() {
      if (looping) return;
      stopping = new AbortController();
      looping = loop(stopping.signal);
    },
    async stop() {
      stopping?.abort();
      await looping;
      looping = null;
      stopping = null;
      const patience = new AbortController();
      await Promise.race([runtime.sleep(STOP_TIMEOUT_MS, patience.signal), Promise.all(underWay())]);
      patience.abort();
    },
  };
}

/** The event loop's: what has come from the network is read. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function inboxSource(options: WorkerOptions): Source {
  const { store, sync, runtime } = options;
  return {
    async take(limit) {
      const now = runtime.now();
      const events = await store.inbox.claim(limit, now, now + LEASE_MS);
      return events.map(
        (event) => () =>
          work(options, "events_total", event, async () => {
            await syncEvent(sync, event);
            runtime.metrics.lag(Math.max(0, runtime.now() - event.eventCreatedAt) / 1_000);
          }),
      );
    },
  };
}

function outboxSource(options: WorkerOptions): Source {
  const { store, deliverHook, runtime } = options;
  return {
    async take(limit) {
      const now = runtime.now();
      const messages = await store.outbox.claim(limit, now, now + LEASE_MS);
      return messages.map(
        (message) => () =>
          work(options, "hooks_total", message, async () => {
            await inTime(runtime, message.hook, (signal) => deliverHook(message, signal));
            await store.outbox.complete(message);
          }),
      );
    },
  };
}

/** Access that ends by itself, for users whom nobody is looking at already. */
function accessSource({ store, sync, runtime }: WorkerOptions): Source {
  const looking = new Set<string>();
  return {
    async take(limit) {
      const due = await store.grants.listDue(runtime.billingNow(), limit + looking.size);
      const users = due.filter((userId) => !looking.has(userId)).slice(0, limit);
      for (const userId of users) looking.add(userId);
      return users.map((userId) => async () => {
        try {
          await sync.access(userId);
        } catch (error) {
          runtime.log.warn({ error: String(error) }, "a user's access could not be decided again; it will be");
        } finally {
          looking.delete(userId);
        }
      });
    },
  };
}

async function inTime(runtime: Runtime, hook: string, act: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const watch = new AbortController();
  const giveUp = new AbortController();
  const late = async (): Promise<void> => {
    await runtime.sleep(HOOK_TIMEOUT_MS, watch.signal);
    if (watch.signal.aborted) return;
    giveUp.abort();
    throw new Error(`${hook} has not finished within ${HOOK_TIMEOUT_MS / 1000} seconds`);
  };
  try {
    await Promise.race([act(giveUp.signal), late()]);
  } finally {
    watch.abort();
  }
}

async function syncEvent(sync: Sync, event: ClaimedEvent): Promise<void> {
  const allowed = ALLOWED_WEBHOOK_EVENTS.get(event.type);
  if (!allowed) throw new Error(`event type ${event.type} is no longer on the allowlist`);
  await sync.object({
    object: allowed.object,
    id: event.objectId,
    customerId: event.lane === event.objectId ? null : event.lane,
    finish: (parts, snapshot) => parts.inbox.complete(event, snapshot ? toldBy(snapshot) : []),
  });
}

/** What logs and spans call a row by: a user's id may be an address, so it stays out. */
function namesOf(claim: ClaimedEvent | (OutboxMessage & Claim)): SpanAttributes {
  const attempt = claim.attempts;
  if (!("eventId" in claim)) return { hookId: claim.id, hook: claim.hook, attempt };
  const { eventId, type: eventType, objectId, lane } = claim;
  return { eventId, eventType, objectId, lane, attempt };
}

type Counter = "events_total" | "hooks_total";

/** Runs one row's work; a failure is written down with when to try again, or that it is over. */
async function work(
  { store, runtime, retry = DEFAULT_RETRY_POLICY }: WorkerOptions,
  counter: Counter,
  claim: ClaimedEvent | (OutboxMessage & Claim),
  act: () => Promise<void>,
): Promise<void> {
  const queue: Pick<Queue, "renew" | "retry" | "bury"> = counter === "events_total" ? store.inbox : store.outbox;
  const count = (outcome: string): void => runtime.metrics.count(counter, { outcome });
  const names = namesOf(claim);
  const heart = keepLease(runtime, queue, claim);
  try {
    await runtime.trace(counter === "events_total" ? "sync_event" : "hook", names, act);
    count("done");
    runtime.log.info(names, "work done");
  } catch (error) {
    if (error instanceof LeaseLostError) return count("lease_lost");
    const reason = String(error).slice(0, MAX_REASON_LENGTH);
    const decision = decideRetry(claim.attempts, failureOf(error, counter), retry, runtime.random());
    const fields = { ...names, reason };
    count(decision.kind === "retry" ? "retried" : "dead");
    if (decision.kind === "retry") {
      runtime.log.warn({ ...fields, delayMs: decision.delayMs }, "work failed; it will be tried again");
      await queue.retry(claim, runtime.now() + decision.delayMs, reason);
    } else {
      runtime.log.error(fields, "work failed for good; it is with the dead letters");
      await queue.bury(claim, reason);
    }
  } finally {
    heart.abort();
  }
}

/** What is not ours (a bug, whatever a hook was refused) may pass; the number of attempts bounds it. */
function failureOf(error: unknown, counter: Counter): Failure {
  if (!(error instanceof TollkeeperError)) return "unexpected";
  if (error.retryable) return "outage";
  return counter === "hooks_total" ? "unexpected" : "refused";
}

/** Renews a claim until aborted, so that slow work is not taken for a dead worker's. */
function keepLease(runtime: Runtime, queue: Pick<Queue, "renew">, claim: Claim): AbortController {
  const heart = new AbortController();
  /** False where the lease was lost. One that is missed costs nothing: the fencing token decides who may write. */
  const renew = (): Promise<boolean> =>
    queue.renew(claim, runtime.now() + LEASE_MS).catch((error: unknown) => {
      runtime.log.warn({ error: String(error) }, "a lease could not be renewed; it will be tried again");
      return true;
    });
  const beat = async (): Promise<void> => {
    do await runtime.sleep(HEARTBEAT_MS, heart.signal);
    while (!heart.signal.aborted && (await renew()));
  };
  void beat();
  return heart;
}
