/**
 * Balance transactions. A balance transaction records the effect of a charge, refund or dispute on the account's
 * balance.
 * @see https://docs.stripe.com/api/balance_transactions/object
 */
import { now } from "../core/clock.ts";
import { newId } from "../core/ids.ts";
import type { ObjectSource } from "../core/object-source.ts";

export type BalanceTransaction = ReturnType<typeof newBalanceTransaction>;

/** The fee per charge is 2.9% plus 30 minor units, as on a new US account. */
const FEE_RATE = 0.029;

const FEE_FIXED = 30;

const AVAILABLE_AFTER_SECONDS = 7 * 86_400;

const DAY_SECONDS = 86_400;

export interface BalanceInput {
  amount: number;
  currency: string;
  description: string | null;
  source: string;
  type: "adjustment" | "charge" | "refund" | "refund_failure";
  /** Stripe's fee in minor units. Default: 2.9% plus 30 for a charge; 0 for other types. */
  fee?: number;
  /** True if the amount is available at once. Default: it is pending for a week. */
  available?: boolean;
}

export function newBalanceTransaction(from: ObjectSource, input: BalanceInput) {
  const { amount, currency, description, source, type } = input;
  const created = now(from);
  const fee = input.fee ?? (type === "charge" ? Math.round(amount * FEE_RATE) + FEE_FIXED : 0);
  return {
    id: newId(from, "txn"),
    object: "balance_transaction" as const,
    amount,
    available_on: input.available
      ? created
      : Math.floor((created + AVAILABLE_AFTER_SECONDS) / DAY_SECONDS) * DAY_SECONDS,
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
    status: input.available ? ("available" as const) : ("pending" as const),
    type,
  };
}
