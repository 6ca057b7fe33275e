/** Updates the discounts of subscriptions. */
import type { z } from "zod";
import { purchaseOf } from "../billing/pricing.ts";
import { replaceDiscounts } from "../billing/subscriber-discounts.ts";
import { editSubscription } from "../billing/subscription-changes.ts";
import { planChange } from "../billing/subscription-update.ts";
import type { Context } from "../core/state.ts";
import type { DiscountInput } from "../objects/discount.ts";
import type { Subscription } from "../objects/subscription.ts";
import { itemChanges, type updateItem } from "./subscription-items.ts";

type ItemsInput = readonly z.output<typeof updateItem>[] | undefined;

/**
 * Replaces the discounts of a subscription. An empty list changes nothing. Null, from an empty string, removes the discounts.
 * The minimum amount of a promotion code applies to the items that the same request leaves in the subscription.
 */
export function updateDiscounts(
  context: Context,
  subscription: Subscription,
  inputs: readonly DiscountInput[] | null,
  items: ItemsInput,
): void {
  if (inputs?.length === 0) return;
  const owner = { customer: subscription.customer, subscription: subscription.id };
  const purchase = purchaseOf(itemsAfter(context, subscription, items), subscription.currency);
  const redemption = { owner, purchase };
  const discounts = replaceDiscounts(context, subscription.discounts, { inputs: inputs ?? [], redemption });
  editSubscription(context, subscription, (row) => {
    row.discounts = discounts;
  });
}

function itemsAfter(context: Context, subscription: Subscription, items: ItemsInput) {
  if (items === undefined) return subscription.items.data;
  return planChange(context, subscription, {
    items: itemChanges(context, subscription, items),
    prorationBehavior: "none",
  }).items;
}
