/** Creates products. */
import { ApiError } from "../core/errors.ts";
import { emit } from "../core/events.ts";
import { insert } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { newProduct, type NewProduct, type Product } from "../objects/product.ts";

export function createProduct(context: Context, params: NewProduct): Product {
  if (params.id !== undefined && context.account.tables.product.has(params.id))
    throw new ApiError("Product already exists.", { code: "resource_already_exists", param: "id" });
  const product = insert(context, "product", newProduct(context, params));
  emit(context, "product.created", product);
  return product;
}
