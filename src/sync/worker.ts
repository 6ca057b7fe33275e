/** Works off the inbox, the outbox and access that time has changed: a few lanes at once, one row a lane. */
import { decideRetry, DEFAULT_RETRY_POLICY, type RetryPolicy } from "../domain/retry.ts";
import type { Hooks } from "../domain/hooks.ts";
import { TollkeeperError } from "../errors.ts";
import type { Runtime } from "../runtime.ts";
import { ALLOWED_WEBHOOK_EVENTS } from "../stripe/event-types.ts";
import type { Store } from "../store/database.ts";
import type { ClaimedEvent } from "../store/inbox.ts";
import type { Claim, Queue } from "../store/queue.ts";
import { deliverHook } from "./outbox.ts";
import { LeaseLostError, type Sync } from "./sync.ts";

export interface WorkerOptions {
  store: Store;
  sync: Sync;
  hooks: Hooks;
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

/** Lanes worked on at once. */
const CONCURRENCY = 8;
/** Past this a claim counts as lost with its worker: how long a crash holds up a customer. */
const LEASE_MS = 10_000;
/** How often a worker that lives says so: a lease outlasts two missed beats. */
const HEARTBEAT_MS = 3_000;
/** How long the worker sleeps when nobody wakes it. */
const POLL_MS = 1_000;
const MAX_REASON_LENGTH = 300;

export function createWorker(options: WorkerOptions): Worker {
  const { runtime } = options;
  let stopping: AbortController | null = null;
  let running: Promise<void> | null = null;
  let awake = false;
  let alarm: AbortController | null = null;

  const drain = async (): Promise<number> => {
    let total = 0;
    for (;;) {
      const done = await runOnce(options);
      total += done;
      if (done === 0 || stopping?.signal.aborted) return total;
    }
  };

  const loop = async (stop: AbortSignal): Promise<void> => {
    while (!stop.aborted) {
      awake = false;
      try {
        await drain();
      } catch (error) {
        runtime.log.error({ error: String(error) }, "the worker could not go on; it tries again");
      }
      if (awake || stop.aborted) continue;
      alarm = new AbortController();
      await runtime.sleep(POLL_MS, AbortSignal.any([alarm.signal, stop]));
    }
  };

  return {
    drain,
    wake() {
      awake = true;
      alarm?.abort();
    },
    start() {
      if (running) return;
      stopping = new AbortController();
      running = loop(stopping.signal);
    },
    async stop() {
      stopping?.abort();
      await running;
      running = null;
      stopping = null;
    },
  };
}

async function runOnce(options: WorkerOptions): Promise<number> {
  const { store, sync, hooks, runtime } = options;
  const now = runtime.now();
  const [events, users] = await Promise.all([
    store.inbox.claim(CONCURRENCY, now, now + LEASE_MS),
    store.grants.listDue(runtime.billingNow(), CONCURRENCY),
  ]);
  await Promise.all([
    ...events.map((event) => work(options, store.inbox, event, () => syncEvent(sync, event))),
    ...users.map((userId) => sync.access(userId)),
  ]);
  const messages = await store.outbox.claim(CONCURRENCY, now, now + LEASE_MS);
  await Promise.all(
    messages.map((message) =>
      work(options, store.outbox, message, async () => {
        await deliverHook(hooks, message);
        await store.outbox.complete(message);
      }),
    ),
  );
  return events.length + users.length + messages.length;
}

async function syncEvent(sync: Sync, event: ClaimedEvent): Promise<void> {
  const allowed = ALLOWED_WEBHOOK_EVENTS.get(event.type);
  if (!allowed) throw new Error(`event type ${event.type} is no longer on the allowlist`);
  await sync.object({
    object: allowed.object,
    id: event.objectId,
    customerId: event.lane === event.objectId ? null : event.lane,
    finish: async (parts) => {
      if (!(await parts.inbox.complete(event))) return false;
      await parts.inbox.completeSameObject(event);
      return true;
    },
  });
}

/** Runs one row's work; a failure is written down with when to try again, or that it is over. */
async function work(
  { runtime, retry = DEFAULT_RETRY_POLICY }: WorkerOptions,
  queue: Queue,
  claim: Claim & { eventId?: string; id?: string },
  act: () => Promise<void>,
): Promise<void> {
  const heart = keepLease(runtime, queue, claim);
  try {
    await act();
  } catch (error) {
    if (error instanceof LeaseLostError) return;
    // What is not ours (a bug, a hook that threw) may pass too; the number of attempts bounds it.
    const retryable = error instanceof TollkeeperError ? error.retryable : true;
    const reason = String(error).slice(0, MAX_REASON_LENGTH);
    const decision = decideRetry(claim.attempts, retryable, retry, runtime.random());
    const fields = { id: claim.eventId ?? claim.id, attempt: claim.attempts, reason };
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

/** Renews a claim until aborted, so that slow work is not taken for a dead worker's. */
function keepLease(runtime: Runtime, queue: Queue, claim: Claim): AbortController {
  const heart = new AbortController();
  const beat = async (): Promise<void> => {
    for (;;) {
      await runtime.sleep(HEARTBEAT_MS, heart.signal);
      if (heart.signal.aborted || !(await queue.renew(claim, runtime.now() + LEASE_MS))) return;
    }
  };
  // A beat that is missed costs nothing: the fencing token decides who may write.
  beat().catch((error: unknown) => runtime.log.warn({ error: String(error) }, "a lease could not be renewed"));
  return heart;
}
