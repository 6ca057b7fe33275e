/**
 * Product features. A product feature links a product to a feature that the product includes.
 * @see https://docs.stripe.com/api/product-feature/object
 */
import type { Feature } from "./feature.ts";

export interface ProductFeature {
  id: string;
  object: "product_feature";
  entitlement_feature: Feature;
  livemode: false;
}
