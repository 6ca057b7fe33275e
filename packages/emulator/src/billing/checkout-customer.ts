/**
 * Saves what customers enter on the checkout page in the session and in the customer.
 * @see https://docs.stripe.com/tax/checkout/tax-ids
 */
import { emit, emitChange } from "../core/events.ts";
import type { CheckoutOrder, CollectedDetails } from "../core/records.ts";
import { find, insert, listBy } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { CheckoutSession } from "../objects/checkout-session.ts";
import { newCustomer } from "../objects/customer.ts";
import type { PaymentIntent } from "../objects/payment-intent.ts";
import { enteredNames } from "./checkout-fields.ts";
import { refreshDrafts } from "./customer-tax.ts";
import { taxIdsOf } from "./invoices.ts";
import { createTaxId } from "./tax-ids.ts";

/**
 * Saves the entered details in the customer of a completed session. A session without a customer creates one if it needs it. An
 * existing customer keeps its name and address, except if `customer_update` allows a change.
 */
export function saveCustomer(
  context: Context,
  session: CheckoutSession,
  order: CheckoutOrder,
  intent: PaymentIntent | null,
): void {
  if (session.customer !== null) updateCustomer(context, session.customer, order);
  else createCustomer(context, session, order, intent);
  const { taxId } = order.collected ?? {};
  const isKnown = taxId && listBy(context, "tax_id", { customer: session.customer ?? "" }).some(isSame(taxId));
  if (taxId && session.customer !== null && !isKnown) createTaxId(context, session.customer, taxId);
  setCustomerDetails(context, session, order.collected);
}

function isSame(one: { type: string; value: string }): (other: { type: string; value: string }) => boolean {
  return ({ type, value }) => type === one.type && value === one.value;
}

function createCustomer(
  context: Context,
  session: CheckoutSession,
  order: CheckoutOrder,
  intent: PaymentIntent | null,
): void {
  const { collected, entered } = order;
  if (session.mode === "payment" && session.customer_creation !== "always") return;
  const email = session.customer_email ?? session.customer_details?.email ?? undefined;
  const names = enteredNames(session, order);
  const name = collected?.name ?? names.business_name ?? names.individual_name;
  const given = { ...names, email, name, address: collected?.address, phone: entered?.phone || undefined };
  const customer = insert(context, "customer", newCustomer(context, given));
  session.customer = customer.id;
  if (intent) intent.customer = customer.id;
  emit(context, "customer.created", customer);
}

function updateCustomer(context: Context, id: string, { collected, customerUpdate, entered }: CheckoutOrder): void {
  const customer = find(context, "customer", id);
  const phone = entered?.phone || null;
  if (!customer || (!collected && phone === null)) return;
  emitChange(context, "customer.updated", customer, (row) => {
    if (customerUpdate?.name === "auto" && collected?.name) row.name = collected.name;
    if (customerUpdate?.address === "auto" && collected?.address) row.address = { ...collected.address };
    if (phone !== null) row.phone = phone;
  });
  refreshDrafts(context, customer);
}

/** Sets the customer details of a completed session. */
function setCustomerDetails(context: Context, session: CheckoutSession, collected: CollectedDetails | undefined): void {
  const details = session.customer_details;
  const customer = find(context, "customer", session.customer);
  if (!details || (!collected && !customer)) return;
  const saved = customer ? taxIdsOf(context, customer.id) : [];
  const { name = null, address = null, taxId = null } = collected ?? {};
  const entered = taxId ? [taxId] : [];
  const { name: savedName = null, address: savedAddress = null, tax_exempt: exempt = "none" } = customer ?? {};
  Object.assign(details, {
    address: address ?? savedAddress,
    business_name: taxId && name,
    name: name ?? savedName,
    tax_exempt: session.mode === "setup" ? details.tax_exempt : exempt,
    tax_ids: saved.length > 0 ? saved : entered,
  });
}
