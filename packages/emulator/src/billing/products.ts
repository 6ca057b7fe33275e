/** Products as rows. */
import { ApiError } from "../core/errors.ts";
import { emit } from "../core/events.ts";
import { mergeMetadata } from "../core/params.ts";
import { newShortId } from "../core/ids.ts";
import { insert, now, type World } from "../core/world.ts";

export type Product = ReturnType<typeof newProduct>;

export interface NewProduct {
  name: string;
  id?: string | undefined;
  active?: boolean | undefined;
  description?: string | null | undefined;
  images?: string[] | null | undefined;
  marketing_features?: { name: string }[] | null | undefined;
  statement_descriptor?: string | undefined;
  tax_code?: string | null | undefined;
  unit_label?: string | null | undefined;
  url?: string | null | undefined;
  metadata?: "" | Record<string, string> | undefined;
}

export function newProduct(world: World, params: NewProduct) {
  return {
    id: params.id ?? newShortId(world, "prod"),
    object: "product" as const,
    active: params.active ?? true,
    created: now(world),
    default_price: null as string | null,
    description: params.description ?? null,
    images: params.images ?? [],
    livemode: false as const,
    marketing_features: params.marketing_features ?? [],
    metadata: mergeMetadata({}, params.metadata),
    name: params.name,
    package_dimensions: null,
    shippable: null,
    statement_descriptor: params.statement_descriptor ?? null,
    tax_details: null,
    tax_code: params.tax_code ?? null,
    type: "service",
    unit_label: params.unit_label ?? null,
    updated: now(world),
    url: params.url ?? null,
  };
}

export function createProduct(world: World, params: NewProduct): Product {
  if (params.id !== undefined && world.account.tables.product.has(params.id))
    throw new ApiError("Product already exists.", { code: "resource_already_exists", param: "id" });
  const product = insert(world, "product", newProduct(world, params));
  emit(world, "product.created", product);
  return product;
}
