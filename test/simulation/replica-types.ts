/** Defines the types of a simulated replica. */
import type { Logger, Tollkeeper, TollkeeperOptions } from "../../packages/tollkeeper/src/index.ts";
import type { Store } from "../../packages/tollkeeper/src/store/store.ts";
import type { Faults } from "./faults.ts";
import type { Scheduler } from "./scheduler.ts";

export interface SimulatedReplica {
  name: string;
  /** Holds the running service, or null while the replica is down. */
  service: Tollkeeper | null;
  faults: Faults;
  /** Options of the replica's next life, which replace the options of the setup. */
  options: Partial<TollkeeperOptions>;
  /** The URL path of the Stripe list of which a slow response is in transit to the replica. */
  slowList: string | null;
  /** Handles a request. The promise of an HTTP response rejects if the replica is down or crashes. */
  fetch(request: Request): Promise<Response>;
  /** Calls the service. The promise of a function's result rejects if the replica is down or crashes. */
  run<T>(work: (service: Tollkeeper) => Promise<T>): Promise<T>;
  start(): void;
  crash(): void;
}

export interface ReplicaSetup {
  name: string;
  /** The difference between the replica's clock and the true time, in milliseconds. */
  skewMs: number;
  scheduler: Scheduler;
  store: Store;
  now(): number;
  /** Sends the replica's request to Stripe without injected faults. */
  stripe(request: Request): Promise<Response>;
  /** Makes Stripe fail the replica's next request with the given response. */
  fail(response: object): Promise<void>;
  options: Omit<TollkeeperOptions, "fetch" | "runtime" | "log">;
  newId(): string;
  log: Logger;
}
