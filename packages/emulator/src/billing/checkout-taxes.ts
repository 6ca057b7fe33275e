/**
 * Computes the taxes of checkout sessions, and keeps the address and the tax ID that the customer enters.
 * @see https://docs.stripe.com/tax/checkout
 * @see https://docs.stripe.com/payments/checkout/use-manual-tax-rates
 */
import { copy } from "../core/copy.ts";
import { ApiError } from "../core/errors.ts";
import type { CheckoutOrder } from "../core/records.ts";
import { find, listBy } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { CheckoutSession } from "../objects/checkout-session.ts";
import type { LineTax } from "../objects/invoice-line.ts";
import type { Price } from "../objects/price.ts";
import type { TaxRate } from "../objects/tax-rate.ts";
import { ratesOfPrice } from "./automatic-tax.ts";
import { type Place, placeOf } from "./tax-places.ts";
import type { AppliedRate, Taxpayer } from "./tax-rates-of-place.ts";
import { manualRates } from "./taxes.ts";

type OrderItem = CheckoutOrder["items"][number];

/** Returns a function that returns the tax rates of an item of a checkout session. */
export function checkoutRates(
  context: Context,
  session: CheckoutSession,
  order: CheckoutOrder,
): (item: OrderItem, price: Price) => AppliedRate[] {
  const taxpayer = taxpayerOf(context, session, order);
  if (!session.automatic_tax.enabled)
    return (item) => {
      const ids = item.taxRates?.length ? item.taxRates : (order.defaultTaxRates ?? []);
      return manualRates(existingRates(context, ids), taxpayer);
    };
  const place = checkoutPlace(context, session, order);
  return (_item, price) => (place ? ratesOfPrice(context, price, { place, taxpayer }) : []);
}

/** Returns copies of the tax rates with these IDs. */
export function existingRates(context: Context, ids: readonly string[] = []): TaxRate[] {
  return ids.flatMap((id) => copy(find(context, "tax_rate", id)) ?? []);
}

function taxpayerOf(context: Context, { customer: id }: CheckoutSession, { collected }: CheckoutOrder): Taxpayer {
  const known = id === null ? [] : listBy(context, "tax_id", { customer: id });
  return {
    exempt: find(context, "customer", id)?.tax_exempt ?? "none",
    taxIds: collected?.taxId ? [...known, collected.taxId] : known,
  };
}

/**
 * Returns the place for which a checkout session computes automatic tax; null if it is not known yet. The customer's shipping
 * address decides first, then the address that the customer entered, then the customer's saved address. For an existing
 * customer, the entered address counts only if the checkout saves it.
 */
export function checkoutPlace(context: Context, session: CheckoutSession, order: CheckoutOrder): Place | null {
  const customer = find(context, "customer", session.customer);
  if (customer?.shipping?.address.country) return placeOf(customer.shipping.address);
  const keepsAddress = customer !== undefined && order.customerUpdate?.address !== "auto";
  const entered = keepsAddress ? null : order.collected?.address;
  return placeOf(entered ?? customer?.address ?? {});
}

/** Returns whether the checkout page asks for the customer's name and billing address. */
export function asksForAddress(context: Context, session: CheckoutSession, order: CheckoutOrder): boolean {
  if (session.billing_address_collection === "required" || session.tax_id_collection.enabled) return true;
  if (!session.automatic_tax.enabled) return false;
  return (
    order.customerUpdate?.address === "auto" || !checkoutPlace(context, session, { ...order, collected: undefined })
  );
}

/** Sets the status of a checkout session's automatic tax. */
export function setTaxStatus(context: Context, session: CheckoutSession, order: CheckoutOrder): void {
  if (!session.automatic_tax.enabled) return;
  const isKnown = checkoutPlace(context, session, order) !== null;
  session.automatic_tax.status = isKnown ? "complete" : "requires_location_inputs";
}

/** Throws if a checkout session can't be paid yet, because its automatic tax needs the customer's address. */
export function needTaxLocation(session: CheckoutSession): void {
  if (!session.automatic_tax.enabled || session.automatic_tax.status === "complete") return;
  throw new ApiError("The billing address is required to calculate tax. Enter a valid address.", {
    code: "customer_tax_location_invalid",
  });
}

/** Returns the taxes of a checkout item or of a whole session, with their tax rates. */
export function taxesWithRates(context: Context, taxes: readonly LineTax[]) {
  return taxes.map(({ amount, tax_rate_details: { tax_rate: id }, taxability_reason: reason, taxable_amount }) => {
    const isManual = reason === "not_available";
    return {
      amount,
      rate: find(context, "tax_rate", id),
      taxability_reason: isManual ? null : reason,
      taxable_amount: isManual ? null : taxable_amount,
    };
  });
}
