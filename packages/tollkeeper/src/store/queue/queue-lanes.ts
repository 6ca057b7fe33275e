/**
 * The lanes of a queue: assigns new rows to lanes, leases due lanes to workers, and releases leased lanes.
 */
import { sql, type Kysely, type RawBuilder } from "kysely";
import { isStorableText } from "../../domain/storable-text.ts";
import { atMost, insertRows, isAnyOf, isInSubquery, sortByKey } from "../bulk.ts";
import type { Dialect } from "../dialect.ts";
import type { QueueState, Schema } from "../schema.ts";
import { durable, nonDurable } from "../transactions.ts";
import type { QueueScope, QueueTable } from "./queue-scope.ts";

/** A row of a queue that one worker has leased. */
export interface Claim {
  seq: number;
  lane: string;
  /**
   * The fencing token. Each lease of a lane has a higher fencing token than the lane's previous lease. After a new lease, the
   * worker of the previous lease can no longer write.
   */
  lease: number;
  /** Number of attempts to process the row, including the current attempt. */
  attempts: number;
}

/**
 * Maximum number of queue rows that one transaction assigns to lanes. A transaction that assigns too many rows would delay
 * other writers.
 */
const MAX_ASSIGNED_PER_TRANSACTION = 2_000;

export interface ClaimQuery extends QueueScope {
  now: number;
  leasedUntil: number;
  limit: number;
  /** The hooks whose rows the claim may take; undefined in the inbox, which has no hooks. */
  hooks?: readonly string[];
  /** The hooks that at least one process handles. New rows of other hooks become `unhandled`. */
  handled?: readonly string[];
}

/**
 * Leases the lanes that have been due longest, and returns one row of each. Returns fewer rows than `limit` only if fewer than
 * `limit` free lanes have a due row. In the outbox, a row that waits for its retry blocks its lane, because hooks run in order.
 * In the inbox, a row that waits for its retry does not block its lane, because events have no order.
 * A claim of hooks skips each lane whose first hook only another process handles.
 */
export async function claimRows<Row extends Claim>(db: Kysely<Schema>, query: ClaimQuery): Promise<Row[]> {
  // New rows are assigned to their lanes in a separate transaction. If the claim's transaction assigned new rows, it would hold
  // their locks while it waits for locks on lanes.
  await assignNewRows(db, query);
  const claimed: Row[] = [];
  for (;;) {
    const limit = query.limit - claimed.length;
    // A hook runs only after its row is on disk. So a hook that is repeated after a crash of the machine keeps its id.
    const transaction = query.table === "outbox" ? durable(db) : nonDurable(db, query.dialect);
    const { rows, leased } = await transaction.execute((inside) => claimOnce<Row>(inside, { ...query, limit }));
    claimed.push(...rows);
    // This claim leased lanes in which no row was due, and released these lanes again. More lanes may be due, so the loop that
    // claims lanes continues.
    if (leased < limit || claimed.length === query.limit) return claimed;
  }
}

interface Claimed<Row> {
  rows: Row[];
  /** Number of lanes that the claim has leased. */
  leased: number;
}

async function claimOnce<Row extends Claim>(db: Kysely<Schema>, query: ClaimQuery): Promise<Claimed<Row>> {
  const lanes = await leaseLanes(db, query);
  if (lanes.size === 0) return { rows: [], leased: 0 };
  const claimed = await claimDueRows<Row>(db, query, [...lanes.keys()]);
  const served = new Set(claimed.map(({ lane }) => lane));
  await releaseLanes(
    db,
    query,
    [...lanes.keys()].filter((lane) => !served.has(lane)),
  );
  return { rows: claimed.map((row) => ({ ...row, lease: lanes.get(row.lane) ?? 0 })), leased: lanes.size };
}

/** Leases due lanes. Returns the fencing token of each leased lane. */
async function leaseLanes(
  db: Kysely<Schema>,
  { mode, table, dialect, now, leasedUntil, limit, hooks }: ClaimQuery,
): Promise<Map<string, number>> {
  const firstHook = sql`(${firstOfLane(table, sql`item.hook`)})`;
  // A lane without a pending row is leased too, so that it is released without a due time.
  const isDeliverable = hooks
    ? sql`and exists (select 1 from (select ${firstHook} as hook) as next
        where next.hook is null or ${isAnyOf(dialect, "hook", hooks)})`
    : sql``;
  const due = sql`(
    select lane from queue_lanes as owner
    where mode = ${mode} and queue = ${table} ${isDeliverable} and due_at <= ${now} and leased_until <= ${now}
    order by due_at, lane limit ${atMost(limit)} ${skipLocked(dialect)})`;
  // A claim sets a lane's `due_at` to the current time, so lanes that were due earlier are claimed before the lane is claimed
  // again.
  const { rows } = await sql<{ lane: string; leases: number }>`
    update queue_lanes set leased_until = ${leasedUntil}, due_at = ${now}, leases = leases + 1
    where mode = ${mode} and queue = ${table} and ${isInSubquery(dialect, "lane", due)}
    returning lane, leases`.execute(db);
  return new Map(rows.map(({ lane, leases }) => [lane, leases]));
}

