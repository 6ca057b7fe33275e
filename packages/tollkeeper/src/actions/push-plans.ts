/** Makes in Stripe what the plans in code say and Stripe lacks. Never deletes. */
import { diffCatalog, type CatalogChange } from "../domain/catalog.ts";
import { IDEMPOTENCY_KEY_LIFETIME_MS } from "../domain/operations.ts";
import { lookupKey, type Plans } from "../domain/plans.ts";
import type { Runtime } from "../runtime.ts";
import type { StripeGateway } from "../stripe/gateway/gateway.ts";

/** What `pushPlans` would do now. */
export async function planChanges(gateway: StripeGateway, plans: Plans): Promise<CatalogChange[]> {
  const keys = plans.flatMap((plan) => plan.prices.map((price) => lookupKey(plan.id, price.interval)));
  const [products, prices] = await Promise.all([gateway.listProducts(), gateway.listPricesByLookupKey(keys)]);
  return diffCatalog(plans, products, prices);
}

/**
 * Carries the changes out in order; tells of each when it is done. After a crash, run it again: what was made is then
 * no longer a difference.
 */
export async function pushPlans(
  gateway: StripeGateway,
  changes: readonly CatalogChange[],
  { newId, now }: Pick<Runtime, "newId" | "now">,
  onDone: (change: CatalogChange) => void = () => {},
): Promise<void> {
  const made = new Map<string, string>();
  for (const change of changes) {
    const key = { value: `plans_${newId()}`, endsAt: now() + IDEMPOTENCY_KEY_LIFETIME_MS };
    if (change.kind === "create_product") made.set(change.plan.id, (await gateway.createProduct(change.plan, key)).id);
    else if (change.kind === "rename_product") await gateway.renameProduct(change.productId, change.plan.name, key);
    else {
      const productId = change.productId ?? made.get(change.plan.id);
      if (productId === undefined) throw new Error(`plan ${change.plan.id} has no product to put its price under`);
      await gateway.createPrice(change.plan, change.price, productId, key);
    }
    onDone(change);
  }
}
