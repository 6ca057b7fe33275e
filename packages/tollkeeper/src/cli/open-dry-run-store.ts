/** Opens the database for a dry run, which changes nothing. */
import { openStore, type StoreOptions } from "../store/open-store.ts";
import type { Store } from "../store/store.ts";
import { requireMigrations } from "./open-command-store.ts";

/** Number of replicas that share the request budget during a dry run: at least the dry run and the running service. */
const ASSUMED_REPLICAS = 2;

/**
 * Opens a store for a service that only looks. The service registers neither itself, its plans nor its Stripe account.
 * Otherwise a dry run with new plans or with the key of another account would change what the running service does. Throws
 * `ConfigError` at start if the database does not exist or lacks a migration.
 */
export function openDryRunStore(options: StoreOptions): Store {
  const store = openStore({ ...options, readOnly: true });
  return {
    ...store,
    async migrate() {
      await requireMigrations(store);
      return [];
    },
    accounts: { ...store.accounts, remember: async ({ accountId }) => accountId },
    catalogues: { ...store.catalogues, register: async () => {}, rememberPlans: async () => {} },
    replicas: { heartbeat: async () => ASSUMED_REPLICAS, leave: async () => {} },
  };
}
