/** Parameters that several resources take in the same form. */
import { z } from "zod";
import { currency, integer, text, unsettable, whole } from "../core/params.ts";

export const discounts = unsettable(
  z.array(z.strictObject({ coupon: text.optional(), promotion_code: text.optional(), discount: text.optional() })),
).optional();
export const taxRates = unsettable(z.array(text)).optional();
export const collectionMethod = z.enum(["charge_automatically", "send_invoice"]).optional();
export const prorationParam = z.enum(["create_prorations", "always_invoice", "none"]).optional();
export const intervalParam = z.enum(["day", "week", "month", "year"]);

/** A price that is made with what it is for: a subscription's item, or a schedule's. */
export const recurringPriceData = z.strictObject({
  currency,
  product: text,
  unit_amount: whole.optional(),
  unit_amount_decimal: text.optional(),
  recurring: z.strictObject({ interval: intervalParam, interval_count: integer.optional() }),
});
