/**
 * Runs due work in slots, so that only a limited number of rows per kind of work run at the same time. There are three kinds of
 * work: events from the inbox, hooks from the outbox, and access that may have changed because time has passed. The worker
 * renews the lease of each claimed row while it processes the row.
 */
import { ownerKey } from "../domain/owner.ts";
import { describeError } from "../domain/log-text.ts";
import { decideRetry, DEFAULT_RETRY_POLICY, type Failure, type RetryPolicy } from "../domain/retry.ts";
import { toStorableText } from "../domain/storable-text.ts";
import { UnreadableRowError } from "../domain/unreadable-row.ts";
import { TollkeeperError } from "../errors.ts";
import type { Runtime } from "../runtime.ts";
import type { ClaimedEvent } from "../store/queue/inbox.ts";
import type { ClaimedMessage } from "../store/queue/outbox.ts";
import type { Queue } from "../store/queue/queue.ts";
import type { Claim } from "../store/queue/queue-lanes.ts";
import type { DueWork } from "../store/queue/due-work.ts";
import type { Store } from "../store/store.ts";
import { ALLOWED_WEBHOOK_EVENTS } from "../stripe/webhook/event-types.ts";
import { coveredIds } from "../sync/retrieve.ts";
import { LeaseLostError, type Sync } from "../sync/sync.ts";
import type { SpanAttributes } from "../tracing.ts";
import type { DeliverHook } from "./deliver-hook.ts";

export interface SlotsOptions {
  store: Store;
  sync: Sync;
  /** Returns false while requests to Stripe are blocked. Events then stay pending. Default: always true. */
  canSync?: () => boolean;
  deliverHook: DeliverHook;
  runtime: Runtime;
  /** Policy for retries of failed events and hooks. Default: `DEFAULT_RETRY_POLICY`. */
  retry?: RetryPolicy;
}

interface Source {
  /**
   * Claims at most `limit` due events, hooks or access checks. Returns one function per claimed item, which processes the item.
   */
  take(limit: number): Promise<(() => Promise<void>)[]>;
}

/** Maximum number of rows of one kind of work that run at the same time. A slow event or hook delays only its own lane. */
const SLOTS = 8;
/**
 * A worker loses a claimed row after this number of milliseconds without a heartbeat. A crash of a worker delays a customer's
 * events until the worker's lease expires.
 */
const LEASE_MS = 10_000;
/**
 * Milliseconds between two heartbeats, which renew the lease of a row. A lease lasts longer than three intervals between
 * heartbeats, so two heartbeats may fail.
 */
const HEARTBEAT_MS = 3_000;
/** Milliseconds between two registrations of the hooks that this process handles. */
const REGISTER_HOOKS_EVERY_MS = 60_000;
const MAX_REASON_LENGTH = 300;
/** Maximum time in milliseconds for a hook. A hook that takes longer fails and is retried. */
const HOOK_TIMEOUT_MS = 30_000;

export interface Slots {
  /**
   * Starts due work (events and hooks) in free slots of the worker. In the result, `started` is the number of queue rows whose
   * processing was started. In the result, `isFull` is true if there may be more due rows than free slots.
   */
  fill(): Promise<{ started: number; isFull: boolean }>;
  /** Returns a promise for each row that is being processed. */
  running(): Promise<void>[];
  /**
   * Returns the number of queue rows that the worker has finished so far. The processing of a queue row may make other work
   * due.
   */
  finished(): number;
}

