/** Refuses a command that changes Stripe if the key belongs to another Stripe account than the database. */
import { existsSync } from "node:fs";
import { confirmAccount } from "../actions/confirm-account.ts";
import { DEFAULT_DATABASE_URL } from "../config/defaults.ts";
import { modeOf } from "../config/relations.ts";
import { resolveOptions } from "../config/resolve-config.ts";
import type { TollkeeperOptions } from "../options.ts";
import type { StripeGateway } from "../stripe/gateway/gateway.ts";
import { openCommandStore } from "./open-command-store.ts";

/**
 * Compares the key's account with the account that the database remembers, and writes nothing. Checks nothing if there is no
 * database yet, or if the database lacks a migration. Throws `ConfigError` if the accounts differ.
 */
export async function requireAccount(options: TollkeeperOptions, gateway: StripeGateway): Promise<void> {
  if (!hasDatabase(options)) return;
  const { stripeSecretKey, stripeAccountChanged } = resolveOptions(options, [
    "stripeSecretKey",
    "stripeAccountChanged",
  ]);
  const store = openCommandStore(options, { mode: modeOf(stripeSecretKey), readOnly: true });
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const accounts = { ...store.accounts, remember: async ({ accountId }: { accountId: string }) => accountId };
  try {
    if ((await store.findMissingMigrations()).length > 0) return;
    const context = { store: { accounts }, gateway, runtime: { now: Date.now, log } };
    await confirmAccount(context, stripeAccountChanged ?? null);
  } finally {
    await store.close();
  }
}

/** Returns true if a database is configured, or if the default SQLite file exists. */
export function hasDatabase({ databaseUrl }: TollkeeperOptions): boolean {
  const path = /^file:(.+)$/.exec(databaseUrl ?? DEFAULT_DATABASE_URL)?.[1];
  return path === undefined || existsSync(path);
}
