/** A customer's credit balance: negative is credit, positive is owed. @see https://docs.stripe.com/billing/customer/balance */
import type { Customer } from "./customers.ts";
import { change } from "../core/events.ts";
import { newId } from "../core/ids.ts";
import { insert, now, type World } from "../core/world.ts";

export type CustomerBalanceTransaction = ReturnType<typeof newTransaction>;

export interface BalanceChange {
  type: "adjustment" | "applied_to_invoice" | "credit_note" | "initial";
  invoice?: string | null;
  creditNote?: string | null;
  description?: string | null;
  metadata?: Record<string, string>;
}

export function changeBalance(
  world: World,
  customer: Customer,
  amount: number,
  currency: string,
  reason: BalanceChange,
): CustomerBalanceTransaction {
  change(world, "customer.updated", customer, (row) => {
    row.balance += amount;
    row.currency ??= currency;
  });
  return insert(world, "customer_balance_transaction", newTransaction(world, customer, amount, currency, reason));
}

function newTransaction(world: World, customer: Customer, amount: number, currency: string, reason: BalanceChange) {
  return {
    id: newId(world, "cbtxn"),
    object: "customer_balance_transaction" as const,
    amount,
    checkout_session: null,
    created: now(world),
    credit_note: reason.creditNote ?? null,
    currency,
    customer: customer.id,
    customer_account: null,
    description: reason.description ?? null,
    ending_balance: customer.balance,
    invoice: reason.invoice ?? null,
    livemode: false as const,
    metadata: reason.metadata ?? {},
    type: reason.type,
  };
}
