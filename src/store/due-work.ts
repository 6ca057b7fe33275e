/** Whether anything is due, of all kinds of work at once: a worker asks far more often than there is. */
import { sql, type Kysely, type RawBuilder } from "kysely";
import type { Mode } from "../domain/records.ts";
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

export function dueWorkStore(db: Kysely<Schema>, mode: Mode): DueWorkStore {
  const inQueue = (table: QueueTable, now: number): RawBuilder<unknown> => sql`
    exists (select 1 from ${sql.table(table)} where mode = ${mode} and state = 'new')
      or exists (select 1 from queue_lanes
        where mode = ${mode} and queue = ${table} and due_at <= ${now} and leased_until <= ${now})`;
  return {
    async find(now, billingNow) {
      const { rows } = await sql<Record<keyof DueWork, number | boolean>>`
        select ${inQueue("inbox", now)} as inbox, ${inQueue("outbox", now)} as outbox,
          exists (select 1 from access_grants where mode = ${mode} and check_at <= ${billingNow}) as access`.execute(
        db,
      );
      const [due] = rows;
      return { inbox: Boolean(due?.inbox), outbox: Boolean(due?.outbox), access: Boolean(due?.access) };
    },
  };
}
