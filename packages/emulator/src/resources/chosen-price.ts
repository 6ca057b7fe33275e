/** Looks up the prices that requests name, and checks whether they can be sold. */
import { checkPriceCurrency } from "../billing/presentment.ts";
import { ApiError } from "../core/errors.ts";
import { retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { Price } from "../objects/price.ts";

/** Returns an active price with the given type. Throws if the price is archived, or if it has the other type. */
export function chosenPrice(context: Context, id: string, param: string, type: Price["type"]): Price {
  const price = retrieve(context, "price", id, param);
  checkActive(price, param);
  if (price.type !== type)
    throw new ApiError(
      `The price specified is set to \`type=${price.type}\` but this field only accepts prices with \`type=${type}\`.`,
      { param },
    );
  return price;
}

export function checkActive(price: Price, param: string): void {
  if (!price.active)
    throw new ApiError("The price specified is inactive. This field only accepts active prices.", { param });
}

/** Throws Stripe's error if the product of a price for a subscription is archived. */
export function checkSubscribable(context: Context, price: Price, param: string): void {
  if (retrieve(context, "product", price.product).active) return;
  throw new ApiError(
    `The product ${price.product} is marked as inactive, and thus no new subscriptions can be create to any plans of this product. You provided the plan ${price.id}.`,
    { param },
  );
}

/** Throws Stripe's error if the product of a price is archived. */
export function checkPurchasable(context: Context, price: Price, param: string): void {
  if (retrieve(context, "product", price.product).active) return;
  throw new ApiError(`Price \`${price.id}\` is not available to be purchased because its product is not active.`, {
    param,
  });
}

/** Returns an active one-time price of an active product. Throws if the price has no amount in the given currency. */
export function oneTimePrice(context: Context, id: string, currency: string | undefined, param: string): Price {
  const price = chosenPrice(context, id, param, "one_time");
  checkPurchasable(context, price, param);
  if (currency !== undefined) checkPriceCurrency(price, currency, param);
  return price;
}

/**
 * Returns the currency that all items of a new subscription use. Throws Stripe's error if an item's price has no amount in
 * this currency.
 */
export function commonCurrency(
  items: readonly { price: Price; param: string }[],
  wanted: string | undefined,
): string | undefined {
  const currency = wanted ?? items[0]?.price.currency;
  for (const { price, param } of items)
    if (wanted !== undefined) checkPriceCurrency(price, wanted, param);
    else if (price.currency !== currency)
      throw new ApiError(
        `This \`price\` has \`currency=${price.currency}\`, but other items use \`currency=${currency}\`. All items must have pricing in the same currency. When using multi-currency prices, you can specify \`currency\` at the top level, to be used by all items.`,
        { param },
      );
  return currency;
}
