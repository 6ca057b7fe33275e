/**
 * Defines the API routes of subscription items, and the item parameters that other routes accept.
 * @see https://docs.stripe.com/api/subscription_items
 */
import { z } from "zod";
import type { Api } from "../api.ts";
import { checkTaxes } from "../billing/automatic-tax.ts";
import {
  applyChange,
  type ChangePlan,
  type ItemChange,
  planChange,
  type SubscriptionChange,
} from "../billing/subscription-update.ts";
import { taxRatesOf } from "../billing/taxes.ts";
import { ApiError } from "../core/errors.ts";
import { paginate } from "../core/pagination.ts";
import { expand, flag, integer, listParams, mergeMetadata, metadata, nonNegative, text } from "../core/params.ts";
import { find, listAll, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { Price } from "../objects/price.ts";
import type { ItemInput, Subscription } from "../objects/subscription.ts";
import { createPrice } from "./prices.ts";
import { discounts, prorationParam, recurringPriceData } from "./shared-params.ts";
import { taxedRequestOf, taxRates } from "./tax-params.ts";

const itemFields = {
  discounts,
  price: text.optional(),
  price_data: recurringPriceData.optional(),
  quantity: nonNegative.optional(),
  metadata: metadata.optional(),
  tax_rates: taxRates,
};
export const createItem = z.strictObject(itemFields);
export const updateItem = z.strictObject({ ...itemFields, id: text.optional(), deleted: flag.optional() });
const change = { proration_behavior: prorationParam, proration_date: integer.optional(), expand };

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
      if (params.price === undefined && !params.price_data) throw missingPrice("price");
      const known = new Set(subscription.items.data.map(({ id }) => id));
      changeItems(context, subscription, itemChanges(context, [params]), params);
      return present(subscription.items.data.find(({ id }) => !known.has(id)));
    },
  );
  api.post("/v1/subscription_items/:id", z.strictObject({ ...itemFields, ...change }), (context, params, id) => {
    const { subscription } = ownerOf(context, id);
    changeItems(context, subscription, itemChanges(context, [{ ...params, id }]), params);
    return present(subscription.items.data.find((item) => item.id === id));
  });
  api.delete("/v1/subscription_items/:id", z.strictObject(change), (context, params, id) => {
    const { subscription } = ownerOf(context, id);
    changeItems(context, subscription, [{ id, deleted: true }], params);
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

function changeItems(
  context: Context,
  subscription: Subscription,
  items: readonly ItemChange[],
  params: {
    proration_behavior?: SubscriptionChange["prorationBehavior"] | undefined;
    proration_date?: number | undefined;
  },
): void {
  const prorationBehavior = params.proration_behavior ?? "create_prorations";
  const plan = planChange(context, subscription, { items, prorationBehavior, prorationDate: params.proration_date });
  checkPlannedTaxes(context, subscription, plan);
  applyChange(context, subscription, plan, prorationBehavior);
}

/** Throws if the taxes of a planned subscription change contradict each other or can't be computed. */
export function checkPlannedTaxes(context: Context, subscription: Subscription, { items }: ChangePlan): void {
  checkTaxes(context, taxedRequestOf({ ...subscription, items: { ...subscription.items, data: items } }));
}

/** Converts the `items` parameter of a request that creates a subscription to the emulator's internal form. */
export function itemInputs(context: Context, items: readonly z.output<typeof createItem>[]): ItemInput[] {
  return items.map((item, index) => ({
    price: priceOf(context, item, `items[${index}]`),
    quantity: item.quantity,
    metadata: mergeMetadata({}, item.metadata),
    taxRates: taxRatesOf(context, item.tax_rates, `items[${index}][tax_rates]`),
    discounts: item.discounts ?? [],
  }));
}

/** Converts the `items` parameter of a request that updates a subscription to item changes. */
export function itemChanges(context: Context, items: readonly z.output<typeof updateItem>[]): ItemChange[] {
  return items.map((item, index) => ({
    id: item.id,
    deleted: item.deleted,
    quantity: item.quantity,
    metadata: item.metadata,
    discounts: item.discounts,
    ...(item.tax_rates !== undefined && {
      taxRates: taxRatesOf(context, item.tax_rates, `items[${index}][tax_rates]`),
    }),
    ...((item.id === undefined || item.price !== undefined || item.price_data) && {
      price: priceOf(context, item, `items[${index}]`),
    }),
  }));
}

function priceOf(context: Context, item: z.output<typeof createItem>, at: string): Price {
  if (item.price_data) return createPrice(context, item.price_data);
  const param = `${at}[price]`;
  if (item.price === undefined) throw missingPrice(param);
  return recurringPrice(context, item.price, param);
}

function missingPrice(param: string): ApiError {
  return new ApiError(`Missing required param: ${param}.`, { code: "parameter_missing", param });
}

export function recurringPrice(context: Context, id: string, param: string): Price {
  const price = find(context, "price", id);
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
