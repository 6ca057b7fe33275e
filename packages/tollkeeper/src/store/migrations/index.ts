/**
 * Changes a database's tables to the form that the installed version of the package needs. Each numbered migration step runs
 * once, under a lock that excludes other replicas.
 */
import { sql, type Kysely } from "kysely";
import { ConfigError } from "../../errors.ts";
import type { Dialect } from "../dialect.ts";
import { NO_STATEMENT_TIMEOUT } from "../postgres.ts";
import type { Schema } from "../schema.ts";
import { durable } from "../transactions.ts";
import { initial } from "./0001-initial.ts";
import { customersAndRefunds } from "./0002-customers-and-refunds.ts";
import { accounts, catalogues } from "./0003-accounts.ts";
import { hookHandlers } from "./0004-hook-handlers.ts";
import { changesAndApps } from "./0005-changes-and-apps.ts";
import { declineCode } from "./0006-decline-code.ts";
import type { MigrationStep } from "./step.ts";

export const STEPS: readonly MigrationStep[] = [
  initial,
  customersAndRefunds,
  accounts,
  catalogues,
  hookHandlers,
  changesAndApps,
  declineCode,
];

/**
 * Number of PostgreSQL's advisory lock for migrations. The number of the lock is arbitrary. It is unlikely that another program
 * uses the same lock number.
 */
const LOCK_KEY = 7_024_551_101;

/**
 * Applies the missing migration steps in one transaction and returns their names. Several processes may call this migration
 * function at the same time. Throws `ConfigError` if a newer version has already changed the database.
 */
export async function migrate(db: Kysely<Schema>, dialect: Dialect, steps = STEPS): Promise<string[]> {
  return durable(db).execute(async (transaction) => {
    if (dialect === "postgres") {
      // The transaction of the migrations has no time limit, because a step may rewrite a large table or wait for another
      // process that migrates.
      await sql.raw(NO_STATEMENT_TIMEOUT).execute(transaction);
      await sql`select pg_advisory_xact_lock(${LOCK_KEY})`.execute(transaction);
    }
    await sql`create table if not exists tollkeeper_migrations (name text primary key)`.execute(transaction);
    const { rows } = await sql<{ name: string }>`select name from tollkeeper_migrations order by name`.execute(
      transaction,
    );
    const missing = findMissing(rows, steps);
    for (const step of missing) {
      for (const statement of step.statements(dialect)) await sql.raw(statement).execute(transaction);
      await sql`insert into tollkeeper_migrations (name) values (${step.name})`.execute(transaction);
    }
    return missing.map((step) => step.name);
  });
}

/**
 * Returns the names of the migration steps that `migrate` would apply. Changes nothing. Throws `ConfigError` if a newer version
 * has already changed the database.
 */
export async function findMissingMigrations(db: Kysely<Schema>, dialect: Dialect): Promise<string[]> {
  const table = dialect === "postgres" ? sql`to_regclass('tollkeeper_migrations')` : sql`name`;
  const tables = dialect === "postgres" ? sql`` : sql`from sqlite_master where name = 'tollkeeper_migrations'`;
  const found = await sql<{ name: string | null }>`select ${table} as name ${tables}`.execute(db);
  const exists = (found.rows[0]?.name ?? null) !== null;
  const { rows } = exists
    ? await sql<{ name: string }>`select name from tollkeeper_migrations order by name`.execute(db)
    : { rows: [] };
  return findMissing(rows, STEPS).map((step) => step.name);
}

function findMissing(rows: readonly { name: string }[], steps: readonly MigrationStep[]): MigrationStep[] {
  const applied = new Set(rows.map((row) => row.name));
  refuseUnknownSteps(applied);
  return steps.filter((step) => !applied.has(step.name));
}

function refuseUnknownSteps(applied: ReadonlySet<string>): void {
  const known = new Set(STEPS.map((step) => step.name));
  const unknown = [...applied].filter((name) => !known.has(name));
  if (unknown.length > 0)
    throw new ConfigError([
      `DATABASE_URL names a database with migrations that this version does not know (${unknown.join(", ")}): ` +
        `run the newer version of tollkeeper, or use another database`,
    ]);
}
