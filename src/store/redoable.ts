/** Transactions whose work is simply done again where it is lost. */
import type { Kysely, TransactionBuilder } from "kysely";
import type { Dialect } from "./database.ts";
import type { Schema } from "./schema.ts";
import { UNFLUSHED } from "./sqlite.ts";

/**
 * On SQLite its commit does not wait for the disk. A crash of the process undoes nothing; one of the machine may undo it, with
 * all that came after it up to the next commit that waits, so that nothing stands without what it rests on. Whoever was at work
 * is gone with the machine. On PostgreSQL it commits like any other: replicas outlive the database, and would go on under leases
 * that it has forgotten.
 * @see https://sqlite.org/pragma.html#pragma_synchronous
 */
export function redoable(db: Kysely<Schema>, dialect: Dialect): TransactionBuilder<Schema> {
  return dialect === "sqlite" ? db.transaction().setIsolationLevel(UNFLUSHED) : db.transaction();
}
