/**
 * Reads fields of the current API version. The types of the ecosystem tests come from an old version of Stripe's SDK, which
 * declares the module "stripe" for all packages.
 */
import type Stripe from "stripe";

/** Returns the billing period of the subscription's first item. */
export function periodOf(subscription: Stripe.Subscription): {
  current_period_start: number;
  current_period_end: number;
} {
  return subscription.items.data[0] as unknown as ReturnType<typeof periodOf>;
}

/** Returns the id of the subscription that an invoice belongs to. */
export function subscriptionOf(invoice: Stripe.Invoice): string | undefined {
  const { parent } = invoice as unknown as { parent: { subscription_details: { subscription: string } | null } | null };
  return parent?.subscription_details?.subscription;
}