/** Creates the slots. The callback `onFinished` runs each time the worker has finished a queue row. */
export function createSlots(options: SlotsOptions, onFinished: () => void): Slots {
  const { store, runtime, deliverHook, canSync = () => true } = options;
  const kinds: { kind: keyof DueWork; source: Source; running: Set<Promise<void>> }[] = [
    { kind: "inbox", source: inboxSource(options), running: new Set() },
    { kind: "outbox", source: outboxSource(options), running: new Set() },
    { kind: "access", source: accessSource(options), running: new Set() },
  ];
  let finished = 0;
  let registeredAt: number | null = null;

  /** Records in the database which hooks this process handles, so that other processes leave those hooks to it. */
  const registerHooks = async (): Promise<void> => {
    const now = runtime.now();
    if (registeredAt !== null && Math.abs(now - registeredAt) < REGISTER_HOOKS_EVERY_MS) return;
    await store.outbox.registerHooks(deliverHook.hooks, now);
    registeredAt = now;
  };

  const run = (act: () => Promise<void>, running: Set<Promise<void>>): void => {
    const task: Promise<void> = act()
      .catch((error: unknown) => {
        // The store did not save the outcome of the event or hook. The lease expires, and a worker claims the row again.
        runtime.log.error({ error: describeError(error) }, "failed to record the job's outcome; it is claimed again");
      })
      .finally(() => {
        running.delete(task);
        finished += 1;
        onFinished();
      });
    running.add(task);
  };

  return {
    async fill() {
      await registerHooks();
      const due = await store.dueWork.find(runtime.now(), runtime.billingNow());
      let started = 0;
      let isFull = false;
      for (const { kind, source, running } of kinds) {
        if (!due[kind] || (kind === "inbox" && !canSync())) continue;
        const free = SLOTS - running.size;
        const acts = free > 0 ? await source.take(free) : [];
        for (const act of acts) run(act, running);
        started += acts.length;
        isFull ||= acts.length >= free;
      }
      return { started, isFull };
    },
    running: () => kinds.flatMap(({ running }) => [...running]),
    finished: () => finished,
  };
}

function inboxSource(options: SlotsOptions): Source {
  const { store, sync, runtime } = options;
  return {
    async take(limit) {
      const now = runtime.now();
      const events = await store.inbox.claim(limit, now, now + LEASE_MS);
      return events.map(
        (event) => () =>
          runClaim(options, { counter: "events_total", queue: store.inbox, claim: event }, async () => {
            await countCheckouts(options, event.lane, await syncEvent(sync, event));
            runtime.metrics.lag(Math.max(0, runtime.now() - event.eventCreatedAt) / 1_000);
          }),
      );
    },
  };
}

/** The values of the metric's label `outcome`, by the type of the event that reports the end of a checkout session. */
const CHECKOUT_ENDS: ReadonlyMap<string, string> = new Map([
  ["checkout.session.completed", "completed"],
  ["checkout.session.expired", "expired"],
]);

/**
 * Counts the ends of an owner's checkouts. `types` has the type of each completed event. The account may also have checkout
 * sessions that are not the service's.
 */
async function countCheckouts({ store, runtime }: SlotsOptions, lane: string, types: readonly string[]): Promise<void> {
  const outcomes = types.flatMap((type) => CHECKOUT_ENDS.get(type) ?? []);
  if (outcomes.length === 0) return;
  const owner = await store.customers.findOwnerOf(lane).catch(() => null);
  if (owner === null) return;
  for (const outcome of outcomes) runtime.metrics.count("checkouts_total", { outcome });
}

/** Syncs the object of an event. Returns the types of all events that the sync has completed. */
async function syncEvent(sync: Sync, event: ClaimedEvent): Promise<readonly string[]> {
  const allowed = ALLOWED_WEBHOOK_EVENTS.get(event.type);
  if (!allowed) throw new UnreadableRowError(`event type ${event.type} is no longer on the allowlist`);
  let completed: readonly string[] | null = null;
  await sync.object({
    object: allowed.object,
    id: event.objectId,
    customerId: event.lane === event.objectId ? null : event.lane,
    finish: async (parts, snapshot) => {
      completed = await parts.inbox.complete(event, coveredIds(snapshot));
      return completed !== null;
    },
  });
  return completed ?? [];
}

function outboxSource(options: SlotsOptions): Source {
  const { store, deliverHook, runtime } = options;
  return {
    async take(limit) {
      const now = runtime.now();
      const messages = await store.outbox.claim(limit, now, now + LEASE_MS, deliverHook.hooks);
      return messages.map(
        (message) => () =>
          runClaim(options, { counter: "hooks_total", queue: store.outbox, claim: message }, async () => {
            await withTimeout(runtime, message.hook, (signal) => deliverHook(message, signal));
            await store.outbox.complete(message);
          }),
      );
    },
  };
}

async function withTimeout(runtime: Runtime, hook: string, act: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const finished = new AbortController();
  const cancel = new AbortController();
  const timeOut = async (): Promise<void> => {
    await runtime.sleep(HOOK_TIMEOUT_MS, finished.signal);
    if (finished.signal.aborted) return;
    cancel.abort();
    throw new Error(`${hook} did not finish within ${HOOK_TIMEOUT_MS / 1000} seconds`);
  };
  try {
    await Promise.race([act(cancel.signal), timeOut()]);
  } finally {
    finished.abort();
  }
}

