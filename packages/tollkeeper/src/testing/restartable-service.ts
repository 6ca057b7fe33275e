/** A service that can be restarted while its database and all references to it stay. */
import type { TollkeeperOptions } from "../options.ts";
import { openStore } from "../store/open-store.ts";
import type { Store } from "../store/store.ts";
import { compose, type Tollkeeper } from "../tollkeeper.ts";

export interface RestartableService {
  /** The service. After a restart, its methods call the new process. */
  service: Tollkeeper;
  /** The database of all processes. Throws before the first process was created. */
  store(): Store;
  /** Stops the service, and starts it again with the given options. */
  restart(options: TollkeeperOptions): Promise<void>;
  /** Stops the service and closes the database. */
  stop(): Promise<void>;
}

export function createRestartableService(first: TollkeeperOptions): RestartableService {
  let store: Store | null = null;
  const open: typeof openStore = (options) => {
    store ??= openStore(options);
    return { ...store, close: async () => {} };
  };
  let running: Tollkeeper | null = compose(first, open);
  const current = (): Tollkeeper => {
    if (running) return running;
    throw new Error("This test billing was stopped. In vitest, the end of the test that created it stops it.");
  };
  const service: Tollkeeper = {
    get basePath() {
      return current().basePath;
    },
    get log() {
      return current().log;
    },
    fetch: async (...input) => current().fetch(...input),
    receiveWebhook: async (...input) => current().receiveWebhook(...input),
    start: () => current().start(),
    stop: () => current().stop(),
    drain: async () => current().drain(),
    runMaintenance: async () => current().runMaintenance(),
    reconcile: async (request) => current().reconcile(request),
    getUser: async (request) => current().getUser(request),
    can: async (...input) => current().can(...input),
    getEntitlements: async (owner) => current().getEntitlements(owner),
    listSubscriptions: async (owner) => current().listSubscriptions(owner),
    ensureCustomer: async (user) => current().ensureCustomer(user),
  };
  return {
    service,
    store() {
      if (store === null) throw new Error("The service has not opened its database yet.");
      return store;
    },
    async restart(options) {
      await current().stop();
      running = compose(options, open);
      await running.start();
    },
    async stop() {
      const last = running;
      running = null;
      await last?.stop();
      if (last) await store?.close();
    },
  };
}
