/** Sends requests about subscriptions, invoices and payment methods to Stripe. */
import type Stripe from "stripe";
import type { CancellationEnd } from "../../domain/subscription-change.ts";
import * as records from "../records.ts";
import { EXPANDED, toExpandedCustomer, toRetrieved } from "./retrieved.ts";
import { translateErrors, translateErrorsOrNull } from "./stripe-errors.ts";
import { MAX_LISTED, PAGE_SIZE, type CallContext, type SubscriptionCalls } from "./types.ts";

type ChangeCalls = Pick<SubscriptionCalls, "cancelSubscription" | "resumeSubscription" | "releaseSchedule">;

export const PAYMENT_OF_INVOICE = "payments.data.payment.payment_intent";
const SUBSCRIPTION_OF_INVOICE = "parent.subscription_details.subscription";

export function subscriptionCalls(stripe: Stripe, { userIdKey, withKey }: CallContext): SubscriptionCalls {
  return {
    ...changeCalls(stripe, withKey),

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

function changeCalls(stripe: Stripe, withKey: CallContext["withKey"]): ChangeCalls {
  return {
    cancelSubscription: (id, { cancellation: { reason, comment }, end, merchantCancelAt }, key) =>
      translateErrors(async () => {
        const details = { ...(reason && { feedback: reason }), ...(comment && { comment }) };
        const given = (reason ?? comment) ? { cancellation_details: details } : {};
        const params = { ...endParams(end), ...given, metadata: merchantMetadata(merchantCancelAt) };
        const changed = await withKey(key, (options) =>
          end === "now"
            ? stripe.subscriptions.cancel(id, given, options)
            : stripe.subscriptions.update(id, params, options),
        );
        return records.instantOrNull(end === "now" ? null : changed.cancel_at);
      }),

    resumeSubscription: (id, { cancelAtPeriodEnd, merchantCancelAt }, key) =>
      translateErrors(async () => {
        const clear = cancelAtPeriodEnd ? { cancel_at_period_end: false } : { cancel_at: "" as const };
        const params = {
          ...(merchantCancelAt === null ? clear : { cancel_at: records.toSeconds(merchantCancelAt) }),
          metadata: merchantMetadata(null),
        };
        const changed = await withKey(key, (options) => stripe.subscriptions.update(id, params, options));
        return records.instantOrNull(changed.cancel_at);
      }),

    releaseSchedule: async (id, key) => {
      // The end that the schedule has set is kept, so that the subscription still ends if its cancellation is interrupted now.
      const params = { preserve_cancel_date: true };
      try {
        await translateErrors(() =>
          withKey(key, (options) => stripe.subscriptionSchedules.release(id, params, options)),
        );
      } catch (error) {
        // Stripe releases a schedule only once. An earlier attempt, or the merchant, may have released the schedule.
        const current = await translateErrorsOrNull(() => stripe.subscriptionSchedules.retrieve(id));
        if (current?.status === "active" || current?.status === "not_started") throw error;
      }
    },
  };
}

function endParams(end: CancellationEnd): { cancel_at_period_end: true } | { cancel_at: number } {
  return typeof end === "number" ? { cancel_at: records.toSeconds(end) } : { cancel_at_period_end: true };
}

/** Returns the metadata that holds the end that the merchant had set. Stripe deletes a metadata key with an empty value. */
function merchantMetadata(merchantCancelAt: number | null): Record<string, string> {
  const value = merchantCancelAt === null ? "" : String(records.toSeconds(merchantCancelAt));
  return { [records.MERCHANT_CANCEL_AT_METADATA]: value };
}
