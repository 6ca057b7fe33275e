/** Reads the parameter `plan` of subscription items, an older name of `price`. */
import { ApiError } from "../core/errors.ts";
import { refuseBoth } from "../core/params.ts";
import { find } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { paramAt } from "./price-checks.ts";

interface PricedItem {
  plan?: string | undefined;
  price?: string | undefined;
}

/**
 * Moves the `plan` of an item into `price`. `at` is the item's place in the request. Throws Stripe's error if the item has
 * both, or if no recurring price has the ID.
 */
export function withPlanAsPrice<Item extends PricedItem>(context: Context, item: Item, at: string): Omit<Item, "plan"> {
  const { plan, ...rest } = item;
  if (plan === undefined) return rest;
  refuseBoth(item, "plan", "price");
  if (!find(context, "price", plan)?.recurring)
    throw new ApiError(`No such plan: '${plan}'`, { code: "resource_missing", param: paramAt(at, "plan") });
  return { ...rest, price: plan };
}
