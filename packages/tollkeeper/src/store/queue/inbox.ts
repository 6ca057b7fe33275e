/**
 * The inbox: a queue of events from Stripe without their payload. Events are stored before Stripe gets its response, and
 * processed afterwards.
 */
import { sql, type ExpressionBuilder, type Kysely } from "kysely";
import type { Mode } from "../../domain/records.ts";
import { atMost, isAnyOf, isInSubquery, isState, prepareInsert, sortByKey } from "../bulk.ts";
import type { Dialect } from "../dialect.ts";
import type { QueueState, Schema } from "../schema.ts";
import { nonDurable } from "../transactions.ts";
import { packBody, unpackBody } from "./event-body.ts";
import { assignNewRows, claimRows, makeDue, type Claim } from "./queue-lanes.ts";
import { endClaim, queue, queued, type Queue } from "./queue.ts";
import type { QueueScope } from "./queue-scope.ts";

export interface InboxEvent {
  eventId: string;
  type: string;
  objectId: string;
  /**
   * Id of the event's customer, or of its object if the event names no customer. Events of one lane are processed one at a
   * time.
   */
  lane: string;
  eventCreatedAt: number;
  /** Id of the API request that caused the event. By default, the API request that caused the event is unknown. */
  requestId?: string | null;
  /** The delivered body of the event. By default, the delivered body of the event is not stored. */
  body?: Uint8Array | null;
}

export interface StoredEvent extends Required<Omit<InboxEvent, "body">> {
  /** The delivered body of the event; null if it was not stored. */
  body: string | null;
  receivedAt: number;
  state: QueueState;
  attempts: number;
  reason: string | null;
}

export interface ClaimedEvent extends InboxEvent, Claim {
  /**
   * Sequence number of the newest inbox row when a worker claimed the event. One retrieve of an object covers all events about
   * the object that were in the inbox when the worker claimed the event.
   */
  upToSeq: number;
}

/**
 * The lanes with pending events, by the name of the lane. For each lane, the map has its version and the time when Stripe
 * created the lane's oldest pending event.
 */
export type PendingLanes = ReadonlyMap<string, { version: number; oldestAt: number }>;

export interface InboxStore extends Omit<Queue, "complete"> {
  /**
   * Marks an event as processed. Also marks the lane's other events, up to the row `upToSeq`, that are about the event's object
   * or the objects `objectIds`. Returns the types of all marked events; null if this worker has lost the lane's lease.
   */
  complete(event: ClaimedEvent, objectIds?: readonly string[]): Promise<string[] | null>;
  /**
   * Stores new events in one commit. If Stripe delivered a dead letter's event again, makes the dead letter due again. Returns
   * the ids of the new events and of the dead letters that became due again. `runAt` is the time from which the added events
   * are due; default `now`.
   */
  add(events: readonly InboxEvent[], now: number, runAt?: number): Promise<Set<string>>;
  claim(limit: number, now: number, leasedUntil: number): Promise<ClaimedEvent[]>;
  find(eventId: string): Promise<StoredEvent | null>;
  /** Returns the sequence number of the newest inbox row; 0 if the inbox is empty. */
  lastSeq(): Promise<number>;
  /** Returns the ids in `objectIds` for which the inbox has pending events up to the row number `upToSeq`. */
  findPendingObjectIds(objectIds: readonly string[], upToSeq: number): Promise<Set<string>>;
  /**
   * Marks pending events about the objects as processed, up to the row `upToSeq`. Events that a worker is processing are
   * skipped. Returns the number of completed events. Before events are marked as processed, the caller must write their objects
   * to the mirror. If events were marked as processed first, an older response of Stripe could later overwrite the mirror, and
   * no pending event would repair the mirror.
   */
  completeCovered(objectIds: readonly string[], upToSeq: number, now: number): Promise<number>;
  /**
   * Makes events due that were deferred when they were added to the inbox. Skips events that a worker has already tried to
   * process.
   */
  releaseDeferred(now: number): Promise<void>;
  /** Counts pending events, but at most up to the given limit. */
  countPending(limit: number): Promise<number>;
  /** Returns at most `limit` lanes with due events: those that have been due longest, in no particular order. */
  listPendingLanes(now: number, limit: number): Promise<PendingLanes>;
  /** Returns the ids among `eventIds` that are not in the inbox. */
  filterUnstored(eventIds: readonly string[]): Promise<string[]>;
}

const INSERTED_COLUMNS = ["eventId", "type", "objectId", "lane", "eventCreatedAt", "requestId", "body"] as const;
const EVENT_COLUMNS = [...INSERTED_COLUMNS, "receivedAt", "state", "attempts", "reason"] as const;

