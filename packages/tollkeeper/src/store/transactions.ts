/**
 * All transactions. One that ends because a statement was prepared, as it may behind a pooler or beside a migration, is done once
 * more, with nothing left of the first time: so `work` changes nothing but through the transaction.
 */
import type { Kysely, Transaction, TransactionBuilder } from "kysely";
import type { Dialect } from "./open-store.ts";
import { isUnprepared } from "./postgres.ts";
import type { Schema } from "./schema.ts";
import { UNFLUSHED } from "./sqlite.ts";

export interface Transactions {
  execute<T>(work: (transaction: Transaction<Schema>) => Promise<T>): Promise<T>;
}

/** Its commit is on disk when it is answered. */
export function durable(db: Kysely<Schema>): Transactions {
  return onceMore(db.transaction());
}

/**
 * For work that is simply done again where it is lost: on SQLite its commit does not wait for the disk. A crash of the process
 * undoes nothing; one of the machine may undo it, with all that came after it up to the next commit that waits, so that nothing
 * stands without what it rests on. Whoever was at work is gone with the machine. On PostgreSQL it commits like any other:
 * replicas outlive the database, and would go on under leases that it has forgotten.
 * @see https://sqlite.org/pragma.html#pragma_synchronous
 */
export function redoable(db: Kysely<Schema>, dialect: Dialect): Transactions {
  return dialect === "sqlite" ? onceMore(db.transaction().setIsolationLevel(UNFLUSHED)) : durable(db);
}

function onceMore(transaction: TransactionBuilder<Schema>): Transactions {
  return {
    execute: (work) =>
      transaction.execute(work).catch((error: unknown) => {
        if (!isUnprepared(error)) throw error;
        return transaction.execute(work);
      }),
  };
}
