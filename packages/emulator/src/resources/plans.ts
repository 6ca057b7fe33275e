/** Plans: recurring prices under their older name. @see https://docs.stripe.com/api/plans */
import { z } from "zod";
import type { Api } from "../api.ts";
import { ApiError } from "../core/errors.ts";
import { change, emit } from "../core/events.ts";
import { page } from "../core/lists.ts";
import { expand, flag, integer, listParams, mergeMetadata, metadata, text, unsettable } from "../core/params.ts";
import { planOf } from "../core/present.ts";
import { all, find, need, remove, type World } from "../core/world.ts";
import { createPrice, PriceFields, type Price } from "./prices.ts";
import { intervalParam } from "./shared-params.ts";

const product = z.union([
  text,
  z.strictObject({
    name: text.min(1),
    id: text.optional(),
    active: flag.optional(),
    metadata: metadata.optional(),
    statement_descriptor: text.optional(),
    tax_code: text.optional(),
    unit_label: text.optional(),
  }),
]);
const CreateParams = z.strictObject({
  id: text.optional(),
  active: flag.optional(),
  amount: PriceFields.unit_amount,
  amount_decimal: PriceFields.unit_amount_decimal,
  billing_scheme: PriceFields.billing_scheme,
  currency: PriceFields.currency,
  interval: intervalParam,
  interval_count: integer.pipe(z.number().min(1)).optional(),
  meter: text.optional(),
  metadata: metadata.optional(),
  nickname: text.optional(),
  product: product.optional(),
  tiers: PriceFields.tiers,
  tiers_mode: PriceFields.tiers_mode,
  transform_usage: PriceFields.transform_quantity,
  trial_period_days: integer.optional(),
  usage_type: z.enum(["licensed", "metered"]).optional(),
  expand,
});
const UpdateParams = z.strictObject({
  active: flag.optional(),
  metadata: metadata.optional(),
  nickname: unsettable(text).optional(),
  expand,
});
const ListParams = z.strictObject({ ...listParams, active: flag.optional(), product: text.optional() });

export function planRoutes(api: Api): void {
  api.post("/v1/plans", CreateParams, create);

  api.get("/v1/plans", ListParams, (world, params) => {
    const found = page(
      world,
      all(world, "price"),
      params,
      "/v1/plans",
      (row) =>
        row.recurring !== null &&
        (params.active === undefined || row.active === params.active) &&
        (params.product === undefined || row.product === params.product),
    );
    return { ...found, data: found.data.map(planOf) };
  });

  api.get("/v1/plans/:id", z.strictObject({ expand }), (world, _params, id) => planOf(needPlan(world, id)));

  api.post("/v1/plans/:id", UpdateParams, (world, params, id) => {
    const price = needPlan(world, id);
    const updated = change(world, "price.updated", price, () => {
      if (params.active !== undefined) price.active = params.active;
      if (params.nickname !== undefined) price.nickname = params.nickname;
      price.metadata = mergeMetadata(price.metadata, params.metadata);
    });
    if (updated) emit(world, "plan.updated", planOf(price), updated.data.previous_attributes);
    return planOf(price);
  });

  api.delete("/v1/plans/:id", z.strictObject({}), (world, _params, id) => {
    const price = needPlan(world, id);
    // What a checkout sells must stay to be shown.
    if (isInCheckout(world, id)) price.active = false;
    else remove(world, "price", id);
    emit(world, "plan.deleted", planOf(price));
    emit(world, "price.deleted", price);
    return { id, object: "plan", deleted: true };
  });
}

function create(world: World, params: z.output<typeof CreateParams>): object {
  if (params.id !== undefined && find(world, "price", params.id))
    throw new ApiError("Plan already exists.", { code: "resource_already_exists", param: "id" });
  const { interval, interval_count, meter, trial_period_days, usage_type } = params;
  const price = createPrice(world, {
    ...params,
    unit_amount: params.amount,
    unit_amount_decimal: params.amount_decimal,
    product: typeof params.product === "string" ? params.product : undefined,
    product_data: typeof params.product === "object" ? params.product : undefined,
    recurring: { interval, interval_count, meter, trial_period_days, usage_type },
    transform_quantity: params.transform_usage,
  });
  emit(world, "plan.created", planOf(price));
  return planOf(price);
}

/** One-time prices are no plans. */
function needPlan(world: World, id: string): Price {
  const price = find(world, "price", id);
  if (price?.recurring) return need(world, "price", id);
  throw new ApiError(`No such plan: '${id}'`, { status: 404, code: "resource_missing", param: "plan" });
}

function isInCheckout(world: World, id: string): boolean {
  return [...world.account.orders.values()].some(({ items }) => items.some(({ price }) => price === id));
}
