/**
 * Defines the API routes of subscription items, and the item parameters that other routes accept.
 * @see https://docs.stripe.com/api/subscription_items
 */
import { z } from "zod";
import type { Api } from "../api.ts";
import { checkPriceCurrency } from "../billing/presentment.ts";
import type { ItemChange } from "../billing/subscription-update.ts";
import { taxRatesOf } from "../billing/taxes.ts";
import { ApiError } from "../core/errors.ts";
import { paginate } from "../core/pagination.ts";
import { expand, flag, integer, listParams, mergeMetadata, metadata, nonNegative, text } from "../core/params.ts";
import { listAll, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { Price } from "../objects/price.ts";
import type { ItemInput, Subscription } from "../objects/subscription.ts";
import { changeItems } from "./changed-items.ts";
import { withPlanAsPrice } from "./legacy-plans.ts";
import { recurringPriceData } from "./price-params.ts";
import { chosenPrice, checkSubscribable } from "./chosen-price.ts";
import { paramAt } from "./price-checks.ts";
import { createInlinePrice } from "./prices.ts";
import { discounts, paymentBehavior, prorationParam } from "./shared-params.ts";
import { taxRates } from "./tax-params.ts";

const itemFields = {
  discounts,
  plan: text.optional(),
  price: text.optional(),
  price_data: recurringPriceData.optional(),
  quantity: nonNegative.optional(),
  metadata: metadata.optional(),
  tax_rates: taxRates,
};
export const createItem = z.strictObject(itemFields);
export const updateItem = z.strictObject({ ...itemFields, id: text.optional(), deleted: flag.optional() });
const change = {
  payment_behavior: paymentBehavior,
  proration_behavior: prorationParam,
  proration_date: integer.optional(),
  expand,
};

export function subscriptionItemRoutes(api: Api): void {
  api.get("/v1/subscription_items", z.strictObject({ ...listParams, subscription: text }), (context, params) => {
    const subscription = retrieve(context, "subscription", params.subscription, "subscription");
    return paginate(context, subscription.items.data.toReversed(), params, { url: "/v1/subscription_items" });
  });
  api.get(
    "/v1/subscription_items/:id",
    z.strictObject({ expand }),
    (context, _params, id) => ownerOf(context, id).item,
  );

  api.post(
    "/v1/subscription_items",
    z.strictObject({ ...itemFields, ...change, subscription: text }),
    (context, params) => {
      const subscription = retrieve(context, "subscription", params.subscription, "subscription");
      const known = new Set(subscription.items.data.map(({ id }) => id));
      changeItems(context, subscription, { items: itemChanges(context, subscription, [params], "") }, params);
      return present(subscription.items.data.find(({ id }) => !known.has(id)));
    },
  );
  const updateParams = z.strictObject({ ...itemFields, ...change, off_session: flag.optional() });
  api.post("/v1/subscription_items/:id", updateParams, (context, params, id) => {
    const { subscription } = ownerOf(context, id);
    changeItems(context, subscription, { items: itemChanges(context, subscription, [{ ...params, id }], "") }, params);
    return present(subscription.items.data.find((item) => item.id === id));
  });
  api.delete("/v1/subscription_items/:id", z.strictObject(change), (context, params, id) => {
    const { subscription } = ownerOf(context, id);
    changeItems(context, subscription, { items: [{ id, deleted: true }] }, params);
    return { id, object: "subscription_item", deleted: true };
  });
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("the item is missing in the updated subscription");
  return value;
}

function ownerOf(context: Context, itemId: string) {
  for (const subscription of listAll(context, "subscription")) {
    const item = subscription.items.data.find(({ id }) => id === itemId);
    if (item) return { subscription, item };
  }
  throw new ApiError(`Invalid subscription_item id: ${itemId}`, {
    status: 404,
    code: "resource_missing",
    param: "item",
  });
}

/** Converts the `items` parameter of a request that creates a subscription to the emulator's internal form. */
export function itemInputs(context: Context, items: readonly z.output<typeof createItem>[]): ItemInput[] {
  const priced = items.map((item, index) => withPlanAsPrice(context, item, `items[${index}]`));
  const inputs = priced.map((item, index) => ({
    price: priceOf(context, item, `items[${index}]`),
    quantity: item.quantity,
    metadata: mergeMetadata({}, item.metadata),
    taxRates: taxRatesOf(context, item.tax_rates, `items[${index}][tax_rates]`),
    discounts: item.discounts ?? [],
  }));
  for (const [index, { price, quantity }] of inputs.entries()) {
    checkQuantity(price, quantity, `items[${index}][quantity]`);
    if (inputs.findIndex((other) => other.price.id === price.id) < index)
      throw new ApiError(`Cannot add multiple subscription items with the same plan: ${price.id}`, { param: "items" });
  }
  return inputs;
}

/**
 * Converts the `items` parameter of a request that changes a subscription to item changes. `at` is the parameter that contains
 * the items; an empty text if the request changes a single item.
 */
export function itemChanges(
  context: Context,
  subscription: Subscription,
  items: readonly z.output<typeof updateItem>[],
  at = "items",
): ItemChange[] {
  const placeOf = (index: number): string => (at === "" ? "" : `${at}[${index}]`);
  const priced = items.map((item, index) => withPlanAsPrice(context, item, placeOf(index)));
  return priced.map((item, index) => {
    const place = placeOf(index);
    const old = subscription.items.data.find(({ id }) => id === item.id);
    const hasPrice = item.id === undefined || item.price !== undefined || item.price_data;
    const price = hasPrice ? priceOf(context, item, place) : undefined;
    if (price) {
      checkPriceCurrency(price, subscription.currency, paramAt(place, "price"));
      if (!old) checkUnused(subscription, priced, price);
    }
    const sold = price ?? old?.price;
    if (sold) checkQuantity(sold, item.quantity, paramAt(place, "quantity"));
    return {
      id: item.id,
      deleted: item.deleted,
      quantity: item.quantity,
      metadata: item.metadata,
      discounts: item.discounts,
      ...(item.tax_rates !== undefined && {
        taxRates: taxRatesOf(context, item.tax_rates, paramAt(place, "tax_rates")),
      }),
      ...(price && { price }),
    };
  });
}

type PricedItem = Omit<z.output<typeof updateItem>, "plan">;

/** Throws Stripe's error if an item that stays in the subscription already uses the price of a new item. */
function checkUnused(subscription: Subscription, changes: readonly PricedItem[], price: Price): void {
  const isChanged = (id: string): boolean =>
    changes.some((other) => other.id === id && (other.deleted || other.price !== undefined || other.price_data));
  const used = subscription.items.data.find((item) => item.price.id === price.id && !isChanged(item.id));
  if (!used) return;
  throw new ApiError(
    `A new item with Price ${price.id} can't be added to this Subscription because an existing Subscription Item ${used.id} is already using that Price. If you want to update the existing item (e.g., to adjust the quantity), pass the existing Subscription Item's \`id\` in your update request: https://stripe.com/docs/api/subscriptions/update#update_subscription-items-id`,
    { param: "plan" },
  );
}

function checkQuantity(price: Price, quantity: number | undefined, param: string): void {
  if (price.recurring?.usage_type === "metered" && quantity !== undefined)
    throw new ApiError("You cannot set the quantity for metered plans.", { param });
}

function priceOf(context: Context, item: Omit<z.output<typeof createItem>, "plan">, at: string): Price {
  const param = paramAt(at, "price");
  if (item.price_data !== undefined && item.price !== undefined)
    throw new ApiError("You may only specify one of these parameters: price, price_data.", { param });
  if (item.price_data) return inlinePrice(context, item.price_data, paramAt(at, "price_data"));
  if (item.price === undefined) throw missingPrice(param);
  return recurringPrice(context, item.price, param);
}

function inlinePrice(context: Context, data: z.output<typeof recurringPriceData>, at: string): Price {
  const price = createInlinePrice(context, data, at);
  checkSubscribable(context, price, paramAt(at, "product"));
  return price;
}

function missingPrice(param: string): ApiError {
  return new ApiError(`Missing required param: ${param}.`, { code: "parameter_missing", param });
}

/** Returns an active recurring price whose product is active. */
export function recurringPrice(context: Context, id: string, param: string): Price {
  const price = chosenPrice(context, id, param, "recurring");
  checkSubscribable(context, price, param);
  return price;
}
