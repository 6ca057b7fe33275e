/**
 * Compares the access of all owners with the access that hooks announced last, after the plans, the policy or a product's plan
 * has changed. Hooks report the differences. One replica compares, in batches. If this replica dies, another replica continues
 * from the saved progress.
 */
import { findPaidRemovedPlans } from "../domain/catalogue.ts";
import type { BillingOwner } from "../domain/owner.ts";
import { findPlan, type Plans } from "../domain/plans.ts";
import { parseStored } from "../domain/stored-json.ts";
import { raiseAlarm, type Runtime } from "../runtime.ts";
import type { Store } from "../store/store.ts";
import type { Sync } from "../sync/sync.ts";
import { PRODUCT_PLANS_TASK } from "../sync/changed-products.ts";

export interface CompareAccessContext {
  store: Store;
  sync: Pick<Sync, "announceAccess">;
  runtime: Runtime;
  /** Returns the fingerprint of the plans and policy that count, and true if no replica has others. */
  follow(): Promise<{ fingerprint: string; isShared: boolean }>;
}

export interface CompareAccess {
  /** Compares if something has changed since the last comparison. Returns the number of compared owners. */
  (signal: AbortSignal): Promise<number>;
}

const COMPARE_TASK = "compare_access";
const LEASE_MS = 60_000;
/** Number of owners whose access is decided in one transaction. */
const BATCH = 200;

/** The saved progress of the comparison. */
interface Progress {
  /** The plans, the policy and the products for which the comparison runs or has run. */
  compared: string;
  /** The last owner that was compared; null before the first batch. */
  after: BillingOwner | null;
  isDone: boolean;
  /**
   * True if replicas with other plans ran during the comparison. They may have announced access by their own plans, so the
   * comparison runs once more when they have ended.
   */
  isMixed: boolean;
}

export function createCompareAccess(context: CompareAccessContext): CompareAccess {
  const { store, runtime } = context;
  return async (signal) => {
    const { fingerprint, isShared } = await context.follow();
    const products = (await store.tasks.find(PRODUCT_PLANS_TASK))?.progress ?? "";
    const compared = `${fingerprint} ${products}`;
    const saved = readProgress((await store.tasks.find(COMPARE_TASK))?.progress ?? null);
    if (saved?.compared === compared && saved.isDone && (!saved.isMixed || !isShared)) return 0;
    const holder = runtime.newId();
    const task = await store.tasks.acquire(COMPARE_TASK, holder, runtime.now(), runtime.now() + LEASE_MS);
    if (task === null) return 0;
    const before = readProgress(task.progress);
    const isResumed = before?.compared === compared && !before.isDone;
    const isMixed = !isShared || (isResumed && before.isMixed);
    const progress: Progress = { compared, after: isResumed ? before.after : null, isDone: false, isMixed };
    try {
      return await compareAll(context, { progress, holder, signal });
    } finally {
      await store.tasks.release(COMPARE_TASK, holder, JSON.stringify(progress)).catch(() => {});
    }
  };
}

async function compareAll(
  { store, sync, runtime }: CompareAccessContext,
  { progress, holder, signal }: { progress: Progress; holder: string; signal: AbortSignal },
): Promise<number> {
  let count = 0;
  while (!signal.aborted) {
    const owners = await store.catalogues.listOwners(progress.after, BATCH);
    if (owners.length > 0) await sync.announceAccess(owners);
    count += owners.length;
    progress.after = owners.at(-1) ?? progress.after;
    progress.isDone = owners.length < BATCH;
    if (progress.isDone) break;
    const leasedUntil = runtime.now() + LEASE_MS;
    if (!(await store.tasks.renewLease(COMPARE_TASK, holder, leasedUntil, JSON.stringify(progress)))) return count;
  }
  return count;
}

function readProgress(json: string | null): Progress | null {
  return parseStored(json) as Progress | null;
}

/** Raises an alarm for each plan that is no longer in the code and that users pay for. */
export async function reportRemovedPlans(
  { store, runtime }: { store: Pick<Store, "catalogues" | "subscriptions">; runtime: Runtime },
  code: Plans,
): Promise<void> {
  const known = await store.catalogues.listKnownPlans();
  if (known.every(({ id }) => findPlan(code, id) !== undefined)) return;
  for (const paid of findPaidRemovedPlans(code, known, await store.subscriptions.countLiveByPrice()))
    raiseAlarm(runtime, "plan_removed", paid);
}
