/** Checks that the database can be read and written. */
import { sql, type Kysely } from "kysely";
import type { Mode } from "../domain/records.ts";
import type { Dialect } from "./dialect.ts";
import type { Schema } from "./schema.ts";

/**
 * Milliseconds between two checks that write. Each check reads. Anyone may request a check, so frequent checks must not cause
 * many writes.
 */
const WRITE_EVERY_MS = 1_000;
const READY_TASK = "ready";

/**
 * Returns a function that resolves if the database is readable and writable. The function rejects if PostgreSQL's session is
 * read-only, as after a failover. It then also writes, because a failed write closes the connection.
 */
export function createReadyCheck(db: Kysely<Schema>, mode: Mode, dialect: Dialect): (now: number) => Promise<void> {
  let writtenAt: number | null = null;
  const isWriteDue = (now: number): boolean => writtenAt === null || Math.abs(now - writtenAt) >= WRITE_EVERY_MS;
  const write = async (connection: Kysely<Schema>, now: number): Promise<void> => {
    // The instant is set before the write, so that concurrent checks do not write, too.
    writtenAt = now;
    try {
      await connection
        .insertInto("tasks")
        .values({ mode, name: READY_TASK, holder: null, leasedUntil: 0, progress: null, finishedAt: null })
        .onConflict((conflict) => conflict.columns(["mode", "name"]).doUpdateSet({ leasedUntil: 0 }))
        .execute();
    } catch (error) {
      writtenAt = null;
      throw error;
    }
  };
  return (now) =>
    db.connection().execute(async (connection) => {
      // The query reads a table, because SQLite runs a query without a table even if the database file is gone.
      const { rows } = await sql<{ readOnly: string | null }>`
        select ${dialect === "postgres" ? sql`current_setting('transaction_read_only')` : sql`null`} as read_only
        from (select 1) as one left join (select 1 from replicas limit 1) as replica on true`.execute(connection);
      if (isWriteDue(now) || rows[0]?.readOnly === "on") await write(connection, now);
    });
}
