/** Prices. @see https://docs.stripe.com/api/prices */
import { z } from "zod";
import type { Api } from "../api.ts";
import { createProduct } from "../billing/products.ts";
import { ApiError } from "../core/errors.ts";
import { change, emit } from "../core/events.ts";
import { page } from "../core/lists.ts";
import {
  currency,
  expand,
  flag,
  integer,
  listParams,
  mergeMetadata,
  metadata,
  text,
  unsettable,
  whole,
} from "../core/params.ts";
import { search, searchParams } from "../core/search.ts";
import { newId } from "../core/ids.ts";
import { all, insert, need, now, type World } from "../core/world.ts";
import { intervalParam } from "./shared-params.ts";

export type Price = ReturnType<typeof newPrice>;

const lookupKey = text.max(200);
const amountDecimal = z.string().regex(/^\d{1,12}(\.\d{1,12})?$/, "must be a decimal number");
const taxBehavior = z.enum(["exclusive", "inclusive", "unspecified"]);
const tier = z.strictObject({
  up_to: z.union([z.literal("inf").transform(() => null), integer.pipe(z.number().min(1))]),
  unit_amount: whole.optional(),
  unit_amount_decimal: amountDecimal.optional(),
  flat_amount: whole.optional(),
  flat_amount_decimal: amountDecimal.optional(),
});

export const PriceFields = {
  product: text.optional(),
  product_data: z
    .strictObject({
      name: text.min(1),
      id: text.optional(),
      active: flag.optional(),
      metadata: metadata.optional(),
      statement_descriptor: text.optional(),
      tax_code: text.optional(),
      unit_label: text.optional(),
    })
    .optional(),
  currency,
  unit_amount: whole.optional(),
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
        unit_amount: whole.optional(),
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
const CreateParams = z.strictObject(PriceFields);
type PriceInput = Partial<z.output<typeof CreateParams>> & { id?: string | undefined; currency: string };
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
});

export function newPrice(world: World, params: PriceInput, product: string) {
  const amount = params.unit_amount_decimal ?? (params.unit_amount === undefined ? null : String(params.unit_amount));
  const tiered = params.billing_scheme === "tiered";
  return {
    id: params.id ?? newId(world, "price"),
    object: "price" as const,
    active: params.active ?? true,
    billing_scheme: params.billing_scheme ?? ("per_unit" as const),
    created: now(world),
    currency: params.currency.toLowerCase(),
    custom_unit_amount: null,
    livemode: false as const,
    lookup_key: params.lookup_key ?? null,
    metadata: mergeMetadata({}, params.metadata),
    nickname: params.nickname ?? null,
    product,
    recurring: params.recurring
      ? {
          interval: params.recurring.interval,
          interval_count: params.recurring.interval_count ?? 1,
          meter: params.recurring.meter ?? null,
          trial_period_days: params.recurring.trial_period_days ?? null,
          usage_type: params.recurring.usage_type ?? ("licensed" as const),
        }
      : null,
    tax_behavior: params.tax_behavior ?? ("unspecified" as const),
    tiers_mode: params.tiers_mode ?? null,
    transform_quantity: params.transform_quantity ?? null,
    type: params.recurring ? ("recurring" as const) : ("one_time" as const),
    unit_amount: tiered || amount === null || !/^\d+$/.test(amount) ? null : Number(amount),
    unit_amount_decimal: tiered ? null : amount,
    /** Shown only where it is asked for. */
    tiers: tiered ? (params.tiers ?? []).map(toTier) : undefined,
    currency_options: params.currency_options ? currencyOptions(params.currency_options) : undefined,
  };
}

function toTier({ up_to, unit_amount, unit_amount_decimal, flat_amount, flat_amount_decimal }: z.output<typeof tier>) {
  const unit = unit_amount_decimal ?? (unit_amount === undefined ? null : String(unit_amount));
  const flat = flat_amount_decimal ?? (flat_amount === undefined ? null : String(flat_amount));
  return {
    flat_amount: flat === null ? null : Number(flat),
    flat_amount_decimal: flat,
    unit_amount: unit === null || !/^\d+$/.test(unit) ? null : Number(unit),
    unit_amount_decimal: unit,
    up_to,
  };
}

function currencyOptions(given: NonNullable<PriceInput["currency_options"]>) {
  return Object.fromEntries(
    Object.entries(given).map(([name, option]) => {
      const amount = option.unit_amount_decimal ?? String(option.unit_amount ?? 0);
      return [
        name,
        {
          custom_unit_amount: null,
          tax_behavior: option.tax_behavior ?? ("unspecified" as const),
          unit_amount: /^\d+$/.test(amount) ? Number(amount) : null,
          unit_amount_decimal: amount,
        },
      ];
    }),
  );
}

export function createPrice(world: World, params: PriceInput): Price {
  checkAmounts(params);
  if (params.recurring?.meter) need(world, "billing.meter", params.recurring.meter, "recurring[meter]");
  const product =
    params.product === undefined && params.product_data
      ? createProduct(world, params.product_data)
      : need(world, "product", params.product ?? "", "product");
  claimLookupKey(world, params.lookup_key, params.transfer_lookup_key ?? false);
  const price = insert(world, "price", newPrice(world, params, product.id));
  emit(world, "price.created", price);
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

  api.get("/v1/prices/search", searchParams, (world, params) =>
    search(world, all(world, "price"), params, "/v1/prices/search"),
  );

  api.get("/v1/prices", ListParams, (world, params) => {
    return page(
      world,
      all(world, "price"),
      params,
      "/v1/prices",
      (row) =>
        (params.active === undefined || row.active === params.active) &&
        (params.product === undefined || row.product === params.product) &&
        (params.currency === undefined || row.currency === params.currency) &&
        (params.type === undefined || row.type === params.type) &&
        (params.lookup_keys === undefined || (row.lookup_key !== null && params.lookup_keys.includes(row.lookup_key))),
    );
  });

  api.get("/v1/prices/:id", z.strictObject({ expand }), (world, _params, id) => need(world, "price", id));

  api.post("/v1/prices/:id", UpdateParams, (world, params, id) => {
    const price = need(world, "price", id);
    if (params.lookup_key && params.lookup_key !== price.lookup_key)
      claimLookupKey(world, params.lookup_key, params.transfer_lookup_key ?? false);
    change(world, "price.updated", price, () => {
      if (params.active !== undefined) price.active = params.active;
      if (params.lookup_key !== undefined) price.lookup_key = params.lookup_key;
      if (params.nickname !== undefined) price.nickname = params.nickname;
      if (params.tax_behavior !== undefined) price.tax_behavior = params.tax_behavior;
      price.metadata = mergeMetadata(price.metadata, params.metadata);
    });
    return price;
  });
}

/** A lookup key belongs to one active price; taking it from another must be asked for. */
function claimLookupKey(world: World, key: string | undefined, transfer: boolean): void {
  if (key === undefined) return;
  const owner = all(world, "price", (price) => price.lookup_key === key)[0];
  if (!owner) return;
  if (!transfer) throw new ApiError(`A price (\`${owner.id}\`) already uses that lookup key.`, { param: "lookup_key" });
  change(world, "price.updated", owner, (row) => {
    row.lookup_key = null;
  });
}
