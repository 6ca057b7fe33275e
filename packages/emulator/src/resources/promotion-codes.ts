/** Promotion codes: what people type in to redeem a coupon. @see https://docs.stripe.com/api/promotion_codes */
import { z } from "zod";
import type { Api } from "../api.ts";
import { findActiveCode, isValid } from "../billing/discounts.ts";
import { ApiError } from "../core/errors.ts";
import { change, emit } from "../core/events.ts";
import { page } from "../core/lists.ts";
import { currency, expand, flag, integer, listParams, mergeMetadata, metadata, text } from "../core/params.ts";
import { newId } from "../core/ids.ts";
import { randomText } from "../core/random.ts";
import { all, insert, need, now, type World } from "../core/world.ts";

export type PromotionCode = ReturnType<typeof newPromotionCode>;

const CreateParams = z.strictObject({
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

function newPromotionCode(world: World, params: z.output<typeof CreateParams>) {
  return {
    id: newId(world, "promo"),
    object: "promotion_code" as const,
    active: params.active ?? true,
    code: params.code ?? randomText(world.state, 8).toUpperCase(),
    created: now(world),
    customer: params.customer ?? null,
    customer_account: null,
    expires_at: params.expires_at ?? null,
    livemode: false as const,
    max_redemptions: params.max_redemptions ?? null,
    metadata: mergeMetadata({}, params.metadata),
    promotion: { coupon: params.promotion.coupon as string | null, type: "coupon" as const },
    restrictions: {
      first_time_transaction: params.restrictions?.first_time_transaction ?? false,
      minimum_amount: params.restrictions?.minimum_amount ?? null,
      minimum_amount_currency: params.restrictions?.minimum_amount_currency ?? null,
    },
    times_redeemed: 0,
  };
}

export function promotionCodeRoutes(api: Api): void {
  api.post("/v1/promotion_codes", CreateParams, (world, params) => {
    const coupon = need(world, "coupon", params.promotion.coupon, "promotion[coupon]");
    if (!isValid(world, coupon))
      throw new ApiError(`This coupon is not valid any more: ${coupon.id}`, { param: "promotion[coupon]" });
    if (params.code !== undefined && findActiveCode(world, params.code))
      throw new ApiError(`An active promotion code with \`code: ${params.code}\` already exists.`, { param: "code" });
    const code = insert(world, "promotion_code", newPromotionCode(world, params));
    emit(world, "promotion_code.created", code);
    return code;
  });

  api.get("/v1/promotion_codes", ListParams, (world, params) => {
    return page(
      world,
      all(world, "promotion_code"),
      params,
      "/v1/promotion_codes",
      (row) =>
        (params.active === undefined || row.active === params.active) &&
        (params.code === undefined || row.code.toLowerCase() === params.code.toLowerCase()) &&
        (params.coupon === undefined || row.promotion.coupon === params.coupon) &&
        (params.customer === undefined || row.customer === params.customer),
    );
  });

  api.get("/v1/promotion_codes/:id", z.strictObject({ expand }), (world, _params, id) =>
    need(world, "promotion_code", id),
  );

  api.post("/v1/promotion_codes/:id", UpdateParams, (world, params, id) => {
    const code = need(world, "promotion_code", id);
    change(world, "promotion_code.updated", code, () => {
      if (params.active !== undefined) code.active = params.active;
      code.metadata = mergeMetadata(code.metadata, params.metadata);
    });
    return code;
  });
}
