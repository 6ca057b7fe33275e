/** Whether anything is due, of all kinds of work at once: a worker asks far more often than there is. */
import { sql, type Kysely, type RawBuilder } from "kysely";
import type { Mode } from "../../domain/records.ts";
import type { Dialect } from "../open-store.ts";
import { keep } from "../prepared-query.ts";
import type { QueueTable } from "./queue.ts";
import type { Schema } from "../schema.ts";

export interface DueWork {
  inbox: boolean;
  outbox: boolean;
  /** Access that time may have changed. */
  access: boolean;
}

export interface DueWorkStore {
  /** `billingNow` is Stripe's time, which ends access. Only reads. */
  find(now: number, billingNow: number): Promise<DueWork>;
}

// Each in an index's order: to find any one row PostgreSQL reads a table in its own, where it believes that many are due.
const inQueue = (table: QueueTable, mode: Mode, now: number): RawBuilder<unknown> => sql`
  (select 1 from ${sql.table(table)} where mode = ${mode} and state = 'new' order by seq limit 1) is not null
    or (select 1 from queue_lanes
      where mode = ${mode} and queue = ${table} and due_at <= ${now} and leased_until <= ${now}
      order by due_at, lane limit 1) is not null`;

const findDue = keep(
  (_, { mode, now, billingNow }: { mode: Mode; now: number; billingNow: number }) =>
    sql<Record<keyof DueWork, number | boolean>>`
      select ${inQueue("inbox", mode, now)} as inbox, ${inQueue("outbox", mode, now)} as outbox,
        (select 1 from access_grants where mode = ${mode} and check_at <= ${billingNow}
          order by check_at limit 1) is not null as access`,
);

export function dueWorkStore(db: Kysely<Schema>, mode: Mode, dialect: Dialect): DueWorkStore {
  return {
    async find(now, billingNow) {
      const [due] = await findDue.execute(db, dialect, { mode, now, billingNow });
      return { inbox: Boolean(due?.inbox), outbox: Boolean(due?.outbox), access: Boolean(due?.access) };
    },
  };
}
