/** Defines the API routes of products. @see https://docs.stripe.com/api/products */
import { z } from "zod";
import type { Api } from "../api.ts";
import { createProduct } from "../billing/products.ts";
import { now } from "../core/clock.ts";
import { ApiError } from "../core/errors.ts";
import { emit, emitChange } from "../core/events.ts";
import { hasFields, paginate } from "../core/pagination.ts";
import { expand, flag, listParams, mergeMetadata, metadata, text, unsettable } from "../core/params.ts";
import { listAll, listBy, remove, retrieve } from "../core/rows.ts";
import { search, searchParams } from "../core/search.ts";
import { PriceFields } from "./price-params.ts";
import { createPrice } from "./prices.ts";

const marketingFeatures = unsettable(z.array(z.strictObject({ name: text }))).optional();
const fields = {
  description: unsettable(text).optional(),
  active: flag.optional(),
  images: unsettable(z.array(text).max(8)).optional(),
  marketing_features: marketingFeatures,
  shippable: flag.optional(),
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
  type: z.enum(["good", "service"]).optional(),
  default_price_data: z.strictObject(priceFields).optional(),
});
const UpdateParams = z.strictObject({ ...fields, name: text.optional(), default_price: unsettable(text).optional() });
const ListParams = z.strictObject({
  ...listParams,
  active: flag.optional(),
  ids: z.array(text).optional(),
  shippable: flag.optional(),
  type: z.enum(["good", "service"]).optional(),
  url: text.optional(),
});

export function productRoutes(api: Api): void {
  api.post("/v1/products", CreateParams, (context, params) => {
    const product = createProduct(context, params);
    if (params.default_price_data)
      product.default_price = createPrice(
        context,
        { ...params.default_price_data, product: product.id },
        "default_price_data",
      ).id;
    return product;
  });

  api.get("/v1/products/search", searchParams, (context, params) =>
    search(context, listAll(context, "product"), params, "/v1/products/search"),
  );

  api.get("/v1/products", ListParams, (context, params) => {
    const { active, ids, shippable, type, url: address } = params;
    const cursor = (["starting_after", "ending_before"] as const).find((name) => params[name] !== undefined);
    if (ids !== undefined && cursor !== undefined)
      throw new ApiError(`You may only specify one of these parameters: ids, ${cursor}.`, {
        code: "parameters_exclusive",
        param: "ids",
      });
    return paginate(context, listAll(context, "product"), params, {
      url: "/v1/products",
      filter: (row) =>
        hasFields(row, { active, type, url: address }) &&
        (ids === undefined || ids.includes(row.id)) &&
        (shippable === undefined || (row.shippable ?? false) === shippable),
    });
  });

  api.get("/v1/products/:id", z.strictObject({ expand }), (context, _params, id) => retrieve(context, "product", id));

  api.post("/v1/products/:id", UpdateParams, (context, params, id) => {
    const product = retrieve(context, "product", id);
    if (params.default_price) retrieve(context, "price", params.default_price, "default_price");
    emitChange(context, "product.updated", product, () => {
      const { expand: _expand, metadata: changed, images, marketing_features: marketing, ...given } = params;
      Object.assign(product, Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)));
      if (images !== undefined) product.images = images ?? [];
      if (marketing !== undefined) product.marketing_features = marketing ?? [];
      product.metadata = mergeMetadata(product.metadata, changed);
      product.updated = now(context);
    });
    return product;
  });

  api.delete("/v1/products/:id", z.strictObject({}), (context, _params, id) => {
    const product = retrieve(context, "product", id);
    if (listBy(context, "price", { product: id }).length > 0)
      throw new ApiError("This product cannot be deleted because it has one or more user-created prices.");
    remove(context, "product", id);
    emit(context, "product.deleted", product);
    return { id, object: "product", deleted: true };
  });
}
