/** Defines the API routes of promotion codes. @see https://docs.stripe.com/api/promotion_codes */
import { z } from "zod";
import type { Api } from "../api.ts";
import { findActiveCode, isCouponValid } from "../billing/discounts.ts";
import { ApiError } from "../core/errors.ts";
import { emit, emitChange } from "../core/events.ts";
import { hasFields, paginate } from "../core/pagination.ts";
import { currency, expand, flag, integer, listParams, mergeMetadata, metadata, text } from "../core/params.ts";
import { insert, listAll, retrieve } from "../core/rows.ts";
import { newPromotionCode } from "../objects/promotion-code.ts";

export const CreateParams = z.strictObject({
  promotion: z.strictObject({ type: z.literal("coupon"), coupon: text }),
  code: z
    .string()
    .regex(/^[\w-]{1,500}$/, "may hold letters, digits, dashes and underscores")
    .optional(),
  active: flag.optional(),
  customer: text.optional(),
  expires_at: integer.optional(),
  max_redemptions: integer.pipe(z.number().min(1)).optional(),
  restrictions: z
    .strictObject({
      first_time_transaction: flag.optional(),
      minimum_amount: integer.optional(),
      minimum_amount_currency: currency.optional(),
    })
    .optional(),
  metadata: metadata.optional(),
  expand,
});
const UpdateParams = z.strictObject({ active: flag.optional(), metadata: metadata.optional(), expand });
const ListParams = z.strictObject({
  ...listParams,
  active: flag.optional(),
  code: text.optional(),
  coupon: text.optional(),
  customer: text.optional(),
});

export function promotionCodeRoutes(api: Api): void {
  api.post("/v1/promotion_codes", CreateParams, (context, params) => {
    const coupon = retrieve(context, "coupon", params.promotion.coupon, "promotion[coupon]");
    if (!isCouponValid(context, coupon))
      throw new ApiError(`This coupon is not valid any more: ${coupon.id}`, { param: "promotion[coupon]" });
    if (params.code !== undefined && findActiveCode(context, params.code))
      throw new ApiError(`An active promotion code with \`code: ${params.code}\` already exists.`, { param: "code" });
    const code = insert(context, "promotion_code", newPromotionCode(context, params));
    emit(context, "promotion_code.created", code);
    return code;
  });

  api.get("/v1/promotion_codes", ListParams, (context, params) => {
    return paginate(context, listAll(context, "promotion_code"), params, {
      url: "/v1/promotion_codes",
      filter: (row) =>
        hasFields(row, { active: params.active, customer: params.customer }) &&
        (params.code === undefined || row.code.toLowerCase() === params.code.toLowerCase()) &&
        (params.coupon === undefined || row.promotion.coupon === params.coupon),
    });
  });

  api.get("/v1/promotion_codes/:id", z.strictObject({ expand }), (context, _params, id) =>
    retrieve(context, "promotion_code", id),
  );

  api.post("/v1/promotion_codes/:id", UpdateParams, (context, params, id) => {
    const code = retrieve(context, "promotion_code", id);
    emitChange(context, "promotion_code.updated", code, () => {
      if (params.active !== undefined) code.active = params.active;
      code.metadata = mergeMetadata(code.metadata, params.metadata);
    });
    return code;
  });
}
