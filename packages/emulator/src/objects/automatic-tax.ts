/** The settings of automatic tax in subscriptions, invoices and checkout sessions. @see https://docs.stripe.com/tax */

const SELF = { type: "self" as const };

/** Returns the automatic tax of a subscription, a schedule or a phase. */
export function subscriptionTax(enabled: boolean) {
  return {
    disabled_reason: null as "requires_location_inputs" | null,
    enabled,
    liability: enabled ? SELF : null,
  };
}

export type SubscriptionTax = ReturnType<typeof subscriptionTax>;

/** Returns the automatic tax of an invoice whose taxes are not computed yet. */
export function invoiceTax(enabled: boolean) {
  return {
    disabled_reason: null as "finalization_requires_location_inputs" | null,
    enabled,
    liability: enabled ? SELF : null,
    provider: enabled ? ("stripe" as const) : null,
    status: (enabled ? "requires_location_inputs" : null) as "complete" | "requires_location_inputs" | null,
  };
}
