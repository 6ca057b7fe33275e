/**
 * Stores the names of the hooks that processes handle. A row of the outbox whose hook no process handles is `unhandled`: it
 * belongs to no lane, so it does not delay the owner's other hooks. It becomes `new` again when a process registers its hook.
 */
import { sql, type Kysely, type RawBuilder } from "kysely";
import type { Mode } from "../../domain/records.ts";
import { atMost, isAnyOf, saveRows } from "../bulk.ts";
import { prepare } from "../prepared-query.ts";
import type { Schema } from "../schema.ts";
import { nonDurable } from "../transactions.ts";
import { makeDue } from "./queue-lanes.ts";
import type { QueueScope } from "./queue-scope.ts";

/**
 * Milliseconds for which a hook counts as handled after a process has registered it last. The time is longer than a restart of
 * the app, so that the hooks of one owner keep their order during a deploy.
 */
export const HANDLED_FOR_MS = 600_000;
/**
 * Milliseconds after which an expired hook is forgotten. Until then, each call of `expireHooks` takes its rows out of the
 * lanes. A process may stop between two transactions, and a claim that began before the hook expired may add a row to a lane.
 */
const FORGOTTEN_AFTER_MS = 2 * HANDLED_FOR_MS;
/** Maximum number of rows that one transaction changes, so that other writers do not wait long. */
const MAX_ROWS_PER_TRANSACTION = 1_000;

export interface HookHandlers {
  /**
   * Records that this process handles the hooks, and makes their unhandled rows due. Call it at least once a minute while the
   * process runs.
   */
  registerHooks(hooks: readonly string[], now: number): Promise<void>;
  /** Takes the rows of hooks that no process has registered for `HANDLED_FOR_MS` out of the lanes. Call it repeatedly. */
  expireHooks(now: number): Promise<void>;
  /** Counts the rows of the outbox whose hook no process handles, by hook. */
  countUnhandled(): Promise<Map<string, number>>;
  /**
   * Deletes at most `limit` rows of the outbox that were added before an instant and whose hook no process handles. Returns the
   * number of deleted rows by hook.
   */
  pruneUnhandled(before: number, now: number, limit: number): Promise<Map<string, number>>;
}

const listHandled = prepare((db, { mode, since }: { mode: Mode; since: number }) =>
  db.selectFrom("hookHandlers").select("hook").where("mode", "=", mode).where("seenAt", ">", since),
);

/** Returns the names of all hooks that processes handle now. */
export async function findHandledHooks(
  db: Kysely<Schema>,
  { mode, dialect }: Pick<QueueScope, "mode" | "dialect">,
  now: number,
): Promise<string[]> {
  const rows = await listHandled.execute(db, dialect, { mode, since: now - HANDLED_FOR_MS });
  return rows.map(({ hook }) => hook);
}

export function hookHandlers(db: Kysely<Schema>, scope: QueueScope): HookHandlers {
  const { mode, dialect } = scope;
  return {
    async registerHooks(hooks, now) {
      if (hooks.length === 0) return;
      const rows = hooks.toSorted().map((hook) => ({ mode, hook, seenAt: now }));
      await saveRows(db, { dialect, table: "hookHandlers", key: ["mode", "hook"], rows });
      await db
        .updateTable("outbox")
        .set({ state: "new" })
        .where("mode", "=", mode)
        .where(isUnhandled)
        .where(isAnyOf(dialect, "hook", hooks))
        .execute();
    },

    async expireHooks(now) {
      const expired = await db
        .selectFrom("hookHandlers")
        .select("hook")
        .where("mode", "=", mode)
        .where("seenAt", "<=", now - HANDLED_FOR_MS)
        .execute();
      if (expired.length === 0) return;
      const hooks = expired.map(({ hook }) => hook);
      let lanes;
      do lanes = await nonDurable(db, dialect).execute((inside) => takeOutOfLanes(inside, scope, hooks, now));
      while (lanes === MAX_ROWS_PER_TRANSACTION);
      await db
        .deleteFrom("hookHandlers")
        .where("mode", "=", mode)
        .where("seenAt", "<=", now - FORGOTTEN_AFTER_MS)
        .execute();
    },

    async countUnhandled() {
      const rows = await db
        .selectFrom("outbox")
        .select((eb) => ["hook", eb.fn.countAll().as("count")])
        .where("mode", "=", mode)
        .where(isUnhandled)
        .groupBy("hook")
        .execute();
      return new Map(rows.map(({ hook, count }) => [hook, Number(count)]));
    },

    async pruneUnhandled(before, now, limit) {
      const handled = await findHandledHooks(db, scope, now);
      const deleted = [
        ...(await deleteOldest(db, scope, { isState: isUnhandled, handled, before, limit })),
        ...(await deleteOldest(db, scope, { isState: sql<boolean>`state = 'new'`, handled, before, limit })),
      ];
      const counts = new Map<string, number>();
      for (const { hook } of deleted) counts.set(hook, (counts.get(hook) ?? 0) + 1);
      return counts;
    },
  };
}

const isUnhandled: RawBuilder<boolean> = sql`state = 'unhandled'`;

/** Makes pending rows of the hooks unhandled, in some lanes. Returns the number of lanes. */
async function takeOutOfLanes(
  db: Kysely<Schema>,
  scope: QueueScope,
  hooks: readonly string[],
  now: number,
): Promise<number> {
  const { mode, dialect } = scope;
  const isOfHooks = sql`mode = ${mode} and state = 'pending' and ${isAnyOf(dialect, "hook", hooks)}`;
  const { rows } = await sql<{ lane: string }>`
    select distinct lane from outbox where ${isOfHooks} limit ${atMost(MAX_ROWS_PER_TRANSACTION)}`.execute(db);
  const lanes = rows.map(({ lane }) => lane);
  // The lanes are locked before their rows, in the same order as by a worker, so that no two transactions wait for each other.
  // The next claim of a due lane computes when the lane is due in fact.
  await makeDue(db, scope, new Map(lanes.map((lane) => [lane, now])));
  if (lanes.length > 0)
    await sql`update outbox set state = 'unhandled' where ${isOfHooks} and ${isAnyOf(dialect, "lane", lanes)}`.execute(
      db,
    );
  return lanes.length;
}

/** Deletes the oldest rows of a state that are old enough and whose hook is not handled. Returns the hooks of the rows. */
async function deleteOldest(
  db: Kysely<Schema>,
  { mode, dialect }: QueueScope,
  {
    isState,
    handled,
    before,
    limit,
  }: { isState: RawBuilder<boolean>; handled: readonly string[]; before: number; limit: number },
): Promise<{ hook: string }[]> {
  const oldest = sql`(select seq from outbox where mode = ${mode} and ${isState} order by seq limit ${atMost(limit)})`;
  const { rows } = await sql<{ hook: string }>`
    delete from outbox where seq in ${oldest} and ${isState} and created_at < ${before}
      and not (${isAnyOf(dialect, "hook", [...handled, ""])})
    returning hook`.execute(db);
  return rows;
}
