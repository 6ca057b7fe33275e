/** The embedded database: node:sqlite, one connection, every commit on disk before it is answered. */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { SqliteDialect, type SqliteDatabase, type SqliteStatement } from "kysely";

/** How long one process waits for another that writes to the same file. */
const BUSY_TIMEOUT_MS = 5_000;
const MAX_CACHED_STATEMENTS = 500;

export function sqliteDialect(path: string): SqliteDialect {
  return new SqliteDialect({ database: async () => open(path) });
}

function open(path: string): SqliteDatabase {
  if (path !== ":memory:") mkdirSync(dirname(path), { recursive: true });
  const database = new DatabaseSync(path);
  database.exec(
    `pragma busy_timeout = ${BUSY_TIMEOUT_MS}; pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on`,
  );
  const cache = new Map<string, SqliteStatement>();
  return {
    close: () => database.close(),
    prepare(text) {
      const cached = cache.get(text);
      if (cached) return cached;
      if (cache.size >= MAX_CACHED_STATEMENTS) cache.clear();
      // Taking the write lock at once: a reader that turns writer in mid-transaction would be refused, not queued.
      const statement = adapt(database.prepare(text === "begin" ? "begin immediate" : text));
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
  if (!(error instanceof Error)) return false;
  if ("errcode" in error && typeof error.errcode === "number") return OUT_OF_SERVICE.has(error.errcode & 0xff);
  return "code" in error && error.code === "ERR_INVALID_STATE";
}
