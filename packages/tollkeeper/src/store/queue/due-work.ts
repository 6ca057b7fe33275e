/**
 * Checks in one query which kinds of work are due: events, hooks or access checks. A single query saves time, because most
 * polls of the worker find no work.
 */
import { sql, type Kysely, type RawBuilder } from "kysely";
import type { Mode } from "../../domain/records.ts";
import type { Dialect } from "../dialect.ts";
import { prepare } from "../prepared-query.ts";
import type { Schema } from "../schema.ts";
import type { QueueTable } from "./queue-scope.ts";

export interface DueWork {
  inbox: boolean;
  outbox: boolean;
  /** True if an owner's access may have changed because time has passed. */
  access: boolean;
}

export interface DueWorkStore {
  /**
   * Returns the kinds of work for the worker that are due. Never writes. `billingNow` is Stripe's time, which decides when
   * access ends.
   */
  find(now: number, billingNow: number): Promise<DueWork>;
  /**
   * Returns the earliest instant at which work of the worker is or becomes due; null if no work is planned. Never writes. The
   * result means something only if Stripe's clock is the machine's clock, as in tests.
   */
  findNextInstant(): Promise<number | null>;
}

// Each "order by" clause has the same order as an index. Without an "order by" clause, PostgreSQL may read the whole table,
// because it expects many due rows.
const inQueue = (table: QueueTable, mode: Mode, now: number): RawBuilder<unknown> => sql`
  (select 1 from ${sql.table(table)} where mode = ${mode} and state = 'new' order by seq limit 1) is not null
    or (select 1 from queue_lanes
      where mode = ${mode} and queue = ${table} and due_at <= ${now} and leased_until <= ${now}
      order by due_at, lane limit 1) is not null`;

const findDue = prepare(
  (_, { mode, now, billingNow }: { mode: Mode; now: number; billingNow: number }) =>
    sql<Record<keyof DueWork, number | boolean>>`
      select ${inQueue("inbox", mode, now)} as inbox, ${inQueue("outbox", mode, now)} as outbox,
        (select 1 from announced_access where mode = ${mode} and check_at <= ${billingNow}
          order by check_at limit 1) is not null as access`,
);

const findNext = prepare(
  (_, { mode }: { mode: Mode }) => sql<{ at: number | string | null }>`
    select min(at) as at from (
      select min(run_at) as at from inbox where mode = ${mode} and state = 'new'
      union all select min(run_at) from outbox where mode = ${mode} and state = 'new'
      union all select min(due_at) from queue_lanes where mode = ${mode}
      union all select min(check_at) from announced_access where mode = ${mode}
    ) as instants`,
);

export function dueWorkStore(db: Kysely<Schema>, mode: Mode, dialect: Dialect): DueWorkStore {
  return {
    async find(now, billingNow) {
      const [due] = await findDue.execute(db, dialect, { mode, now, billingNow });
      return { inbox: Boolean(due?.inbox), outbox: Boolean(due?.outbox), access: Boolean(due?.access) };
    },
    async findNextInstant() {
      const [next] = await findNext.execute(db, dialect, { mode });
      return next?.at == null ? null : Number(next.at);
    },
  };
}
