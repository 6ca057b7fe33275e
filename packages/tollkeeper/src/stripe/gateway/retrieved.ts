/** Converts Stripe's subscriptions and customers, with their expanded objects, to retrieved records. */
import type Stripe from "stripe";
import * as records from "../records.ts";
import { MAX_LISTED, PAGE_SIZE, type RetrievedCustomer, type RetrievedSubscription } from "./types.ts";

export const DEFAULT_CARD = "invoice_settings.default_payment_method";

/**
 * Fields of a subscription that every request for subscriptions asks Stripe to expand. Some requests for subscriptions also
 * expand the field `customer`. No request expands the customer's card, because a deleted customer has no such field.
 */
export const EXPANDED: readonly string[] = ["default_payment_method", "latest_invoice"];

/** Converts a customer that is expanded inside another object of Stripe. Returns null if the customer is not expanded. */
export function toExpandedCustomer(
  customer: Stripe.Subscription["customer"] | Stripe.Invoice["customer"],
  userIdKey: string,
): RetrievedCustomer | null {
  return typeof customer === "object" && customer !== null ? toRetrievedCustomer(customer, userIdKey) : null;
}

export function toRetrievedCustomer(
  customer: Stripe.Customer | Stripe.DeletedCustomer,
  userIdKey: string,
): RetrievedCustomer {
  const method = customer.deleted ? null : customer.invoice_settings.default_payment_method;
  return {
    customer: records.toCustomer(customer, userIdKey),
    paymentMethod: typeof method === "object" && method !== null ? records.toPaymentMethod(method) : null,
  };
}

/**
 * Converts a subscription of Stripe, with its expanded objects, to our records. The record of a paid or draft invoice is
 * complete even without its payment intent.
 */
export async function toRetrieved(stripe: Stripe, subscription: Stripe.Subscription): Promise<RetrievedSubscription> {
  const items = await allItems(stripe, subscription);
  const method = subscription.default_payment_method;
  const invoice = subscription.latest_invoice;
  const invoiceComplete =
    typeof invoice === "object" && invoice !== null && (invoice.status === "paid" || invoice.status === "draft");
  return {
    subscription: records.toSubscription(subscription, items),
    customer: null,
    prices: items.map((item) => records.toPrice(item.price)),
    paymentMethod: typeof method === "object" && method !== null ? records.toPaymentMethod(method) : null,
    invoice: invoiceComplete ? records.toInvoice(invoice) : null,
    invoiceComplete: invoiceComplete || invoice === null,
  };
}

/** Lists all items of a subscription, because Stripe's subscription object contains only the first page of them. */
async function allItems(stripe: Stripe, { id, items }: Stripe.Subscription): Promise<Stripe.SubscriptionItem[]> {
  if (!items.has_more) return items.data;
  return stripe.subscriptionItems.list({ subscription: id, limit: PAGE_SIZE }).autoPagingToArray({ limit: MAX_LISTED });
}
