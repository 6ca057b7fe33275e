/**
 * The settings of Stripe Tax: the seller's country, the default tax behavior, and the table of rates. At Stripe, these settings
 * are in the dashboard.
 * @see https://docs.stripe.com/tax/set-up
 */
import { z } from "zod";

const MAX_RATES = 1_000;

const country = z.string().regex(/^[A-Z]{2}$/, "must be a country code such as DE");
const location = z.strictObject({
  country,
  state: z.string().min(1).optional(),
  postal_code: z.string().min(1).optional(),
});
const rate = location.extend({
  percentage: z.number().min(0).max(100),
  display_name: z.string().min(1).optional(),
  tax_type: z.string().min(1).optional(),
  tax_code: z
    .string()
    .regex(/^txcd_\d{8}$/, "must be a tax code such as txcd_10103001")
    .optional(),
  registered: z.boolean().default(true),
});

export const TaxSettingsInput = z.strictObject({
  country: country.default("US"),
  default_behavior: z.enum(["exclusive", "inclusive", "inferred_by_currency"]).nullable().default(null),
  rates: z.array(rate).max(MAX_RATES).default([]),
  ip_locations: z.record(z.string(), location).default({}),
});

/** The settings of Stripe Tax. The field names are Stripe's. */
export interface TaxSettings {
  /** The seller's country, such as "DE". Default "US". */
  country?: string;
  /** The tax behavior of prices with `tax_behavior: unspecified`. Default null: automatic tax refuses these prices. */
  default_behavior?: "exclusive" | "inclusive" | "inferred_by_currency" | null;
  /**
   * The rates of automatic tax. The entries of the most specific matching place apply, and add up if there are several. A place
   * without entries has no tax, with the reason `not_collecting`. Default: none.
   */
  rates?: TaxEntry[];
  /** The locations of IP addresses. Other IP addresses have no recognized location. Default: none. */
  ip_locations?: Record<string, TaxLocation>;
}

export interface TaxLocation {
  country: string;
  state?: string | undefined;
  postal_code?: string | undefined;
}

/** A rate of automatic tax in a country, a state or a postal code. */
export interface TaxEntry extends TaxLocation {
  /** The rate in percent, such as 19. */
  percentage: number;
  /** The name that customers see. Default: a name that fits the tax type, such as "VAT". */
  display_name?: string | undefined;
  /** The type of the tax, such as "vat". Default: the usual tax type of the country. */
  tax_type?: string | undefined;
  /** If set, the entry applies only to products with this tax code, and replaces the place's entries without a tax code. */
  tax_code?: string | undefined;
  /** If false, the seller collects no tax in this place. Default true. */
  registered?: boolean | undefined;
}

/** The settings of Stripe Tax after their defaults were filled in. */
export type CompleteTaxSettings = z.output<typeof TaxSettingsInput>;

/** Returns the settings with their defaults. Throws an error that names the first invalid setting. */
export function parseTaxSettings(settings: TaxSettings | undefined): CompleteTaxSettings {
  const parsed = TaxSettingsInput.safeParse(settings ?? {});
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const path = ["tax", ...(issue?.path ?? [])].map(String).join(".");
  throw new TypeError(`The option ${path} is invalid: ${issue?.message ?? "unknown"}.`);
}
