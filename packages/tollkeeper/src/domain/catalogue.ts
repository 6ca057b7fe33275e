/**
 * Decides which plans and which policy count if several versions of the app run at the same time, and if a plan was removed.
 */
import type { AccessPolicy } from "./access.ts";
import { findPlan, planOfPrice, type Plan, type Plans } from "./plans.ts";

/** The plans and the access policy of one version of the app. */
export interface Catalogue {
  plans: Plans;
  policy: AccessPolicy;
}

/** A catalogue that a version of the app has registered in the database. */
export interface RegisteredCatalogue extends Catalogue {
  fingerprint: string;
  /** Number of the catalogue in the order in which catalogues were registered first. */
  generation: number;
}

/**
 * Returns the catalogue that counts for all replicas: among the catalogues of the running replicas, the one that was registered
 * first last. An old replica that restarts during a deploy does not bring its catalogue back. Returns null for an empty list.
 */
export function chooseCatalogue(running: readonly RegisteredCatalogue[]): RegisteredCatalogue | null {
  const isNewer = (one: RegisteredCatalogue, other: RegisteredCatalogue): boolean =>
    one.generation > other.generation || (one.generation === other.generation && one.fingerprint > other.fingerprint);
  let newest: RegisteredCatalogue | null = null;
  for (const one of running) if (newest === null || isNewer(one, newest)) newest = one;
  return newest;
}

/**
 * Adds the plans that were removed from the code. A removed plan is not sold, and its subscribers keep its last known features.
 */
export function withRemovedPlans(plans: Plans, known: Plans): Plan[] {
  const removed = known.filter(({ id }) => findPlan(plans, id) === undefined);
  return [...plans, ...removed.map((plan) => ({ ...plan, retired: true }))];
}

/** Number of live subscriptions whose items have the same plan and app in the product's metadata and the same lookup key. */
export interface SubscriptionCount {
  plan: string | null;
  app: string | null;
  lookupKey: string | null;
  count: number;
}

/** Returns the ids of the removed plans that users pay for, with the number of live subscriptions of each. */
export function findPaidRemovedPlans(
  plans: Plans,
  known: Plans,
  counts: readonly SubscriptionCount[],
): { plan: string; subscriptions: number }[] {
  const all = withRemovedPlans(plans, known);
  const paid = new Map<string, number>();
  for (const { plan, app, lookupKey, count } of counts) {
    const found = planOfPrice(all, { lookupKey }, { plan, app });
    if (found && findPlan(plans, found.id) === undefined) paid.set(found.id, (paid.get(found.id) ?? 0) + count);
  }
  return [...paid].map(([plan, subscriptions]) => ({ plan, subscriptions }));
}
