/** Balance transactions: what each charge and refund does to the account. @see https://docs.stripe.com/api/balance_transactions */
import { newId } from "../core/ids.ts";
import { insert, now, type World } from "../core/world.ts";

export type BalanceTransaction = ReturnType<typeof newBalanceTransaction>;

/** 2.9% and 30 minor units a charge, as on a new US account. */
const FEE_RATE = 0.029;
const FEE_FIXED = 30;
const AVAILABLE_AFTER = 7 * 86_400;
const DAY = 86_400;

export interface BalanceInput {
  amount: number;
  currency: string;
  description: string | null;
  source: string;
  type: "adjustment" | "charge" | "refund";
  /** Default: what a charge costs; nothing for the others. */
  fee?: number;
}

export function addBalanceTransaction(world: World, input: BalanceInput): BalanceTransaction {
  return insert(world, "balance_transaction", newBalanceTransaction(world, input));
}

function newBalanceTransaction(world: World, input: BalanceInput) {
  const { amount, currency, description, source, type } = input;
  const created = now(world);
  const fee = input.fee ?? (type === "charge" ? Math.round(amount * FEE_RATE) + FEE_FIXED : 0);
  return {
    id: newId(world, "txn"),
    object: "balance_transaction" as const,
    amount,
    available_on: Math.floor((created + AVAILABLE_AFTER) / DAY) * DAY,
    balance_type: "payments" as const,
    created,
    currency,
    description,
    exchange_rate: null,
    fee,
    fee_details:
      fee === 0
        ? []
        : [
            {
              amount: fee,
              application: null,
              currency,
              description: type === "charge" ? "Stripe processing fees" : "Dispute fee",
              type: "stripe_fee" as const,
            },
          ],
    net: amount - fee,
    reporting_category: type === "adjustment" ? "dispute" : type,
    source,
    status: "pending" as const,
    type,
  };
}
