/** Whether anything is due, of all kinds of work at once: a worker asks far more often than there is. */
import { sql, type Kysely, type RawBuilder } from "kysely";
import type { Mode } from "../domain/records.ts";
import type { Dialect } from "./database.ts";
import { keep } from "./kept.ts";
import type { QueueTable } from "./queue.ts";
import type { Schema } from "./schema.ts";

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

const inQueue = (table: QueueTable, mode: Mode, now: number): RawBuilder<unknown> => sql`
  exists (select 1 from ${sql.table(table)} where mode = ${mode} and state = 'new')
    or exists (select 1 from queue_lanes
      where mode = ${mode} and queue = ${table} and due_at <= ${now} and leased_until <= ${now})`;

const findDue = keep(
  (_, { mode, now, billingNow }: { mode: Mode; now: number; billingNow: number }) =>
    sql<Record<keyof DueWork, number | boolean>>`
      select ${inQueue("inbox", mode, now)} as inbox, ${inQueue("outbox", mode, now)} as outbox,
        exists (select 1 from access_grants where mode = ${mode} and check_at <= ${billingNow}) as access`,
);

export function dueWorkStore(db: Kysely<Schema>, mode: Mode, dialect: Dialect): DueWorkStore {
  return {
    async find(now, billingNow) {
      const [due] = await findDue.execute(db, dialect, { mode, now, billingNow });
      return { inbox: Boolean(due?.inbox), outbox: Boolean(due?.outbox), access: Boolean(due?.access) };
    },
  };
}
