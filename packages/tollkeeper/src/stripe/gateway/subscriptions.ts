/** Sends requests about subscriptions, invoices and payment methods to Stripe. */
import type Stripe from "stripe";
import * as records from "../records.ts";
import { EXPANDED, toExpandedCustomer, toRetrieved } from "./retrieved.ts";
import { translateErrors, translateErrorsOrNull } from "./stripe-errors.ts";
import { MAX_LISTED, PAGE_SIZE, type CallContext, type SubscriptionCalls } from "./types.ts";

const PAYMENT_OF_INVOICE = "payments.data.payment.payment_intent";
const SUBSCRIPTION_OF_INVOICE = "parent.subscription_details.subscription";

export function subscriptionCalls(stripe: Stripe, { userIdKey, withKey }: CallContext): SubscriptionCalls {
  return {
    retrieveSubscription: (id) =>
      translateErrorsOrNull(async () => {
        const expand = [...EXPANDED, "customer"];
        const subscription = await stripe.subscriptions.retrieve(id, { expand });
        return {
          ...(await toRetrieved(stripe, subscription)),
          customer: toExpandedCustomer(subscription.customer, userIdKey),
        };
      }),

    listSubscriptions: (customerId) =>
      translateErrors(async () => {
        const expand = EXPANDED.map((name) => `data.${name}`);
        const listed = await stripe.subscriptions
          .list({ customer: customerId, status: "all", limit: PAGE_SIZE, expand })
          .autoPagingToArray({ limit: MAX_LISTED });
        return Promise.all(listed.map((subscription) => toRetrieved(stripe, subscription)));
      }),

    cancelSubscription: (id, { reason, comment }, key) =>
      translateErrors(async () => {
        const details = { ...(reason && { feedback: reason }), ...(comment && { comment }) };
        const params = { cancel_at_period_end: true, ...((reason ?? comment) && { cancellation_details: details }) };
        await withKey(key, (options) => stripe.subscriptions.update(id, params, options));
      }),

    resumeSubscription: (id, cancelAtPeriodEnd, key) =>
      translateErrors(async () => {
        const params = cancelAtPeriodEnd ? { cancel_at_period_end: false } : { cancel_at: "" as const };
        await withKey(key, (options) => stripe.subscriptions.update(id, params, options));
      }),

    retrieveInvoice: (id) =>
      translateErrorsOrNull(async () =>
        records.toInvoice(await stripe.invoices.retrieve(id, { expand: [PAYMENT_OF_INVOICE] })),
      ),

    retrieveInvoiceWithSubscription: (id) =>
      translateErrorsOrNull(async () => {
        const expanded = EXPANDED.map((name) => `${SUBSCRIPTION_OF_INVOICE}.${name}`);
        const expand = [PAYMENT_OF_INVOICE, ...expanded, "customer"];
        const invoice = await stripe.invoices.retrieve(id, { expand });
        const subscription = invoice.parent?.subscription_details?.subscription;
        const isThere = typeof subscription === "object" && subscription !== null;
        return {
          invoice: records.toInvoice(invoice),
          customer: toExpandedCustomer(invoice.customer, userIdKey),
          subscription: isThere ? await toRetrieved(stripe, subscription) : null,
        };
      }),

    retrievePaymentMethod: (id) =>
      translateErrorsOrNull(async () => records.toPaymentMethod(await stripe.paymentMethods.retrieve(id))),
  };
}
