/**
 * Makes sure that the mirror is true whatever was lost: first the events since the last time, which Stripe keeps for 30 days,
 * then a sweep of all customers, subscriptions and open invoices. Differences are reported field by field, and repaired by
 * the same writer as everything else. One replica does it at a time; where it dies, another goes on from its last note.
 */
import type { Difference, Drift, Repair } from "../domain/drift.ts";
import type { Runtime } from "../runtime.ts";
import { lookAtEndpoints, type EndpointContext } from "./endpoint-warnings.ts";
import { SWEEP_ABOVE_MISSED, takeMissedEvents } from "./missed-events.ts";
import { SWEPT_LISTS, sweepList, unread, type ListProgress, type SweepContext, type SweptList } from "./sweep-lists.ts";

/** Its gateway is for background work: user-facing calls go before it. */
export type ReconcileContext = SweepContext & EndpointContext;

export interface ReconcileOptions {
  /** Events from then on, epoch milliseconds, where that is before the last time. At most the 30 days that Stripe keeps. */
  since?: number | undefined;
  /**
   * Whether everything is read, too, from the beginning. Default: when that was not done for a day, or events alone can't
   * tell; one that broke off goes on then.
   */
  sweep?: boolean | undefined;
  /** Reports and repairs nothing. Default false. */
  dryRun?: boolean | undefined;
  /** Ends it at the next page; what was done stays done, and the next one goes on. */
  signal?: AbortSignal | undefined;
  /** Told as the work goes on. */
  onProgress?: ((progress: ReconcileProgress) => void) | undefined;
}

export interface ReconcileProgress {
  step: "events" | SweptList;
  /** How many were read so far. */
  read: number;
}

export interface ReconcileReport {
  /** Events that Stripe has, and those among them that had not arrived. */
  events: { read: number; missed: number };
  /** Objects read by the sweep; null where there was none. */
  swept: Record<SweptList, number> | null;
  /** What was found different by the sweep, and has been repaired unless it was a dry run. */
  drift: Drift[];
  /** How many differences there were: `drift` holds the first thousand. */
  differences: number;
  /** What a person should look at in Stripe's dashboard. */
  alarms: string[];
}

const DAY_MS = 86_400_000;
/** Stripe keeps events this long; a little less is sure. */
const EVENTS_KEPT_MS = 29 * DAY_MS;
/** Events are asked for again from before the last time: Stripe may list one late. */
const OVERLAP_MS = 3_600_000;
const SWEEP_EVERY_MS = DAY_MS;
/** Whoever is silent for so long has died. */
const LEASE_MS = 60_000;
/** So often it is noted how far it has come: with each page, that would take a tenth of what the page does. */
const NOTE_EVERY_MS = 1_000;
/** Under this name it is noted when it was last finished. */
export const RECONCILE_TASK = "reconcile";
/** Under this name it is noted when everything was last read. */
const SWEEP_TASK = "sweep";
/** What is kept of a report: past this it is only counted. */
const MAX_REPORTED_DRIFT = 1_000;

/** What an unfinished run has noted. */
interface Progress {
  startedAt: number;
  sweeping: boolean;
  events: { read: number; missed: number } | null;
  lists: Partial<Record<SweptList, ListProgress>>;
  drift: FoundDrift;
}

/** What was found different up to now: the first thousand of it, and how much it was. */
interface FoundDrift {
  first: Drift[];
  count: number;
}

export interface Reconcile {
  /** Null where another replica is at it, or it was told to end. Throws `UnavailableError` when Stripe or the store can't go on. */
  (options?: ReconcileOptions): Promise<ReconcileReport | null>;
}

export function createReconcile(context: ReconcileContext): Reconcile {
  const { store, runtime } = context;
  return async (options = {}) => {
    const { signal } = options;
    if (options.dryRun) {
      const last = await store.tasks.find(RECONCILE_TASK);
      const before = last && { ...last, progress: null };
      return run(context, options, { before, note: async () => signal?.throwIfAborted() });
    }
    const holder = runtime.newId();
    const task = await store.tasks.take(RECONCILE_TASK, holder, runtime.now(), runtime.now() + LEASE_MS);
    if (task === null) return null;
    let latest: Progress | null = null;
    const written = (): string | null => (latest === null ? task.progress : JSON.stringify(latest));
    let heldAt = -Infinity;
    const hold = async (): Promise<void> => {
      signal?.throwIfAborted();
      heldAt = runtime.now();
      if (!(await store.tasks.note(RECONCILE_TASK, holder, heldAt + LEASE_MS, written()))) throw new TakenOverError();
    };
    const heart = new AbortController();
    void keepHolding(context, hold, heart.signal);
    try {
      const report = await run(context, options, {
        before: task,
        note: async (progress) => {
          latest = progress;
          signal?.throwIfAborted();
          if (runtime.now() - heldAt >= NOTE_EVERY_MS) await hold();
        },
      });
      await store.tasks.finish(RECONCILE_TASK, holder, report.startedAt);
      return report;
    } catch (error) {
      if (error instanceof TakenOverError) return null;
      await store.tasks.release(RECONCILE_TASK, holder, written()).catch(() => {});
      if (signal?.aborted) return null;
      throw error;
    } finally {
      heart.abort();
    }
  };
}

/** A page may take longer than a lease. */
async function keepHolding({ runtime }: ReconcileContext, hold: () => Promise<void>, stop: AbortSignal): Promise<void> {
  for (;;) {
    await runtime.sleep(LEASE_MS / 3, stop);
    if (stop.aborted) return;
    await hold().catch((error: unknown) =>
      runtime.log.warn({ error: String(error) }, "the reconcile's lease could not be renewed"),
    );
  }
}

