/** Opens the store on SQLite or PostgreSQL; everything past this file is the same on both. */
import { Kysely, sql } from "kysely";
import type { Mode } from "../domain/records.ts";
import { UnavailableError } from "../errors.ts";
import { listenToArrivals, sayArrivals } from "./queue/event-notifications.ts";
import { catalogStore, type CatalogStore } from "./mirror/catalog.ts";
import { customerStore, type CustomerStore } from "./mirror/customers.ts";
import { dueWorkStore, type DueWorkStore } from "./queue/due-work.ts";
import { grantStore, type GrantStore } from "./mirror/announced-access.ts";
import { inboxStore, type InboxStore } from "./queue/inbox.ts";
import { laneStore, type LaneStore } from "./mirror/lanes.ts";
import { migrate } from "./migrations/index.ts";
import { RowNames } from "./column-names.ts";
import { operationStore, type OperationStore } from "./operations.ts";
import { outboxStore, type OutboxStore } from "./queue/outbox.ts";
import { ANSWER_TIMEOUT_MS, isPostgresOutOfService, postgresDialect } from "./postgres.ts";
import { replicaStore, type ReplicaStore } from "./replicas.ts";
import type { Schema } from "./schema.ts";
import { isSqliteOutOfService, sqliteDialect } from "./sqlite.ts";
import { subscriptionStore, type SubscriptionStore } from "./mirror/subscriptions.ts";
import { taskStore, type TaskStore } from "./tasks.ts";
import { durable, redoable } from "./transactions.ts";

export type Dialect = "sqlite" | "postgres";

/** All rows of one mode. Every method throws `UnavailableError` (`store_unavailable`) when the database can't do it now. */
export interface StoreParts {
  customers: CustomerStore;
  subscriptions: SubscriptionStore;
  catalog: CatalogStore;
  inbox: InboxStore;
  outbox: OutboxStore;
  operations: OperationStore;
  lanes: LaneStore;
  grants: GrantStore;
  dueWork: DueWorkStore;
  tasks: TaskStore;
  replicas: ReplicaStore;
}

export interface Store extends StoreParts {
  /** How many commits of one process may be under way at once: SQLite writes one after the other, and the process waits for it. */
  readonly writers: number;
  /**
   * All or nothing, for work that can be redone: on SQLite it does not wait for the disk, so nobody outside is told on its word
   * alone. Use only the parts it hands over: the outer ones would wait for this transaction to end.
   */
  transaction<T>(work: (parts: StoreParts) => Promise<T>): Promise<T>;
  /** Applies missing migrations; answers their names. */
  migrate(): Promise<string[]>;
  /**
   * Calls back when another replica has stored events; answers how to stop it. Only PostgreSQL tells, and it may be silent:
   * whoever listens polls, too.
   */
  onArrival(listener: () => void): () => Promise<void>;
  /**
   * Has PostgreSQL look how large the mirror has become. By itself it does so once a minute, and until then it takes any
   * table for a small one, which it reads as a whole. A small sample takes a tenth of the time, and says enough while tables grow.
   */
  analyze(sample: Sample): Promise<void>;
  /** Throws when the database does not answer. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** `usual` is as large as the database's own. */
export type Sample = "small" | "usual";

export interface StoreOptions {
  /** `postgres://…`, `file:PATH` or `file::memory:`. */
  url: string;
  mode: Mode;
  onConnectionLost?: (error: Error) => void;
  /** How long PostgreSQL's answers are waited for, in milliseconds. Default 20,000. */
  answerTimeoutMs?: number;
}

export function openStore({ url, mode, onConnectionLost = () => {}, answerTimeoutMs }: StoreOptions): Store {
  const dialect = dialectOf(url);
  const db = openDatabase(url, { onConnectionLost, answerTimeoutMs });
  const whole = guard({
    migrate: () => migrate(db, dialect),
    analyze: async (sample: Sample) => {
      if (dialect !== "postgres") return;
      await durable(db).execute(async (transaction) => {
        if (sample === "small") await sql`set local default_statistics_target = 1`.execute(transaction);
        await sql`analyze (skip_locked) ${sql.raw(MIRROR)}`.execute(transaction);
      });
    },
    ping: async () => {
      // Of a table: without one SQLite answers though its file is gone.
      await sql`select 1 from replicas limit 1`.execute(db);
    },
    close: () => db.destroy(),
    transaction: <T>(work: (parts: StoreParts) => Promise<T>): Promise<T> =>
      redoable(db, dialect).execute((transaction) => work(storeParts(transaction, mode, dialect))),
  });
  const onArrival = (listener: () => void): (() => Promise<void>) =>
    dialect === "postgres" ? listenToArrivals({ url, mode, onArrival: listener, onConnectionLost }) : async () => {};
  const onAdded = dialect === "postgres" ? sayArrivals(db, mode, onConnectionLost) : undefined;
  return { ...storeParts(db, mode, dialect, onAdded), ...whole, onArrival, writers: dialect === "postgres" ? 2 : 1 };
}

/** The tables that filling in an account makes large. */
const MIRROR =
  "customer_links, customers, subscriptions, subscription_items, invoices, payment_methods, access_grants, lanes, outbox";

function dialectOf(url: string): Dialect {
  return /^postgres(ql)?:/.test(url) ? "postgres" : "sqlite";
}

interface DatabaseOptions {
  onConnectionLost?: (error: Error) => void;
  answerTimeoutMs?: number | undefined;
}

/** The tables themselves. */
export function openDatabase(
  url: string,
  { onConnectionLost = () => {}, answerTimeoutMs = ANSWER_TIMEOUT_MS }: DatabaseOptions = {},
): Kysely<Schema> {
  return new Kysely<Schema>({
    dialect:
      dialectOf(url) === "postgres"
        ? postgresDialect({ url, onConnectionLost, answerTimeoutMs })
        : sqliteDialect(url.replace(/^file:/, "")),
    plugins: [new RowNames()],
  });
}

function storeParts(db: Kysely<Schema>, mode: Mode, dialect: Dialect, onAdded?: () => void): StoreParts {
  return {
    customers: guard(customerStore(db, mode, dialect)),
    subscriptions: guard(subscriptionStore(db, mode, dialect)),
    catalog: guard(catalogStore(db, mode, dialect)),
    inbox: guard(inboxStore(db, mode, dialect, onAdded)),
    outbox: guard(outboxStore(db, mode, dialect)),
    operations: guard(operationStore(db, mode)),
    lanes: guard(laneStore(db, mode, dialect)),
    grants: guard(grantStore(db, mode, dialect)),
    dueWork: guard(dueWorkStore(db, mode, dialect)),
    tasks: guard(taskStore(db, mode, dialect)),
    replicas: guard(replicaStore(db, mode, dialect)),
  };
}

/** The same methods, with "the database can't now" told apart from "the query is wrong". */
function guard<T extends object>(methods: T): T {
  const guarded = Object.entries(methods).map(([name, method]: [string, (...args: unknown[]) => Promise<unknown>]) => [
    name,
    (...args: unknown[]) => method(...args).catch(rethrow),
  ]);
  return Object.fromEntries(guarded) as T;
}

function rethrow(error: unknown): never {
  if (!isClosed(error) && !isSqliteOutOfService(error) && !isPostgresOutOfService(error)) throw error;
  const reason = error instanceof Error ? error.message : String(error);
  throw new UnavailableError("store_unavailable", "The database can't be reached now. Try again in a moment.", {
    cause: new Error(reason, { cause: error }),
  });
}

/** What Kysely says after `close`. */
function isClosed(error: unknown): boolean {
  return error instanceof Error && error.message === "driver has already been destroyed";
}
