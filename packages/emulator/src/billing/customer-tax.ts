/**
 * Keeps the tax location of customers.
 * @see https://docs.stripe.com/tax/customer-locations
 */
import { listBy } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { deleteEntry, setEntry } from "../core/transaction.ts";
import type { Customer } from "../objects/customer.ts";
import { customerFields } from "../objects/invoice.ts";
import { recomputeTotals, taxIdsOf } from "./invoices.ts";
import { isEnded } from "./subscription-periods.ts";
import { locationInvalid, taxLocationOf } from "./tax-locations.ts";
import { collectsTaxIn } from "./tax-rates-of-place.ts";

export interface CustomerTaxInput {
  ip_address?: string | null | undefined;
  validate_location?: "auto" | "deferred" | "immediately" | undefined;
}

/** Sets the IP address of a customer; null removes it. */
export function setTaxIpAddress(context: Context, customer: Customer, ip: string | null | undefined): void {
  const addresses = context.account.taxIpAddresses;
  if (ip === null) deleteEntry(context, addresses, customer.id);
  else if (ip !== undefined) setEntry(context, addresses, customer.id, ip);
}

/**
 * Throws Stripe's error if the customer's location is not recognized and the request validates it. With `auto`, a request
 * validates the location of customers that have a subscription with automatic tax.
 */
export function validateLocation(
  context: Context,
  customer: Customer,
  mode: CustomerTaxInput["validate_location"],
): void {
  if (mode === undefined || mode === "deferred") return;
  if (mode === "auto" && !hasAutomaticTax(context, customer)) return;
  if (!taxLocationOf(context, customer)) throw locationInvalid();
}

function hasAutomaticTax(context: Context, { id }: Customer): boolean {
  const taxed = listBy(context, "subscription", { customer: id }, (row) => row.automatic_tax.enabled && !isEnded(row));
  return taxed.length > 0;
}

/** Copies the customer's address and tax status to the customer's draft invoices, and computes their taxes again. */
export function refreshDrafts(context: Context, customer: Customer): void {
  const drafts = listBy(context, "invoice", { customer: customer.id }, ({ status }) => status === "draft");
  for (const draft of drafts) {
    Object.assign(draft, customerFields(customer, taxIdsOf(context, customer.id)));
    recomputeTotals(context, draft);
  }
}

/** Returns the field `tax` of a customer. @see https://docs.stripe.com/api/customers/object#customer_object-tax */
export function customerTax(context: Context, customer: Customer) {
  const found = taxLocationOf(context, customer);
  const status = found && collectsTaxIn(context.state.tax.rates, found.place) ? "supported" : "not_collecting";
  return {
    automatic_tax: found ? status : "unrecognized_location",
    ip_address: context.account.taxIpAddresses.get(customer.id) ?? null,
    location: found && { country: found.place.country, source: found.source, state: found.place.state },
    provider: "stripe",
  };
}