/** Another replica took this one for dead, and goes on with the work. */
class TakenOverError extends Error {
  override readonly name = "TakenOverError";
}

interface Run {
  before: { progress: string | null; finishedAt: number | null } | null;
  note(progress: Progress): Promise<void>;
}

async function run(
  context: ReconcileContext,
  options: ReconcileOptions,
  how: Run,
): Promise<ReconcileReport & { startedAt: number }> {
  return context.runtime.trace("reconcile", { dry_run: options.dryRun ?? false }, async (note) => {
    const report = await readAndRepair(context, options, how);
    note({ missed: report.events.missed, differences: report.differences, alarms: report.alarms.length });
    return report;
  });
}

async function readAndRepair(
  context: ReconcileContext,
  options: ReconcileOptions,
  { before, note }: Run,
): Promise<ReconcileReport & { startedAt: number }> {
  const { store, runtime } = context;
  const dryRun = options.dryRun ?? false;
  const { progress, since } = await plan(context, options, before);
  progress.events ??= await takeMissedEvents(context, {
    since,
    dryRun,
    sweeping: progress.sweeping,
    onPage: (read) => {
      options.onProgress?.({ step: "events", read });
      return note(progress);
    },
  });
  // So many hints cost more requests than lists do.
  progress.sweeping ||= options.sweep !== false && progress.events.missed > SWEEP_ABOVE_MISSED;
  await note(progress);
  const troubles = progress.sweeping ? await readLists(context, options, { progress, note }) : [];
  // What no list has answered waits for nothing any more.
  if (!dryRun) await store.inbox.hasten(runtime.now());
  const alarms = [...troubles, ...(await lookAtEndpoints(context))];
  for (const alarm of alarms) runtime.log.error({ alarm }, "something at Stripe needs a person's look");
  const { startedAt, events, sweeping, lists, drift } = progress;
  const swept = Object.fromEntries(SWEPT_LISTS.map((list) => [list, lists[list]?.read ?? 0]));
  return {
    startedAt,
    events,
    swept: sweeping ? (swept as Record<SweptList, number>) : null,
    drift: drift.first,
    differences: drift.count,
    alarms,
  };
}

/** Where it goes on or begins, and from when on events are read. */
async function plan(
  { store, runtime }: ReconcileContext,
  options: ReconcileOptions,
  before: Run["before"],
): Promise<{ progress: Progress; since: number }> {
  const now = runtime.now();
  // Who asks for something does not get the rest of what another run broke off: that would miss what has changed since.
  const isAsked = options.sweep === true || options.since !== undefined;
  const resumed = before?.progress && !isAsked ? (JSON.parse(before.progress) as Partial<Progress>) : {};
  const finishedAt = before?.finishedAt ?? null;
  const lastSweep = (await store.tasks.find(SWEEP_TASK))?.finishedAt ?? null;
  const isDue = lastSweep === null || now - lastSweep >= SWEEP_EVERY_MS || (finishedAt ?? 0) < now - EVENTS_KEPT_MS;
  const begun: Progress = {
    startedAt: now,
    sweeping: options.sweep ?? isDue,
    events: null,
    lists: {},
    drift: { first: [], count: 0 },
  };
  const progress = { ...begun, ...resumed };
  // An account that is filled in: nobody waits to be told of what its events tell, and there may be very many.
  const isNew = finishedAt === null && progress.sweeping && (await store.inbox.lastSeq()) === 0;
  const readUntil = isNew ? now : (finishedAt ?? 0);
  // Never from later than the last time: what lies between would be read by nobody.
  const since = Math.max(Math.min(options.since ?? Infinity, readUntil - OVERLAP_MS), now - EVENTS_KEPT_MS);
  return { progress, since };
}

/** Answers what could not be read. */
async function readLists(
  context: ReconcileContext,
  options: ReconcileOptions,
  { progress, note }: { progress: Progress; note: Run["note"] },
): Promise<string[]> {
  const troubles: string[] = [];
  const states: ListProgress[] = [];
  let customersEnded: number[] = [];
  for (const list of SWEPT_LISTS) {
    // Subscriptions are spread over time much as customers are; of open invoices there are few.
    const spread = list === "subscriptions" ? customersEnded : [];
    const state = (progress.lists[list] ??= unread(spread));
    states.push(state);
    const pageEnds = await sweepList(context, {
      list,
      state,
      dryRun: options.dryRun ?? false,
      signal: options.signal,
      onDrift: (differences, repairedBy) => noteDrift(context.runtime, progress.drift, differences, repairedBy),
      onTrouble: (trouble) => troubles.push(trouble),
      onPage: () => {
        options.onProgress?.({ step: list, read: state.read });
        return note(progress);
      },
    });
    if (list === "customers") customersEnded = pageEnds;
  }
  // One that was broken off has missed what the lists no longer have: the next reconcile sweeps again.
  if (!options.dryRun && states.every(({ whole }) => whole))
    await context.store.tasks.mark(SWEEP_TASK, progress.startedAt);
  return troubles;
}

function noteDrift(
  { metrics }: Runtime,
  found: FoundDrift,
  differences: readonly Difference[],
  repairedBy: Repair | null,
): void {
  const told = differences.slice(0, MAX_REPORTED_DRIFT - found.first.length);
  found.first.push(...told.map((difference) => ({ ...difference, repairedBy })));
  found.count += differences.length;
  // With each page, since a run that breaks off has repaired what it found.
  if (repairedBy !== null) metrics.count("drift_total", {}, differences.length);
}
