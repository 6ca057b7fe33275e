/**
 * Computes the active entitlements of customers: the features of the products that they subscribe to.
 * @see https://docs.stripe.com/billing/entitlements
 */
import { emit } from "../core/events.ts";
import { newId } from "../core/ids.ts";
import { find, insert, listAll, listBy } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { setEntry } from "../core/transaction.ts";
import type { Feature } from "../objects/feature.ts";

const ENTITLING = new Set(["active", "trialing", "past_due"]);

/** Recomputes a customer's active entitlements, and emits an event if they changed. */
export function refreshEntitlements(context: Context, customer: string): void {
  const { product_feature: productFeatures } = context.account.tables;
  if (productFeatures.size === 0) return;
  const products = new Set(
    listBy(context, "subscription", { customer })
      .filter(({ status }) => ENTITLING.has(status))
      .flatMap(({ items }) => items.data.map((item) => item.price.product)),
  );
  const features = new Map<string, Feature>();
  for (const row of listAll(context, "product_feature"))
    if (products.has(context.account.productByFeature.get(row.id) ?? ""))
      features.set(row.entitlement_feature.id, row.entitlement_feature);
  const before = context.account.entitlementsByCustomer.get(customer) ?? [];
  const known = before.flatMap((id) => find(context, "entitlements.active_entitlement", id) ?? []);
  const kept = known.filter((entitlement) => features.has(entitlement.feature));
  const added = [...features.values()]
    .filter((feature) => !known.some((entitlement) => entitlement.feature === feature.id))
    .map((feature) =>
      insert(context, "entitlements.active_entitlement", {
        id: newId(context, "ent"),
        object: "entitlements.active_entitlement",
        feature: feature.id,
        livemode: false,
        lookup_key: feature.lookup_key,
      }),
    );
  if (added.length === 0 && kept.length === known.length) return;
  const entitlements = [...kept, ...added];
  setEntry(
    context,
    context.account.entitlementsByCustomer,
    customer,
    entitlements.map(({ id }) => id),
  );
  emit(context, "entitlements.active_entitlement_summary.updated", {
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

/** The maximum number of entitlements in one event `entitlements.active_entitlement_summary.updated`. */
const SUMMARY_LIMIT = 10;
