/** Products. @see https://docs.stripe.com/api/products/object */
import { now } from "../core/clock.ts";
import { newShortId } from "../core/ids.ts";
import type { ObjectSource } from "../core/object-source.ts";
import { mergeMetadata } from "../core/params.ts";

export type Product = ReturnType<typeof newProduct>;

export interface NewProduct {
  name: string;
  id?: string | undefined;
  active?: boolean | undefined;
  description?: string | null | undefined;
  images?: string[] | null | undefined;
  marketing_features?: { name: string }[] | null | undefined;
  shippable?: boolean | undefined;
  statement_descriptor?: string | undefined;
  tax_code?: string | null | undefined;
  type?: "good" | "service" | undefined;
  unit_label?: string | null | undefined;
  url?: string | null | undefined;
  metadata?: "" | Record<string, string> | undefined;
}

export function newProduct(source: ObjectSource, params: NewProduct) {
  return {
    id: params.id ?? newShortId(source, "prod"),
    object: "product" as const,
    active: params.active ?? true,
    created: now(source),
    default_price: null as string | null,
    description: params.description ?? null,
    images: params.images ?? [],
    livemode: false as const,
    marketing_features: params.marketing_features ?? [],
    metadata: mergeMetadata({}, params.metadata),
    name: params.name,
    package_dimensions: null,
    shippable: params.shippable ?? null,
    statement_descriptor: params.statement_descriptor ?? null,
    tax_details: null,
    tax_code: params.tax_code ?? null,
    type: params.type ?? ("service" as const),
    unit_label: params.unit_label ?? null,
    updated: now(source),
    url: params.url ?? null,
  };
}
