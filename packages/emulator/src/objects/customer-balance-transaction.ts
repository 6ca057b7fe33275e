/**
 * Customer balance transactions. A customer balance transaction records a change of a customer's credit balance.
 * @see https://docs.stripe.com/api/customer_balance_transactions/object
 */
import { now } from "../core/clock.ts";
import { newId } from "../core/ids.ts";
import type { ObjectSource } from "../core/object-source.ts";
import type { Customer } from "./customer.ts";

export type CustomerBalanceTransaction = ReturnType<typeof newCustomerBalanceTransaction>;

export interface BalanceChange {
  /** The change of the customer's balance in minor units. A negative amount is credit for the customer. */
  amount: number;
  currency: string;
  type: "adjustment" | "applied_to_invoice" | "credit_note" | "initial" | "invoice_too_small";
  invoice?: string | null;
  creditNote?: string | null;
  description?: string | null;
  metadata?: Record<string, string>;
}

export function newCustomerBalanceTransaction(
  source: ObjectSource,
  customer: Customer,
  change: BalanceChange & { endingBalance: number },
) {
  return {
    id: newId(source, "cbtxn"),
    object: "customer_balance_transaction" as const,
    amount: change.amount,
    checkout_session: null,
    created: now(source),
    credit_note: change.creditNote ?? null,
    currency: change.currency,
    customer: customer.id,
    customer_account: null,
    description: change.description ?? null,
    ending_balance: change.endingBalance,
    invoice: change.invoice ?? null,
    livemode: false as const,
    metadata: change.metadata ?? {},
    type: change.type,
  };
}
