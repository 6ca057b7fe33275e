/**
 * Finds the location of a customer for automatic tax.
 * @see https://docs.stripe.com/tax/customer-locations
 */
import { ApiError } from "../core/errors.ts";
import { find } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { Customer } from "../objects/customer.ts";
import { type Place, type PlaceInput, placeOf } from "./tax-places.ts";

export interface TaxLocation {
  place: Place;
  source: "billing_address" | "ip_address" | "payment_method" | "shipping_destination";
}

/**
 * Returns the location of a customer; null if it is not recognized. The first of these that is present decides: the shipping
 * address, the billing address, the payment method, the IP address. An imprecise address of the customer is not skipped.
 *
 * @param methods IDs of the payment methods that pay, the most specific one first
 */
export function taxLocationOf(
  context: Context,
  customer: Customer,
  methods: readonly (string | null | undefined)[] = [],
): TaxLocation | null {
  if (customer.shipping?.address.country) return located(customer.shipping.address, "shipping_destination");
  if (customer.address?.country || customer.address?.postal_code) return located(customer.address, "billing_address");
  const paying = [...methods, customer.invoice_settings.default_payment_method].find((id) => id != null);
  const method = find(context, "payment_method", paying ?? null);
  const { address } = method?.billing_details ?? {};
  const given = method && located({ ...address, country: address?.country ?? method.card.country }, "payment_method");
  if (given) return given;
  const ip = context.account.taxIpAddresses.get(customer.id);
  return located((ip === undefined ? undefined : context.state.tax.ip_locations[ip]) ?? {}, "ip_address");
}

function located(address: PlaceInput, source: TaxLocation["source"]): TaxLocation | null {
  const place = placeOf(address);
  return place && { place, source };
}

/** Returns Stripe's error for a customer whose location is not recognized. */
export function locationInvalid(options: { keepsEffects?: boolean } = {}): ApiError {
  return new ApiError(
    "The customer's location isn't recognized. Set a valid customer address in order to automatically calculate tax.",
    { code: "customer_tax_location_invalid", ...options },
  );
}
