/** The access each user was last known to have: what it is compared with to notice that it was granted or revoked. */
import type { Kysely } from "kysely";
import type { Mode } from "../domain/records.ts";
import type { Schema } from "./schema.ts";

export interface AccessGrant {
  userId: string;
  features: readonly string[];
  /** When access can change with no word from Stripe; null when it can't. */
  checkAt: number | null;
}

export interface GrantStore {
  find(userId: string): Promise<AccessGrant | null>;
  save(grant: AccessGrant): Promise<void>;
  listDue(now: number, limit: number): Promise<string[]>;
}

export function grantStore(db: Kysely<Schema>, mode: Mode): GrantStore {
  return {
    async find(userId) {
      const row = await db
        .selectFrom("accessGrants")
        .select(["features", "checkAt"])
        .where("mode", "=", mode)
        .where("userId", "=", userId)
        .executeTakeFirst();
      return row ? { userId, features: JSON.parse(row.features) as string[], checkAt: row.checkAt } : null;
    },

    async save({ userId, features, checkAt }) {
      const row = { mode, userId, features: JSON.stringify(features), checkAt };
      await db
        .insertInto("accessGrants")
        .values(row)
        .onConflict((conflict) => conflict.columns(["mode", "userId"]).doUpdateSet(row))
        .execute();
    },

    async listDue(now, limit) {
      const rows = await db
        .selectFrom("accessGrants")
        .select("userId")
        .where("mode", "=", mode)
        .where("checkAt", "<=", now)
        .orderBy("checkAt")
        .limit(limit)
        .execute();
      return rows.map((row) => row.userId);
    },
  };
}
