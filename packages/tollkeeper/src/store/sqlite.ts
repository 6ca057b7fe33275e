/**
 * Opens the embedded database: node:sqlite with one connection. A commit is on disk when its promise resolves, unless the
 * transaction is non-durable.
 */
import { closeSync, existsSync, mkdirSync, openSync, statSync } from "node:fs";
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
import { ConfigError } from "../errors.ts";
import { snakeCase } from "./column-names.ts";
import { DatabaseFileLostError, watchFiles } from "./sqlite-files.ts";

/** Maximum time in milliseconds for which a statement waits for another process that writes to the database file. */
const BUSY_TIMEOUT_MS = 5_000;
const BUSY_POLL_MS = 10;
const MAX_CACHED_STATEMENTS = 500;
/** Mode of a new database file: only its owner may read and write it. */
const OWNER_ONLY = 0o600;

/**
 * Isolation level that marks a transaction as non-durable. The name of an isolation level can mark non-durable transactions,
 * because SQLite has only one isolation level.
 */
export const NON_DURABLE = "read uncommitted";

export interface SqliteOptions {
  /** If true, the connection refuses writes, and a missing file is not created. */
  readOnly: boolean;
  /** Called once if the database's file is removed or replaced. All queries then fail until the service is restarted. */
  onFileLost?: (error: Error) => void;
}

export function sqliteDialect(
  path: string,
  { readOnly, onFileLost = () => {} }: SqliteOptions = { readOnly: false },
): SqliteDialect {
  let database: Database | null = null;
  const checkFiles = path === ":memory:" ? () => {} : watchFiles(path, onFileLost);
  const openFile = readOnly ? openToRead : open;
  return new BusyRetryDialect(() => (database ??= nameFile(path, openFile)), checkFiles);
}

