/** Defines the API routes of coupons. @see https://docs.stripe.com/api/coupons */
import { z } from "zod";
import type { Api } from "../api.ts";
import { isCouponValid } from "../billing/promotion-codes.ts";
import { now } from "../core/clock.ts";
import { ApiError } from "../core/errors.ts";
import { emit, emitChange } from "../core/events.ts";
import { paginate } from "../core/pagination.ts";
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
import { addMonths } from "../core/periods.ts";
import { insert, listAll, remove, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { type Coupon, newCoupon } from "../objects/coupon.ts";

const positive = integer.pipe(z.number().min(1));
const name = text.max(40);
const currencyOptions = z.record(currency, z.strictObject({ amount_off: positive })).optional();
/** @see https://docs.stripe.com/api/coupons/create#create_coupon-redeem_by */
const MAX_REDEEM_BY_YEARS = 5;
export const CreateParams = z.strictObject({
  id: text.optional(),
  amount_off: positive.optional(),
  percent_off: decimal.pipe(z.number().gt(0).max(100)).optional(),
  currency: currency.optional(),
  duration: z.enum(["forever", "once", "repeating"]).optional(),
  duration_in_months: positive.optional(),
  max_redemptions: positive.optional(),
  redeem_by: integer.optional(),
  name: name.optional(),
  applies_to: z.strictObject({ products: z.array(text).optional() }).optional(),
  currency_options: currencyOptions,
  metadata: metadata.optional(),
  expand,
});
const UpdateParams = z.strictObject({
  currency_options: currencyOptions,
  name: unsettable(name).optional(),
  metadata: metadata.optional(),
  expand,
});

export function couponRoutes(api: Api): void {
  api.post("/v1/coupons", CreateParams, (context, params) => {
    checkCoupon(context, params);
    const coupon = insert(context, "coupon", newCoupon(context, params));
    emit(context, "coupon.created", coupon);
    return coupon;
  });

  api.get("/v1/coupons", z.strictObject(listParams), (context, params) =>
    paginate(
      context,
      listAll(context, "coupon").map((coupon) => withCurrentValidity(context, coupon)),
      params,
      { url: "/v1/coupons" },
    ),
  );

  api.get("/v1/coupons/:id", z.strictObject({ expand }), (context, _params, id) =>
    withCurrentValidity(context, retrieve(context, "coupon", id)),
  );

  api.post("/v1/coupons/:id", UpdateParams, (context, params, id) => {
    const coupon = retrieve(context, "coupon", id);
    if (params.currency_options) checkCurrencyOptions(coupon, params.currency_options);
    emitChange(context, "coupon.updated", coupon, () => {
      if (params.currency_options) coupon.currency_options = { ...coupon.currency_options, ...params.currency_options };
      if (params.name !== undefined) coupon.name = params.name;
      coupon.metadata = mergeMetadata(coupon.metadata, params.metadata);
    });
    return coupon;
  });

  api.delete("/v1/coupons/:id", z.strictObject({}), (context, _params, id) => {
    const coupon = retrieve(context, "coupon", id);
    remove(context, "coupon", id);
    emit(context, "coupon.deleted", coupon);
    return { id, object: "coupon", deleted: true };
  });
}

/**
 * Returns the coupon with its current value of `valid`. The value of `valid` is computed on each request, because a
 * coupon can expire at any time.
 */
function withCurrentValidity(context: Context, coupon: Coupon): Coupon {
  return { ...coupon, valid: isCouponValid(context, coupon) };
}

function checkCoupon(context: Context, params: z.output<typeof CreateParams>): void {
  if (params.id !== undefined && context.account.tables.coupon.has(params.id))
    throw new ApiError("Coupon already exists.", { code: "resource_already_exists" });
  if ((params.amount_off === undefined) === (params.percent_off === undefined))
    throw new ApiError("Must provide percent_off or amount_off (and currency)", { code: "parameter_missing" });
  if (params.amount_off !== undefined && params.currency === undefined)
    throw new ApiError("Must provide currency when creating a coupon with amount_off", {
      code: "parameter_missing",
      param: "currency",
    });
  if (params.currency_options) checkCurrencyOptions(params, params.currency_options);
  for (const [index, product] of (params.applies_to?.products ?? []).entries())
    retrieve(context, "product", product, `applies_to[products][${index}]`);
  checkRedeemBy(context, params.redeem_by);
  if ((params.duration === "repeating") !== (params.duration_in_months !== undefined))
    throw new ApiError("`duration_in_months` is required when `duration` is `repeating`, and only then.", {
      param: "duration_in_months",
    });
}

function checkCurrencyOptions(
  coupon: { amount_off?: number | null | undefined; currency?: string | null | undefined },
  options: Record<string, unknown>,
): void {
  if (coupon.amount_off == null)
    throw new ApiError("`currency_options` is only supported if the coupon has an `amount_off`.", {
      param: "currency_options",
    });
  if (coupon.currency != null && Object.hasOwn(options, coupon.currency))
    throw new ApiError("Each currency of `currency_options` must differ from the coupon's `currency`.", {
      param: `currency_options[${coupon.currency}]`,
    });
}

function checkRedeemBy(context: Context, redeemBy: number | undefined): void {
  if (redeemBy === undefined) return;
  if (redeemBy <= now(context))
    throw new ApiError("Invalid timestamp: `redeem_by` must be in the future.", { param: "redeem_by" });
  if (redeemBy > addMonths(now(context), MAX_REDEEM_BY_YEARS * 12))
    throw new ApiError(`\`redeem_by\` cannot be more than ${MAX_REDEEM_BY_YEARS} years in the future.`, {
      param: "redeem_by",
    });
}
