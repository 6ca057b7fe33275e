/** Represents one life of a replica: the time from a start of the replica to its next crash. */
import type { ReplicaSetup, SimulatedReplica } from "./replica-types.ts";

class Crashed extends Error {
  override readonly name = "Crashed";
}

/** After a simulated replica has crashed, none of its work from before the crash continues. */
export interface Life {
  setup: ReplicaSetup;
  replica: SimulatedReplica;
  isOver: boolean;
  /** A promise that rejects when the simulated replica crashes. */
  death: Promise<never>;
  end(): void;
}

export function newLife(setup: ReplicaSetup, replica: SimulatedReplica): Life {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => {});
  const life: Life = {
    setup,
    replica,
    isOver: false,
    death: promise,
    end() {
      life.isOver = true;
      reject(new Crashed(setup.name));
    },
  };
  return life;
}

export function never(): Promise<never> {
  return new Promise(() => {});
}

/** Waits at a pause point until the scheduler lets the replica's code continue. The replica can crash at each pause point. */
export async function pause(life: Life, label: string, holdsStore = false): Promise<void> {
  const { setup, replica } = life;
  if (life.isOver) return never();
  await setup.scheduler.pause(setup.name, label, holdsStore);
  if (life.isOver) return never();
  if (setup.scheduler.random.happens(replica.faults.crash)) {
    replica.crash();
    return never();
  }
}
