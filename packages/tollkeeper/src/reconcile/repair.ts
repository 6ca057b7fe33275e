/** Writes objects from Stripe's lists to the mirror, reports the differences, and completes the events that a list covers. */
import type { Difference } from "../domain/drift.ts";
import { describeError } from "../domain/log-text.ts";
import type { Runtime } from "../runtime.ts";
import type { Sample, Store } from "../store/store.ts";
import type { SyncedObject } from "../stripe/webhook/event-types.ts";
import type { Snapshot } from "../sync/retrieve.ts";
import type { PageState, SweepContext } from "./sweep-context.ts";

/**
 * Number of written lanes after which the database's statistics are updated for the first time. After the first update, the
 * statistics are updated each time the number of written lanes has doubled.
 */
const LANES_BEFORE_ANALYSIS = 1_000;

/**
 * The differences between one row of Stripe's list and the mirror. `lane` is null if a repair retrieves the object from Stripe
 * instead of writing it from the list.
 */
export interface RowDrift {
  lane: string | null;
  differences: Difference[];
}

/**
 * Writes snapshots of Stripe's objects to the mirror. Skips lanes that were written since their version was read. Retrieves the
 * objects of lanes that were written after their version was read. Returns the lanes whose objects were retrieved from Stripe.
 */
export async function repair(
  { store, sync, runtime }: SweepContext,
  { versions, forEachLimited, written }: PageState,
  object: Extract<SyncedObject, "customer" | "subscription">,
  snapshots: ReadonlyMap<string, Snapshot>,
): Promise<ReadonlySet<string>> {
  if (snapshots.size === 0) return new Set();
  // If another page of the list has written the lane, the lane's objects are also retrieved from Stripe, because the current
  // page may be outdated.
  const stale = await sync.writeListed(snapshots, versions);
  const toRetrieve = stale.flatMap((lane) => {
    const snapshot = snapshots.get(lane);
    const rows = object === "customer" ? snapshot?.customers : snapshot?.subscriptions;
    return (rows ?? []).map(({ id }) => ({ id, lane }));
  });
  await forEachLimited(toRetrieve, ({ id, lane }) => sync.object({ object, id, customerId: lane }));
  written.lanes += snapshots.size;
  if (written.lanes >= Math.max(LANES_BEFORE_ANALYSIS, written.atLastAnalysis * 2)) {
    written.atLastAnalysis = written.lanes;
    await analyze(store, runtime, "small");
  }
  return new Set(stale);
}

/**
 * Reports the differences between the rows of a list page and the mirror. `retrieved` contains the lanes whose objects were
 * retrieved from Stripe; it is undefined in a dry run.
 */
export function reportDrift({ onDrift }: PageState, drift: readonly RowDrift[], retrieved?: ReadonlySet<string>): void {
  for (const { lane, differences } of drift) {
    const wasRetrieved = lane === null || retrieved?.has(lane);
    onDrift(differences, retrieved ? (wasRetrieved ? "retrieve" : "list") : null);
  }
}

/**
 * Completes pending events about listed objects that arrived before the list was requested. Returns the number of completed
 * events.
 */
export function completeEvents(
  { store, runtime }: SweepContext,
  { failed }: PageState,
  { ids, pendingIds, upToSeq }: { ids: readonly string[]; pendingIds: ReadonlySet<string>; upToSeq: number },
): Promise<number> {
  const covered = ids.filter((id) => pendingIds.has(id) && !failed.has(id));
  return store.inbox.completeCovered(covered, upToSeq, runtime.now());
}

/** Updates the database's statistics about its tables. If the update fails, writes a log line and continues. */
export async function analyze(store: Store, runtime: Runtime, sample: Sample): Promise<void> {
  await store.analyze(sample).catch((error: unknown) => {
    runtime.log.warn({ error: describeError(error) }, "failed to analyze the store; queries may be slow for a minute");
  });
}