/**
 * Checks the access of owners if it may have changed because time has passed. Skips owners that this worker is already
 * checking.
 */
function accessSource({ store, sync, runtime }: SlotsOptions): Source {
  const inProgress = new Set<string>();
  return {
    async take(limit) {
      const due = await store.announcedAccess.listDue(runtime.billingNow(), limit + inProgress.size);
      const owners = due.filter((owner) => !inProgress.has(ownerKey(owner))).slice(0, limit);
      for (const owner of owners) inProgress.add(ownerKey(owner));
      return owners.map((owner) => async () => {
        try {
          await sync.announceAccess([owner]);
        } catch (error) {
          runtime.log.warn({ error: describeError(error) }, "failed to check an owner's access; retrying later");
        } finally {
          inProgress.delete(ownerKey(owner));
        }
      });
    },
  };
}

type Counter = "events_total" | "hooks_total";

interface ClaimRun {
  counter: Counter;
  queue: Pick<Queue, "renew" | "retry" | "deadLetter">;
  claim: ClaimedEvent | ClaimedMessage;
}

/**
 * Processes one claimed row: renews its lease, counts its outcome, and after a failure retries it or makes it a dead letter.
 */
async function runClaim(
  { runtime, retry = DEFAULT_RETRY_POLICY }: { runtime: Runtime; retry?: RetryPolicy },
  { counter, queue, claim }: ClaimRun,
  act: () => Promise<void>,
): Promise<void> {
  const count = (outcome: string): void => runtime.metrics.count(counter, { outcome });
  const attributes = attributesOf(claim);
  const heartbeat = keepLease(runtime, queue, claim);
  try {
    await runtime.trace(counter === "events_total" ? "sync_event" : "hook", attributes, act);
    count("done");
    runtime.log.info(attributes, "job done");
  } catch (error) {
    if (error instanceof LeaseLostError) return count("lease_lost");
    const reason = toStorableText(describeError(error).slice(0, MAX_REASON_LENGTH));
    const decision = decideRetry(claim.attempts, failureOf(error, counter), retry, runtime.random());
    const fields = { ...attributes, reason };
    count(decision.kind === "retry" ? "retried" : "dead");
    if (decision.kind === "retry") {
      runtime.log.warn({ ...fields, delayMs: decision.delayMs }, "job failed; retrying");
      await queue.retry(claim, runtime.now() + decision.delayMs, reason);
    } else {
      runtime.log.error(fields, "job failed for good; it is a dead letter now");
      await queue.deadLetter(claim, reason);
    }
  } finally {
    heartbeat.abort();
  }
}

/**
 * Returns the attributes of a row for logs and spans. The attributes for logs and spans do not contain the owner's id, because
 * it may be an email address.
 */
function attributesOf(claim: ClaimedEvent | ClaimedMessage): SpanAttributes {
  const attempt = claim.attempts;
  if (!("eventId" in claim)) return { hookId: claim.id, hook: claim.hook, attempt };
  const { eventId, type: eventType, objectId, lane } = claim;
  return { eventId, eventType, objectId, lane, attempt };
}

/**
 * Returns the kind of an error: an outage, a refused request or unreadable row, or an unexpected error. A failure that a bug or
 * the app's hook caused may not occur again, so the event or hook is retried a limited number of times.
 */
function failureOf(error: unknown, counter: Counter): Failure {
  if (error instanceof UnreadableRowError) return "refused";
  if (!(error instanceof TollkeeperError)) return "unexpected";
  if (error.retryable) return "outage";
  return counter === "hooks_total" ? "unexpected" : "refused";
}

/** Renews the lease of a row's lane until the returned controller aborts. */
function keepLease(runtime: Runtime, queue: Pick<Queue, "renew">, claim: Claim): AbortController {
  const heartbeat = new AbortController();
  /**
   * Renews the lease of a row's lane once. Resolves with false if another worker has taken over the row's lane. A failed
   * renewal of a lease does no harm, because the fencing token decides which worker may write.
   */
  const renew = (): Promise<boolean> =>
    queue.renew(claim, runtime.now() + LEASE_MS).catch((error: unknown) => {
      runtime.log.warn({ error: describeError(error) }, "failed to renew a lease; retrying");
      return true;
    });
  const beat = async (): Promise<void> => {
    do await runtime.sleep(HEARTBEAT_MS, heartbeat.signal);
    while (!heartbeat.signal.aborted && (await renew()));
  };
  void beat();
  return heartbeat;
}
