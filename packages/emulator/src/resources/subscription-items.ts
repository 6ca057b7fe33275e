/** Subscription items over the API, and how items are named in other requests. @see https://docs.stripe.com/api/subscription_items */
import { taxRatesOf } from "../billing/taxes.ts";
import { z } from "zod";
import type { Api } from "../api.ts";
import type { ItemInput, Subscription } from "../billing/subscriptions.ts";
import { applyChange, planChange, type ItemChange, type SubscriptionChange } from "../billing/subscription-update.ts";
import { ApiError } from "../core/errors.ts";
import { page } from "../core/lists.ts";
import { expand, flag, integer, listParams, mergeMetadata, metadata, text, whole } from "../core/params.ts";
import { all, find, need, type World } from "../core/world.ts";
import { createPrice, type Price } from "./prices.ts";
import { discounts, prorationParam, recurringPriceData, taxRates } from "./shared-params.ts";

const itemFields = {
  price: text.optional(),
  price_data: recurringPriceData.optional(),
  quantity: whole.optional(),
  metadata: metadata.optional(),
  tax_rates: taxRates,
};
export const createItem = z.strictObject({ ...itemFields, discounts });
export const updateItem = z.strictObject({ ...itemFields, id: text.optional(), deleted: flag.optional(), discounts });
const change = { proration_behavior: prorationParam, proration_date: integer.optional(), expand };

export function subscriptionItemRoutes(api: Api): void {
  api.get("/v1/subscription_items", z.strictObject({ ...listParams, subscription: text }), (world, params) => {
    const subscription = need(world, "subscription", params.subscription, "subscription");
    return page(world, subscription.items.data.toReversed(), params, "/v1/subscription_items");
  });
  api.get("/v1/subscription_items/:id", z.strictObject({ expand }), (world, _params, id) => ownerOf(world, id).item);

  api.post(
    "/v1/subscription_items",
    z.strictObject({ ...itemFields, ...change, subscription: text }),
    (world, params) => {
      const subscription = need(world, "subscription", params.subscription, "subscription");
      if (params.price === undefined && !params.price_data) throw missingPrice("price");
      const known = new Set(subscription.items.data.map(({ id }) => id));
      changeItems(world, subscription, itemChanges(world, [params]), params);
      return present(subscription.items.data.find(({ id }) => !known.has(id)));
    },
  );
  api.post("/v1/subscription_items/:id", z.strictObject({ ...itemFields, ...change }), (world, params, id) => {
    const { subscription } = ownerOf(world, id);
    changeItems(world, subscription, itemChanges(world, [{ ...params, id }]), params);
    return present(subscription.items.data.find((item) => item.id === id));
  });
  api.delete("/v1/subscription_items/:id", z.strictObject(change), (world, params, id) => {
    const { subscription } = ownerOf(world, id);
    changeItems(world, subscription, [{ id, deleted: true }], params);
    return { id, object: "subscription_item", deleted: true };
  });
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("the subscription has lost an item");
  return value;
}

function ownerOf(world: World, itemId: string) {
  for (const subscription of all(world, "subscription")) {
    const item = subscription.items.data.find(({ id }) => id === itemId);
    if (item) return { subscription, item };
  }
  throw new ApiError(`Invalid subscription_item id: ${itemId}`, {
    status: 404,
    code: "resource_missing",
    param: "item",
  });
}

function changeItems(
  world: World,
  subscription: Subscription,
  items: readonly ItemChange[],
  params: {
    proration_behavior?: SubscriptionChange["prorationBehavior"] | undefined;
    proration_date?: number | undefined;
  },
): void {
  const prorationBehavior = params.proration_behavior ?? "create_prorations";
  const plan = planChange(world, subscription, { items, prorationBehavior, prorationDate: params.proration_date });
  applyChange(world, subscription, plan, prorationBehavior);
}

/** The items that a request to create names. */
export function itemInputs(world: World, items: readonly z.output<typeof createItem>[]): ItemInput[] {
  return items.map((item, index) => ({
    price: priceOf(world, item, `items[${index}]`),
    quantity: item.quantity,
    metadata: mergeMetadata({}, item.metadata),
    taxRates: taxRatesOf(world, item.tax_rates, `items[${index}][tax_rates]`),
    discounts: item.discounts ?? [],
  }));
}

/** The changes that a request to update names. */
export function itemChanges(world: World, items: readonly z.output<typeof updateItem>[]): ItemChange[] {
  return items.map((item, index) => ({
    id: item.id,
    deleted: item.deleted,
    quantity: item.quantity,
    metadata: item.metadata,
    ...(item.tax_rates !== undefined && {
      taxRates: taxRatesOf(world, item.tax_rates, `items[${index}][tax_rates]`),
    }),
    ...((item.id === undefined || item.price !== undefined || item.price_data) && {
      price: priceOf(world, item, `items[${index}]`),
    }),
  }));
}

function priceOf(world: World, item: z.output<typeof createItem>, at: string): Price {
  if (item.price_data) return createPrice(world, item.price_data);
  const param = `${at}[price]`;
  if (item.price === undefined) throw missingPrice(param);
  return recurringPrice(world, item.price, param);
}

function missingPrice(param: string): ApiError {
  return new ApiError(`Missing required param: ${param}.`, { code: "parameter_missing", param });
}

export function recurringPrice(world: World, id: string, param: string): Price {
  const price = find(world, "price", id);
  if (!price) throw new ApiError(`No such price: '${id}'`, { code: "resource_missing", param });
  if (!price.active)
    throw new ApiError(`The price specified is inactive. This field only accepts active prices.`, { param });
  if (!price.recurring)
    throw new ApiError(
      `The price specified is set to \`type=one_time\` but this field only accepts prices with \`type=recurring\`.`,
      { param },
    );
  return price;
}
