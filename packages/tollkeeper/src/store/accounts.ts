/** Stores the id of the Stripe account to which the mirror belongs. */
import type { Kysely } from "kysely";
import type { Mode } from "../domain/records.ts";
import { FINAL_STATUSES } from "../domain/subscription.ts";
import { atMost } from "./bulk.ts";
import type { Schema } from "./schema.ts";

export interface AccountStore {
  /** Returns the id of the account to which the mirror belongs; null if no account was remembered. */
  find(): Promise<string | null>;
  /**
   * Remembers the account if the remembered account is still `from`. Returns the account that is remembered afterwards, which
   * is another one if another process was faster.
   */
  remember(account: { accountId: string; from: string | null; now: number }): Promise<string | null>;
  /** Lists the ids of some mirrored objects that should exist at Stripe: live subscriptions first, then customers. */
  sampleObjects(limit: number): Promise<{ object: "subscription" | "customer"; id: string }[]>;
}

export function accountStore(db: Kysely<Schema>, mode: Mode): AccountStore {
  const find = async (): Promise<string | null> => {
    const row = await db.selectFrom("stripeAccounts").select("accountId").where("mode", "=", mode).executeTakeFirst();
    return row?.accountId ?? null;
  };
  return {
    find,

    async remember({ accountId, from, now }) {
      if (from === null)
        await db
          .insertInto("stripeAccounts")
          .values({ mode, accountId, confirmedAt: now })
          .onConflict((conflict) => conflict.doNothing())
          .execute();
      else
        await db
          .updateTable("stripeAccounts")
          .set({ accountId, confirmedAt: now })
          .where("mode", "=", mode)
          .where("accountId", "=", from)
          .execute();
      return find();
    },

    async sampleObjects(limit) {
      const subscriptions = await db
        .selectFrom("subscriptions")
        .select("id")
        .where("mode", "=", mode)
        .where("status", "not in", FINAL_STATUSES)
        .orderBy("id")
        .limit(atMost(Math.ceil(limit / 2)))
        .execute();
      const customers = await db
        .selectFrom("customers")
        .select("id")
        .where("mode", "=", mode)
        .where("deleted", "=", 0)
        .orderBy("id")
        .limit(atMost(limit - subscriptions.length))
        .execute();
      return [
        ...subscriptions.map(({ id }) => ({ object: "subscription" as const, id })),
        ...customers.map(({ id }) => ({ object: "customer" as const, id })),
      ];
    },
  };
}
