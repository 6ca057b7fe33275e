/**
 * What the inbox and the outbox share: rows worked on one at a time per lane, under leases, until done or dead. A row that
 * comes is only put down; whoever claims first takes new rows in, which makes their lanes due. What a claim costs depends on
 * the lanes that are due, never on how many rows wait in them.
 */
import { sql, type Kysely, type RawBuilder } from "kysely";
import type { Mode } from "../../domain/records.ts";
import { atMost, inOneOrder, insertRows, isAnyOf, isInAnswer, isState } from "../bulk.ts";
import type { Dialect } from "../open-store.ts";
import { durable, redoable } from "../transactions.ts";
import type { Schema } from "../schema.ts";

export type QueueTable = "inbox" | "outbox";

/** A claimed row's name. `lease` is the fencing token: every lease of a lane has a higher one. */
export interface Claim {
  seq: number;
  lane: string;
  lease: number;
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
  /** The same of what is not done: it costs nothing beside however much is. */
  countOpen(): Promise<Record<"pending" | "dead", number>>;
}

/** Which rows of which lanes. */
export interface QueueScope {
  mode: Mode;
  table: QueueTable;
  dialect: Dialect;
}

/** What a new row begins with. */
export function queued(mode: Mode, runAt: number) {
  return { mode, state: "new", runAt, attempts: 0 } as const;
}

