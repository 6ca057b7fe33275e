/**
 * Repairs the mirror (the local copy of Stripe's objects) after events were lost. First, reconcile reads the events that Stripe
 * created since the last reconcile. Stripe keeps events for 30 days. After the events, reconcile sweeps: it reads all
 * customers, subscriptions, open invoices, refunds and disputes. Reconcile reports each field that differs from the mirror, and
 * repairs each difference through `sync`. A sweep that would end many live subscriptions stops instead. Only one replica
 * reconciles at a time. If the replica that reconciles dies, another replica continues the reconcile from the saved progress.
 */
import type { Difference, Drift, Repair } from "../domain/drift.ts";
import { describeError } from "../domain/log-text.ts";
import type { MassEnd } from "../domain/mass-end.ts";
import { parseStored } from "../domain/stored-json.ts";
import type { Runtime } from "../runtime.ts";
import { checkEndpoints, type EndpointContext } from "./endpoint-warnings.ts";
import { importMissedEvents, SWEEP_ABOVE_MISSED } from "./missed-events.ts";
import { stopMassEnd, SWEEP_TASK } from "./stop-mass-end.ts";
import { SWEPT_LISTS, type SweepContext, type SweptList } from "./sweep-context.ts";
import { notStarted, sweepList, type ListProgress } from "./sweep-lists.ts";

/**
 * The parts of the service that reconcile uses, such as the store and the gateway. Requests of reconcile's gateway have the
 * urgency of sweeps, so requests for users and events go first.
 */
export type ReconcileContext = SweepContext & EndpointContext;

export interface ReconcileOptions {
  /**
   * Instant in epoch milliseconds. If it is before the last reconcile, reconcile reads Stripe's events since this instant. The
   * instant since which events are read may be at most 30 days ago.
   */
  since?: number | undefined;
  /**
   * If true, reconcile compares the whole mirror with Stripe's lists. If false, reconcile does not compare the mirror with
   * Stripe's lists. By default, reconcile compares the mirror with Stripe's lists once a day, after many missed events, and to
   * continue an interrupted comparison.
   */
  sweep?: boolean | undefined;
  /**
   * If true, reconcile sweeps even if the sweep ends many subscriptions. If false, a sweep that would end 10 or more, and over
   * 20 %, of the live subscriptions stops and changes nothing. Default false.
   */
  accept?: boolean | undefined;
  /** If true, reconcile reports differences between Stripe and the mirror without repairing them. Default false. */
  dryRun?: boolean | undefined;
  /**
   * If this signal aborts, the reconcile ends after the current page of a list. The next reconcile continues from the saved
   * progress of the aborted reconcile.
   */
  signal?: AbortSignal | undefined;
  /** This function is called after each page of a list with the progress of the reconcile. */
  onProgress?: ((progress: ReconcileProgress) => void) | undefined;
}

export interface ReconcileProgress {
  step: "events" | SweptList;
  /** Number of rows that the current step of the reconcile has read from Stripe so far. */
  read: number;
}

export interface ReconcileReport {
  /**
   * Number of events that Stripe listed, number of listed events that no webhook had delivered, and the instant since which
   * events were listed. The instant is later than the option `since` if Stripe no longer keeps events that old.
   */
  events: EventCounts;
  /** Number of objects that the sweep read from each of Stripe's lists; null if there was no sweep. */
  swept: Record<SweptList, number> | null;
  /**
   * Numbers of live and of ending subscriptions if the sweep stopped, because it would have ended too many subscriptions;
   * otherwise null. A dry run reports these numbers and sweeps.
   */
  sweepStopped: MassEnd | null;
  /**
   * The first 1,000 differences that the sweep found. The differences in the report are repaired, unless the run was a dry run.
   */
  drift: Drift[];
  /** Number of all differences that the sweep found. */
  differences: number;
  /** Warnings about settings at Stripe that an operator should check, one sentence each. */
  warnings: string[];
}

interface EventCounts {
  read: number;
  missed: number;
  since: number;
}

const DAY_MS = 86_400_000;
/** Milliseconds for which reconcile expects Stripe to keep events: 30 days, less one day for safety. */
const EVENTS_KEPT_MS = 29 * DAY_MS;
/**
 * Reconcile reads the events of this many milliseconds before the last reconcile again, because Stripe may list an event late.
 */
const OVERLAP_MS = 3_600_000;
const SWEEP_EVERY_MS = DAY_MS;
const LEASE_MS = 60_000;
/**
 * Milliseconds between two saves of the reconcile's progress. Saving the progress after each list page would take a tenth of
 * the time needed to read the page.
 */
const SAVE_INTERVAL_MS = 1_000;
/** Name of the task whose database row holds the reconcile's lease, its progress and the time of its last run. */
export const RECONCILE_TASK = "reconcile";
const MAX_REPORTED_DRIFT = 1_000;

