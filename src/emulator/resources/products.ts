/** Products. @see https://docs.stripe.com/api/products */
import { z } from "zod";
import type { Api } from "../api.ts";
import { emit } from "../core/events.ts";
import { page } from "../core/lists.ts";
import { expand, flag, listParams, mergeMetadata, metadata, text, unsettable } from "../core/params.ts";
import { all, need, newId, type World } from "../core/world.ts";

export type Product = ReturnType<typeof newProduct>;

const fields = {
  description: unsettable(text).optional(),
  active: flag.optional(),
  metadata: metadata.optional(),
  expand,
};
const CreateParams = z.strictObject({ ...fields, name: text });
const UpdateParams = z.strictObject({ ...fields, name: text.optional() });
const ListParams = z.strictObject({ ...listParams, active: flag.optional() });

function newProduct(world: World, params: z.output<typeof CreateParams>) {
  return {
    id: newId(world, "prod", 14),
    object: "product" as const,
    active: params.active ?? true,
    attributes: [],
    created: world.state.now,
    default_price: null as string | null,
    description: params.description ?? null,
    images: [],
    livemode: false as const,
    marketing_features: [],
    metadata: mergeMetadata({}, params.metadata),
    name: params.name,
    package_dimensions: null,
    shippable: null,
    statement_descriptor: null,
    tax_code: null,
    type: "service",
    unit_label: null,
    updated: world.state.now,
    url: null,
  };
}

export function productRoutes(api: Api): void {
  api.post("/v1/products", CreateParams, (world, params) => {
    const product = newProduct(world, params);
    world.state.tables.product.set(product.id, product);
    emit(world, "product.created", product);
    return product;
  });

  api.get("/v1/products", ListParams, (world, params) => {
    const rows = all(world, "product").filter((row) => params.active === undefined || row.active === params.active);
    return page(rows, params, "/v1/products");
  });

  api.get("/v1/products/:id", z.strictObject({ expand }), (world, _params, id) => need(world, "product", id));

  api.post("/v1/products/:id", UpdateParams, (world, params, id) => {
    const product = need(world, "product", id);
    const previous = { name: product.name, active: product.active, description: product.description };
    if (params.name !== undefined) product.name = params.name;
    if (params.active !== undefined) product.active = params.active;
    if (params.description !== undefined) product.description = params.description;
    product.metadata = mergeMetadata(product.metadata, params.metadata);
    product.updated = world.state.now;
    emit(world, "product.updated", product, previous);
    return product;
  });
}
