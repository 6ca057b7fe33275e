/** The inbox: envelopes of events, stored before Stripe is answered and worked off afterwards. */
import { sql, type ExpressionBuilder, type Kysely } from "kysely";
import type { Mode } from "../../domain/records.ts";
import { atMost, inOneOrder, isAnyOf, isInAnswer, isState, keepInsert } from "../bulk.ts";
import type { Dialect } from "../open-store.ts";
import { packBody, unpackBody } from "./event-body.ts";
import {
  claimRows,
  endClaim,
  makeDue,
  queue,
  queued,
  takeIn,
  type Claim,
  type Queue,
  type QueueScope,
} from "./queue.ts";
import type { QueueState, Schema } from "../schema.ts";
import { redoable } from "../transactions.ts";

export interface InboxEvent {
  eventId: string;
  type: string;
  objectId: string;
  /** Whose events are worked on one at a time: the customer, or the object where the event names none. */
  lane: string;
  eventCreatedAt: number;
  /** The request to Stripe that caused it. Default: none is known. */
  requestId?: string | null;
  /** What was delivered. Default: it is not kept. */
  body?: Uint8Array | null;
}

/** An event with how its work stands. */
export interface StoredEvent extends Required<Omit<InboxEvent, "body">> {
  /** What was delivered; null where it was not kept. */
  body: string | null;
  receivedAt: number;
  state: QueueState;
  attempts: number;
  reason: string | null;
}

export interface ClaimedEvent extends InboxEvent, Claim {
  /** Hints that were there when this one was claimed: one retrieve from now on serves all of them. */
  upToSeq: number;
}

export interface InboxStore extends Omit<Queue, "complete"> {
  /**
   * Done, with whatever else had come into the lane when it was claimed, about the same object or about those that Stripe told
   * of with it; false when the lease was lost.
   */
  complete(event: ClaimedEvent, objectIds?: readonly string[]): Promise<boolean>;
  /** Stores what is new, in one commit, and revives dead letters that come again; answers the ids of both. */
  add(events: readonly InboxEvent[], now: number, runAt?: number): Promise<Set<string>>;
  claim(limit: number, now: number, leasedUntil: number): Promise<ClaimedEvent[]>;
  find(eventId: string): Promise<StoredEvent | null>;
  /** The newest row's number; 0 in an empty inbox. */
  lastSeq(): Promise<number>;
  /** Those of these objects about which hints wait that had come by then. */
  findHinted(objectIds: readonly string[], upToSeq: number): Promise<Set<string>>;
  /**
   * Completes hints about objects of which Stripe has told after they had come, unless somebody works on them; answers how
   * many. Their lanes must have been written since: else an older answer that is still under way would be written, and no
   * hint be left to mend that.
   */
  completeTold(objectIds: readonly string[], upToSeq: number, now: number): Promise<number>;
  /** Makes due now what was put off when it was added, and has not been tried yet. */
  hasten(now: number): Promise<void>;
  /** How many hints wait, counted up to a limit. */
  countWaiting(limit: number): Promise<number>;
  /** Lanes in which hints are due, those first that have waited longest: their versions, and when Stripe made the oldest event. */
  listWaitingLanes(now: number, limit: number): Promise<Map<string, { version: number; oldestAt: number }>>;
  /** Those of these events that have not arrived. */
  unknown(eventIds: readonly string[]): Promise<string[]>;
}

const ARRIVING = ["eventId", "type", "objectId", "lane", "eventCreatedAt", "requestId", "body"] as const;

function toRow({ eventId, type, objectId, lane, eventCreatedAt, requestId = null, body }: InboxEvent) {
  return { eventId, type, objectId, lane, eventCreatedAt, requestId, body: body ? packBody(body) : null };
}

