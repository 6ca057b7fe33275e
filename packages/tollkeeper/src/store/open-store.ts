/** Opens the store on SQLite or PostgreSQL. The store has one interface for SQLite and PostgreSQL. */
import { Kysely, sql } from "kysely";
import type { Mode } from "../domain/records.ts";
import { parseDatabaseUrl, type DatabaseUrl } from "../database-url.ts";
import { ConfigError, UnavailableError } from "../errors.ts";
import { accountStore } from "./accounts.ts";
import { catalogueStore } from "./catalogues.ts";
import { listenForNewEvents, notifyNewEvents } from "./queue/event-notifications.ts";
import { createReadyCheck } from "./check-ready.ts";
import { productStore } from "./mirror/products.ts";
import { customerStore } from "./mirror/customers.ts";
import { dueWorkStore } from "./queue/due-work.ts";
import { announcedAccessStore } from "./mirror/announced-access.ts";
import { inboxStore } from "./queue/inbox.ts";
import { laneStore } from "./mirror/lanes.ts";
import { findMissingMigrations, migrate } from "./migrations/index.ts";
import { CamelCaseRows } from "./column-names.ts";
import { operationStore } from "./operations.ts";
import { outboxStore } from "./queue/outbox.ts";
import { RESPONSE_TIMEOUT_MS, isPostgresOutOfService, postgresDialect, type PoolerState } from "./postgres.ts";
import { replicaStore } from "./replicas.ts";
import type { Dialect } from "./dialect.ts";
import type { Schema } from "./schema.ts";
import type { Sample, Store, StoreParts } from "./store.ts";
import { isSqliteOutOfService, sqliteDialect } from "./sqlite.ts";
import { reversalStore } from "./mirror/reversals.ts";
import { subscriptionStore } from "./mirror/subscriptions.ts";
import { taskStore } from "./tasks.ts";
import { durable, nonDurable } from "./transactions.ts";

export interface StoreOptions {
  /** URL of the database: `postgres://…`, `file:PATH` or `file::memory:`. */
  url: string;
  /** URL of PostgreSQL without a connection pooler, for notifications of new events. Default: `url`. */
  directUrl?: string | undefined;
  mode: Mode;
  onConnectionLost?: (error: Error) => void;
  /** Called when the store can't receive notifications, because a connection pooler is in use and `directUrl` is not set. */
  onPolling?: () => void;
  /** Maximum time in milliseconds to wait for a response of PostgreSQL. Default 20,000. */
  responseTimeoutMs?: number;
  /**
   * If true, the store refuses writes to SQLite and creates no SQLite file. The caller must not write to PostgreSQL. Default
   * false.
   */
  readOnly?: boolean | undefined;
}

export function openStore(options: StoreOptions): Store {
  const { url, directUrl, mode, onConnectionLost = () => {}, onPolling = () => {} } = options;
  const { dialect } = parseUrl(url);
  const pooler: PoolerState = { isPooled: false };
  const db = openDatabase(url, { ...options, onConnectionLost, pooler });
  const methods = guard({
    migrate: () => migrate(db, dialect),
    findMissingMigrations: () => findMissingMigrations(db, dialect),
    analyze: async (sample: Sample) => {
      if (dialect !== "postgres") return;
      await durable(db).execute(async (transaction) => {
        if (sample === "small") await sql`set local default_statistics_target = 1`.execute(transaction);
        await sql`analyze (skip_locked) ${sql.raw(GROWING_TABLES)}`.execute(transaction);
      });
    },
    ping: createReadyCheck(db, mode, dialect),
    close: () => db.destroy(),
    transaction: <T>(work: (parts: StoreParts) => Promise<T>): Promise<T> =>
      nonDurable(db, dialect).execute((transaction) => work(storeParts(transaction, mode, dialect))),
  });
  const onNewEvents = (listener: () => void): (() => Promise<void>) => {
    if (dialect === "sqlite") return async () => {};
    // A connection pooler delivers no notifications, because it gives each transaction another session.
    if (directUrl !== undefined || !pooler.isPooled)
      return listenForNewEvents({ url: directUrl ?? url, mode, onNewEvents: listener, onConnectionLost });
    onPolling();
    return async () => {};
  };
  const onAdded = dialect === "postgres" ? notifyNewEvents(db, mode, onConnectionLost) : undefined;
  return {
    ...storeParts(db, mode, dialect, onAdded),
    ...methods,
    onNewEvents,
  };
}