/** The saved progress of an unfinished reconcile. */
interface Progress {
  startedAt: number;
  sweeping: boolean;
  /** True if the sweep may end subscriptions: few subscriptions end, or an operator accepted the sweep. */
  mayEnd: boolean;
  sweepStopped: MassEnd | null;
  events: EventCounts | null;
  lists: Partial<Record<SweptList, ListProgress>>;
  drift: DriftSummary;
}

interface DriftSummary {
  /** The first 1,000 differences that the reconcile found. */
  first: Drift[];
  count: number;
}

export interface Reconcile {
  /**
   * Runs one reconcile and returns its report. Returns null if another replica is reconciling or the signal aborted. Throws
   * `UnavailableError` if Stripe or the store is unavailable.
   */
  (options?: ReconcileOptions): Promise<ReconcileReport | null>;
}

export function createReconcile(context: ReconcileContext): Reconcile {
  const { tasks } = context.store;
  return async (options = {}) => {
    if (!options.dryRun) return runUnderLease(context, options);
    const last = await tasks.find(RECONCILE_TASK);
    return run(context, options, {
      before: last && { ...last, progress: null },
      saveProgress: async () => options.signal?.throwIfAborted(),
    });
  };
}

async function runUnderLease(context: ReconcileContext, options: ReconcileOptions): Promise<ReconcileReport | null> {
  const { runtime } = context;
  const { tasks } = context.store;
  const { signal } = options;
  const holder = runtime.newId();
  const task = await tasks.acquire(RECONCILE_TASK, holder, runtime.now(), runtime.now() + LEASE_MS);
  if (task === null) return null;
  let latest: Progress | null = null;
  const toSave = (): string | null => (latest === null ? task.progress : JSON.stringify(latest));
  let renewedAt = -Infinity;
  const renewLease = async (): Promise<void> => {
    signal?.throwIfAborted();
    renewedAt = runtime.now();
    if (!(await tasks.renewLease(RECONCILE_TASK, holder, renewedAt + LEASE_MS, toSave()))) throw new LeaseTakenError();
  };
  const heartbeat = new AbortController();
  void keepLease(context, renewLease, heartbeat.signal);
  try {
    const report = await run(context, options, {
      before: task,
      saveProgress: async (progress) => {
        latest = progress;
        signal?.throwIfAborted();
        if (runtime.now() - renewedAt >= SAVE_INTERVAL_MS) await renewLease();
      },
    });
    await tasks.finish(RECONCILE_TASK, holder, report.startedAt);
    return report;
  } catch (error) {
    if (error instanceof LeaseTakenError) return null;
    await tasks.release(RECONCILE_TASK, holder, toSave()).catch(() => {});
    if (signal?.aborted) return null;
    throw error;
  } finally {
    heartbeat.abort();
  }
}

/**
 * Renews the reconcile's lease in the background until the signal aborts, because reading one page may take longer than a
 * lease.
 */
async function keepLease(
  { runtime }: ReconcileContext,
  renewLease: () => Promise<void>,
  stop: AbortSignal,
): Promise<void> {
  for (;;) {
    await runtime.sleep(LEASE_MS / 3, stop);
    if (stop.aborted) return;
    await renewLease().catch((error: unknown) =>
      runtime.log.warn({ error: describeError(error) }, "failed to renew the lease of reconcile; retrying"),
    );
  }
}

/** The error that ends a reconcile because another replica has taken over its lease and continues the work. */
class LeaseTakenError extends Error {
  override readonly name = "LeaseTakenError";
}

interface Run {
  /** The reconcile task's row in the database before the current reconcile started. */
  before: { progress: string | null; finishedAt: number | null } | null;
  saveProgress(progress: Progress): Promise<void>;
}

type TimedReport = ReconcileReport & { startedAt: number };

async function run(context: ReconcileContext, options: ReconcileOptions, current: Run): Promise<TimedReport> {
  return context.runtime.trace("reconcile", { dry_run: options.dryRun ?? false }, async (note) => {
    const report = await readAndRepair(context, options, current);
    note({ missed: report.events.missed, differences: report.differences, warnings: report.warnings.length });
    return report;
  });
}

async function readAndRepair(context: ReconcileContext, options: ReconcileOptions, current: Run): Promise<TimedReport> {
  const { store, runtime } = context;
  const dryRun = options.dryRun ?? false;
  const { progress, since } = await plan(context, options, current.before);
  const save = (): Promise<void> => current.saveProgress(progress);
  progress.events ??= {
    ...(await importMissedEvents(context, {
      since,
      dryRun,
      sweeping: progress.sweeping,
      onPage: (read) => {
        options.onProgress?.({ step: "events", read });
        return save();
      },
    })),
    since,
  };
  // If the webhook missed many events, a sweep of all lists needs fewer requests than a retrieve of each event's object.
  progress.sweeping ||= options.sweep !== false && progress.events.missed > SWEEP_ABOVE_MISSED;
  await save();
  if (progress.sweeping && !progress.mayEnd) {
    progress.sweepStopped = await stopMassEnd(context, { dryRun, onPage: save });
    progress.mayEnd = progress.sweepStopped === null;
    // A dry run changes nothing, so it also reports the differences of a sweep that would stop.
    progress.sweeping = progress.mayEnd || dryRun;
    await save();
  }
  const problems = progress.sweeping ? await sweepLists(context, options, { progress, current }) : [];
  // After a sweep, the worker processes the missed events that the sweep did not cover.
  if (!dryRun) await store.inbox.releaseDeferred(runtime.now());
  const warnings = [...problems, ...(await checkEndpoints(context))];
  for (const warning of warnings) runtime.log.error({ warning }, "an operator should check this at Stripe");
  return toReport(progress, warnings);
}

