/**
 * Stops a sweep that would end too many subscriptions, before the sweep writes anything. Reads Stripe's list of subscriptions
 * that have not ended, and compares it with the mirror's live subscriptions.
 */
import { isMassEnd, MIN_STOPPING_ENDS, type MassEnd } from "../domain/mass-end.ts";
import { FINAL_STATUSES } from "../domain/subscription.ts";
import { raiseAlarm } from "../runtime.ts";
import type { Store } from "../store/store.ts";
import { READERS, readRanges } from "./read-ranges.ts";
import type { SweepContext } from "./sweep-context.ts";
import { notStarted } from "./sweep-lists.ts";

/**
 * Name of the task whose database row holds the time of the last complete sweep. If the last sweep stopped, the task's progress
 * holds the numbers of live and ending subscriptions.
 */
export const SWEEP_TASK = "sweep";

export interface StopMassEndOptions {
  /** If true, a stop is neither recorded nor reported as an alarm. */
  dryRun: boolean;
  /** This function is called after each page of Stripe's list. */
  onPage(): Promise<void>;
}

/**
 * Returns the numbers of live and ending subscriptions if the sweep must stop; otherwise null. Throws if Stripe or the store is
 * unavailable.
 */
export async function stopMassEnd(
  context: SweepContext,
  { dryRun, onPage }: StopMassEndOptions,
): Promise<MassEnd | null> {
  const { store, runtime } = context;
  const counts = await countEnds(context, onPage);
  const stopped = isMassEnd(counts) ? counts : null;
  if (dryRun) return stopped;
  if (stopped !== null || (await isSweepStopped(store)))
    await store.tasks.recordProgress(SWEEP_TASK, stopped && JSON.stringify(stopped));
  if (stopped !== null) raiseAlarm(runtime, "sweep_stopped", stopped);
  return stopped;
}

/** Returns true if the last sweep stopped because it would have ended too many subscriptions. */
export async function isSweepStopped({ tasks }: Pick<Store, "tasks">): Promise<boolean> {
  return ((await tasks.find(SWEEP_TASK))?.progress ?? null) !== null;
}

async function countEnds({ store, gateway, runtime }: SweepContext, onPage: () => Promise<void>): Promise<MassEnd> {
  const mirrored = await store.subscriptions.listLiveIds(runtime.billingNow());
  // So few subscriptions never stop a sweep, so their state at Stripe is not read.
  if (mirrored.length < MIN_STOPPING_ENDS) return { live: mirrored.length, ending: 0 };
  const missing = new Set(mirrored);
  await readRanges({
    ranges: notStarted().left,
    readers: READERS,
    position: async () => null,
    read: gateway.listUnendedSubscriptionPage,
    handle: async ({ rows }) => {
      for (const { id, status } of rows) if (!FINAL_STATUSES.some((final) => final === status)) missing.delete(id);
    },
    progress: onPage,
  });
  return { live: mirrored.length, ending: missing.size };
}
