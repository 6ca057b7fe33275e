/** Defines the API routes of prices. @see https://docs.stripe.com/api/prices */
import { z } from "zod";
import type { Api } from "../api.ts";
import { createProduct } from "../billing/products.ts";
import { ApiError } from "../core/errors.ts";
import { emit, emitChange } from "../core/events.ts";
import { hasFields, paginate } from "../core/pagination.ts";
import {
  currency,
  expand,
  flag,
  integer,
  listParams,
  mergeMetadata,
  metadata,
  nonNegative,
  text,
  unsettable,
} from "../core/params.ts";
import { insert, listAll, retrieve } from "../core/rows.ts";
import { search, searchParams } from "../core/search.ts";
import type { Context } from "../core/state.ts";
import { newPrice, type Price } from "../objects/price.ts";
import { intervalParam } from "./shared-params.ts";
import { taxBehavior } from "./tax-params.ts";

const lookupKey = text.max(200);
const amountDecimal = z.string().regex(/^\d{1,12}(\.\d{1,12})?$/, "must be a decimal number");
export const tier = z.strictObject({
  up_to: z.union([z.literal("inf").transform(() => null), integer.pipe(z.number().min(1))]),
  unit_amount: nonNegative.optional(),
  unit_amount_decimal: amountDecimal.optional(),
  flat_amount: nonNegative.optional(),
  flat_amount_decimal: amountDecimal.optional(),
});

/** The fields of a product that a price or a plan creates. */
export const productData = z.strictObject({
  name: text.min(1),
  id: text.optional(),
  active: flag.optional(),
  metadata: metadata.optional(),
  statement_descriptor: text.optional(),
  tax_code: text.optional(),
  unit_label: text.optional(),
});

export const PriceFields = {
  product: text.optional(),
  product_data: productData.optional(),
  currency,
  unit_amount: nonNegative.optional(),
  unit_amount_decimal: amountDecimal.optional(),
  billing_scheme: z.enum(["per_unit", "tiered"]).optional(),
  tiers_mode: z.enum(["graduated", "volume"]).optional(),
  tiers: z.array(tier).optional(),
  transform_quantity: z
    .strictObject({ divide_by: integer.pipe(z.number().min(1)), round: z.enum(["up", "down"]) })
    .optional(),
  recurring: z
    .strictObject({
      interval: intervalParam,
      interval_count: integer.pipe(z.number().min(1)).optional(),
      meter: text.optional(),
      trial_period_days: integer.optional(),
      usage_type: z.enum(["licensed", "metered"]).optional(),
    })
    .optional(),
  currency_options: z
    .record(
      z.string(),
      z.strictObject({
        unit_amount: nonNegative.optional(),
        unit_amount_decimal: amountDecimal.optional(),
        tax_behavior: taxBehavior.optional(),
      }),
    )
    .optional(),
  lookup_key: lookupKey.optional(),
  transfer_lookup_key: flag.optional(),
  nickname: text.optional(),
  active: flag.optional(),
  tax_behavior: taxBehavior.optional(),
  metadata: metadata.optional(),
  expand,
};
export const CreateParams = z.strictObject(PriceFields);
export type PriceInput = Partial<z.output<typeof CreateParams>> & { id?: string | undefined; currency: string };
const UpdateParams = z.strictObject({
  active: flag.optional(),
  lookup_key: unsettable(lookupKey).optional(),
  transfer_lookup_key: flag.optional(),
  nickname: unsettable(text).optional(),
  tax_behavior: taxBehavior.optional(),
  metadata: metadata.optional(),
  expand,
});
const ListParams = z.strictObject({
  ...listParams,
  active: flag.optional(),
  product: text.optional(),
  currency: currency.optional(),
  type: z.enum(["one_time", "recurring"]).optional(),
  lookup_keys: z.array(text).max(10).optional(),
  recurring: z
    .strictObject({
      interval: intervalParam.optional(),
      meter: text.optional(),
      usage_type: z.enum(["licensed", "metered"]).optional(),
    })
    .optional(),
});