function toReport(
  { startedAt, events, sweeping, sweepStopped, lists, drift }: Progress,
  warnings: string[],
): TimedReport {
  const swept = Object.fromEntries(SWEPT_LISTS.map((list) => [list, lists[list]?.read ?? 0]));
  return {
    startedAt,
    events: events ?? { read: 0, missed: 0, since: startedAt },
    swept: sweeping ? (swept as Record<SweptList, number>) : null,
    sweepStopped,
    drift: drift.first,
    differences: drift.count,
    warnings,
  };
}

/** Decides if a reconcile continues an interrupted reconcile. Also decides the instant since which reconcile reads events. */
async function plan(
  { store, runtime }: ReconcileContext,
  options: ReconcileOptions,
  before: Run["before"],
): Promise<{ progress: Progress; since: number }> {
  const now = runtime.now();
  // If the caller asks for a sweep or for events since an instant, the reconcile ignores the saved progress of an interrupted
  // one. A continued reconcile would miss changes of objects that it read before the interruption.
  const accept = options.accept === true;
  const isExplicit = options.sweep === true || accept || options.since !== undefined;
  const resumed = isExplicit ? null : (parseStored(before?.progress ?? null) as Partial<Progress> | null);
  const finishedAt = before?.finishedAt ?? null;
  const lastSweep = (await store.tasks.find(SWEEP_TASK))?.finishedAt ?? null;
  const isLate = lastSweep === null || now - lastSweep >= SWEEP_EVERY_MS || (finishedAt ?? 0) < now - EVENTS_KEPT_MS;
  const isDue = accept || isLate;
  const started: Progress = {
    startedAt: now,
    sweeping: options.sweep ?? isDue,
    mayEnd: accept,
    sweepStopped: null,
    events: null,
    lists: {},
    drift: { first: [], count: 0 },
  };
  const progress = { ...started, ...resumed };
  // The first import of an account skips old events, because no hook needs them and their number may be very large.
  const isFirstImport = finishedAt === null && progress.sweeping && (await store.inbox.lastSeq()) === 0;
  const readUntil = isFirstImport ? now : (finishedAt ?? 0);
  // Each reconcile reads at least the events since the start of the last one, so that no event is skipped.
  const since = Math.max(Math.min(options.since ?? Infinity, readUntil - OVERLAP_MS), now - EVENTS_KEPT_MS);
  return { progress, since };
}

/** Sweeps all lists. Returns one sentence for each object of Stripe that could not be read. */
async function sweepLists(
  context: ReconcileContext,
  options: ReconcileOptions,
  { progress, current }: { progress: Progress; current: Run },
): Promise<string[]> {
  const problems: string[] = [];
  const lists: ListProgress[] = [];
  let customerPageEnds: number[] = [];
  for (const list of SWEPT_LISTS) {
    // Creation times of subscriptions are distributed like those of customers. So the creation times of the customers show how
    // to split the list of subscriptions. The list of open invoices is too short to split it into ranges.
    const listProgress = (progress.lists[list] ??= notStarted(list === "subscriptions" ? customerPageEnds : []));
    lists.push(listProgress);
    const pageEnds = await sweepList(context, {
      list,
      progress: listProgress,
      dryRun: options.dryRun ?? false,
      signal: options.signal,
      onDrift: (differences, repairedBy) => recordDrift(context.runtime, progress.drift, differences, repairedBy),
      onProblem: (problem) => problems.push(problem),
      onPage: () => {
        options.onProgress?.({ step: list, read: listProgress.read });
        return current.saveProgress(progress);
      },
    });
    if (list === "customers") customerPageEnds = pageEnds;
  }
  // A sweep that was interrupted has not checked the objects that are missing in the lists, so the next reconcile sweeps again.
  if (!options.dryRun && lists.every(({ readInOneRun }) => readInOneRun))
    await context.store.tasks.recordFinished(SWEEP_TASK, progress.startedAt);
  return problems;
}

function recordDrift(
  { metrics }: Runtime,
  summary: DriftSummary,
  differences: readonly Difference[],
  repairedBy: Repair | null,
): void {
  const reported = differences.slice(0, MAX_REPORTED_DRIFT - summary.first.length);
  summary.first.push(...reported.map((difference) => ({ ...difference, repairedBy })));
  summary.count += differences.length;
  // The metric of differences is updated after each list page, because even an interrupted reconcile has repaired the pages
  // that it read.
  if (repairedBy !== null) metrics.count("drift_total", {}, differences.length);
}
