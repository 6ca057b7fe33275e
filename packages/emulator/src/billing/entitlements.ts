/** What a customer is entitled to: the features of the products it subscribes to. @see https://docs.stripe.com/billing/entitlements */
import { emit } from "../core/events.ts";
import { newId } from "../core/ids.ts";
import { all, find, insert, of, type World } from "../core/world.ts";
import type { Feature } from "../resources/entitlements.ts";

const ENTITLING = new Set(["active", "trialing", "past_due"]);

/** Compares with what was granted before, and tells of a difference. */
export function refreshEntitlements(world: World, customer: string): void {
  const { product_feature: productFeatures } = world.account.tables;
  if (productFeatures.size === 0) return;
  const products = new Set(
    of(world, "subscription", "customer", customer)
      .filter(({ status }) => ENTITLING.has(status))
      .flatMap(({ items }) => items.data.map((item) => item.price.product)),
  );
  const features = new Map<string, Feature>();
  for (const row of all(world, "product_feature"))
    if (products.has(world.account.productOfFeature.get(row.id) ?? ""))
      features.set(row.entitlement_feature.id, row.entitlement_feature);
  const before = world.account.entitlementsOf.get(customer) ?? [];
  const known = before.flatMap((id) => find(world, "entitlements.active_entitlement", id) ?? []);
  const kept = known.filter((entitlement) => features.has(entitlement.feature));
  const added = [...features.values()]
    .filter((feature) => !known.some((entitlement) => entitlement.feature === feature.id))
    .map((feature) =>
      insert(world, "entitlements.active_entitlement", {
        id: newId(world, "ent"),
        object: "entitlements.active_entitlement",
        feature: feature.id,
        livemode: false,
        lookup_key: feature.lookup_key,
      }),
    );
  if (added.length === 0 && kept.length === known.length) return;
  const entitlements = [...kept, ...added];
  world.account.entitlementsOf.set(
    customer,
    entitlements.map(({ id }) => id),
  );
  emit(world, "entitlements.active_entitlement_summary.updated", {
    object: "entitlements.active_entitlement_summary",
    customer,
    entitlements: {
      object: "list",
      data: entitlements.slice(0, SUMMARY_LIMIT),
      has_more: entitlements.length > SUMMARY_LIMIT,
      url: `/v1/customer/${customer}/entitlements`,
    },
    livemode: false,
  });
}

/** The summary holds this many; the others have to be listed. */
const SUMMARY_LIMIT = 10;
