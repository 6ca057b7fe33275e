/** Prices. @see https://docs.stripe.com/api/prices */
import { z } from "zod";
import type { Api } from "../api.ts";
import { ApiError } from "../core/errors.ts";
import { emit } from "../core/events.ts";
import { page } from "../core/lists.ts";
import { expand, flag, integer, listParams, mergeMetadata, metadata, text, unsettable } from "../core/params.ts";
import { all, need, newId, type World } from "../core/world.ts";

export type Price = ReturnType<typeof newPrice>;

const lookupKey = text.max(200);
const CreateParams = z.strictObject({
  product: text,
  currency: z.string().regex(/^[a-z]{3}$/, "must be a three-letter currency code"),
  unit_amount: integer.pipe(z.number().min(0)),
  recurring: z
    .strictObject({
      interval: z.enum(["day", "week", "month", "year"]),
      interval_count: integer.pipe(z.number().min(1)).optional(),
    })
    .optional(),
  lookup_key: lookupKey.optional(),
  transfer_lookup_key: flag.optional(),
  nickname: text.optional(),
  active: flag.optional(),
  metadata: metadata.optional(),
  expand,
});
const UpdateParams = z.strictObject({
  active: flag.optional(),
  lookup_key: unsettable(lookupKey).optional(),
  transfer_lookup_key: flag.optional(),
  nickname: unsettable(text).optional(),
  metadata: metadata.optional(),
  expand,
});
const ListParams = z.strictObject({
  ...listParams,
  active: flag.optional(),
  product: text.optional(),
  currency: text.optional(),
  lookup_keys: z.array(text).max(10).optional(),
});

function newPrice(world: World, params: z.output<typeof CreateParams>) {
  return {
    id: newId(world, "price"),
    object: "price" as const,
    active: params.active ?? true,
    billing_scheme: "per_unit",
    created: world.state.now,
    currency: params.currency,
    custom_unit_amount: null,
    livemode: false as const,
    lookup_key: params.lookup_key ?? null,
    metadata: mergeMetadata({}, params.metadata),
    nickname: params.nickname ?? null,
    product: params.product,
    recurring: params.recurring
      ? {
          interval: params.recurring.interval,
          interval_count: params.recurring.interval_count ?? 1,
          meter: null,
          trial_period_days: null,
          usage_type: "licensed" as const,
        }
      : null,
    tax_behavior: "unspecified",
    tiers_mode: null,
    transform_quantity: null,
    type: params.recurring ? ("recurring" as const) : ("one_time" as const),
    unit_amount: params.unit_amount as number | null,
    unit_amount_decimal: String(params.unit_amount),
  };
}

export function priceRoutes(api: Api): void {
  api.post("/v1/prices", CreateParams, (world, params) => {
    need(world, "product", params.product, "product");
    claimLookupKey(world, params.lookup_key, params.transfer_lookup_key ?? false);
    const price = newPrice(world, params);
    world.state.tables.price.set(price.id, price);
    emit(world, "price.created", price);
    return price;
  });

  api.get("/v1/prices", ListParams, (world, params) => {
    const rows = all(world, "price").filter(
      (row) =>
        (params.active === undefined || row.active === params.active) &&
        (params.product === undefined || row.product === params.product) &&
        (params.currency === undefined || row.currency === params.currency) &&
        (params.lookup_keys === undefined || (row.lookup_key !== null && params.lookup_keys.includes(row.lookup_key))),
    );
    return page(rows, params, "/v1/prices");
  });

  api.get("/v1/prices/:id", z.strictObject({ expand }), (world, _params, id) => need(world, "price", id));

  api.post("/v1/prices/:id", UpdateParams, (world, params, id) => {
    const price = need(world, "price", id);
    if (params.lookup_key && params.lookup_key !== price.lookup_key)
      claimLookupKey(world, params.lookup_key, params.transfer_lookup_key ?? false);
    const previous = { active: price.active, lookup_key: price.lookup_key };
    if (params.active !== undefined) price.active = params.active;
    if (params.lookup_key !== undefined) price.lookup_key = params.lookup_key;
    if (params.nickname !== undefined) price.nickname = params.nickname;
    price.metadata = mergeMetadata(price.metadata, params.metadata);
    emit(world, "price.updated", price, previous);
    return price;
  });
}

/** A lookup key belongs to one active price; taking it from another must be asked for. */
function claimLookupKey(world: World, key: string | undefined, transfer: boolean): void {
  if (key === undefined) return;
  const owner = all(world, "price").find((price) => price.lookup_key === key);
  if (!owner) return;
  if (!transfer) throw new ApiError(`A price (\`${owner.id}\`) already uses that lookup key.`, { param: "lookup_key" });
  owner.lookup_key = null;
  emit(world, "price.updated", owner, { lookup_key: key });
}
