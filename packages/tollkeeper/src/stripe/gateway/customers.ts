/** Sends requests about customers to Stripe. */
import type Stripe from "stripe";
import type { OperationKey } from "../limits/operation-key.ts";
import * as records from "../records.ts";
import { DEFAULT_CARD, toRetrievedCustomer } from "./retrieved.ts";
import { refusedParam, translateErrors, translateErrorsOrNull } from "./stripe-errors.ts";
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
          gte: records.toSeconds(from) - CLOCK_SLACK_SECONDS,
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
        const { email, name } = customer;
        const { created, leftOut } = await createWithout(
          { ...(email !== null && { email }), ...(name !== null && { name }) },
          key,
          (optional, attemptKey) =>
            withKey(attemptKey, (options) => stripe.customers.create({ ...optional, metadata }, options)),
        );
        return { id: created.id, leftOut };
      }),

    retrieveCustomer: (id) =>
      translateErrorsOrNull(async () => {
        const customer = await stripe.customers.retrieve(id, { expand: [DEFAULT_CARD] });
        return toRetrievedCustomer(customer, userIdKey);
      }),
  };
}

type OptionalFields = Partial<Record<"email" | "name", string>>;

/**
 * Creates an object at Stripe. If Stripe refuses an optional field, such as an email without a top-level domain, creates the
 * object without this field. Each attempt has its own idempotency key, because its parameters differ. Returns the names of the
 * fields that were left out.
 */
async function createWithout<Created>(
  fields: OptionalFields,
  key: OperationKey,
  create: (fields: OptionalFields, key: OperationKey) => Promise<Created>,
): Promise<{ created: Created; leftOut: string[] }> {
  const optional = { ...fields };
  const leftOut: string[] = [];
  for (;;) {
    const value = [key.value, ...leftOut].join("_without_");
    try {
      return { created: await create(optional, { ...key, value }), leftOut };
    } catch (error) {
      const refused = (["email", "name"] as const).find((field) => field === refusedParam(error));
      if (refused === undefined || optional[refused] === undefined) throw error;
      delete optional[refused];
      leftOut.push(refused);
    }
  }
}

/** @see https://docs.stripe.com/search#search-query-language */
function escapeQuery(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("'", "\\'");
}
