/** Refuses a command that changes Stripe if the key belongs to another Stripe account than the database. */
import { existsSync } from "node:fs";
import { confirmAccount } from "../actions/confirm-account.ts";
import { DEFAULT_DATABASE_URL } from "../config/defaults.ts";
import { modeOf } from "../config/relations.ts";
import { resolveOptions } from "../config/resolve-config.ts";
import { parseDatabaseUrl } from "../database-url.ts";
import type { TollkeeperOptions } from "../options.ts";
import type { StripeGateway } from "../stripe/gateway/gateway.ts";
import { openDryRunStore } from "./open-dry-run-store.ts";

/**
 * Compares the key's account with the account that the database remembers, and writes nothing. Checks nothing if there is no
 * database yet, or if the database lacks a migration. Throws `ConfigError` if the accounts differ.
 */
export async function requireAccount(options: TollkeeperOptions, gateway: StripeGateway): Promise<void> {
  if (!hasDatabase(options)) return;
  const { stripeSecretKey, stripeAccountChanged, databaseUrl } = resolveOptions(options, [
    "stripeSecretKey",
    "stripeAccountChanged",
    "databaseUrl",
  ]);
  const store = openDryRunStore({ url: databaseUrl, mode: modeOf(stripeSecretKey) });
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  try {
    if ((await store.findMissingMigrations()).length > 0) return;
    const context = { store, gateway, runtime: { now: Date.now, log } };
    await confirmAccount(context, stripeAccountChanged ?? null);
  } finally {
    await store.close();
  }
}

/** Returns false if the options name a SQLite file that does not exist. */
function hasDatabase({ databaseUrl }: TollkeeperOptions): boolean {
  const parsed = parseDatabaseUrl(databaseUrl ?? DEFAULT_DATABASE_URL);
  return !("path" in parsed) || existsSync(parsed.path);
}
