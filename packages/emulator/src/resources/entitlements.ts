/** Features, the products they come with, and who is entitled. @see https://docs.stripe.com/api/entitlements/feature */
import { needCustomer } from "../billing/customers.ts";
import { z } from "zod";
import type { Api } from "../api.ts";
import { ApiError } from "../core/errors.ts";
import { page } from "../core/lists.ts";
import { expand, flag, listParams, mergeMetadata, metadata, text } from "../core/params.ts";
import { newId } from "../core/ids.ts";
import { all, find, insert, need, remove, type World } from "../core/world.ts";

export type Feature = ReturnType<typeof newFeature>;

export interface ProductFeature {
  id: string;
  object: "product_feature";
  entitlement_feature: Feature;
  livemode: false;
}

export interface ActiveEntitlement {
  id: string;
  object: "entitlements.active_entitlement";
  feature: string;
  livemode: false;
  lookup_key: string;
}

const CreateParams = z.strictObject({
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
const Nothing = z.strictObject({ expand });

function newFeature(world: World, params: z.output<typeof CreateParams>) {
  return {
    id: newId(world, "feat"),
    object: "entitlements.feature" as const,
    active: true,
    livemode: false as const,
    lookup_key: params.lookup_key,
    metadata: mergeMetadata({}, params.metadata),
    name: params.name,
  };
}

export function entitlementRoutes(api: Api): void {
  api.post("/v1/entitlements/features", CreateParams, (world, params) => {
    if (all(world, "entitlements.feature", (row) => row.active && row.lookup_key === params.lookup_key).length > 0)
      throw new ApiError(`A feature with lookup_key "${params.lookup_key}" already exists.`, { param: "lookup_key" });
    return insert(world, "entitlements.feature", newFeature(world, params));
  });
  api.get("/v1/entitlements/features", ListParams, (world, params) => {
    return page(
      world,
      all(world, "entitlements.feature"),
      params,
      "/v1/entitlements/features",
      (row) =>
        (params.archived === undefined ? row.active : row.active !== params.archived) &&
        (params.lookup_key === undefined || row.lookup_key === params.lookup_key),
    );
  });
  api.get("/v1/entitlements/features/:id", Nothing, (world, _params, id) => need(world, "entitlements.feature", id));
  api.post("/v1/entitlements/features/:id", UpdateParams, (world, params, id) => {
    const feature = need(world, "entitlements.feature", id);
    if (params.active !== undefined) feature.active = params.active;
    if (params.name !== undefined) feature.name = params.name;
    feature.metadata = mergeMetadata(feature.metadata, params.metadata);
    return feature;
  });

  api.get(
    "/v1/entitlements/active_entitlements",
    z.strictObject({ ...listParams, customer: text }),
    (world, params) => {
      needCustomer(world, params.customer, "customer");
      const ids = world.account.entitlementsOf.get(params.customer) ?? [];
      const rows = ids.flatMap((id) => find(world, "entitlements.active_entitlement", id) ?? []);
      return page(world, rows, params, "/v1/entitlements/active_entitlements");
    },
  );
  api.get("/v1/entitlements/active_entitlements/:id", Nothing, (world, _params, id) =>
    need(world, "entitlements.active_entitlement", id),
  );
  productFeatureRoutes(api);
}

function productFeatureRoutes(api: Api): void {
  const path = "/v1/products/:id/features";
  api.post(path, z.strictObject({ entitlement_feature: text, expand }), (world, params, id) => {
    need(world, "product", id);
    const feature = need(world, "entitlements.feature", params.entitlement_feature, "entitlement_feature");
    const row = insert(world, "product_feature", {
      id: newId(world, "prodft"),
      object: "product_feature",
      entitlement_feature: feature,
      livemode: false,
    });
    world.account.productOfFeature.set(row.id, id);
    return row;
  });
  api.get(path, z.strictObject(listParams), (world, params, id) =>
    page(world, featuresOf(world, need(world, "product", id).id), params, path.replace(":id", id)),
  );
  api.get(`${path}/:child`, Nothing, (world, _params, _id, child) => need(world, "product_feature", child));
  api.delete(`${path}/:child`, z.strictObject({}), (world, _params, _id, child) => {
    need(world, "product_feature", child);
    remove(world, "product_feature", child);
    return { id: child, object: "product_feature", deleted: true };
  });
}

function featuresOf(world: World, product: string): ProductFeature[] {
  return all(world, "product_feature", (row) => world.account.productOfFeature.get(row.id) === product);
}
