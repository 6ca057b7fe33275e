/** Deletes customers. */
import { emit } from "../core/events.ts";
import { listAll, listBy } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
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
  for (const method of listAll(context, "payment_method")) if (method.customer === id) method.customer = null;
  const deleted: DeletedCustomer = { id, object: "customer", deleted: true };
  context.account.tables.customer.set(id, deleted as unknown as Customer);
  emit(context, "customer.deleted", customer);
  return deleted;
}
