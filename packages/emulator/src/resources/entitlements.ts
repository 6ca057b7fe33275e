/**
 * Defines the API routes of features, product features and active entitlements.
 * @see https://docs.stripe.com/api/entitlements/feature
 */
import { z } from "zod";
import type { Api } from "../api.ts";
import { retrieveCustomer } from "../billing/customers.ts";
import { ApiError } from "../core/errors.ts";
import { newId } from "../core/ids.ts";
import { paginate } from "../core/pagination.ts";
import { expand, flag, listParams, mergeMetadata, metadata, text } from "../core/params.ts";
import { find, insert, listAll, remove, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { setEntry } from "../core/transaction.ts";
import { newFeature } from "../objects/feature.ts";
import type { ProductFeature } from "../objects/product-feature.ts";

export const CreateParams = z.strictObject({
  lookup_key: text.max(80),
  name: text.max(80),
  metadata: metadata.optional(),
  expand,
});
const UpdateParams = z.strictObject({
  active: flag.optional(),
  name: text.optional(),
  metadata: metadata.optional(),
  expand,
});
const ListParams = z.strictObject({ ...listParams, archived: flag.optional(), lookup_key: text.optional() });
const NoParams = z.strictObject({ expand });

export function entitlementRoutes(api: Api): void {
  api.post("/v1/entitlements/features", CreateParams, (context, params) => {
    if (
      listAll(context, "entitlements.feature", (row) => row.active && row.lookup_key === params.lookup_key).length > 0
    )
      throw new ApiError(`A feature with lookup_key "${params.lookup_key}" already exists.`, { param: "lookup_key" });
    return insert(context, "entitlements.feature", newFeature(context, params));
  });
  api.get("/v1/entitlements/features", ListParams, (context, params) => {
    return paginate(context, listAll(context, "entitlements.feature"), params, {
      url: "/v1/entitlements/features",
      filter: (row) =>
        (params.archived === undefined || row.active !== params.archived) &&
        (params.lookup_key === undefined || row.lookup_key === params.lookup_key),
    });
  });
  api.get("/v1/entitlements/features/:id", NoParams, (context, _params, id) =>
    retrieve(context, "entitlements.feature", id),
  );
  api.post("/v1/entitlements/features/:id", UpdateParams, (context, params, id) => {
    const feature = retrieve(context, "entitlements.feature", id);
    if (params.active !== undefined) feature.active = params.active;
    if (params.name !== undefined) feature.name = params.name;
    feature.metadata = mergeMetadata(feature.metadata, params.metadata);
    return feature;
  });

  api.get(
    "/v1/entitlements/active_entitlements",
    z.strictObject({ ...listParams, customer: text }),
    (context, params) => {
      retrieveCustomer(context, params.customer, "customer");
      const ids = context.account.entitlementsByCustomer.get(params.customer) ?? [];
      const rows = ids.flatMap((id) => find(context, "entitlements.active_entitlement", id) ?? []);
      return paginate(context, rows, params, { url: "/v1/entitlements/active_entitlements" });
    },
  );
  api.get("/v1/entitlements/active_entitlements/:id", NoParams, (context, _params, id) =>
    retrieve(context, "entitlements.active_entitlement", id),
  );
  productFeatureRoutes(api);
}

function productFeatureRoutes(api: Api): void {
  const path = "/v1/products/:id/features";
  api.post(path, z.strictObject({ entitlement_feature: text, expand }), (context, params, id) => {
    retrieve(context, "product", id);
    const feature = retrieve(context, "entitlements.feature", params.entitlement_feature, "entitlement_feature");
    const row = insert(context, "product_feature", {
      id: newId(context, "prodft"),
      object: "product_feature",
      entitlement_feature: feature,
      livemode: false,
    });
    setEntry(context, context.account.productByFeature, row.id, id);
    return row;
  });
  api.get(path, z.strictObject(listParams), (context, params, id) =>
    paginate(context, featuresOf(context, retrieve(context, "product", id).id), params, {
      url: path.replace(":id", id),
    }),
  );
  api.get(`${path}/:child`, NoParams, (context, _params, _id, child) => retrieve(context, "product_feature", child));
  api.delete(`${path}/:child`, z.strictObject({}), (context, _params, _id, child) => {
    retrieve(context, "product_feature", child);
    remove(context, "product_feature", child);
    return { id: child, object: "product_feature", deleted: true };
  });
}

function featuresOf(context: Context, product: string): ProductFeature[] {
  return listAll(context, "product_feature", (row) => context.account.productByFeature.get(row.id) === product);
}
