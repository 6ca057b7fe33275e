/**
 * Changes a customer's credit balance. A negative balance is credit; a positive balance is debt.
 * @see https://docs.stripe.com/billing/customer/balance
 */
import { emitChange } from "../core/events.ts";
import { insert } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import {
  type BalanceChange,
  type CustomerBalanceTransaction,
  newCustomerBalanceTransaction,
} from "../objects/customer-balance-transaction.ts";
import type { Customer } from "../objects/customer.ts";

/** Changes a customer's credit balance and records a customer balance transaction. */
export function changeBalance(context: Context, customer: Customer, change: BalanceChange): CustomerBalanceTransaction {
  emitChange(context, "customer.updated", customer, (row) => {
    row.balance += change.amount;
    row.currency ??= change.currency;
  });
  return insert(context, "customer_balance_transaction", newCustomerBalanceTransaction(context, customer, change));
}
