/**
 * Active entitlements: the features that a customer may use.
 * @see https://docs.stripe.com/api/entitlements/active-entitlement/object
 */
export interface ActiveEntitlement {
  id: string;
  object: "entitlements.active_entitlement";
  feature: string;
  livemode: false;
  lookup_key: string;
}
