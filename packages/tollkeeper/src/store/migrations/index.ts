/** Brings a database to this version's tables: numbered steps, each once, under a lock that keeps replicas apart. */
import { sql, type Kysely } from "kysely";
import { ConfigError } from "../../errors.ts";
import type { Dialect } from "../open-store.ts";
import { WITHOUT_LIMIT } from "../postgres.ts";
import type { Schema } from "../schema.ts";
import { durable } from "../transactions.ts";
import { initial } from "./0001-initial.ts";
import { reconcile } from "./0002-reconcile.ts";
import { lanes } from "./0003-lanes.ts";
import { bodies } from "./0004-bodies.ts";
import { keyEnds } from "./0005-key-ends.ts";
import { statistics } from "./0006-statistics.ts";
import { deadLetters } from "./0007-dead-letters.ts";
import { queueStatistics } from "./0008-queue-statistics.ts";

export interface MigrationStep {
  name: string;
  statements: (dialect: Dialect) => string[];
}

export const STEPS: readonly MigrationStep[] = [
  initial,
  reconcile,
  lanes,
  bodies,
  keyEnds,
  statistics,
  deadLetters,
  queueStatistics,
];

/** Any number that nobody else locks on the same database. */
const LOCK_KEY = 7_024_551_101;

/**
 * Applies the steps that are missing, all or none, and answers their names. Safe to run from several processes at once.
 * Throws `ConfigError` when the database has been used by a newer version.
 */
export async function migrate(db: Kysely<Schema>, dialect: Dialect, steps = STEPS): Promise<string[]> {
  return durable(db).execute(async (transaction) => {
    if (dialect === "postgres") {
      // A step may read all of a large table, and waits for whoever else migrates.
      await sql.raw(WITHOUT_LIMIT).execute(transaction);
      await sql`select pg_advisory_xact_lock(${LOCK_KEY})`.execute(transaction);
    }
    await sql`create table if not exists tollkeeper_migrations (name text primary key)`.execute(transaction);
    const { rows } = await sql<{ name: string }>`select name from tollkeeper_migrations order by name`.execute(
      transaction,
    );
    const applied = new Set(rows.map((row) => row.name));
    refuseNewer(applied);
    const missing = steps.filter((step) => !applied.has(step.name));
    for (const step of missing) {
      for (const statement of step.statements(dialect)) await sql.raw(statement).execute(transaction);
      await sql`insert into tollkeeper_migrations (name) values (${step.name})`.execute(transaction);
    }
    return missing.map((step) => step.name);
  });
}

function refuseNewer(applied: ReadonlySet<string>): void {
  const known = new Set(STEPS.map((step) => step.name));
  const unknown = [...applied].filter((name) => !known.has(name));
  if (unknown.length > 0)
    throw new ConfigError([
      `DATABASE_URL names a database with migrations this version does not know (${unknown.join(", ")}): ` +
        `run the newer version of tollkeeper, or use another database`,
    ]);
}
