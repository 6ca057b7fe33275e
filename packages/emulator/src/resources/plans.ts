/** Defines the API routes of plans, the older form of recurring prices. @see https://docs.stripe.com/api/plans */
import { z } from "zod";
import type { Api } from "../api.ts";
import { toApiView, toPlan } from "../core/api-view.ts";
import { ApiError } from "../core/errors.ts";
import { emit, emitChangeAs } from "../core/events.ts";
import { hasFields, paginate } from "../core/pagination.ts";
import { expand, flag, integer, listParams, mergeMetadata, metadata, text, unsettable } from "../core/params.ts";
import { find, listAll, remove, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { Price } from "../objects/price.ts";
import { PriceFields, productData } from "./price-params.ts";
import { createPrice } from "./prices.ts";
import { intervalParam } from "./shared-params.ts";

const product = z.union([text, productData]);
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

  api.get("/v1/plans", ListParams, (context, params) => {
    const found = paginate(context, listAll(context, "price"), params, {
      url: "/v1/plans",
      filter: (row) => row.recurring !== null && hasFields(row, { active: params.active, product: params.product }),
    });
    return { ...found, data: found.data.map(toPlan) };
  });

  api.get("/v1/plans/:id", z.strictObject({ expand }), (context, _params, id) => toPlan(retrievePlan(context, id)));

  api.post("/v1/plans/:id", UpdateParams, (context, params, id) => {
    const price = retrievePlan(context, id);
    const forms = [
      { type: "price.updated", show: toApiView },
      { type: "plan.updated", show: toPlan },
    ];
    emitChangeAs(context, forms, price, () => {
      if (params.active !== undefined) price.active = params.active;
      if (params.nickname !== undefined) price.nickname = params.nickname;
      price.metadata = mergeMetadata(price.metadata, params.metadata);
    });
    return toPlan(price);
  });

  api.delete("/v1/plans/:id", z.strictObject({}), (context, _params, id) => {
    const price = retrievePlan(context, id);
    // A price that a checkout session uses is not deleted, because the checkout page shows the price.
    if (isUsedInCheckout(context, id)) price.active = false;
    else remove(context, "price", id);
    emit(context, "plan.deleted", toPlan(price));
    emit(context, "price.deleted", price);
    return { id, object: "plan", deleted: true };
  });
}

function create(context: Context, params: z.output<typeof CreateParams>): object {
  if (params.id !== undefined && find(context, "price", params.id))
    throw new ApiError("Plan already exists.", { code: "resource_already_exists", param: "id" });
  const { interval, interval_count, meter, trial_period_days, usage_type } = params;
  const price = createPrice(context, {
    ...params,
    unit_amount: params.amount,
    unit_amount_decimal: params.amount_decimal,
    product: typeof params.product === "string" ? params.product : undefined,
    product_data: typeof params.product === "object" ? params.product : undefined,
    recurring: { interval, interval_count, meter, trial_period_days, usage_type },
    transform_quantity: params.transform_usage,
  });
  emit(context, "plan.created", toPlan(price));
  return toPlan(price);
}

/**
 * Returns the recurring price to which a plan ID refers. Throws for a one-time price, because only recurring prices are plans.
 */
function retrievePlan(context: Context, id: string): Price {
  const price = find(context, "price", id);
  if (price?.recurring) return retrieve(context, "price", id);
  throw new ApiError(`No such plan: '${id}'`, { status: 404, code: "resource_missing", param: "plan" });
}

function isUsedInCheckout(context: Context, id: string): boolean {
  return [...context.account.checkoutOrders.values()].some(({ items }) => items.some(({ price }) => price === id));
}
