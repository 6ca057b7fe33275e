/** Products, and the features that come with them. @see https://docs.stripe.com/api/products */
import { z } from "zod";
import type { Api } from "../api.ts";
import { createProduct } from "../billing/products.ts";
import { change, emit } from "../core/events.ts";
import { ApiError } from "../core/errors.ts";
import { page } from "../core/lists.ts";
import { expand, flag, listParams, mergeMetadata, metadata, text, unsettable } from "../core/params.ts";
import { search, searchParams } from "../core/search.ts";
import { all, need, now, of, remove } from "../core/world.ts";
import { createPrice, PriceFields } from "./prices.ts";

const marketingFeatures = unsettable(z.array(z.strictObject({ name: text }))).optional();
const fields = {
  description: unsettable(text).optional(),
  active: flag.optional(),
  images: unsettable(z.array(text).max(8)).optional(),
  marketing_features: marketingFeatures,
  statement_descriptor: text.optional(),
  tax_code: unsettable(text).optional(),
  unit_label: unsettable(text).optional(),
  url: unsettable(text).optional(),
  metadata: metadata.optional(),
  expand,
};
const { product: _product, product_data: _data, active: _active, metadata: _metadata, ...priceFields } = PriceFields;
const CreateParams = z.strictObject({
  ...fields,
  name: text.min(1),
  id: text.optional(),
  default_price_data: z.strictObject(priceFields).optional(),
});
const UpdateParams = z.strictObject({ ...fields, name: text.optional(), default_price: unsettable(text).optional() });
const ListParams = z.strictObject({
  ...listParams,
  active: flag.optional(),
  ids: z.array(text).optional(),
  url: text.optional(),
});

export function productRoutes(api: Api): void {
  api.post("/v1/products", CreateParams, (world, params) => {
    const product = createProduct(world, params);
    if (params.default_price_data)
      product.default_price = createPrice(world, { ...params.default_price_data, product: product.id }).id;
    return product;
  });

  api.get("/v1/products/search", searchParams, (world, params) =>
    search(world, all(world, "product"), params, "/v1/products/search"),
  );

  api.get("/v1/products", ListParams, (world, params) => {
    return page(
      world,
      all(world, "product"),
      params,
      "/v1/products",
      (row) =>
        (params.active === undefined || row.active === params.active) &&
        (params.ids === undefined || params.ids.includes(row.id)) &&
        (params.url === undefined || row.url === params.url),
    );
  });

  api.get("/v1/products/:id", z.strictObject({ expand }), (world, _params, id) => need(world, "product", id));

  api.post("/v1/products/:id", UpdateParams, (world, params, id) => {
    const product = need(world, "product", id);
    if (params.default_price) need(world, "price", params.default_price, "default_price");
    change(world, "product.updated", product, () => {
      const { expand: _expand, metadata: changed, images, marketing_features: marketing, ...given } = params;
      Object.assign(product, Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)));
      if (images !== undefined) product.images = images ?? [];
      if (marketing !== undefined) product.marketing_features = marketing ?? [];
      product.metadata = mergeMetadata(product.metadata, changed);
      product.updated = now(world);
    });
    return product;
  });

  api.delete("/v1/products/:id", z.strictObject({}), (world, _params, id) => {
    const product = need(world, "product", id);
    if (of(world, "price", "product", id).length > 0)
      throw new ApiError("This product cannot be deleted because it has one or more user-created prices.");
    remove(world, "product", id);
    emit(world, "product.deleted", product);
    return { id, object: "product", deleted: true };
  });
}
