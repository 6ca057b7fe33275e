/**
 * Compares the plans in code with Stripe's products and prices. The changes that make Stripe match the plans never delete a
 * product or price.
 */
import { describeMoney } from "./money.ts";
import { isOfOtherApp, lookupKey, type Plan, type PlanPrice, type Plans } from "./plans.ts";
import type { PriceRecord, ProductRecord } from "./records.ts";

export type ProductChange =
  | { kind: "create_product"; plan: Plan }
  | { kind: "rename_product"; plan: Plan; productId: string; from: string }
  | { kind: "create_price"; plan: Plan; price: PlanPrice; productId: string | null }
  | { kind: "replace_price"; plan: Plan; price: PlanPrice; productId: string; from: PriceRecord };

/**
 * Returns the changes that `plans push` makes, in order: products first, then their prices. Retired plans are not sold, so they
 * need no product and no price.
 */
export function diffProducts(
  plans: Plans,
  products: readonly ProductRecord[],
  prices: readonly PriceRecord[],
): ProductChange[] {
  const sold = plans.filter(({ retired }) => !retired);
  return sold.flatMap((plan) => {
    const product = products.find(
      (candidate) => candidate.plan === plan.id && candidate.active && candidate.app === (plan.app ?? null),
    );
    const changes: ProductChange[] = [];
    if (!product) changes.push({ kind: "create_product", plan });
    else if (product.name !== plan.name)
      changes.push({ kind: "rename_product", plan, productId: product.id, from: product.name });
    for (const price of plan.prices) changes.push(...diffPrice(plan, price, product?.id ?? null, prices));
    return changes;
  });
}

/**
 * Returns a problem for each price with one of our lookup keys whose product names another app. `plans push` must not take the
 * price away from that app.
 */
export function findPricesOfOtherApps(
  plans: Plans,
  products: readonly ProductRecord[],
  prices: readonly PriceRecord[],
): string[] {
  return plans.flatMap((plan) =>
    plan.prices.flatMap(({ interval }) => {
      const key = lookupKey(plan.id, interval, plan.app);
      const price = prices.find((candidate) => candidate.lookupKey === key);
      const product = products.find(({ id }) => id === price?.productId);
      if (!product || !isOfOtherApp(plan, product)) return [];
      return [
        `price "${key}" belongs to product ${product.id} of the app "${product.app}": ` +
          `give this app its own name in TOLLKEEPER_APP, or remove tollkeeper_app from the product's metadata`,
      ];
    }),
  );
}

/** Describes a change of the products and prices in one line. */
export function describeChange(change: ProductChange): string {
  switch (change.kind) {
    case "create_product":
      return `+ product ${change.plan.id} "${change.plan.name}"`;
    case "rename_product":
      return `~ product ${change.plan.id} "${change.from}" -> "${change.plan.name}"`;
    case "create_price":
      return `+ price ${lookupKey(change.plan.id, change.price.interval, change.plan.app)} ${describePrice(change.price)}`;
    case "replace_price":
      return (
        `~ price ${lookupKey(change.plan.id, change.price.interval, change.plan.app)} ` +
        `${change.from.unitAmount === null ? "tiered" : describeMoney(change.from.unitAmount, change.from.currency)} -> ${describePrice(change.price)} ` +
        `(a new price takes the lookup key; current subscribers keep the old price)`
      );
  }
}

function describePrice(price: PlanPrice): string {
  return `${describeMoney(price.amount, price.currency)} a ${price.interval}`;
}

/** Returns true if Stripe's price has the amount, currency and interval of the plan's price. */
export function isPriceOfPlan(found: PriceRecord, price: PlanPrice): boolean {
  return (
    found.unitAmount === price.amount &&
    found.currency === price.currency &&
    found.interval === price.interval &&
    found.intervalCount === 1
  );
}

function diffPrice(
  plan: Plan,
  price: PlanPrice,
  productId: string | null,
  prices: readonly PriceRecord[],
): ProductChange[] {
  const known = prices.find((candidate) => candidate.lookupKey === lookupKey(plan.id, price.interval, plan.app));
  if (!known || productId === null) return [{ kind: "create_price", plan, price, productId }];
  const same = known.active && isPriceOfPlan(known, price) && known.productId === productId;
  return same ? [] : [{ kind: "replace_price", plan, price, productId, from: known }];
}