/** `onAdded` is called after something new was stored; in a transaction nobody is told. */
export function inboxStore(
  db: Kysely<Schema>,
  mode: Mode,
  dialect: Dialect,
  onAdded: () => void = () => {},
): InboxStore {
  const scope: QueueScope = { mode, table: "inbox", dialect };
  const insert = keepInsert(
    { dialect, table: "inbox", columns: ARRIVING, same: { receivedAt: 0, ...queued(mode, 0) } },
    (rows) => sql<{ eventId: string }>`${rows}
      on conflict (mode, event_id) do update set state = 'new', run_at = excluded.run_at, attempts = 0, reason = null
        where inbox.state = 'dead'
      returning event_id`,
  );
  /** Only reads: when an account is filled in there is nothing. */
  const isAnythingWaiting = async (): Promise<boolean> => {
    const { rows } = await sql`
      select 1 where (select 1 from inbox where mode = ${mode} and state = 'new' order by seq limit 1) is not null
        or (select 1 from inbox where mode = ${mode} and state = 'pending' order by lane, run_at, seq limit 1) is not null`.execute(
      db,
    );
    return rows.length > 0;
  };
  const isTold = (eb: ExpressionBuilder<Schema, "inbox">, objectIds: readonly string[], upToSeq: number) =>
    eb.and([
      eb("mode", "=", mode),
      isAnyOf(dialect, "objectId", objectIds),
      isState("pending"),
      // It tells of a time, not of a change: no list answers it.
      eb("type", "!=", "customer.subscription.trial_will_end"),
      eb("seq", "<=", upToSeq),
    ]);
  return {
    ...queue(db, scope),

    complete: (event, objectIds = []) =>
      endClaim(db, scope, event, async (transaction) => {
        await transaction
          .updateTable("inbox")
          .set({ state: "done", reason: null })
          .where("mode", "=", mode)
          .where("lane", "=", event.lane)
          .where(isAnyOf(dialect, "objectId", [event.objectId, ...objectIds]))
          .where(isState("pending"))
          .where("seq", "<=", event.upToSeq)
          .execute();
      }),

    async add(events, now, runAt = now) {
      if (events.length === 0) return new Set();
      const byId = new Map(events.map((event) => [event.eventId, toRow(event)]));
      const rows = inOneOrder(byId.values(), ({ eventId }) => eventId);
      const { rows: added } = await db.executeQuery(insert(db, rows, { receivedAt: now, ...queued(mode, runAt) }));
      if (added.length > 0) onAdded();
      return new Set(added.map(({ eventId }) => eventId));
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

    async find(eventId) {
      const row = await db
        .selectFrom("inbox")
        .select([
          "eventId",
          "type",
          "objectId",
          "lane",
          "eventCreatedAt",
          "requestId",
          "body",
          "receivedAt",
          "state",
          "attempts",
          "reason",
        ])
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

    async findHinted(objectIds, upToSeq) {
      if (objectIds.length === 0 || !(await isAnythingWaiting())) return new Set();
      await takeIn(db, scope);
      const rows = await db
        .selectFrom("inbox")
        .select("objectId")
        .distinct()
        .where((eb) => isTold(eb, objectIds, upToSeq))
        .execute();
      return new Set(rows.map(({ objectId }) => objectId));
    },

    async completeTold(objectIds, upToSeq, now) {
      if (objectIds.length === 0) return 0;
      const workedOn = db
        .selectFrom("queueLanes")
        .select("lane")
        .where("mode", "=", mode)
        .where("queue", "=", scope.table)
        .where(sql.ref("queueLanes.lane"), "=", sql.ref("inbox.lane"))
        .where("leasedUntil", ">", now);
      const told = db
        .selectFrom("inbox")
        .select("seq")
        .where((eb) => isTold(eb, objectIds, upToSeq))
        .where((eb) => eb.not(eb.exists(workedOn)))
        .orderBy("seq")
        // Whoever works on one holds it, and is not waited for.
        .$if(dialect === "postgres", (query) => query.forUpdate().skipLocked());
      const { numUpdatedRows } = await db
        .updateTable("inbox")
        .set({ state: "done" })
        .where(isInAnswer(dialect, "seq", told))
        .executeTakeFirst();
      return Number(numUpdatedRows);
    },

    async hasten(now) {
      await takeIn(db, scope);
      let lanes: string[] = [];
      do {
        const after = lanes.at(-1) ?? "";
        lanes = await redoable(db, dialect).execute((transaction) => hastenSome(transaction, scope, { now, after }));
      } while (lanes.length === HASTENED_AT_ONCE);
    },

    async countWaiting(limit) {
      const { rows } = await sql<{ count: number }>`
        select count(*) as count from (
          select 1 from inbox where mode = ${mode} and state = 'new'
          union all select 1 from inbox where mode = ${mode} and state = 'pending'
          limit ${atMost(limit)}) as waiting`.execute(db);
      return rows[0]?.count ?? 0;
    },

    async listWaitingLanes(now, limit) {
      await takeIn(db, scope);
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

    async unknown(eventIds) {
      const rows = await db
        .selectFrom("inbox")
        .select("eventId")
        .where("mode", "=", mode)
        .where(isAnyOf(dialect, "eventId", eventIds))
        .execute();
      const known = new Set(rows.map((row) => row.eventId));
      return eventIds.filter((id) => !known.has(id));
    },
  };
}

/** Lanes whose hints are made due by one transaction: more would hold up whoever else writes. */
const HASTENED_AT_ONCE = 1_000;

/** Answers the lanes, the first of those that come after one. */
async function hastenSome(
  db: Kysely<Schema>,
  scope: QueueScope,
  { now, after }: { now: number; after: string },
): Promise<string[]> {
  const { mode, dialect } = scope;
  const isPutOff = sql`mode = ${mode} and state = 'pending' and run_at > ${now} and attempts = 0`;
  const { rows } = await sql<{ lane: string }>`
    select distinct lane from inbox where ${isPutOff} and lane > ${after}
    order by lane limit ${atMost(HASTENED_AT_ONCE)}`.execute(db);
  const lanes = rows.map(({ lane }) => lane);
  // A lane that is worked on, too: it is due again when its work has ended.
  await makeDue(db, scope, new Map(lanes.map((lane) => [lane, now])));
  // Whoever works on one holds it, and is not waited for.
  const free = sql`(
    select seq from inbox where ${isPutOff} and ${isAnyOf(dialect, "lane", lanes)}
    ${dialect === "postgres" ? sql`for update skip locked` : sql``})`;
  await sql`update inbox set run_at = ${now} where ${isInAnswer(dialect, "seq", free)}`.execute(db);
  return lanes;
}
