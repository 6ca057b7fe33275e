/** What the inbox and the outbox share: rows worked on one at a time per lane, under leases, until done or dead. */
import { sql, type Kysely, type RawBuilder } from "kysely";
import type { Mode } from "../domain/records.ts";
import type { Dialect } from "./database.ts";
import type { Schema } from "./schema.ts";

export type QueueTable = "inbox" | "outbox";

/** A claimed row's name: `attempts` is the fencing token, since every claim raises it. */
export interface Claim {
  seq: number;
  attempts: number;
}

/** A row that was given up. */
export interface DeadLetter {
  /** The event's id or the hook message's. */
  name: string;
  /** The customer or the user. */
  lane: string;
  attempts: number;
  reason: string | null;
}

export interface Queue {
  /** The instant the next row is due; null when none waits. */
  nextDueAt(): Promise<number | null>;
  /** False when the lease was lost: somebody else has the row now, and this work must not be written. */
  complete(claim: Claim): Promise<boolean>;
  /** Holds a row that is still worked on; false when the lease was lost. */
  renew(claim: Claim, leasedUntil: number): Promise<boolean>;
  retry(claim: Claim, runAt: number, reason: string): Promise<boolean>;
  bury(claim: Claim, reason: string): Promise<boolean>;
  /** What was given up, the newest first. */
  listDead(limit: number): Promise<DeadLetter[]>;
  /** Gives dead letters another chance; answers how many. */
  revive(now: number): Promise<number>;
  /** Deletes done rows that were last due before an instant, at most so many; answers how many. */
  forget(before: number, limit: number): Promise<number>;
  /** When the longest waiting row came; null when none waits. */
  oldestAt(): Promise<number | null>;
  countByState(): Promise<Record<"pending" | "done" | "dead", number>>;
}

export function queue(db: Kysely<Schema>, mode: Mode, table: QueueTable): Queue {
  const change = async (
    claim: Claim,
    fields: Partial<Pick<Schema["inbox"], "state" | "runAt" | "leasedUntil" | "reason">>,
  ): Promise<boolean> => {
    const updated = await db
      .updateTable(table)
      .set({ leasedUntil: 0, ...fields })
      .where("mode", "=", mode)
      .where("seq", "=", claim.seq)
      .where("attempts", "=", claim.attempts)
      .where("state", "=", "pending")
      .executeTakeFirst();
    return updated.numUpdatedRows === 1n;
  };
  return {
    async nextDueAt() {
      const row = await db
        .selectFrom(table)
        .select((eb) => eb.fn.min("runAt").as("dueAt"))
        .where("mode", "=", mode)
        .where("state", "=", "pending")
        .executeTakeFirst();
      return row?.dueAt ?? null;
    },
    complete: (claim) => change(claim, { state: "done", reason: null }),
    renew: (claim, leasedUntil) => change(claim, { leasedUntil, runAt: leasedUntil }),
    retry: (claim, runAt, reason) => change(claim, { runAt, reason }),
    bury: (claim, reason) => change(claim, { state: "dead", reason }),
    async listDead(limit) {
      const columns = table === "inbox" ? (["eventId", "lane"] as const) : (["id", "userId"] as const);
      const [name, lane] = columns as unknown as ["eventId", "lane"];
      return db
        .selectFrom(table as "inbox")
        .select([`${name} as name`, `${lane} as lane`, "attempts", "reason"])
        .where("mode", "=", mode)
        .where("state", "=", "dead")
        .orderBy("seq", "desc")
        .limit(limit)
        .execute();
    },
    async revive(now) {
      const revived = await db
        .updateTable(table)
        .set({ state: "pending", runAt: now, attempts: 0, reason: null })
        .where("mode", "=", mode)
        .where("state", "=", "dead")
        .executeTakeFirst();
      return Number(revived.numUpdatedRows);
    },
    async oldestAt() {
      const row = await db
        .selectFrom(table)
        .select((eb) => eb.fn.min(table === "inbox" ? "receivedAt" : ("createdAt" as "receivedAt")).as("at"))
        .where("mode", "=", mode)
        .where("state", "=", "pending")
        .executeTakeFirst();
      return row?.at ?? null;
    },
    async forget(before, limit) {
      const old = db
        .selectFrom(table)
        .select("seq")
        .where("mode", "=", mode)
        .where("state", "=", "done")
        .where("runAt", "<", before)
        .limit(limit);
      const deleted = await db.deleteFrom(table).where("seq", "in", old).executeTakeFirst();
      return Number(deleted.numDeletedRows);
    },
    async countByState() {
      const rows = await db
        .selectFrom(table)
        .select((eb) => ["state", eb.fn.countAll().as("count")])
        .where("mode", "=", mode)
        .groupBy("state")
        .execute();
      const counts = { pending: 0, done: 0, dead: 0 };
      for (const row of rows) counts[row.state] = Number(row.count);
      return counts;
    },
  };
}

/**
 * Leases the earliest due row of each lane that nobody works on, and returns it. In the outbox an earlier row that waits
 * for its retry also holds its lane, since hooks run in order; in the inbox it does not, since hints have no order.
 */
export function claimRows<Row>(
  db: Kysely<Schema>,
  query: { mode: Mode; table: QueueTable; dialect: Dialect; now: number; leasedUntil: number; limit: number },
): RawBuilder<Row> {
  const { mode, now } = query;
  const table = sql.table(query.table);
  const lane = sql.ref(query.table === "inbox" ? "lane" : "user_id");
  const blocks =
    query.table === "inbox"
      ? sql`(other.leased_until > ${now} or (other.run_at <= ${now} and other.seq < item.seq))`
      : sql`other.seq < item.seq`;
  const skipLocked = query.dialect === "postgres" ? sql`for update skip locked` : sql``;
  return sql<Row>`
    update ${table} set leased_until = ${query.leasedUntil}, run_at = ${query.leasedUntil}, attempts = attempts + 1
    where seq in (
      select item.seq from ${table} as item
      where item.mode = ${mode} and item.state = 'pending' and item.run_at <= ${now}
        and not exists (
          select 1 from ${table} as other
          where other.mode = item.mode and other.${lane} = item.${lane} and other.state = 'pending'
            and other.seq <> item.seq and ${blocks})
      order by item.run_at, item.seq limit ${query.limit} ${skipLocked})
    returning *`;
}
