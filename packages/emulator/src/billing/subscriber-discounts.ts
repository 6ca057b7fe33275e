/**
 * Adds and ends the discounts of customers, subscriptions and subscription items.
 * @see https://docs.stripe.com/billing/subscriptions/coupons
 */
import { copy } from "../core/copy.ts";
import { emit, emitChange } from "../core/events.ts";
import { previousAttributes } from "../core/previous-attributes.ts";
import { find, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { clearTimer, setTimer } from "../core/timers.ts";
import type { Discount, DiscountInput } from "../objects/discount.ts";
import type { Invoice } from "../objects/invoice.ts";
import type { Subscription } from "../objects/subscription.ts";
import { termsOf } from "./discounts.ts";
import { redeemAll, type Redemption } from "./redemptions.ts";

/**
 * Redeems the given coupons in place of the current discounts of a subscription or subscription item. Emits the events of added
 * and removed discounts. Returns the IDs of the new discounts, which the caller stores in the owner.
 */
export function replaceDiscounts(
  context: Context,
  current: readonly string[],
  { inputs, redemption, param }: { inputs: readonly DiscountInput[]; redemption: Redemption; param?: string },
): string[] {
  const ids = redeemAll(context, inputs, redemption, param);
  const added = ids.filter((id) => !current.includes(id)).map((id) => retrieve(context, "discount", id));
  const ended = current.filter((id) => !ids.includes(id)).map((id) => retrieve(context, "discount", id));
  for (const discount of ended) markRemoved(context, discount);
  for (const { id, end } of added) if (end !== null) setTimer(context, "discount_ends", id, end);
  const [first] = added;
  const [last] = ended;
  if (added.length === 1 && ended.length === 1 && first && last)
    emit(context, "customer.discount.updated", first, previousDiscount(last, first));
  else {
    for (const discount of ended) emit(context, "customer.discount.deleted", discount);
    for (const discount of added) emit(context, "customer.discount.created", discount);
  }
  return ids;
}

/** Returns the changed fields of a discount that replaces another discount, without internal fields. */
function previousDiscount(before: Discount, after: Discount): Record<string, unknown> {
  const { terms: _terms, used_by: _used, removed: _removed, ...previous } = previousAttributes(before, after);
  return previous;
}

/**
 * Ends the discounts of `once` coupons that reduced an invoice: they do not apply to later invoices. A discount that reduced
 * nothing, for example in the invoice of a free trial, stays.
 */
export function useUpDiscounts(context: Context, invoice: Invoice): void {
  for (const { discount: id, amount } of invoice.total_discount_amounts) {
    const discount = find(context, "discount", id);
    if (!discount || amount === 0 || discount.used_by || termsOf(context, discount)?.duration !== "once") continue;
    discount.used_by = invoice.id;
    endDiscount(context, discount, { isNew: invoice.billing_reason === "subscription_create" });
  }
}

/**
 * Removes a discount from its customer or subscription. Emits no event of a new subscription, because the event of its creation
 * follows.
 */
export function endDiscount(context: Context, discount: Discount, { isNew = false } = {}): void {
  if (discount.removed) return;
  const customer = find(context, "customer", discount.customer);
  const subscription = find(context, "subscription", discount.subscription);
  const isCustomers = customer?.discount?.id === discount.id;
  if (!isCustomers && !subscription) return;
  markRemoved(context, discount);
  if (isCustomers)
    emitChange(context, "customer.updated", customer, (row) => {
      row.discount = null;
    });
  if (subscription && isNew) removeFrom(subscription, discount.id);
  else if (subscription)
    emitChange(context, "customer.subscription.updated", subscription, (row) => removeFrom(row, discount.id));
  emit(context, "customer.discount.deleted", discount);
}

/** Returns the response to the removal of a discount. */
export function deletedDiscount(discount: Discount): object {
  const { terms: _terms, used_by: _used, removed: _removed, end: _end, ...shown } = discount;
  return { ...shown, deleted: true };
}

function removeFrom(subscription: Subscription, id: string): void {
  const without = (ids: readonly string[]): string[] => ids.filter((known) => known !== id);
  subscription.discounts = without(subscription.discounts);
  subscription.items = copy(subscription.items);
  for (const item of subscription.items.data) item.discounts = without(item.discounts);
}

function markRemoved(context: Context, discount: Discount): void {
  discount.removed = true;
  clearTimer(context, "discount_ends", discount.id);
}