/** Names of the tables that grow much during the first import of an account. */
const GROWING_TABLES =
  "customer_links, customers, subscriptions, subscription_items, invoices, payment_methods, announced_access, lanes, outbox";

/** Throws `ConfigError` if the URL has no known form, so that a wrong URL never creates a SQLite file. */
function parseUrl(url: string): DatabaseUrl {
  const parsed = parseDatabaseUrl(url);
  if ("problem" in parsed) throw new ConfigError([`DATABASE_URL ${parsed.problem}`]);
  return parsed;
}

interface DatabaseOptions {
  onConnectionLost?: (error: Error) => void;
  responseTimeoutMs?: number | undefined;
  readOnly?: boolean | undefined;
  pooler?: PoolerState;
}

/** Opens the database and returns only Kysely's query object, not the whole store. */
export function openDatabase(url: string, options: DatabaseOptions = {}): Kysely<Schema> {
  const { onConnectionLost = () => {}, responseTimeoutMs = RESPONSE_TIMEOUT_MS, readOnly = false } = options;
  const { pooler = { isPooled: false } } = options;
  const parsed = parseUrl(url);
  return new Kysely<Schema>({
    dialect:
      parsed.dialect === "postgres"
        ? postgresDialect({ url, onConnectionLost, responseTimeoutMs, pooler })
        : sqliteDialect(parsed.path, { readOnly, onFileLost: onConnectionLost }),
    plugins: [new CamelCaseRows()],
  });
}

function storeParts(db: Kysely<Schema>, mode: Mode, dialect: Dialect, onAdded?: () => void): StoreParts {
  return {
    customers: guard(customerStore(db, mode, dialect)),
    subscriptions: guard(subscriptionStore(db, mode, dialect)),
    reversals: guard(reversalStore(db, mode, dialect)),
    products: guard(productStore(db, mode, dialect)),
    inbox: guard(inboxStore(db, mode, dialect, onAdded)),
    outbox: guard(outboxStore(db, mode, dialect)),
    operations: guard(operationStore(db, mode)),
    lanes: guard(laneStore(db, mode, dialect)),
    announcedAccess: guard(announcedAccessStore(db, mode, dialect)),
    dueWork: guard(dueWorkStore(db, mode, dialect)),
    tasks: guard(taskStore(db, mode, dialect)),
    replicas: guard(replicaStore(db, mode, dialect)),
    accounts: guard(accountStore(db, mode)),
    catalogues: guard(catalogueStore(db, mode, dialect)),
  };
}

/**
 * Wraps methods of the store so that they throw `UnavailableError` if the database is unavailable. Errors with another cause,
 * such as a wrong query, stay unchanged.
 */
function guard<T extends object>(methods: T): T {
  const translateErrors = Object.entries(methods).map(
    ([name, method]: [string, (...args: unknown[]) => Promise<unknown>]) => [
      name,
      (...args: unknown[]) => method(...args).catch(rethrow),
    ],
  );
  return Object.fromEntries(translateErrors) as T;
}

function rethrow(error: unknown): never {
  if (!isClosed(error) && !isSqliteOutOfService(error) && !isPostgresOutOfService(error)) throw error;
  const reason = error instanceof Error ? error.message : String(error);
  throw new UnavailableError("store_unavailable", "The database is unavailable. Retry later.", {
    cause: new Error(reason, { cause: error }),
  });
}

/** Returns true for the error that Kysely throws for queries after `close`. */
function isClosed(error: unknown): boolean {
  return error instanceof Error && error.message === "driver has already been destroyed";
}
