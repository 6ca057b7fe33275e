/**
 * Changes the quantities of a checkout session as the customer chooses.
 * @see https://docs.stripe.com/payments/checkout/adjustable-quantity
 */
import type { CheckoutOrder, OrderItem } from "../core/records.ts";
import { retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { CheckoutSession } from "../objects/checkout-session.ts";
import { setAmounts } from "./checkout.ts";
import { setDiscounts } from "./checkout-discounts.ts";

/** Returns the smallest quantity that the customer can choose. The last item and the last recurring item can't be removed. */
export function smallestQuantity(
  context: Context,
  session: CheckoutSession,
  order: CheckoutOrder,
  { id, adjustable }: OrderItem,
): number {
  const others = order.items.filter((item) => item.id !== id);
  const isRecurring = (item: OrderItem) => retrieve(context, "price", item.price).recurring !== null;
  const canRemove = session.mode === "subscription" ? others.some(isRecurring) : others.length > 0;
  return Math.max(adjustable?.minimum ?? 1, canRemove ? 0 : 1);
}

/** Sets the quantity of an item, or removes the item if the quantity is 0. Returns a message if the quantity is not allowed. */
export function chooseQuantity(
  context: Context,
  session: CheckoutSession,
  order: CheckoutOrder,
  { id, quantity }: { id: string; quantity: number },
): string | null {
  const item = order.items.find((row) => row.id === id);
  if (!item?.adjustable) return "The quantity of this item can't be changed.";
  const { maximum } = item.adjustable;
  const minimum = smallestQuantity(context, session, order, item);
  if (!Number.isInteger(quantity) || quantity < minimum || quantity > maximum)
    return `The quantity must be a whole number from ${minimum} to ${maximum}.`;
  const before = order.items;
  order.items =
    quantity === 0
      ? before.filter((row) => row !== item)
      : before.map((row) => (row === item ? { ...row, quantity } : row));
  try {
    // A promotion code can require a minimum amount.
    setDiscounts(context, session, order, order.discounts);
  } catch (error) {
    order.items = before;
    throw error;
  }
  setAmounts(context, session, order);
  return null;
}