export function queue(db: Kysely<Schema>, scope: QueueScope): Queue {
  const { mode, table } = scope;
  const countOf = (state: RawBuilder<unknown>): RawBuilder<unknown> =>
    sql`(select count(*) from ${sql.table(table)} where mode = ${mode} and state = ${state})`;
  const setRow = (claim: Claim, fields: Partial<Pick<Schema["inbox"], "state" | "runAt" | "reason">>) =>
    endClaim(db, scope, claim, async (transaction) => {
      await transaction
        .updateTable(table)
        .set(fields)
        .where("mode", "=", mode)
        .where("seq", "=", claim.seq)
        .where(isState("pending"))
        .execute();
    });
  return {
    complete: (claim) => setRow(claim, { state: "done", reason: null }),
    retry: (claim, runAt, reason) => setRow(claim, { runAt, reason }),
    bury: (claim, reason) => setRow(claim, { state: "dead", reason }),
    async renew(claim, leasedUntil) {
      // A beat may be late: a lane that its holder has freed is not taken again.
      const renewed = await leaseOf(db, scope, claim)
        .where("leasedUntil", ">", 0)
        .set({ leasedUntil })
        .executeTakeFirst();
      return renewed.numUpdatedRows === 1n;
    },
    async listDead(limit) {
      const columns = table === "inbox" ? (["eventId", "lane"] as const) : (["id", "userId"] as const);
      const [name, lane] = columns as unknown as ["eventId", "lane"];
      return db
        .selectFrom(table as "inbox")
        .select([`${name} as name`, `${lane} as lane`, "attempts", "reason"])
        .where("mode", "=", mode)
        .where(isState("dead"))
        .orderBy("seq", "desc")
        .limit(atMost(limit))
        .execute();
    },
    async revive(now) {
      const revived = await db
        .updateTable(table)
        .set({ ...queued(mode, now), reason: null })
        .where("mode", "=", mode)
        .where(isState("dead"))
        .executeTakeFirst();
      return Number(revived.numUpdatedRows);
    },
    async oldestAt() {
      const at = sql.ref(table === "inbox" ? "receivedAt" : "createdAt");
      const { rows } = await sql<{ at: number | null }>`
        select min(at) as at from (
          select min(${at}) as at from ${sql.table(table)} where mode = ${mode} and state = 'new'
          union all select min(${at}) from ${sql.table(table)} where mode = ${mode} and state = 'pending') as oldest`.execute(
        db,
      );
      return rows[0]?.at ?? null;
    },
    async forget(before, limit) {
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
    async countOpen() {
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
      const counts = { pending: 0, done: 0, dead: 0 };
      for (const { state, count } of rows) counts[state === "new" ? "pending" : state] += Number(count);
      return counts;
    },
  };
}

/** The lease that a claim is made under, as long as the lane is not leased to another. */
function leaseOf(db: Kysely<Schema>, { mode, table }: QueueScope, { lane, lease }: Claim) {
  return db
    .updateTable("queueLanes")
    .where("mode", "=", mode)
    .where("queue", "=", table)
    .where("lane", "=", lane)
    .where("leases", "=", lease);
}

/**
 * Writes how a claim ended and frees its lane until something in it is due; false, with nothing written, where the lane was
 * leased to another meanwhile. All in one transaction: a lane that is free with its row still pending is claimed again.
 */
export function endClaim(
  db: Kysely<Schema>,
  scope: QueueScope,
  claim: Claim,
  write: (transaction: Kysely<Schema>) => Promise<void>,
): Promise<boolean> {
  return inTransaction(db, scope, async (transaction) => {
    // The lane's row is locked first, so nobody gives the lane new rows between what is written and what is due next.
    const freed = await leaseOf(transaction, scope, claim).set({ leasedUntil: 0 }).executeTakeFirst();
    if (freed.numUpdatedRows === 0n) return false;
    await write(transaction);
    await putOff(transaction, scope, [claim.lane]);
    return true;
  });
}

/** New rows taken in by one transaction: more would hold up whoever else writes. */
const TAKEN_IN_AT_ONCE = 2_000;

/** Gives new rows to their lanes. */
export async function takeIn(db: Kysely<Schema>, scope: QueueScope): Promise<void> {
  let taken;
  do taken = await redoable(db, scope.dialect).execute((transaction) => takeSomeIn(transaction, scope));
  while (taken === TAKEN_IN_AT_ONCE);
}

async function takeSomeIn(db: Kysely<Schema>, { mode, table, dialect }: QueueScope): Promise<number> {
  // Hooks run in order: nobody takes in a later one while an earlier one is being taken in.
  const lockNew = table === "outbox" && dialect === "postgres" ? sql`for update` : skipLocked(dialect);
  const arrived = sql`(
    select seq from ${sql.table(table)} where mode = ${mode} and state = 'new'
    order by seq limit ${atMost(TAKEN_IN_AT_ONCE)} ${lockNew})`;
  const { rows } = await sql<{ lane: string; runAt: number }>`
    update ${sql.table(table)} set state = 'pending' where ${isInAnswer(dialect, "seq", arrived)}
    returning ${laneColumn(table)} as lane, run_at`.execute(db);
  const dueAt = new Map<string, number>();
  for (const { lane, runAt } of rows) dueAt.set(lane, Math.min(runAt, dueAt.get(lane) ?? runAt));
  await makeDue(db, { mode, table, dialect }, dueAt);
  return rows.length;
}

/** Makes lanes due no later than then. */
export async function makeDue(
  db: Kysely<Schema>,
  { mode, table, dialect }: QueueScope,
  dueAt: ReadonlyMap<string, number>,
): Promise<void> {
  if (dueAt.size === 0) return;
  const lanes = inOneOrder(dueAt, ([lane]) => lane);
  await sql`${insertRows({
    dialect,
    table: "queueLanes",
    rows: lanes.map(([lane, at]) => ({ mode, queue: table, lane, dueAt: at, leasedUntil: 0, leases: 0 })),
  })} on conflict (mode, queue, lane) do update set due_at =
    case when queue_lanes.due_at < excluded.due_at then queue_lanes.due_at else excluded.due_at end`.execute(db);
}

export interface ClaimQuery extends QueueScope {
  now: number;
  leasedUntil: number;
  limit: number;
}

/**
 * Leases the lanes that have been due longest, and answers one row of each: fewer than asked for only where no other is due. In
 * the outbox an earlier row that waits for its retry holds its lane, since hooks run in order; in the inbox it does not, since
 * hints have no order.
 */
export async function claimRows<Row extends Omit<Claim, "lease">>(
  db: Kysely<Schema>,
  query: ClaimQuery,
): Promise<(Row & Claim)[]> {
  // In a transaction of its own: whoever holds new rows may wait for a lane, and must not wait for another row as well.
  await takeIn(db, query);
  const claimed: (Row & Claim)[] = [];
  for (;;) {
    const limit = query.limit - claimed.length;
    // A hook is told only of what is on disk: what another life of this process tells anew has the same id then.
    const transaction = query.table === "outbox" ? durable(db) : redoable(db, query.dialect);
    const { rows, leased } = await transaction.execute((inside) => claimOnce<Row>(inside, { ...query, limit }));
    claimed.push(...rows);
    // Lanes that were done with are put off; others may be due behind them.
    if (leased < limit || claimed.length === query.limit) return claimed;
  }
}

interface Claimed<Row> {
  rows: (Row & Claim)[];
  /** How many lanes were due. */
  leased: number;
}

async function claimOnce<Row extends Omit<Claim, "lease">>(
  db: Kysely<Schema>,
  query: ClaimQuery,
): Promise<Claimed<Row>> {
  const lanes = await leaseLanes(db, query);
  if (lanes.size === 0) return { rows: [], leased: 0 };
  const taken = await takeDueRows<Row>(db, query, [...lanes.keys()]);
  const served = new Set(taken.map(({ lane }) => lane));
  await putOff(
    db,
    query,
    [...lanes.keys()].filter((lane) => !served.has(lane)),
  );
  return { rows: taken.map((row) => ({ ...row, lease: lanes.get(row.lane) ?? 0 })), leased: lanes.size };
}

async function leaseLanes(
  db: Kysely<Schema>,
  { mode, table, dialect, now, leasedUntil, limit }: ClaimQuery,
): Promise<Map<string, number>> {
  const due = sql`(
    select lane from queue_lanes
    where mode = ${mode} and queue = ${table} and due_at <= ${now} and leased_until <= ${now}
    order by due_at, lane limit ${atMost(limit)} ${skipLocked(dialect)})`;
  // Due again from now, so that all have their turn.
  const { rows } = await sql<{ lane: string; leases: number }>`
    update queue_lanes set leased_until = ${leasedUntil}, due_at = ${now}, leases = leases + 1
    where mode = ${mode} and queue = ${table} and ${isInAnswer(dialect, "lane", due)}
    returning lane, leases`.execute(db);
  return new Map(rows.map(({ lane, leases }) => [lane, leases]));
}

async function takeDueRows<Row>(
  db: Kysely<Schema>,
  { mode, table, dialect, now }: ClaimQuery,
  lanes: readonly string[],
): Promise<Row[]> {
  const ofLane = firstOfLane(table, sql`item.seq`, sql`and item.run_at <= ${now}`);
  const next = sql`(
    select (${ofLane}) from queue_lanes as owner
    where owner.mode = ${mode} and owner.queue = ${table} and ${isAnyOf(dialect, "owner.lane", lanes)})`;
  // Not "pending": PostgreSQL would look these few up in an index of all that is.
  const { rows } = await sql<Row>`
    update ${sql.table(table)} set attempts = attempts + 1
    where state <> 'done' and run_at <= ${now} and ${isInAnswer(dialect, "seq", next)}
    returning *, ${laneColumn(table)} as lane`.execute(db);
  return rows;
}

/** Frees lanes until something in them is due; what has been due all along is so from the lease on, so that all have their turn. */
async function putOff(
  db: Kysely<Schema>,
  { mode, table, dialect }: QueueScope,
  lanes: readonly string[],
): Promise<void> {
  if (lanes.length === 0) return;
  const dueAt = sql`case when item.run_at > owner.due_at then item.run_at else owner.due_at end`;
  await sql`
    update queue_lanes as owner set leased_until = 0, due_at = (${firstOfLane(table, dueAt)})
    where owner.mode = ${mode} and owner.queue = ${table} and ${isAnyOf(dialect, "owner.lane", lanes)}`.execute(db);
}

/** What is the next of a lane: of hints any that is due, of hooks only the oldest. */
function firstOfLane(table: QueueTable, what: RawBuilder<unknown>, dueHints = sql``): RawBuilder<unknown> {
  return sql`select ${what} from ${sql.table(table)} as item
    where item.mode = owner.mode and item.${laneColumn(table)} = owner.lane and item.state = 'pending'
      ${table === "inbox" ? dueHints : sql``}
    order by ${table === "inbox" ? sql`item.run_at,` : sql``} item.seq limit 1`;
}

function inTransaction<T>(
  db: Kysely<Schema>,
  { dialect }: QueueScope,
  work: (transaction: Kysely<Schema>) => Promise<T>,
): Promise<T> {
  return db.isTransaction ? work(db) : redoable(db, dialect).execute(work);
}

function laneColumn(table: QueueTable): RawBuilder<unknown> {
  return sql.ref(table === "inbox" ? "lane" : "userId");
}

/** SQLite has one writer at a time. */
function skipLocked(dialect: Dialect): RawBuilder<unknown> {
  return dialect === "postgres" ? sql`for update skip locked` : sql``;
}
