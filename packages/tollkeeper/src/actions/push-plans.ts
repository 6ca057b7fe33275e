/**
 * Creates the products and prices at Stripe that the plans in code need. The command `plans push` never deletes a product or
 * price at Stripe.
 */
import { diffProducts, findPricesOfOtherApps, type ProductChange } from "../domain/product-changes.ts";
import { IDEMPOTENCY_KEY_LIFETIME_MS } from "../domain/operations.ts";
import { lookupKey, type Plans } from "../domain/plans.ts";
import { ConfigError } from "../errors.ts";
import type { Runtime } from "../runtime.ts";
import type { StripeGateway } from "../stripe/gateway/gateway.ts";

/**
 * Returns the changes of products and prices that `pushPlans` would make now. Throws `ConfigError` if a price with one of the
 * plans' lookup keys belongs to another app.
 */
export async function planChanges(gateway: StripeGateway, plans: Plans): Promise<ProductChange[]> {
  const keys = plans.flatMap((plan) => plan.prices.map((price) => lookupKey(plan.id, price.interval, plan.app)));
  const [products, prices] = await Promise.all([gateway.listProducts(), gateway.listPricesByLookupKey(keys)]);
  const problems = findPricesOfOtherApps(plans, products, prices);
  if (problems.length > 0) throw new ConfigError(problems);
  return diffProducts(plans, products, prices);
}

/**
 * Makes the changes of products and prices at Stripe in order, and calls `onDone` after each change. After a crash, call
 * `pushPlans` again to make the changes that are still missing.
 */
export async function pushPlans(
  gateway: StripeGateway,
  changes: readonly ProductChange[],
  { newId, now }: Pick<Runtime, "newId" | "now">,
  onDone: (change: ProductChange) => void = () => {},
): Promise<void> {
  const created = new Map<string, string>();
  for (const change of changes) {
    const key = { value: `plans_${newId()}`, endsAt: now() + IDEMPOTENCY_KEY_LIFETIME_MS };
    if (change.kind === "create_product")
      created.set(change.plan.id, (await gateway.createProduct(change.plan, key)).id);
    else if (change.kind === "rename_product") await gateway.renameProduct(change.productId, change.plan.name, key);
    else {
      const productId = change.productId ?? created.get(change.plan.id);
      if (productId === undefined) throw new Error(`plan ${change.plan.id} has no product for its price`);
      await gateway.createPrice(change.plan, change.price, productId, key);
    }
    onDone(change);
  }
}
