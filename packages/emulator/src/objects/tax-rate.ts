/** Manual tax rates. @see https://docs.stripe.com/api/tax_rates/object */
import { now } from "../core/clock.ts";
import { newId } from "../core/ids.ts";
import type { ObjectSource } from "../core/object-source.ts";
import { mergeMetadata } from "../core/params.ts";

export type TaxRate = ReturnType<typeof newTaxRate>;

/** Parameters of a new tax rate. */
export interface NewTaxRate {
  active?: boolean | undefined;
  country?: string | undefined;
  description?: string | undefined;
  display_name: string;
  inclusive: boolean;
  jurisdiction?: string | undefined;
  percentage: number;
  state?: string | undefined;
  tax_type?: string | undefined;
  metadata?: "" | Record<string, string> | undefined;
}

export function newTaxRate(source: ObjectSource, params: NewTaxRate) {
  return {
    id: newId(source, "txr"),
    object: "tax_rate" as const,
    active: params.active ?? true,
    country: params.country ?? null,
    created: now(source),
    description: params.description ?? null,
    display_name: params.display_name,
    effective_percentage: null as number | null,
    flat_amount: null,
    inclusive: params.inclusive,
    jurisdiction: params.jurisdiction ?? null,
    jurisdiction_level: null as "country" | "district" | "state" | null,
    livemode: false as const,
    metadata: mergeMetadata({}, params.metadata),
    percentage: params.percentage,
    rate_type: "percentage" as const,
    state: params.state ?? null,
    tax_type: params.tax_type ?? null,
  };
}
