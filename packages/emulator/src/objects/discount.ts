/**
 * Discounts. A discount is a coupon applied to a customer, subscription, invoice or invoice item.
 * @see https://docs.stripe.com/api/discounts/object
 */
import { now } from "../core/clock.ts";
import { copy } from "../core/copy.ts";
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
  customer: string | null;
  subscription?: string | null;
  invoice?: string | null;
  invoice_item?: string | null;
  subscription_item?: string | null;
  checkout_session?: string | null;
}

export interface NewDiscount {
  coupon: Coupon;
  code: PromotionCode | null;
  owner: DiscountOwner;
}

export function newDiscount(source: ObjectSource, { coupon, code, owner }: NewDiscount) {
  const start = now(source);
  return {
    id: newId(source, "di"),
    object: "discount" as const,
    checkout_session: owner.checkout_session ?? null,
    customer: owner.customer,
    customer_account: null,
    end: coupon.duration === "repeating" ? addMonths(start, coupon.duration_in_months ?? 1) : null,
    invoice: owner.invoice ?? null,
    invoice_item: owner.invoice_item ?? null,
    promotion_code: code?.id ?? null,
    source: { coupon: coupon.id as string | null, type: "coupon" as const },
    start,
    subscription: owner.subscription ?? null,
    subscription_item: owner.subscription_item ?? null,
    ...internalFields(coupon),
  };
}

/** Returns the fields that API responses do not contain. States of older versions of the emulator lack these fields. */
function internalFields(coupon: Coupon) {
  return {
    /** A copy of the coupon at its redemption. Deleting the coupon does not change the discount. */
    terms: copy(coupon) as Coupon | undefined,
    /** The invoice that used up the discount of a coupon with the duration `once`; null if it is not used up. */
    used_by: null as string | null | undefined,
    /** True after the discount was removed from its customer, subscription or subscription item. */
    removed: false as boolean | undefined,
  };
}
