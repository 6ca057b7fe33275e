/** Deletes customers. */
import { emit } from "../core/events.ts";
import { listAll, listBy } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { setEntry } from "../core/transaction.ts";
import type { Customer } from "../objects/customer.ts";
import { endSubscription } from "./subscription-endings.ts";
import { isEnded } from "./subscription-periods.ts";

/** Stands in a deleted customer's place. */
interface DeletedCustomer {
  id: string;
  object: "customer";
  deleted: true;
}

/** Deletes a customer. Cancels the customer's subscriptions at once and detaches the customer's payment methods. */
export function deleteCustomer(context: Context, customer: Customer): DeletedCustomer {
  const { id } = customer;
  for (const subscription of listBy(context, "subscription", { customer: id }))
    if (!isEnded(subscription)) endSubscription(context, subscription, "cancellation_requested");
  for (const method of listAll(context, "payment_method", (row) => row.customer === id)) {
    method.customer = null;
    setEntry(context, context.account.detachedMethods, method.id, true);
  }
  const deleted: DeletedCustomer = { id, object: "customer", deleted: true };
  setEntry(context, context.account.tables.customer, id, deleted as unknown as Customer);
  emit(context, "customer.deleted", customer);
  return deleted;
}
