/** Defines parameters of subscriptions that redeem coupons: `discounts` and `add_invoice_items`. */
import type { z } from "zod";
import { addOneTimeItem } from "../billing/invoice-items.ts";
import { purchaseOf } from "../billing/pricing.ts";
import { replaceDiscounts } from "../billing/subscriber-discounts.ts";
import { editSubscription } from "../billing/subscription-changes.ts";
import { planChange } from "../billing/subscription-update.ts";
import { flag } from "../core/params.ts";
import type { Context } from "../core/state.ts";
import type { DiscountInput } from "../objects/discount.ts";
import type { AddedInvoiceItem, Subscription } from "../objects/subscription.ts";
import { addedDiscounts } from "./shared-params.ts";
import { itemChanges, type updateItem } from "./subscription-items.ts";
import { addedItem, addedItems } from "./tax-params.ts";

/** An entry of the parameter `add_invoice_items`. */
export const addedInvoiceItem = addedItem.extend({ discountable: flag.optional(), discounts: addedDiscounts });
type AddedInput = z.output<typeof addedInvoiceItem>;

/** Converts the parameter `add_invoice_items` to the emulator's internal form. */
export function toAddedItems(
  context: Context,
  items: readonly AddedInput[],
  currency: string | undefined,
): AddedInvoiceItem[] {
  return addedItems(context, items, currency).map((added, index) => ({
    ...added,
    discountable: items[index]?.discountable ?? true,
    discounts: items[index]?.discounts ?? [],
  }));
}

/** Adds one-time prices to the next invoice of a subscription. */
export function addItemsToNextInvoice(
  context: Context,
  { id, customer, currency }: Subscription,
  items: readonly AddedInput[],
): void {
  for (const [index, added] of toAddedItems(context, items, currency).entries()) {
    const param = `add_invoice_items[${index}][discounts]`;
    addOneTimeItem(context, { ...added, customer, currency, subscription: id, param });
  }
}

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