async function claimDueRows<Row extends Claim>(
  db: Kysely<Schema>,
  { mode, table, dialect, now, hooks }: ClaimQuery,
  lanes: readonly string[],
): Promise<Row[]> {
  const ofLane = firstOfLane(table, sql`item.seq`, sql`and item.run_at <= ${now}`);
  const next = sql`(
    select (${ofLane}) from queue_lanes as owner
    where owner.mode = ${mode} and owner.queue = ${table} and ${isAnyOf(dialect, "owner.lane", lanes)})`;
  // With the condition "state = 'pending'", PostgreSQL would search the index of all pending rows instead of the few rows of
  // the leased lanes.
  const { rows } = await sql<Row>`
    update ${sql.table(table)} set attempts = attempts + 1
    where state <> 'done' and run_at <= ${now} and ${isInSubquery(dialect, "seq", next)}
      ${hooks ? sql`and ${isAnyOf(dialect, "hook", hooks)}` : sql``}
    returning *`.execute(db);
  return rows;
}

/** Assigns new rows to their lanes and marks those lanes due. */
export async function assignNewRows(
  db: Kysely<Schema>,
  scope: QueueScope & Pick<ClaimQuery, "handled">,
): Promise<void> {
  let assigned;
  do assigned = await nonDurable(db, scope.dialect).execute((transaction) => assignSomeNewRows(transaction, scope));
  while (assigned === MAX_ASSIGNED_PER_TRANSACTION);
}

async function assignSomeNewRows(
  db: Kysely<Schema>,
  { mode, table, dialect, handled }: QueueScope & Pick<ClaimQuery, "handled">,
): Promise<number> {
  // The hooks of one owner run in order. Two transactions must not assign outbox rows to lanes at the same time, because the
  // rows could lose their order.
  const lock = table === "outbox" && dialect === "postgres" ? sql`for update` : skipLocked(dialect);
  const newRows = sql`(
    select seq from ${sql.table(table)} where mode = ${mode} and state = 'new'
    order by seq limit ${atMost(MAX_ASSIGNED_PER_TRANSACTION)} ${lock})`;
  const state = handled
    ? sql`case when ${isAnyOf(dialect, "hook", handled)} then 'pending' else 'unhandled' end`
    : sql`'pending'`;
  const { rows } = await sql<{ seq: number; lane: string; state: QueueState; runAt: number }>`
    update ${sql.table(table)} set state = ${state} where ${isInSubquery(dialect, "seq", newRows)}
    returning seq, lane, state, run_at`.execute(db);
  const dueAt = new Map<string, number>();
  for (const { seq, lane, runAt } of rows.filter((row) => row.state === "pending"))
    if (isStorableText(lane)) dueAt.set(lane, Math.min(runAt, dueAt.get(lane) ?? runAt));
    else await endUnreadable(db, table, seq);
  await makeDue(db, { mode, table, dialect }, dueAt);
  return rows.length;
}

/** Makes a row a dead letter, because no lane can have the name that the row stores. */
async function endUnreadable(db: Kysely<Schema>, table: QueueTable, seq: number): Promise<void> {
  const reason = "The row's lane is not valid text. Correct or delete the row.";
  await db.updateTable(table).set({ state: "dead", reason }).where("seq", "=", seq).execute();
}

/** Sets the due time of lanes to the given time. A lane's earlier due time is kept. */
export async function makeDue(
  db: Kysely<Schema>,
  { mode, table, dialect }: QueueScope,
  dueAt: ReadonlyMap<string, number>,
): Promise<void> {
  if (dueAt.size === 0) return;
  const lanes = sortByKey(dueAt, ([lane]) => lane);
  await sql`${insertRows({
    dialect,
    table: "queueLanes",
    rows: lanes.map(([lane, at]) => ({ mode, queue: table, lane, dueAt: at, leasedUntil: 0, leases: 0 })),
  })} on conflict (mode, queue, lane) do update set due_at =
    case when queue_lanes.due_at < excluded.due_at then queue_lanes.due_at else excluded.due_at end`.execute(db);
}

/**
 * Ends the leases of lanes, so that other workers can claim them. If a released lane still has a due row, the start of the
 * lane's last lease becomes its due time. So lanes that became due earlier are claimed before the released lane.
 */
export async function releaseLanes(
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

/**
 * Builds a subquery on the next row of the lane `owner`. In the outbox the next row is the oldest pending row, because hooks
 * run in order. In the inbox, the next row is the row that is due first, because events have no order. The parameter `onlyDue`
 * is an additional SQL condition on inbox rows.
 */
function firstOfLane(table: QueueTable, columns: RawBuilder<unknown>, onlyDue = sql``): RawBuilder<unknown> {
  return sql`select ${columns} from ${sql.table(table)} as item
    where item.mode = owner.mode and item.lane = owner.lane and item.state = 'pending'
      ${table === "inbox" ? onlyDue : sql``}
    order by ${table === "inbox" ? sql`item.run_at,` : sql``} item.seq limit 1`;
}

/**
 * Builds the SQL clause that locks rows and skips locked rows. The SQL clause for row locks is empty on SQLite, which has no
 * row locks and only one writer at a time.
 */
function skipLocked(dialect: Dialect): RawBuilder<unknown> {
  return dialect === "postgres" ? sql`for update skip locked` : sql``;
}
