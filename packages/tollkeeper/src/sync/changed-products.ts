/** Notices that a product or price belongs to another plan than before, so that the access of its subscribers is compared. */
import type { Runtime } from "../runtime.ts";
import type { StoreParts } from "../store/store.ts";
import type { Snapshot } from "./retrieve.ts";

/** Name of the task whose progress changes with each change of a product's or a price's plan. */
export const PRODUCT_PLANS_TASK = "product_plans";

/**
 * Records a change of a product's plan or of a price's lookup key, if a mirrored subscription uses the product or price. Must
 * run before the snapshots are written.
 */
export async function recordChangedProducts(
  parts: StoreParts,
  snapshots: readonly Snapshot[],
  runtime: Pick<Runtime, "newId">,
): Promise<void> {
  const products = snapshots.flatMap(({ products: own, embedded, removed }) => [
    ...[...own, ...embedded.products].map(({ id, plan, app }) => ({ id, plan, app })),
    ...(removed.product === undefined ? [] : [{ id: removed.product, plan: null, app: null }]),
  ]);
  const prices = snapshots.flatMap(({ prices: own, removed }) => [
    ...own.map(({ id, lookupKey }) => ({ id, lookupKey })),
    ...(removed.price === undefined ? [] : [{ id: removed.price, lookupKey: null }]),
  ]);
  if (products.length === 0 && prices.length === 0) return;
  if (await parts.products.changesPlans(products, prices))
    await parts.tasks.recordProgress(PRODUCT_PLANS_TASK, runtime.newId());
}
