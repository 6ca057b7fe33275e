/**
 * Stores the access that hooks announced last, per owner. The difference between the announced and the current access shows
 * which features were granted or revoked since the last hook.
 */
import { sql, type Kysely } from "kysely";
import { idsByKind, ownerKey, type BillingOwner } from "../../domain/owner.ts";
import type { Mode } from "../../domain/records.ts";
import { parseStored } from "../../domain/stored-json.ts";
import { atMost, insertRows, isAnyOf, saveRows, sortByKey, type Rows } from "../bulk.ts";
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
   * transactions decide an owner's access, the second one waits for the first one and sees its result. Owners must be distinct.
   */
  lockForUpdate(owners: readonly BillingOwner[]): Promise<Map<string, AnnouncedAccess>>;
  /** Returns the announced access of the owners, by `ownerKey`, without a lock. */
  find(owners: readonly BillingOwner[]): Promise<Map<string, AnnouncedAccess>>;
  save(rows: readonly AnnouncedAccess[]): Promise<void>;
  /**
   * Lists owners whose access may have changed because time has passed. The owner whose access check has been due longest comes
   * first.
   */
  listDue(now: number, limit: number): Promise<BillingOwner[]>;
}

type LockedRow = Pick<Schema["announcedAccess"], "ownerKind" | "ownerId" | "features" | "checkAt">;

export function announcedAccessStore(db: Kysely<Schema>, mode: Mode, dialect: Dialect): AnnouncedAccessStore {
  const find = async (owners: readonly BillingOwner[]): Promise<LockedRow[]> => {
    const found: LockedRow[] = [];
    for (const [kind, ids] of idsByKind(owners)) {
      const query = db
        .selectFrom("announcedAccess")
        .select(["ownerKind", "ownerId", "features", "checkAt"])
        .where("mode", "=", mode)
        .where("ownerKind", "=", kind)
        .where(isAnyOf(dialect, "ownerId", ids));
      found.push(...(await query.execute()));
    }
    return found;
  };
  /**
   * PostgreSQL can lock only rows that exist, so this query inserts missing rows. Otherwise two transactions that write two
   * customers of one owner would both decide the owner's access, each without the other's customer. All transactions lock rows
   * in the same order, so that two transactions never wait for each other.
   */
  const insertOrLock = async (owners: readonly BillingOwner[]): Promise<LockedRow[]> => {
    const nothing = toRows(
      mode,
      dialect,
      owners.map((owner) => ({ owner, features: [], checkAt: null })),
    );
    const { rows } = await sql<LockedRow>`
      ${insertRows(nothing)} on conflict (mode, owner_kind, owner_id) do update set features = announced_access.features
      returning owner_kind, owner_id, features, check_at`.execute(db);
    return rows;
  };
  return {
    async lockForUpdate(owners) {
      const rows = await (dialect === "postgres" ? insertOrLock(owners) : find(owners));
      return byOwner(rows);
    },

    find: async (owners) => byOwner(await find(owners)),

    save: (rows) => saveRows(db, { ...toRows(mode, dialect, rows), key: ["mode", "ownerKind", "ownerId"] }),

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

function byOwner(rows: readonly LockedRow[]): Map<string, AnnouncedAccess> {
  return new Map(
    rows.map(({ ownerKind: kind, ownerId: id, features, checkAt }) => {
      const owner = { kind, id };
      return [ownerKey(owner), { owner, features: (parseStored(features) as string[] | null) ?? [], checkAt }];
    }),
  );
}

function toRows(mode: Mode, dialect: Dialect, rows: readonly AnnouncedAccess[]): Rows {
  return {
    dialect,
    table: "announcedAccess",
    rows: sortByKey(rows, ({ owner }) => ownerKey(owner)).map(({ owner, features, checkAt }) => ({
      mode,
      ownerKind: owner.kind,
      ownerId: owner.id,
      features: JSON.stringify(features),
      checkAt,
    })),
  };
}
