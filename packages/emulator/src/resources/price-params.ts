/** Schemas of the parameters that describe prices. @see https://docs.stripe.com/api/prices/create */
import { z } from "zod";
import { isSupportedCurrency, unsupportedCurrency } from "../core/currencies.ts";
import { currency, expand, flag, integer, metadata, nonNegative, text } from "../core/params.ts";
import { intervalParam } from "./shared-params.ts";
import { taxBehavior } from "./tax-params.ts";

export const lookupKey = text.max(200);
/** An amount in minor units with at most 12 decimal places. */
export const amountDecimal = z
  .string()
  .refine((value) => /^\d{1,12}(\.\d*)?$/.test(value), { error: ({ input }) => `Invalid decimal: ${String(input)}` })
  .refine((value) => !/\.\d{13,}$/.test(value), {
    error: ({ input }) => `Invalid decimal: ${String(input)}; must contain at maximum 12 decimal places.`,
  });
const tier = z.strictObject({
  up_to: z.union([z.literal("inf").transform(() => null), integer.pipe(z.number().min(1))]),
  unit_amount: nonNegative.optional(),
  unit_amount_decimal: amountDecimal.optional(),
  flat_amount: nonNegative.optional(),
  flat_amount_decimal: amountDecimal.optional(),
});
const customAmount = z.strictObject({
  enabled: flag,
  maximum: nonNegative.optional(),
  minimum: nonNegative.optional(),
  preset: nonNegative.optional(),
});

/** The fields of a product that a price or a plan creates. */
export const productData = z.strictObject({
  name: text.min(1),
  id: text.optional(),
  active: flag.optional(),
  metadata: metadata.optional(),
  statement_descriptor: text.optional(),
  tax_code: text.optional(),
  unit_label: text.optional(),
});

const amounts = {
  custom_unit_amount: customAmount.optional(),
  tax_behavior: taxBehavior.optional(),
  tiers: z.array(tier).optional(),
  unit_amount: nonNegative.optional(),
  unit_amount_decimal: amountDecimal.optional(),
};
export const currencyOptions = z.record(z.string(), z.strictObject(amounts)).superRefine((given, context) => {
  for (const key of Object.keys(given)) {
    const message = isSupportedCurrency(key) ? lowercaseError(key) : unsupportedCurrency(key);
    if (message !== null) context.addIssue({ code: "custom", path: [key], message });
  }
});

function lowercaseError(key: string): string | null {
  const lower = key.toLowerCase();
  if (key === lower) return null;
  return `Currencies must be lowercase when used as keys in a map. Use \`${lower}\` instead of \`${key}\`.`;
}

export const PriceFields = {
  ...amounts,
  product: text.optional(),
  product_data: productData.optional(),
  currency,
  billing_scheme: z.enum(["per_unit", "tiered"]).optional(),
  tiers_mode: z.enum(["graduated", "volume"]).optional(),
  transform_quantity: z
    .strictObject({ divide_by: integer.pipe(z.number().min(1)), round: z.enum(["up", "down"]) })
    .optional(),
  recurring: z
    .strictObject({
      interval: intervalParam,
      interval_count: integer.pipe(z.number().min(1)).optional(),
      meter: text.optional(),
      trial_period_days: nonNegative.optional(),
      usage_type: z.enum(["licensed", "metered"]).optional(),
    })
    .optional(),
  currency_options: currencyOptions.optional(),
  lookup_key: lookupKey.optional(),
  transfer_lookup_key: flag.optional(),
  nickname: text.optional(),
  active: flag.optional(),
  metadata: metadata.optional(),
  expand,
};
export const CreateParams = z.strictObject(PriceFields);
export type PriceInput = Partial<z.output<typeof CreateParams>> & { id?: string | undefined; currency: string };
export type AmountInput = Pick<PriceInput, "custom_unit_amount" | "tiers" | "unit_amount" | "unit_amount_decimal">;

const inlinePrice = {
  currency,
  tax_behavior: taxBehavior.optional(),
  unit_amount: nonNegative.optional(),
  unit_amount_decimal: amountDecimal.optional(),
};
const inlineRecurring = z.strictObject({
  interval: intervalParam,
  interval_count: integer.pipe(z.number().min(1)).optional(),
});

/** Parameters of a price that is created with a subscription item or a phase. */
export const recurringPriceData = z.strictObject({ ...inlinePrice, product: text, recurring: inlineRecurring });
/** Parameters of a price that is created with a line of a checkout session. */
export const checkoutPriceData = z.strictObject({
  ...inlinePrice,
  product: text.optional(),
  product_data: z
    .strictObject({
      name: text,
      description: text.optional(),
      metadata: metadata.optional(),
      tax_code: text.optional(),
    })
    .optional(),
  recurring: inlineRecurring.optional(),
});
/** Parameters of a price that is created with an invoice item. The amount of an invoice item can be negative. */
export const invoicePriceData = z.strictObject({
  ...inlinePrice,
  product: text,
  unit_amount: integer.optional(),
  unit_amount_decimal: z
    .string()
    .regex(/^-?\d{1,12}(\.\d{1,12})?$/, "must be a decimal number")
    .optional(),
});
