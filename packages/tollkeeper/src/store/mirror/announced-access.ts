/**
 * Stores the access that hooks announced last, per owner. The difference between the announced and the current access shows
 * which features were granted or revoked since the last hook.
 */
import type { Kysely } from "kysely";
import { idsByKind, ownerKey, type BillingOwner } from "../../domain/owner.ts";
import type { Mode } from "../../domain/records.ts";
import { parseStored } from "../../domain/stored-json.ts";
import { atMost, isAnyOf, saveRows, sortByKey } from "../bulk.ts";
import type { Dialect } from "../dialect.ts";
import type { Schema } from "../schema.ts";

export interface AnnouncedAccess {
  owner: BillingOwner;
  features: readonly string[];
  /** The next instant at which access can change without a change at Stripe; null if there is none. */
  checkAt: number | null;
}

export interface AnnouncedAccessStore {
  /**
   * Returns the announced access of the owners, by `ownerKey`, and locks its rows until the transaction ends. If two
   * transactions decide an owner's access, the second one waits for the first one and sees its result.
   */
  lockForUpdate(owners: readonly BillingOwner[]): Promise<Map<string, AnnouncedAccess>>;
  save(rows: readonly AnnouncedAccess[]): Promise<void>;
  /**
   * Lists owners whose access may have changed because time has passed. The owner whose access check has been due longest comes
   * first.
   */
  listDue(now: number, limit: number): Promise<BillingOwner[]>;
}

export function announcedAccessStore(db: Kysely<Schema>, mode: Mode, dialect: Dialect): AnnouncedAccessStore {
  return {
    async lockForUpdate(owners) {
      const found = new Map<string, AnnouncedAccess>();
      // All transactions lock rows in the same order, so that two transactions never wait for each other.
      for (const [kind, ids] of idsByKind(owners)) {
        const rows = await db
          .selectFrom("announcedAccess")
          .select(["ownerId", "features", "checkAt"])
          .where("mode", "=", mode)
          .where("ownerKind", "=", kind)
          .where(isAnyOf(dialect, "ownerId", ids))
          .orderBy("ownerId")
          .$if(dialect === "postgres", (query) => query.forUpdate())
          .execute();
        for (const { ownerId, features, checkAt } of rows) {
          const owner = { kind, id: ownerId };
          found.set(ownerKey(owner), { owner, features: (parseStored(features) as string[] | null) ?? [], checkAt });
        }
      }
      return found;
    },

    save: (rows) =>
      saveRows(db, {
        dialect,
        table: "announcedAccess",
        key: ["mode", "ownerKind", "ownerId"],
        rows: sortByKey(rows, ({ owner }) => ownerKey(owner)).map(({ owner, features, checkAt }) => ({
          mode,
          ownerKind: owner.kind,
          ownerId: owner.id,
          features: JSON.stringify(features),
          checkAt,
        })),
      }),

    async listDue(now, limit) {
      const rows = await db
        .selectFrom("announcedAccess")
        .select(["ownerKind", "ownerId"])
        .where("mode", "=", mode)
        .where("checkAt", "<=", now)
        .orderBy("checkAt")
        .limit(atMost(limit))
        .execute();
      return rows.map(({ ownerKind, ownerId }) => ({ kind: ownerKind, id: ownerId }));
    },
  };
}
