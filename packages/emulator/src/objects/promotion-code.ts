/**
 * Promotion codes: texts that customers can enter to redeem a coupon.
 * @see https://docs.stripe.com/api/promotion_codes/object
 */
import { now } from "../core/clock.ts";
import { newId } from "../core/ids.ts";
import type { ObjectSource } from "../core/object-source.ts";
import { mergeMetadata } from "../core/params.ts";
import { randomText } from "../core/random.ts";

export type PromotionCode = ReturnType<typeof newPromotionCode>;

/** Parameters of a new promotion code. */
export interface NewPromotionCode {
  promotion: { coupon: string };
  code?: string | undefined;
  active?: boolean | undefined;
  customer?: string | undefined;
  expires_at?: number | undefined;
  max_redemptions?: number | undefined;
  restrictions?:
    | {
        first_time_transaction?: boolean | undefined;
        minimum_amount?: number | undefined;
        minimum_amount_currency?: string | undefined;
        currency_options?: Record<string, { minimum_amount?: number | undefined }> | undefined;
      }
    | undefined;
  metadata?: "" | Record<string, string> | undefined;
}

export function newPromotionCode(source: ObjectSource, params: NewPromotionCode) {
  return {
    id: newId(source, "promo"),
    object: "promotion_code" as const,
    active: params.active ?? true,
    code: params.code ?? randomText(source.state, 8).toUpperCase(),
    created: now(source),
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
      ...(params.restrictions?.currency_options && { currency_options: params.restrictions.currency_options }),
    },
    times_redeemed: 0,
  };
}
