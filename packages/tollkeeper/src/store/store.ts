/** Declares the interface of the store, which is the same on SQLite and PostgreSQL. */
import type { AccountStore } from "./accounts.ts";
import type { AnnouncedAccessStore } from "./mirror/announced-access.ts";
import type { CatalogueStore } from "./catalogues.ts";
import type { ProductStore } from "./mirror/products.ts";
import type { CustomerStore } from "./mirror/customers.ts";
import type { LaneStore } from "./mirror/lanes.ts";
import type { ReversalStore } from "./mirror/reversals.ts";
import type { SubscriptionStore } from "./mirror/subscriptions.ts";
import type { OperationStore } from "./operations.ts";
import type { DueWorkStore } from "./queue/due-work.ts";
import type { InboxStore } from "./queue/inbox.ts";
import type { OutboxStore } from "./queue/outbox.ts";
import type { ReplicaStore } from "./replicas.ts";
import type { TaskStore } from "./tasks.ts";

/**
 * The parts of the store for one of Stripe's modes, test or live. Every method throws `UnavailableError` (`store_unavailable`)
 * if the database is unavailable.
 */
export interface StoreParts {
  customers: CustomerStore;
  subscriptions: SubscriptionStore;
  reversals: ReversalStore;
  products: ProductStore;
  inbox: InboxStore;
  outbox: OutboxStore;
  operations: OperationStore;
  lanes: LaneStore;
  announcedAccess: AnnouncedAccessStore;
  dueWork: DueWorkStore;
  tasks: TaskStore;
  replicas: ReplicaStore;
  accounts: AccountStore;
  catalogues: CatalogueStore;
}

export interface Store extends StoreParts {
  /**
   * Runs the given work in one database transaction. The service must be able to repeat the transaction's work if its commit is
   * lost. On SQLite the commit does not wait for the disk, so a response must not depend on the commit alone. The function
   * `work` must use only the passed `parts` of the store. If `work` used methods of the whole store, these methods would wait
   * for the end of the transaction that runs `work`.
   */
  transaction<T>(work: (parts: StoreParts) => Promise<T>): Promise<T>;
  /** Applies missing migrations. Returns the names of the applied migrations. */
  migrate(): Promise<string[]>;
  /**
   * Returns the names of the migrations that `migrate` would apply. Changes nothing. Throws `ConfigError` if a newer version
   * has changed the database, and if the store was opened with `readOnly` and the SQLite file does not exist.
   */
  findMissingMigrations(): Promise<string[]>;
  /**
   * Calls the listener when another replica has stored events. Returns a function that stops listening. Only PostgreSQL sends
   * notifications of new events, and notifications may get lost, so callers must also poll.
   */
  onNewEvents(listener: () => void): () => Promise<void>;
  /**
   * Updates PostgreSQL's statistics of growing tables. PostgreSQL itself updates its statistics of tables about once a minute.
   * Until the first update of its statistics, PostgreSQL assumes that the tables are small and reads them completely.
   * Statistics from a small sample need a tenth of the usual computing time, and are accurate enough while tables grow.
   */
  analyze(sample: Sample): Promise<void>;
  /** Resolves if the database can be read and written at the instant `now`. Throws if the database is unavailable. */
  ping(now: number): Promise<void>;
  close(): Promise<void>;
}

/** Sizes of the sample from which PostgreSQL computes its statistics. The sample size `usual` is PostgreSQL's default. */
export type Sample = "small" | "usual";
