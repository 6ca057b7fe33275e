/** Schemas of parameters that several resources share. */
import { z } from "zod";
import { text, unsettable } from "../core/params.ts";

const discountList = z.array(
  z.strictObject({ coupon: text.optional(), promotion_code: text.optional(), discount: text.optional() }),
);
export const discounts = unsettable(discountList).optional();
/** The discounts of `add_invoice_items`, which cannot be unset. */
export const addedDiscounts = discountList.optional();
export const collectionMethod = z.enum(["charge_automatically", "send_invoice"]).optional();
export const prorationParam = z.enum(["create_prorations", "always_invoice", "none"]).optional();
export const paymentBehavior = z
  .enum(["allow_incomplete", "default_incomplete", "error_if_incomplete", "pending_if_incomplete"])
  .optional();
/** Changes the billing cycle anchor of a subscription. @see https://docs.stripe.com/billing/subscriptions/billing-cycle */
export const anchorChange = z.strictObject({ type: z.enum(["now", "unchanged"]) }).optional();
export const addressParam = z.strictObject({
  city: text.optional(),
  country: text.optional(),
  line1: text.optional(),
  line2: text.optional(),
  postal_code: text.optional(),
  state: text.optional(),
});
export const shippingParam = unsettable(
  z.strictObject({ address: addressParam, name: text, phone: text.optional() }),
).optional();
export const intervalParam = z.enum(["day", "week", "month", "year"]);
