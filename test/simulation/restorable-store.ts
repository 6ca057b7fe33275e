/** Opens the store that all replicas share. The store's database can be saved and restored. */
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { openStore } from "../../packages/tollkeeper/src/store/open-store.ts";
import type { Store } from "../../packages/tollkeeper/src/store/store.ts";
import { wrapParts } from "./wrap-store.ts";

export interface RestorableStore {
  /** A store that always uses the current database. */
  store: Store;
  backup(): void;
  restore(): Promise<void>;
  close(): Promise<void>;
}

/** Opens a new database: in memory, or in a temporary file if the database must be restorable. */
export async function openRestorableStore(isRestorable: boolean): Promise<RestorableStore> {
  if (!isRestorable) {
    const store = openStore({ url: "file::memory:", mode: "test" });
    await store.migrate();
    return { store, backup() {}, restore: async () => {}, close: () => store.close() };
  }
  const folder = mkdtempSync(join(tmpdir(), "tollkeeper-simulation-"));
  const [path, copy] = [join(folder, "database"), join(folder, "backup")];
  const open = async (): Promise<Store> => {
    const opened = openStore({ url: `file:${path}`, mode: "test" });
    await opened.migrate();
    return opened;
  };
  let current = await open();
  return {
    store: followStore(current, () => current),
    backup() {
      rmSync(copy, { force: true });
      const database = new DatabaseSync(path);
      database.exec(`vacuum into '${copy}'`);
      database.close();
    },
    async restore() {
      await current.close();
      for (const suffix of ["", "-wal", "-shm"]) rmSync(`${path}${suffix}`, { force: true });
      copyFileSync(copy, path);
      current = await open();
    },
    async close() {
      await current.close();
      rmSync(folder, { recursive: true });
    },
  };
}

type Methods = Record<string, (...args: unknown[]) => Promise<unknown>>;

/** Returns a store whose methods call the store that is current at the time of the call. */
function followStore(first: Store, current: () => Store): Store {
  const parts = wrapParts(first, (label) => (...args) => {
    const [part = "", method = ""] = label.split(".");
    const methods = (current() as unknown as Record<string, Methods>)[part];
    return methods?.[method]?.(...args) ?? Promise.reject(new Error(`the store has no method ${label}`));
  });
  return {
    ...parts,
    transaction: (work) => current().transaction(work),
    migrate: () => current().migrate(),
    findMissingMigrations: () => current().findMissingMigrations(),
    analyze: (sample) => current().analyze(sample),
    ping: (now) => current().ping(now),
    onNewEvents: (listener) => current().onNewEvents(listener),
    close: () => current().close(),
  };
}
