/**
 * Features. Products can include features, and customers who subscribe to such a product are entitled to its features.
 * @see https://docs.stripe.com/api/entitlements/feature/object
 */
import { newId } from "../core/ids.ts";
import type { ObjectSource } from "../core/object-source.ts";
import { mergeMetadata } from "../core/params.ts";

export type Feature = ReturnType<typeof newFeature>;

/** Parameters of a new feature. */
export interface NewFeature {
  lookup_key: string;
  name: string;
  metadata?: "" | Record<string, string> | undefined;
}

export function newFeature(source: ObjectSource, params: NewFeature) {
  return {
    id: newId(source, "feat"),
    object: "entitlements.feature" as const,
    active: true,
    livemode: false as const,
    lookup_key: params.lookup_key,
    metadata: mergeMetadata({}, params.metadata),
    name: params.name,
  };
}