class BusyRetryDialect extends SqliteDialect {
  readonly #database: () => Database;
  readonly #checkFiles: () => void;
  constructor(database: () => Database, checkFiles: () => void) {
    super({ database: async () => database() });
    this.#database = database;
    this.#checkFiles = checkFiles;
  }
  override createDriver(): SqliteDriver {
    return new BusyRetryDriver(this.#database, this.#checkFiles);
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

/**
 * Waits for a locked database file without blocking the process. SQLite's own wait for a locked database file would block the
 * process.
 */
class BusyRetryDriver extends SqliteDriver {
  readonly #database: () => Database;
  readonly #checkFiles: () => void;
  constructor(database: () => Database, checkFiles: () => void) {
    super({ database: async () => database() });
    this.#database = database;
    this.#checkFiles = checkFiles;
  }

  override async acquireConnection(): Promise<DatabaseConnection> {
    const connection = await super.acquireConnection();
    let isFirst = true;
    return {
      executeQuery: async (query, options) => {
        if (isFirst) this.#checkFiles();
        isFirst = false;
        return retryWhileBusy(() => connection.executeQuery(query, options));
      },
      streamQuery: (query, chunkSize, options) => connection.streamQuery(query, chunkSize, options),
    };
  }

  /**
   * Starts a transaction that takes SQLite's write lock at once. Without the write lock, SQLite may refuse the first write of a
   * transaction that has already read.
   */
  override async beginTransaction(
    connection: DatabaseConnection,
    { isolationLevel }: TransactionSettings = {},
  ): Promise<void> {
    this.#database().setDurable(isolationLevel !== NON_DURABLE);
    try {
      await connection.executeQuery(CompiledQuery.raw("begin immediate"));
    } catch (error) {
      this.#database().setDurable(true);
      throw error;
    }
  }

  override async commitTransaction(connection: DatabaseConnection): Promise<void> {
    this.#checkFiles();
    await super.commitTransaction(connection);
    this.#database().setDurable(true);
  }

  /** Rolls back. After some errors, such as a full disk, SQLite has already rolled back, and would refuse to do it again. */
  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    try {
      if (this.#database().isInTransaction()) await super.rollbackTransaction(connection);
    } finally {
      this.#database().setDurable(true);
    }
  }
}

async function retryWhileBusy<T>(act: () => Promise<T>): Promise<T> {
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
  /**
   * After a call of `setDurable` with true, each commit waits for the disk, until `setDurable` is called with false. Change the
   * flag `durable` only when no transaction is open.
   */
  setDurable(durable: boolean): void;
  isInTransaction(): boolean;
}

/** Opens the file. An error of SQLite then names the file. */
function nameFile(path: string, openFile: (path: string) => Database): Database {
  try {
    return openFile(path);
  } catch (error) {
    if (!(error instanceof Error) || resultCode(error) === null) throw error;
    throw Object.assign(new Error(`SQLite file ${path}: ${error.message}`, { cause: error }), {
      code: "ERR_SQLITE_ERROR",
      errcode: resultCode(error),
    });
  }
}

/**
 * Opens an existing file and changes nothing in it. The connection still has write access, because SQLite needs it to read a
 * file in WAL mode. Throws `ConfigError` if the file does not exist.
 */
function openToRead(path: string): Database {
  if (!existsSync(path))
    throw new ConfigError([
      `the SQLite file ${path} does not exist: correct DATABASE_URL, or run npx tollkeeper migrate`,
    ]);
  refuseFolder(path);
  const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
  database.exec("pragma query_only = on; pragma busy_timeout = 0");
  return adaptDatabase(database);
}

function open(path: string): Database {
  if (path !== ":memory:") prepareFile(path);
  const database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
  database.exec(
    "pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on; pragma busy_timeout = 0; pragma wal_autocheckpoint = 4000",
  );
  return adaptDatabase(database);
}

/**
 * Creates a missing file that only the user of this process may read, because the file contains names and email addresses.
 * SQLite gives the files with the suffixes -wal and -shm the same mode. The mode of an existing file stays as it is, because an
 * operator may have chosen it.
 */
function prepareFile(path: string): void {
  refuseFolder(path);
  mkdirSync(dirname(path), { recursive: true });
  closeSync(openSync(path, "a", OWNER_ONLY));
}

function refuseFolder(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory())
    throw new ConfigError([`DATABASE_URL names the folder ${path}: add the name of a file`]);
}

function adaptDatabase(database: DatabaseSync): Database {
  const cache = new Map<string, SqliteStatement>();
  let isDurable = true;
  // Some network file systems do not support SQLite's WAL mode. Without WAL, a non-durable commit could damage the database
  // file.
  const isWal = database.prepare("pragma journal_mode").get()?.["journal_mode"] === "wal";
  return {
    close: () => database.close(),
    isInTransaction: () => database.isTransaction,
    setDurable(durable) {
      if (!isWal || durable === isDurable) return;
      database.exec(`pragma synchronous = ${durable ? "full" : "normal"}`);
      isDurable = durable;
    },
    prepare(text) {
      const cached = cache.get(text);
      if (cached) return cached;
      if (cache.size >= MAX_CACHED_STATEMENTS) cache.clear();
      const statement = adapt(database.prepare(text), /\breturning\b/i.test(text));
      cache.set(text, statement);
      return statement;
    },
  };
}

/**
 * Adapts a statement to Kysely. An integer above 2^53 is read as the nearest JavaScript number, as on PostgreSQL. Without this
 * rule, one such integer would stop each statement that reads its row, such as a claim. If `writes` is true, the statement
 * must not run twice, so it always reads integers exactly.
 */
function adapt(statement: StatementSync, writes: boolean): SqliteStatement {
  const all = (parameters: SQLInputValue[]): unknown[] => {
    statement.setReadBigInts(writes);
    try {
      return writes ? statement.all(...parameters).map(toNumbers) : statement.all(...parameters);
    } catch (error) {
      if (writes || !(error instanceof Error && "code" in error && error.code === "ERR_OUT_OF_RANGE")) throw error;
      statement.setReadBigInts(true);
      return statement.all(...parameters).map(toNumbers);
    }
  };
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => all(parameters as SQLInputValue[]),
    run: (parameters) => statement.run(...(parameters as SQLInputValue[])),
    iterate: (parameters) => statement.iterate(...(parameters as SQLInputValue[])),
  };
}

function toNumbers(row: Record<string, unknown>): Record<string, unknown> {
  for (const [column, value] of Object.entries(row)) if (typeof value === "bigint") row[column] = Number(value);
  return row;
}

const BUSY = 5;
const LOCKED = 6;
const READ_ONLY = 8;
const IO_ERROR = 10;
const FULL = 13;
const CANT_OPEN = 14;
const OUT_OF_SERVICE: ReadonlySet<number> = new Set([BUSY, LOCKED, READ_ONLY, IO_ERROR, FULL, CANT_OPEN]);

/**
 * Returns true if an error means that SQLite is unavailable, and false for a wrong query.
 * @see https://sqlite.org/rescode.html
 */
export function isSqliteOutOfService(error: unknown): boolean {
  if (error instanceof DatabaseFileLostError) return true;
  const code = resultCode(error);
  if (code !== null) return OUT_OF_SERVICE.has(code);
  return error instanceof Error && "code" in error && error.code === "ERR_INVALID_STATE";
}

/** Returns the primary result code of an SQLite error; null for an error that is not SQLite's. */
function resultCode(error: unknown): number | null {
  return error instanceof Error && "errcode" in error && typeof error.errcode === "number"
    ? error.errcode & 0xff
    : null;
}
