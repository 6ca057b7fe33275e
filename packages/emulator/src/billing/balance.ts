/** Records balance transactions. @see https://docs.stripe.com/api/balance_transactions */
import { insert } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { type BalanceInput, type BalanceTransaction, newBalanceTransaction } from "../objects/balance-transaction.ts";

export function addBalanceTransaction(context: Context, input: BalanceInput): BalanceTransaction {
  return insert(context, "balance_transaction", newBalanceTransaction(context, input));
}
