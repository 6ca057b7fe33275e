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
  let current = compose(first, open);
  const service: Tollkeeper = {
    get basePath() {
      return current.basePath;
    },
    get log() {
      return current.log;
    },
    fetch: (...input) => current.fetch(...input),
    receiveWebhook: (...input) => current.receiveWebhook(...input),
    start: () => current.start(),
    stop: () => current.stop(),
    drain: () => current.drain(),
    runMaintenance: () => current.runMaintenance(),
    reconcile: (request) => current.reconcile(request),
    getUser: (request) => current.getUser(request),
    can: (...input) => current.can(...input),
    getEntitlements: (owner) => current.getEntitlements(owner),
    listSubscriptions: (owner) => current.listSubscriptions(owner),
    ensureCustomer: (user) => current.ensureCustomer(user),
  };
  return {
    service,
    store() {
      if (store === null) throw new Error("The service has not opened its database yet.");
      return store;
    },
    async restart(options) {
      await current.stop();
      current = compose(options, open);
      await current.start();
    },
    async stop() {
      await current.stop();
      await store?.close();
    },
  };
}