/** Creates the inbox. `onAdded` is called after new events were stored, when no transaction is open. */
export function inboxStore(
  db: Kysely<Schema>,
  mode: Mode,
  dialect: Dialect,
  onAdded: () => void = () => {},
): InboxStore {
  const scope: QueueScope = { mode, table: "inbox", dialect };
  return {
    ...queue(db, scope),
    ...events(db, scope, onAdded),
    ...coverage(db, scope),
    ...pending(db, scope),

    async complete(event, objectIds = []) {
      let types: string[] = [];
      const isEnded = await endClaim(db, scope, event, async (transaction) => {
        const completed = await transaction
          .updateTable("inbox")
          .set({ state: "done", reason: null })
          .where("mode", "=", mode)
          .where("lane", "=", event.lane)
          .where(isAnyOf(dialect, "objectId", [event.objectId, ...objectIds]))
          .where(isState("pending"))
          .where("seq", "<=", event.upToSeq)
          .returning("type")
          .execute();
        types = completed.map(({ type }) => type);
      });
      return isEnded ? types : null;
    },

    async claim(limit, now, leasedUntil) {
      const rows = await claimRows<InboxEvent & Claim>(db, { ...scope, now, leasedUntil, limit });
      if (rows.length === 0) return [];
      const { upToSeq } = await db
        .selectFrom("inbox")
        .select((eb) => eb.fn.max("seq").as("upToSeq"))
        .executeTakeFirstOrThrow();
      return rows.map((row) => ({ ...row, upToSeq }));
    },
  };
}

function toRow({ eventId, type, objectId, lane, eventCreatedAt, requestId = null, body }: InboxEvent) {
  return { eventId, type, objectId, lane, eventCreatedAt, requestId, body: body ? packBody(body) : null };
}

function events(
  db: Kysely<Schema>,
  { mode, dialect }: QueueScope,
  onAdded: () => void,
): Pick<InboxStore, "add" | "find" | "lastSeq" | "filterUnstored"> {
  const insert = prepareInsert(
    { dialect, table: "inbox", columns: INSERTED_COLUMNS, same: { receivedAt: 0, ...queued(mode, 0) } },
    (rows) => sql<{ eventId: string }>`${rows}
      on conflict (mode, event_id) do update set state = 'new', run_at = excluded.run_at, attempts = 0, reason = null
        where inbox.state = 'dead'
      returning event_id`,
  );
  return {
    async add(newEvents, now, runAt = now) {
      if (newEvents.length === 0) return new Set();
      const byId = new Map(newEvents.map((event) => [event.eventId, toRow(event)]));
      const rows = sortByKey(byId.values(), ({ eventId }) => eventId);
      const { rows: added } = await db.executeQuery(insert(db, rows, { receivedAt: now, ...queued(mode, runAt) }));
      if (added.length > 0) onAdded();
      return new Set(added.map(({ eventId }) => eventId));
    },

    async find(eventId) {
      const row = await db
        .selectFrom("inbox")
        .select(EVENT_COLUMNS)
        .where("mode", "=", mode)
        .where("eventId", "=", eventId)
        .executeTakeFirst();
      return row ? { ...row, body: row.body === null ? null : unpackBody(row.body) } : null;
    },

    async lastSeq() {
      const row = await db
        .selectFrom("inbox")
        .select((eb) => eb.fn.max("seq").as("seq"))
        .executeTakeFirst();
      return row?.seq ?? 0;
    },

    async filterUnstored(eventIds) {
      const rows = await db
        .selectFrom("inbox")
        .select("eventId")
        .where("mode", "=", mode)
        .where(isAnyOf(dialect, "eventId", eventIds))
        .execute();
      const stored = new Set(rows.map((row) => row.eventId));
      return eventIds.filter((id) => !stored.has(id));
    },
  };
}

function coverage(db: Kysely<Schema>, scope: QueueScope): Pick<InboxStore, "findPendingObjectIds" | "completeCovered"> {
  const { mode, dialect } = scope;
  const isCovered = (eb: ExpressionBuilder<Schema, "inbox">, objectIds: readonly string[], upToSeq: number) =>
    eb.and([
      eb("mode", "=", mode),
      isAnyOf(dialect, "objectId", objectIds),
      isState("pending"),
      // An event about the coming end of a trial reports no change of an object. So no retrieved object can replace an event
      // about the end of a trial.
      eb("type", "!=", "customer.subscription.trial_will_end"),
      eb("seq", "<=", upToSeq),
    ]);
  return {
    async findPendingObjectIds(objectIds, upToSeq) {
      if (objectIds.length === 0 || !(await hasUnfinishedRows(db, mode))) return new Set();
      await assignNewRows(db, scope);
      const rows = await db
        .selectFrom("inbox")
        .select("objectId")
        .distinct()
        .where((eb) => isCovered(eb, objectIds, upToSeq))
        .execute();
      return new Set(rows.map(({ objectId }) => objectId));
    },

    async completeCovered(objectIds, upToSeq, now) {
      if (objectIds.length === 0) return 0;
      const leased = db
        .selectFrom("queueLanes")
        .select("lane")
        .where("mode", "=", mode)
        .where("queue", "=", scope.table)
        .where(sql.ref("queueLanes.lane"), "=", sql.ref("inbox.lane"))
        .where("leasedUntil", ">", now);
      const covered = db
        .selectFrom("inbox")
        .select("seq")
        .where((eb) => isCovered(eb, objectIds, upToSeq))
        .where((eb) => eb.not(eb.exists(leased)))
        .orderBy("seq")
        // A worker locks the inbox rows that it processes. This SQL statement skips inbox rows that a worker has locked,
        // instead of waiting for the worker.
        .$if(dialect === "postgres", (query) => query.forUpdate().skipLocked());
      const { numUpdatedRows } = await db
        .updateTable("inbox")
        .set({ state: "done" })
        .where(isInSubquery(dialect, "seq", covered))
        .executeTakeFirst();
      return Number(numUpdatedRows);
    },
  };
}

