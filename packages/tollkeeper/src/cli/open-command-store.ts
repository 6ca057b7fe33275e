/** Opens the database for a command. */
import { resolveOptions } from "../config/resolve-config.ts";
import type { Mode } from "../domain/records.ts";
import { ConfigError } from "../errors.ts";
import type { TollkeeperOptions } from "../options.ts";
import { openStore } from "../store/open-store.ts";
import type { Store } from "../store/store.ts";

interface Options {
  mode: Mode;
  /** If true, the command must not change the database, so a missing SQLite file is not created. Default false. */
  readOnly?: boolean;
}

/** Throws `ConfigError` if `DATABASE_URL` is invalid. The command itself closes the store. */
export function openCommandStore(options: Partial<TollkeeperOptions>, { mode, readOnly }: Options): Store {
  const { databaseUrl } = resolveOptions(options, ["databaseUrl"]);
  return openStore({ url: databaseUrl, mode, readOnly });
}

/**
 * Runs the work with a database whose tables are as this version needs them. Changes nothing else. Throws `ConfigError` if a
 * migration is missing.
 */
export async function withMigratedStore<T>(store: Store, work: (store: Store) => Promise<T>): Promise<T> {
  try {
    await requireMigrations(store);
    return await work(store);
  } finally {
    await store.close();
  }
}

/** Throws `ConfigError` if a migration is missing. Changes nothing. */
export async function requireMigrations(store: Pick<Store, "findMissingMigrations">): Promise<void> {
  const missing = await store.findMissingMigrations();
  if (missing.length > 0)
    throw new ConfigError([`DATABASE_URL names a database without ${missing.join(", ")}: run npx tollkeeper migrate`]);
}
