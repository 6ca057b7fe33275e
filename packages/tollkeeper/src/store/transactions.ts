/**
 * Starts all transactions. A transaction that fails because of a prepared statement runs once more. The function that runs in a
 * transaction must not have effects outside the transaction.
 */
import type { Kysely, Transaction, TransactionBuilder } from "kysely";
import type { Dialect } from "./dialect.ts";
import { isPreparedStatementError } from "./postgres.ts";
import type { Schema } from "./schema.ts";
import { NON_DURABLE } from "./sqlite.ts";

export interface Transactions {
  execute<T>(work: (transaction: Transaction<Schema>) => Promise<T>): Promise<T>;
}

/** Returns an object that runs durable transactions: their commit is on disk when `execute` resolves. */
export function durable(db: Kysely<Schema>): Transactions {
  return retryUnprepared(db.transaction());
}

/**
 * Returns an object that runs transactions for repeatable work. On SQLite the commits of transactions for repeatable work do
 * not wait for the disk. A crash of this process loses no commit. A crash of the machine may lose the newest commits, but no
 * commit before the last durable one. On PostgreSQL commits are always durable, because replicas survive a crash of the
 * database and would continue with leases that the database lost.
 *
 * Measured gain: if all commits on SQLite wait for the disk, a claim takes 1.9 times as long, and the worker processes 22 %
 * fewer events per second (`node bench/claims.ts`, `node bench/webhook-endpoint.ts`).
 *
 * @see https://sqlite.org/pragma.html#pragma_synchronous
 */
export function nonDurable(db: Kysely<Schema>, dialect: Dialect): Transactions {
  return dialect === "sqlite" ? retryUnprepared(db.transaction().setIsolationLevel(NON_DURABLE)) : durable(db);
}

function retryUnprepared(transaction: TransactionBuilder<Schema>): Transactions {
  return {
    execute: (work) =>
      transaction.execute(work).catch((error: unknown) => {
        if (!isPreparedStatementError(error)) throw error;
        return transaction.execute(work);
      }),
  };
}
