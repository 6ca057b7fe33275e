/**
 * Implements the queue behind the inbox (events) and the outbox (hooks). Only one row of a lane is processed at a time, under a
 * lease, until it succeeds or becomes a dead letter. Inserting a row does not write to the table of lanes. The next claim
 * assigns new rows to lanes and marks the lanes due. The cost of a claim depends on the number of due lanes, not on the number
 * of waiting rows.
 */
import { sql, type Kysely, type RawBuilder } from "kysely";
import type { Mode } from "../../domain/records.ts";
import { atMost, isState } from "../bulk.ts";
import type { Schema } from "../schema.ts";
import { nonDurable } from "../transactions.ts";
import { releaseLanes, type Claim } from "./queue-lanes.ts";
import type { QueueScope } from "./queue-scope.ts";

export interface DeadLetter {
  /** Id of the event or hook that the queue's row stores. */
  name: string;
  /** Lane of the row: the customer of an event, or the owner of a hook. */
  lane: string;
  attempts: number;
  reason: string | null;
}

export interface Queue {
  /**
   * Marks the claimed row as processed. Returns false if this worker has lost the lane's lease; the caller must then discard
   * its work.
   */
  complete(claim: Claim): Promise<boolean>;
  /** Extends the lease of a claimed row. Returns false if this worker has lost the lane's lease. */
  renew(claim: Claim, leasedUntil: number): Promise<boolean>;
  /** Makes the claimed row due again at the instant `runAt`. Returns false if this worker has lost the lane's lease. */
  retry(claim: Claim, runAt: number, reason: string): Promise<boolean>;
  /** Makes the row a dead letter, which is not retried. Returns false if this worker has lost the lane's lease. */
  deadLetter(claim: Claim, reason: string): Promise<boolean>;
  /** Lists dead letters, newest first. */
  listDeadLetters(limit: number): Promise<DeadLetter[]>;
  /** Makes all dead letters due again. Returns the number of dead letters that became due. */
  redrive(now: number): Promise<number>;
  /** Deletes at most `limit` processed rows that were due before an instant. Returns the number of deleted rows. */
  pruneDone(before: number, limit: number): Promise<number>;
  /** Returns the time at which the oldest unfinished row was added; null if no row is unfinished. */
  findOldestPending(): Promise<number | null>;
  /** Counts the rows by state. Rows whose hook no process handles count as pending. */
  countByState(): Promise<Record<"pending" | "done" | "dead", number>>;
  /**
   * Counts the pending rows and the dead letters of the queue. Rows whose hook no process handles are not counted. The cost of
   * counting does not depend on the number of processed rows.
   */
  countUnfinished(): Promise<Record<"pending" | "dead", number>>;
}

/** Returns the columns that describe the state of a new row of the queue. */
export function queued(mode: Mode, runAt: number) {
  return { mode, state: "new", runAt, attempts: 0 } as const;
}

export function queue(db: Kysely<Schema>, scope: QueueScope): Queue {
  return { ...claimEndings(db, scope), ...deadLetters(db, scope), ...counts(db, scope) };
}

type ClaimEndings = Pick<Queue, "complete" | "retry" | "deadLetter" | "renew">;

function claimEndings(db: Kysely<Schema>, scope: QueueScope): ClaimEndings {
  const setRow = (claim: Claim, fields: Partial<Pick<Schema["inbox"], "state" | "runAt" | "reason">>) =>
    endClaim(db, scope, claim, async (transaction) => {
      await transaction
        .updateTable(scope.table)
        .set(fields)
        .where("mode", "=", scope.mode)
        .where("seq", "=", claim.seq)
        // While a worker that did not register its hooks in time processes a row, the row can become unhandled. When another
        // process registers the hook, the row becomes new.
        .where("state", "in", ["pending", "unhandled", "new"])
        .execute();
    });
  return {
    complete: (claim) => setRow(claim, { state: "done", reason: null }),
    retry: (claim, runAt, reason) => setRow(claim, { runAt, reason }),
    deadLetter: (claim, reason) => setRow(claim, { state: "dead", reason }),
    async renew(claim, leasedUntil) {
      // The update requires that the lane is still leased. So a late heartbeat can't lease a lane again after its worker has
      // released it.
      const renewed = await leaseOf(db, scope, claim)
        .where("leasedUntil", ">", 0)
        .set({ leasedUntil })
        .executeTakeFirst();
      return renewed.numUpdatedRows === 1n;
    },
  };
}