/**
 * Returns true if the inbox has unfinished rows. The check for unfinished rows never writes to the database. The first import
 * of a Stripe account has no events, so it writes nothing to the inbox.
 */
async function hasUnfinishedRows(db: Kysely<Schema>, mode: Mode): Promise<boolean> {
  const { rows } = await sql`
    select 1 where (select 1 from inbox where mode = ${mode} and state = 'new' order by seq limit 1) is not null
      or (select 1 from inbox where mode = ${mode} and state = 'pending' order by lane, run_at, seq limit 1) is not null`.execute(
    db,
  );
  return rows.length > 0;
}

function pending(
  db: Kysely<Schema>,
  scope: QueueScope,
): Pick<InboxStore, "releaseDeferred" | "countPending" | "listPendingLanes"> {
  const { mode, dialect } = scope;
  return {
    async releaseDeferred(now) {
      await assignNewRows(db, scope);
      let lanes: string[] = [];
      do {
        const after = lanes.at(-1) ?? "";
        const release = (transaction: Kysely<Schema>) => releaseSomeDeferred(transaction, scope, { now, after });
        lanes = await nonDurable(db, dialect).execute(release);
      } while (lanes.length === MAX_RELEASED_PER_TRANSACTION);
    },

    async countPending(limit) {
      const { rows } = await sql<{ count: number }>`
        select count(*) as count from (
          select 1 from inbox where mode = ${mode} and state = 'new'
          union all select 1 from inbox where mode = ${mode} and state = 'pending'
          limit ${atMost(limit)}) as waiting`.execute(db);
      return rows[0]?.count ?? 0;
    },

    async listPendingLanes(now, limit) {
      await assignNewRows(db, scope);
      const { rows } = await sql<{ lane: string; version: number; oldestAt: number }>`
        with due as materialized (
          select lane from queue_lanes where mode = ${mode} and queue = ${scope.table} and due_at <= ${now}
          order by due_at, lane limit ${atMost(limit)})
        select inbox.lane, coalesce(max(lanes.version), 0) as version, min(inbox.event_created_at) as oldest_at
        from due join inbox on inbox.lane = due.lane left join lanes on lanes.mode = inbox.mode and lanes.lane = inbox.lane
        where inbox.mode = ${mode} and inbox.state = 'pending' and inbox.run_at <= ${now}
        group by inbox.lane`.execute(db);
      return new Map(rows.map(({ lane, version, oldestAt }) => [lane, { version, oldestAt }]));
    },
  };
}

/**
 * Maximum number of lanes whose deferred events one transaction makes due. A transaction with more lanes would delay other
 * writers.
 */
const MAX_RELEASED_PER_TRANSACTION = 1_000;

/**
 * Makes the deferred events of some lanes due, starting with the lane that follows the lane `after`. Returns the names of the
 * lanes whose events became due.
 */
async function releaseSomeDeferred(
  db: Kysely<Schema>,
  scope: QueueScope,
  { now, after }: { now: number; after: string },
): Promise<string[]> {
  const { mode, dialect } = scope;
  const isDeferred = sql`mode = ${mode} and state = 'pending' and run_at > ${now} and attempts = 0`;
  const { rows } = await sql<{ lane: string }>`
    select distinct lane from inbox where ${isDeferred} and lane > ${after}
    order by lane limit ${atMost(MAX_RELEASED_PER_TRANSACTION)}`.execute(db);
  const lanes = rows.map(({ lane }) => lane);
  // Leased lanes also become due. They can be claimed again when their lease ends.
  await makeDue(db, scope, new Map(lanes.map((lane) => [lane, now])));
  // A worker locks the inbox rows that it processes. This SQL statement skips inbox rows that a worker has locked, instead of
  // waiting for the worker.
  const unlocked = sql`(
    select seq from inbox where ${isDeferred} and ${isAnyOf(dialect, "lane", lanes)}
    ${dialect === "postgres" ? sql`for update skip locked` : sql``})`;
  await sql`update inbox set run_at = ${now} where ${isInSubquery(dialect, "seq", unlocked)}`.execute(db);
  return lanes;
}
