/** Sends requests about customers to Stripe. */
import type Stripe from "stripe";
import * as records from "../records.ts";
import { DEFAULT_CARD, toRetrievedCustomer } from "./retrieved.ts";
import { translateErrors, translateErrorsOrNull } from "./stripe-errors.ts";
import { MAX_LISTED, PAGE_SIZE, type CallContext, type CustomerCalls } from "./types.ts";

/** Seconds by which our clock may differ from Stripe's clock. */
const CLOCK_SLACK_SECONDS = 300;

export function customerCalls(stripe: Stripe, { userIdKey, withKey }: CallContext): CustomerCalls {
  return {
    searchCustomersOfUser: (userId) =>
      translateErrors(async () => {
        const query = `metadata['${escapeQuery(userIdKey)}']:'${escapeQuery(userId)}'`;
        const found = await stripe.customers.search({ query, limit: PAGE_SIZE });
        // Stripe's search index lags, so the result may contain customers that were deleted or whose metadata has changed.
        return found.data
          .toSorted((a, b) => a.created - b.created)
          .map((customer) => records.toCustomer(customer, userIdKey))
          .filter((customer) => !customer.deleted && customer.owner?.id === userId);
      }),

    findCustomerOfOperation: (operationId, { from, until }) =>
      translateErrors(async () => {
        const created = {
          gte: Math.floor(from / 1000) - CLOCK_SLACK_SECONDS,
          lte: Math.ceil(until / 1000) + CLOCK_SLACK_SECONDS,
        };
        const listed = await stripe.customers
          .list({ created, limit: PAGE_SIZE })
          .autoPagingToArray({ limit: MAX_LISTED });
        const found = listed.find((customer) => customer.metadata[records.OPERATION_METADATA] === operationId);
        return found ? records.toCustomer(found, userIdKey) : null;
      }),

    createCustomer: (customer, key) =>
      translateErrors(async () => {
        const metadata = { [userIdKey]: customer.userId, [records.OPERATION_METADATA]: customer.operationId };
        const params = {
          metadata,
          ...(customer.email !== null && { email: customer.email }),
          ...(customer.name !== null && { name: customer.name }),
        };
        const created = await withKey(key, (options) => stripe.customers.create(params, options));
        return records.toCustomer(created, userIdKey);
      }),

    retrieveCustomer: (id) =>
      translateErrorsOrNull(async () => {
        const customer = await stripe.customers.retrieve(id, { expand: [DEFAULT_CARD] });
        return toRetrievedCustomer(customer, userIdKey);
      }),
  };
}

/** @see https://docs.stripe.com/search#search-query-language */
function escapeQuery(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("'", "\\'");
}
