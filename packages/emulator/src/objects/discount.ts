/**
 * Discounts. A discount is a coupon applied to a customer, subscription, invoice or invoice item.
 * @see https://docs.stripe.com/api/discounts/object
 */
import { now } from "../core/clock.ts";
import { newId } from "../core/ids.ts";
import type { ObjectSource } from "../core/object-source.ts";
import { addMonths } from "../core/periods.ts";
import type { Coupon } from "./coupon.ts";
import type { PromotionCode } from "./promotion-code.ts";

export type Discount = ReturnType<typeof newDiscount>;

export interface DiscountInput {
  coupon?: string | undefined;
  promotion_code?: string | undefined;
  discount?: string | undefined;
}

export interface DiscountOwner {
  customer: string;
  subscription?: string | null;
  invoice?: string | null;
  invoice_item?: string | null;
  subscription_item?: string | null;
  checkout_session?: string | null;
}

export function newDiscount(source: ObjectSource, coupon: Coupon, owner: DiscountOwner, code: PromotionCode | null) {
  const start = now(source);
  return {
    id: newId(source, "di"),
    object: "discount" as const,
    checkout_session: owner.checkout_session ?? null,
    customer: owner.customer as string | null,
    customer_account: null,
    end: coupon.duration === "repeating" ? addMonths(start, coupon.duration_in_months ?? 1) : null,
    invoice: owner.invoice ?? null,
    invoice_item: owner.invoice_item ?? null,
    promotion_code: code?.id ?? null,
    source: { coupon: coupon.id as string | null, type: "coupon" as const },
    start,
    subscription: owner.subscription ?? null,
    subscription_item: owner.subscription_item ?? null,
  };
}
