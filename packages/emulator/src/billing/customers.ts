/** Looks up and deletes customers, and marks them delinquent. */
import { ApiError } from "../core/errors.ts";
import { emitChange } from "../core/events.ts";
import { find } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { Customer } from "../objects/customer.ts";

/** Returns the customer with the given ID. Throws if the customer does not exist or is deleted. */
export function retrieveCustomer(context: Context, id: string, param = "id"): Customer {
  const customer = find(context, "customer", id);
  if (!customer || "deleted" in customer)
    throw new ApiError(`No such customer: '${id}'`, {
      status: param === "id" ? 404 : 400,
      code: "resource_missing",
      param,
    });
  return customer;
}

/**
 * Sets a customer's `delinquent` field. The field `delinquent` is true after a failed automatic payment, until an invoice is
 * paid or marked uncollectible.
 */
export function setDelinquent(context: Context, id: string, delinquent: boolean): void {
  const customer = find(context, "customer", id);
  if (!customer || "deleted" in customer) return;
  emitChange(context, "customer.updated", customer, (row) => {
    row.delinquent = delinquent;
  });
}
