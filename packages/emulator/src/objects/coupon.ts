/** Coupons. @see https://docs.stripe.com/api/coupons/object */
import { now } from "../core/clock.ts";
import type { ObjectSource } from "../core/object-source.ts";
import { mergeMetadata } from "../core/params.ts";
import { randomText } from "../core/random.ts";

export type Coupon = ReturnType<typeof newCoupon>;

/** Parameters of a new coupon. */
export interface NewCoupon {
  id?: string | undefined;
  amount_off?: number | undefined;
  percent_off?: number | undefined;
  currency?: string | undefined;
  duration?: "forever" | "once" | "repeating" | undefined;
  duration_in_months?: number | undefined;
  max_redemptions?: number | undefined;
  redeem_by?: number | undefined;
  name?: string | undefined;
  applies_to?: { products?: string[] | undefined } | undefined;
  currency_options?: Record<string, { amount_off: number }> | undefined;
  metadata?: "" | Record<string, string> | undefined;
}

export function newCoupon(source: ObjectSource, params: NewCoupon) {
  return {
    id: params.id ?? randomText(source.state, 8),
    object: "coupon" as const,
    amount_off: params.amount_off ?? null,
    ...(params.applies_to?.products?.length && { applies_to: { products: params.applies_to.products } }),
    created: now(source),
    currency: params.currency ?? null,
    ...(params.currency_options && { currency_options: params.currency_options }),
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