export function createPrice(context: Context, params: PriceInput): Price {
  checkAmounts(params);
  if (params.recurring?.meter) retrieve(context, "billing.meter", params.recurring.meter, "recurring[meter]");
  const product =
    params.product === undefined && params.product_data
      ? createProduct(context, params.product_data)
      : retrieve(context, "product", params.product ?? "", "product");
  claimLookupKey(context, params.lookup_key, params.transfer_lookup_key ?? false);
  const price = insert(context, "price", newPrice(context, params, product.id));
  emit(context, "price.created", price);
  return price;
}

function checkAmounts(params: PriceInput): void {
  if (params.product === undefined && params.product_data === undefined)
    throw new ApiError("Missing required param: product.", { code: "parameter_missing", param: "product" });
  const tiered = params.billing_scheme === "tiered";
  const amounts = [params.unit_amount, params.unit_amount_decimal].filter((amount) => amount !== undefined);
  if (tiered && (params.tiers === undefined || params.tiers_mode === undefined))
    throw new ApiError("`tiers` and `tiers_mode` are required for a tiered price.", { param: "tiers" });
  if (tiered && params.tiers?.at(-1)?.up_to !== null)
    throw new ApiError("The last tier must have `up_to` set to `inf`.", { param: "tiers" });
  if (!tiered && amounts.length !== 1)
    throw new ApiError(
      "You must specify either `unit_amount` or `unit_amount_decimal` when `billing_scheme=per_unit`.",
      {
        code: "parameter_missing",
        param: "unit_amount",
      },
    );
}

export function priceRoutes(api: Api): void {
  api.post("/v1/prices", CreateParams, createPrice);

  api.get("/v1/prices/search", searchParams, (context, params) =>
    search(context, listAll(context, "price"), params, "/v1/prices/search"),
  );

  api.get("/v1/prices", ListParams, (context, params) => {
    const { active, product, lookup_keys: keys, recurring, type } = params;
    return paginate(context, listAll(context, "price"), params, {
      url: "/v1/prices",
      filter: (row) =>
        hasFields(row, { active, currency: params.currency, product, type }) &&
        (recurring === undefined || (row.recurring !== null && hasFields(row.recurring, recurring))) &&
        (keys === undefined || (row.lookup_key !== null && keys.includes(row.lookup_key))),
    });
  });

  api.get("/v1/prices/:id", z.strictObject({ expand }), (context, _params, id) => retrieve(context, "price", id));

  api.post("/v1/prices/:id", UpdateParams, (context, params, id) => {
    const price = retrieve(context, "price", id);
    if (params.lookup_key && params.lookup_key !== price.lookup_key)
      claimLookupKey(context, params.lookup_key, params.transfer_lookup_key ?? false);
    if (price.tax_behavior !== "unspecified" && (params.tax_behavior ?? price.tax_behavior) !== price.tax_behavior)
      throw new ApiError(
        "The `tax_behavior` of a price cannot be changed after it was set to `inclusive` or `exclusive`.",
        {
          param: "tax_behavior",
        },
      );
    emitChange(context, "price.updated", price, () => {
      if (params.active !== undefined) price.active = params.active;
      if (params.lookup_key !== undefined) price.lookup_key = params.lookup_key;
      if (params.nickname !== undefined) price.nickname = params.nickname;
      if (params.tax_behavior !== undefined) price.tax_behavior = params.tax_behavior;
      price.metadata = mergeMetadata(price.metadata, params.metadata);
    });
    return price;
  });
}

/**
 * Removes a lookup key from its current price, so that a new price can use it. Throws if another price has the lookup key and
 * `transfer_lookup_key` is not set.
 */
function claimLookupKey(context: Context, key: string | undefined, transfer: boolean): void {
  if (key === undefined) return;
  const owner = listAll(context, "price", (price) => price.lookup_key === key)[0];
  if (!owner) return;
  if (!transfer) throw new ApiError(`A price (\`${owner.id}\`) already uses that lookup key.`, { param: "lookup_key" });
  emitChange(context, "price.updated", owner, (row) => {
    row.lookup_key = null;
  });
}
