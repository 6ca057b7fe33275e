/**
 * Defines the quantities that a customer can choose on the checkout page.
 * @see https://docs.stripe.com/payments/checkout/adjustable-quantity
 */
import { z } from "zod";
import { ApiError } from "../core/errors.ts";
import { flag, nonNegative } from "../core/params.ts";
import type { OrderItem } from "../core/records.ts";

/** @see https://docs.stripe.com/api/checkout/sessions/create */
const DEFAULT_MAXIMUM = 99;
const LARGEST_MAXIMUM = 999_999;

export const adjustableQuantity = z
  .strictObject({
    enabled: flag,
    maximum: nonNegative.pipe(z.number().max(LARGEST_MAXIMUM)).optional(),
    minimum: nonNegative.pipe(z.number().max(LARGEST_MAXIMUM)).optional(),
  })
  .optional();

interface ItemInput {
  adjustable_quantity?: z.output<typeof adjustableQuantity>;
  quantity?: number | undefined;
}

/** Returns the adjustable quantity of an item. Throws if the item's quantity is not within it. The messages are the emulator's own. */
export function adjustableOf(
  { adjustable_quantity: given, quantity = 1 }: ItemInput,
  at: string,
): Pick<OrderItem, "adjustable"> {
  if (!given?.enabled) return {};
  const { minimum = 0, maximum = DEFAULT_MAXIMUM } = given;
  if (maximum < minimum)
    throw new ApiError("The `maximum` of an adjustable quantity can't be less than its `minimum`.", {
      param: `${at}[adjustable_quantity][maximum]`,
    });
  if (quantity < minimum || quantity > maximum)
    throw new ApiError(`The quantity must be between ${minimum} and ${maximum}.`, { param: `${at}[quantity]` });
  return { adjustable: { minimum, maximum } };
}
