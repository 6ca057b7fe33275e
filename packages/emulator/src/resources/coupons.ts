/** Coupons. @see https://docs.stripe.com/api/coupons */
import { z } from "zod";
import type { Api } from "../api.ts";
import { isValid } from "../billing/discounts.ts";
import { ApiError } from "../core/errors.ts";
import { change, emit } from "../core/events.ts";
import { page } from "../core/lists.ts";
import {
  currency,
  decimal,
  expand,
  integer,
  listParams,
  mergeMetadata,
  metadata,
  text,
  unsettable,
} from "../core/params.ts";
import { randomText } from "../core/random.ts";
import { all, insert, need, now, remove, type World } from "../core/world.ts";

export type Coupon = ReturnType<typeof newCoupon>;

const positive = integer.pipe(z.number().min(1));
const CreateParams = z.strictObject({
  id: text.optional(),
  amount_off: positive.optional(),
  percent_off: decimal.pipe(z.number().gt(0).max(100)).optional(),
  currency: currency.optional(),
  duration: z.enum(["forever", "once", "repeating"]).optional(),
  duration_in_months: positive.optional(),
  max_redemptions: positive.optional(),
  redeem_by: integer.optional(),
  name: text.max(40).optional(),
  applies_to: z.strictObject({ products: z.array(text) }).optional(),
  metadata: metadata.optional(),
  expand,
});
const UpdateParams = z.strictObject({ name: unsettable(text).optional(), metadata: metadata.optional(), expand });

function newCoupon(world: World, params: z.output<typeof CreateParams>) {
  return {
    id: params.id ?? randomText(world.state, 8),
    object: "coupon" as const,
    amount_off: params.amount_off ?? null,
    ...(params.applies_to && { applies_to: params.applies_to }),
    created: now(world),
    currency: params.currency ?? null,
    duration: params.duration ?? "once",
    duration_in_months: params.duration_in_months ?? null,
    livemode: false as const,
    max_redemptions: params.max_redemptions ?? null,
    metadata: mergeMetadata({}, params.metadata),
    name: params.name ?? null,
    percent_off: params.percent_off ?? null,
    redeem_by: params.redeem_by ?? null,
    times_redeemed: 0,
    valid: true,
  };
}

export function couponRoutes(api: Api): void {
  api.post("/v1/coupons", CreateParams, (world, params) => {
    checkCoupon(world, params);
    const coupon = insert(world, "coupon", newCoupon(world, params));
    emit(world, "coupon.created", coupon);
    return coupon;
  });

  api.get("/v1/coupons", z.strictObject(listParams), (world, params) =>
    page(
      world,
      all(world, "coupon").map((coupon) => asOfNow(world, coupon)),
      params,
      "/v1/coupons",
    ),
  );

  api.get("/v1/coupons/:id", z.strictObject({ expand }), (world, _params, id) =>
    asOfNow(world, need(world, "coupon", id)),
  );

  api.post("/v1/coupons/:id", UpdateParams, (world, params, id) => {
    const coupon = need(world, "coupon", id);
    change(world, "coupon.updated", coupon, () => {
      if (params.name !== undefined) coupon.name = params.name;
      coupon.metadata = mergeMetadata(coupon.metadata, params.metadata);
    });
    return coupon;
  });

  api.delete("/v1/coupons/:id", z.strictObject({}), (world, _params, id) => {
    const coupon = need(world, "coupon", id);
    remove(world, "coupon", id);
    emit(world, "coupon.deleted", coupon);
    return { id, object: "coupon", deleted: true };
  });
}

/** Time alone ends a coupon, too. */
function asOfNow(world: World, coupon: Coupon): Coupon {
  return { ...coupon, valid: isValid(world, coupon) };
}

function checkCoupon(world: World, params: z.output<typeof CreateParams>): void {
  if (params.id !== undefined && world.account.tables.coupon.has(params.id))
    throw new ApiError("Coupon already exists.", { code: "resource_already_exists" });
  if ((params.amount_off === undefined) === (params.percent_off === undefined))
    throw new ApiError("Must provide percent_off or amount_off (and currency)", { code: "parameter_missing" });
  if (params.amount_off !== undefined && params.currency === undefined)
    throw new ApiError("Must provide currency when creating a coupon with amount_off", {
      code: "parameter_missing",
      param: "currency",
    });
  if ((params.duration === "repeating") !== (params.duration_in_months !== undefined))
    throw new ApiError("`duration_in_months` is required when `duration` is `repeating`, and only then.", {
      param: "duration_in_months",
    });
}
