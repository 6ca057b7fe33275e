/** The embedded database: node:sqlite, one connection, each commit on disk before it is answered unless it is asked not to wait. */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { setTimeout as wait } from "node:timers/promises";
import {
  CompiledQuery,
  SqliteDialect,
  SqliteDriver,
  SqliteQueryCompiler,
  type DatabaseConnection,
  type SqliteDatabase,
  type SqliteStatement,
  type TransactionSettings,
} from "kysely";
import { snakeCase } from "./column-names.ts";

/** How long a statement waits for another connection that writes to the same file. */
const BUSY_TIMEOUT_MS = 5_000;
const BUSY_POLL_MS = 10;
const MAX_CACHED_STATEMENTS = 500;

/** The isolation level that asks for a commit which does not wait for the disk: SQLite itself has only one. */
export const UNFLUSHED = "read uncommitted";

export function sqliteDialect(path: string): SqliteDialect {
  let database: Database | null = null;
  return new PatientDialect(() => (database ??= open(path)));
}

class PatientDialect extends SqliteDialect {
  readonly #database: () => Database;
  constructor(database: () => Database) {
    super({ database: async () => database() });
    this.#database = database;
  }
  override createDriver(): SqliteDriver {
    return new PatientDriver(this.#database);
  }
  override createQueryCompiler(): SqliteQueryCompiler {
    return new QueryCompiler();
  }
}

class QueryCompiler extends SqliteQueryCompiler {
  protected override sanitizeIdentifier(name: string): string {
    return super.sanitizeIdentifier(snakeCase(name));
  }
}

/** Waits for a locked file without stopping the process: SQLite's own wait would, and with it whoever holds the lock here. */
class PatientDriver extends SqliteDriver {
  readonly #database: () => Database;
  constructor(database: () => Database) {
    super({ database: async () => database() });
    this.#database = database;
  }

  override async acquireConnection(): Promise<DatabaseConnection> {
    const connection = await super.acquireConnection();
    return {
      executeQuery: (query, options) => whileBusy(() => connection.executeQuery(query, options)),
      streamQuery: (query, chunkSize, options) => connection.streamQuery(query, chunkSize, options),
    };
  }

  /** Takes the write lock at once: a reader that turns writer in mid-transaction would be refused, not queued. */
  override async beginTransaction(
    connection: DatabaseConnection,
    { isolationLevel }: TransactionSettings = {},
  ): Promise<void> {
    this.#database().waitForDisk(isolationLevel !== UNFLUSHED);
    try {
      await connection.executeQuery(CompiledQuery.raw("begin immediate"));
    } catch (error) {
      this.#database().waitForDisk(true);
      throw error;
    }
  }

  override async commitTransaction(connection: DatabaseConnection): Promise<void> {
    await super.commitTransaction(connection);
    this.#database().waitForDisk(true);
  }

  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    try {
      await super.rollbackTransaction(connection);
    } finally {
      this.#database().waitForDisk(true);
    }
  }
}

async function whileBusy<T>(act: () => Promise<T>): Promise<T> {
  for (let waited = 0; ; waited += BUSY_POLL_MS) {
    try {
      return await act();
    } catch (error) {
      if (resultCode(error) !== BUSY || waited >= BUSY_TIMEOUT_MS) throw error;
      await wait(BUSY_POLL_MS);
    }
  }
}

interface Database extends SqliteDatabase {
  /** Whether commits from now on wait for the disk. Between transactions only. */
  waitForDisk(does: boolean): void;
}

function open(path: string): Database {
  if (path !== ":memory:") mkdirSync(dirname(path), { recursive: true });
  const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
  database.exec(
    "pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on; pragma busy_timeout = 0; pragma wal_autocheckpoint = 4000",
  );
  const cache = new Map<string, SqliteStatement>();
  let waits = true;
  // Some network file systems can't do it, and there a file that was not waited for may be damaged, not only older.
  const isWal = database.prepare("pragma journal_mode").get()?.["journal_mode"] === "wal";
  return {
    close: () => database.close(),
    waitForDisk(does) {
      if (!isWal || does === waits) return;
      database.exec(`pragma synchronous = ${does ? "full" : "normal"}`);
      waits = does;
    },
    prepare(text) {
      const cached = cache.get(text);
      if (cached) return cached;
      if (cache.size >= MAX_CACHED_STATEMENTS) cache.clear();
      const statement = adapt(database.prepare(text));
      cache.set(text, statement);
      return statement;
    },
  };
}

function adapt(statement: StatementSync): SqliteStatement {
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => statement.all(...(parameters as SQLInputValue[])),
    run: (parameters) => statement.run(...(parameters as SQLInputValue[])),
    iterate: (parameters) => statement.iterate(...(parameters as SQLInputValue[])),
  };
}

const BUSY = 5;
const LOCKED = 6;
const READ_ONLY = 8;
const IO_ERROR = 10;
const FULL = 13;
const CANT_OPEN = 14;
const OUT_OF_SERVICE: ReadonlySet<number> = new Set([BUSY, LOCKED, READ_ONLY, IO_ERROR, FULL, CANT_OPEN]);

/** Whether SQLite could not do it now, rather than being asked for something wrong. @see https://sqlite.org/rescode.html */
export function isSqliteOutOfService(error: unknown): boolean {
  const code = resultCode(error);
  if (code !== null) return OUT_OF_SERVICE.has(code);
  return error instanceof Error && "code" in error && error.code === "ERR_INVALID_STATE";
}

/** SQLite's primary result code; null for errors that are not SQLite's. */
function resultCode(error: unknown): number | null {
  return error instanceof Error && "errcode" in error && typeof error.errcode === "number"
    ? error.errcode & 0xff
    : null;
}
