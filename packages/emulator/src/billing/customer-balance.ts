/**
 * Changes a customer's credit balance. A negative balance is credit; a positive balance is debt. A customer has one balance
 * per currency.
 * @see https://docs.stripe.com/billing/customer/balance
 * @see https://docs.stripe.com/invoicing/multi-currency-customers
 */
import { emitChange } from "../core/events.ts";
import { find, insert, listBy } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import {
  type BalanceChange,
  type CustomerBalanceTransaction,
  newCustomerBalanceTransaction,
} from "../objects/customer-balance-transaction.ts";
import type { Customer } from "../objects/customer.ts";

/** Changes a customer's credit balance and records a customer balance transaction. */
export function changeBalance(context: Context, customer: Customer, change: BalanceChange): CustomerBalanceTransaction {
  const endingBalance = balanceIn(context, customer.id, change.currency) + change.amount;
  emitChange(context, "customer.updated", customer, (row) => {
    row.currency ??= change.currency;
    if (row.currency === change.currency) row.balance = endingBalance;
  });
  return insert(
    context,
    "customer_balance_transaction",
    newCustomerBalanceTransaction(context, customer, { ...change, endingBalance }),
  );
}

/** Returns the credit balance of a customer in a currency, in minor units. */
export function balanceIn(context: Context, customerId: string | null, currency: string): number {
  const customer = find(context, "customer", customerId);
  if (!customer || "deleted" in customer) return 0;
  if (customer.currency === currency) return customer.balance;
  return balancesOf(context, customer.id)[currency] ?? 0;
}

/** Returns the credit balance of a customer in each currency that has ever had one. */
export function balancesOf(context: Context, customer: string): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const { amount, currency } of listBy(context, "customer_balance_transaction", { customer }))
    sums[currency] = (sums[currency] ?? 0) + amount;
  return sums;
}

/** Sets the currency in which a customer is billed. The field `balance` shows the balance in this currency. */
export function setCurrency(context: Context, customer: Customer, currency: string): void {
  if (customer.currency === currency) return;
  const balance = balancesOf(context, customer.id)[currency] ?? 0;
  emitChange(context, "customer.updated", customer, (row) => {
    Object.assign(row, { currency, balance });
  });
}