function deadLetters(
  db: Kysely<Schema>,
  { mode, table }: QueueScope,
): Pick<Queue, "listDeadLetters" | "redrive" | "pruneDone"> {
  return {
    async listDeadLetters(limit) {
      const name = table === "inbox" ? sql.ref("eventId") : sql.ref("id");
      return db
        .selectFrom(table)
        .select([sql<string>`${name}`.as("name"), "lane", "attempts", "reason"])
        .where("mode", "=", mode)
        .where(isState("dead"))
        .orderBy("seq", "desc")
        .limit(atMost(limit))
        .execute();
    },
    async redrive(now) {
      const redriven = await db
        .updateTable(table)
        .set({ ...queued(mode, now), reason: null })
        .where("mode", "=", mode)
        .where(isState("dead"))
        .executeTakeFirst();
      return Number(redriven.numUpdatedRows);
    },
    async pruneDone(before, limit) {
      const old = db
        .selectFrom(table)
        .select("seq")
        .where("mode", "=", mode)
        .where(isState("done"))
        .where("runAt", "<", before)
        .limit(atMost(limit));
      const deleted = await db.deleteFrom(table).where("seq", "in", old).executeTakeFirst();
      return Number(deleted.numDeletedRows);
    },
  };
}

function counts(
  db: Kysely<Schema>,
  { mode, table }: QueueScope,
): Pick<Queue, "findOldestPending" | "countUnfinished" | "countByState"> {
  const countOf = (state: RawBuilder<unknown>): RawBuilder<unknown> =>
    sql`(select count(*) from ${sql.table(table)} where mode = ${mode} and state = ${state})`;
  return {
    async findOldestPending() {
      const at = sql.ref(table === "inbox" ? "receivedAt" : "createdAt");
      const { rows } = await sql<{ at: number | null }>`
        select min(at) as at from (
          select min(${at}) as at from ${sql.table(table)} where mode = ${mode} and state = 'new'
          ${table === "outbox" ? sql`union all select min(${at}) from outbox where mode = ${mode} and state = 'unhandled'` : sql``}
          union all select min(${at}) from ${sql.table(table)} where mode = ${mode} and state = 'pending') as oldest`.execute(
        db,
      );
      return rows[0]?.at ?? null;
    },
    async countUnfinished() {
      const { rows } = await sql<{ pending: number; dead: number }>`
        select ${countOf(sql`'new'`)} + ${countOf(sql`'pending'`)} as pending, ${countOf(sql`'dead'`)} as dead`.execute(
        db,
      );
      return rows[0] ?? { pending: 0, dead: 0 };
    },
    async countByState() {
      const rows = await db
        .selectFrom(table)
        .select((eb) => ["state", eb.fn.countAll().as("count")])
        .where("mode", "=", mode)
        .groupBy("state")
        .execute();
      const byState = { pending: 0, done: 0, dead: 0 };
      for (const { state, count } of rows)
        byState[state === "new" || state === "unhandled" ? "pending" : state] += Number(count);
      return byState;
    },
  };
}

/**
 * Builds a statement that updates the row of a lane. The update of a lane changes nothing if the lane was leased again since
 * the claim.
 */
function leaseOf(db: Kysely<Schema>, { mode, table }: QueueScope, { lane, lease }: Claim) {
  return db
    .updateTable("queueLanes")
    .where("mode", "=", mode)
    .where("queue", "=", table)
    .where("lane", "=", lane)
    .where("leases", "=", lease);
}

/**
 * Writes the outcome of a claim and releases its lane in one transaction. Returns false and writes nothing if the lease was
 * lost. If a lane were released before the claim's outcome is written, another worker could claim the row again.
 */
export function endClaim(
  db: Kysely<Schema>,
  scope: QueueScope,
  claim: Claim,
  write: (transaction: Kysely<Schema>) => Promise<void>,
): Promise<boolean> {
  const end = async (transaction: Kysely<Schema>): Promise<boolean> => {
    // The update first locks the lane's row. So no other transaction can assign rows to the lane until the lane's next due time
    // is computed.
    const released = await leaseOf(transaction, scope, claim).set({ leasedUntil: 0 }).executeTakeFirst();
    if (released.numUpdatedRows === 0n) return false;
    await write(transaction);
    await releaseLanes(transaction, scope, [claim.lane]);
    return true;
  };
  return db.isTransaction ? end(db) : nonDurable(db, scope.dialect).execute(end);
}
