/** Defines the API routes of promotion codes. @see https://docs.stripe.com/api/promotion_codes */
import { z } from "zod";
import type { Api } from "../api.ts";
import { retrieveCustomer } from "../billing/customers.ts";
import { findActiveCodes, isCodeActive, isCouponValid } from "../billing/promotion-codes.ts";
import { now } from "../core/clock.ts";
import { ApiError } from "../core/errors.ts";
import { emit, emitChange } from "../core/events.ts";
import { hasFields, paginate } from "../core/pagination.ts";
import { currency, expand, flag, integer, listParams, mergeMetadata, metadata, text } from "../core/params.ts";
import { insert, listAll, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { newPromotionCode, type PromotionCode } from "../objects/promotion-code.ts";

const positive = integer.pipe(z.number().min(1));
const currencyOptions = z.record(currency, z.strictObject({ minimum_amount: positive })).optional();
export const CreateParams = z.strictObject({
  promotion: z.strictObject({ type: z.literal("coupon"), coupon: text }),
  code: z
    .string()
    .regex(/^[A-Za-z0-9-]{1,500}$/, "may hold letters, digits and dashes")
    .optional(),
  active: flag.optional(),
  customer: text.optional(),
  expires_at: integer.optional(),
  max_redemptions: integer.pipe(z.number().min(1)).optional(),
  restrictions: z
    .strictObject({
      first_time_transaction: flag.optional(),
      minimum_amount: positive.optional(),
      minimum_amount_currency: currency.optional(),
      currency_options: currencyOptions,
    })
    .optional(),
  metadata: metadata.optional(),
  expand,
});
const UpdateParams = z.strictObject({
  active: flag.optional(),
  restrictions: z.strictObject({ currency_options: currencyOptions }).optional(),
  metadata: metadata.optional(),
  expand,
});
const ListParams = z.strictObject({
  ...listParams,
  active: flag.optional(),
  code: text.optional(),
  coupon: text.optional(),
  customer: text.optional(),
});

export function promotionCodeRoutes(api: Api): void {
  api.post("/v1/promotion_codes", CreateParams, (context, params) => {
    checkPromotionCode(context, params);
    const code = insert(context, "promotion_code", newPromotionCode(context, params));
    emit(context, "promotion_code.created", withCurrentActivity(context, code));
    return withCurrentActivity(context, code);
  });

  api.get("/v1/promotion_codes", ListParams, (context, params) => {
    const codes = listAll(context, "promotion_code").map((code) => withCurrentActivity(context, code));
    return paginate(context, codes, params, {
      url: "/v1/promotion_codes",
      filter: (row) =>
        hasFields(row, { active: params.active, customer: params.customer }) &&
        (params.code === undefined || row.code.toLowerCase() === params.code.toLowerCase()) &&
        (params.coupon === undefined || row.promotion.coupon === params.coupon),
    });
  });

  api.get("/v1/promotion_codes/:id", z.strictObject({ expand }), (context, _params, id) =>
    withCurrentActivity(context, retrieve(context, "promotion_code", id)),
  );

  api.post("/v1/promotion_codes/:id", UpdateParams, (context, params, id) => {
    const code = retrieve(context, "promotion_code", id);
    const options = params.restrictions?.currency_options;
    if (options) checkMinimums({ ...code.restrictions, currency_options: options });
    emitChange(context, "promotion_code.updated", code, () => {
      if (params.active !== undefined) code.active = params.active;
      if (options) code.restrictions.currency_options = { ...code.restrictions.currency_options, ...options };
      code.metadata = mergeMetadata(code.metadata, params.metadata);
    });
    if (params.active && !isCodeActive(context, code))
      throw new ApiError(
        "This promotion code cannot be activated, because it or its coupon can no longer be redeemed.",
        {
          param: "active",
        },
      );
    return withCurrentActivity(context, code);
  });
}

/**
 * Returns the promotion code with its current value of `active`. The value of `active` is computed on each request, because a
 * promotion code or its coupon can expire at any time.
 */
function withCurrentActivity(context: Context, code: PromotionCode): PromotionCode {
  return { ...code, active: isCodeActive(context, code) };
}

function checkPromotionCode(context: Context, params: z.output<typeof CreateParams>): void {
  const coupon = retrieve(context, "coupon", params.promotion.coupon, "promotion[coupon]");
  if (!isCouponValid(context, coupon))
    throw new ApiError(`This coupon is not valid any more: ${coupon.id}`, { param: "promotion[coupon]" });
  if (params.customer !== undefined) retrieveCustomer(context, params.customer, "customer");
  const rivals = params.code === undefined ? [] : findActiveCodes(context, params.code);
  // Two customers can have codes with the same text. A code for all customers excludes every other code with its text.
  if (rivals.some(({ customer }) => customer === null || (params.customer ?? customer) === customer))
    throw new ApiError(`An active promotion code with \`code: ${params.code}\` already exists.`, { param: "code" });
  const { expires_at: expiresAt, max_redemptions: max } = params;
  if (expiresAt !== undefined && expiresAt <= now(context))
    throw new ApiError("Invalid timestamp: `expires_at` must be in the future.", { param: "expires_at" });
  if (expiresAt !== undefined && coupon.redeem_by !== null && expiresAt > coupon.redeem_by)
    throw new ApiError("`expires_at` cannot be after the coupon's `redeem_by`.", { param: "expires_at" });
  if (max !== undefined && coupon.max_redemptions !== null && max > coupon.max_redemptions)
    throw new ApiError("`max_redemptions` cannot be greater than the coupon's `max_redemptions`.", {
      param: "max_redemptions",
    });
  if (params.restrictions) checkMinimums(params.restrictions);
}

interface Minimums {
  minimum_amount?: number | null | undefined;
  minimum_amount_currency?: string | null | undefined;
  currency_options?: Record<string, unknown> | undefined;
}

function checkMinimums(restrictions: Minimums): void {
  const { minimum_amount: minimum, minimum_amount_currency: own, currency_options: options } = restrictions;
  if ((minimum == null) !== (own == null) || (minimum == null && options))
    throw new ApiError("`minimum_amount` and `minimum_amount_currency` must be given together.", {
      code: "parameter_missing",
      param: `restrictions[${minimum == null ? "minimum_amount" : "minimum_amount_currency"}]`,
    });
  if (own != null && options && Object.hasOwn(options, own))
    throw new ApiError("Each currency of `currency_options` must differ from `minimum_amount_currency`.", {
      param: `restrictions[currency_options][${own}]`,
    });
}
