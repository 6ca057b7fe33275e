/** The access each user was last known to have: what it is compared with to notice that it was granted or revoked. */
import type { Kysely } from "kysely";
import type { Mode } from "../../domain/records.ts";
import { atMost, inOneOrder, isAnyOf, saveRows } from "../bulk.ts";
import type { Dialect } from "../open-store.ts";
import type { Schema } from "../schema.ts";

export interface AccessGrant {
  userId: string;
  features: readonly string[];
  /** When access can change with no word from Stripe; null when it can't. */
  checkAt: number | null;
}

export interface GrantStore {
  /**
   * Those of these users that have ever been granted anything. Held until the transaction ends: whoever decides about one
   * of them next knows what was decided.
   */
  hold(userIds: readonly string[]): Promise<Map<string, AccessGrant>>;
  save(grants: readonly AccessGrant[]): Promise<void>;
  listDue(now: number, limit: number): Promise<string[]>;
}

export function grantStore(db: Kysely<Schema>, mode: Mode, dialect: Dialect): GrantStore {
  return {
    async hold(userIds) {
      const rows = await db
        .selectFrom("accessGrants")
        .select(["userId", "features", "checkAt"])
        .where("mode", "=", mode)
        .where(isAnyOf(dialect, "userId", userIds))
        // In one order whoever holds them: two that hold the same users never wait for each other.
        .orderBy("userId")
        .$if(dialect === "postgres", (query) => query.forUpdate())
        .execute();
      return new Map(rows.map((row) => [row.userId, { ...row, features: JSON.parse(row.features) as string[] }]));
    },

    save: (grants) =>
      saveRows(db, {
        dialect,
        table: "accessGrants",
        key: ["mode", "userId"],
        rows: inOneOrder(grants, ({ userId }) => userId).map(({ userId, features, checkAt }) => ({
          mode,
          userId,
          features: JSON.stringify(features),
          checkAt,
        })),
      }),

    async listDue(now, limit) {
      const rows = await db
        .selectFrom("accessGrants")
        .select("userId")
        .where("mode", "=", mode)
        .where("checkAt", "<=", now)
        .orderBy("checkAt")
        .limit(atMost(limit))
        .execute();
      return rows.map((row) => row.userId);
    },
  };
}
