/**
 * Runs a simulated replica of the service. The replica's clock can be wrong, its network and store can fail, and it can crash
 * at any pause point.
 */
import { compose, type Tollkeeper } from "../../packages/tollkeeper/src/tollkeeper.ts";
import { BATCH_DELAY_MS } from "../../packages/tollkeeper/src/worker/worker.ts";
import { NO_FAULTS } from "./faults.ts";
import { faultyNetwork } from "./faulty-network.ts";
import { faultyStore } from "./faulty-store.ts";
import { never, newLife, pause, type Life } from "./life.ts";
import type { ReplicaSetup, SimulatedReplica } from "./replica-types.ts";

/** The threshold for catch-ups is low, so that catch-ups happen even with the few users of a simulation. */
const CATCH_UP_ABOVE = 1;

export function createSimulatedReplica(setup: ReplicaSetup): SimulatedReplica {
  let life: Life | null = null;
  const replica: SimulatedReplica = {
    name: setup.name,
    service: null,
    faults: NO_FAULTS,
    options: {},
    slowList: null,
    fetch: (request) => replica.run((service) => service.fetch(request)),
    run(work) {
      const { service } = replica;
      const current = life;
      if (!service || !current) return Promise.reject(new TypeError("fetch failed: connection refused"));
      return Promise.race([work(service), current.death]);
    },
    start() {
      if (replica.service) return;
      const started = newLife(setup, replica);
      life = started;
      replica.service = createService(started);
      // In production, the process of a replica ends if the service cannot start. After a failed start, a later action of the
      // simulation starts the service again, as a process supervisor would.
      replica.service.start().catch(() => {
        if (life === started) replica.crash();
      });
    },
    crash() {
      if (!life) return;
      life.end();
      life = null;
      replica.service = null;
      setup.scheduler.drop(setup.name);
    },
  };
  return replica;
}

function createService(life: Life): Tollkeeper {
  const { setup, replica } = life;
  const { scheduler, name } = setup;
  return compose(
    {
      ...setup.options,
      ...replica.options,
      fetch: faultyNetwork(life),
      log: setup.log,
      runtime: {
        now: () => setup.now() + setup.skewMs,
        billingNow: setup.now,
        random: () => scheduler.random.next(),
        newId: setup.newId,
        sleep(ms, signal) {
          if (life.isOver) return never();
          // During the worker's batch delay, other code can run, but the simulated clock does not move. In the simulation, the
          // worker's batch delay is a pause point.
          return ms === BATCH_DELAY_MS ? pause(life, "batch delay") : scheduler.sleep(name, setup.now() + ms, signal);
        },
      },
    },
    () => faultyStore(life),
    { above: CATCH_UP_ABOVE },
  );
}
