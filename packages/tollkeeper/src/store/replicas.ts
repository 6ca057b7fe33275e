/** Stores the live replicas, which share the budget of requests to Stripe. */
import type { Kysely } from "kysely";
import type { Mode } from "../domain/records.ts";
import type { Dialect } from "./dialect.ts";
import { prepare } from "./prepared-query.ts";
import type { Schema } from "./schema.ts";

export interface ReplicaStore {
  /**
   * Records a heartbeat of a replica, deletes replicas without a heartbeat since `deadBefore`, and returns the number of live
   * replicas. `catalogue` is the fingerprint of the replica's own plans and policy.
   */
  heartbeat(id: string, now: number, deadBefore: number, catalogue: string | null): Promise<number>;
  leave(id: string): Promise<void>;
}

interface Heartbeat {
  mode: Mode;
  id: string;
  now: number;
  deadBefore: number;
  catalogue: string | null;
}

const recordHeartbeat = prepare((db, { mode, id, now, catalogue }: Heartbeat) =>
  db
    .insertInto("replicas")
    .values({ mode, id, seenAt: now, catalogue })
    .onConflict((conflict) => conflict.columns(["mode", "id"]).doUpdateSet({ seenAt: now, catalogue })),
);

const countReplicas = prepare((db, { mode, deadBefore }: Heartbeat) =>
  db
    .selectFrom("replicas")
    .select(({ eb, fn }) => [
      fn.countAll<number>().as("all"),
      fn
        .countAll<number>()
        .filterWhere(eb("seenAt", "<", deadBefore))
        .as("dead"),
    ])
    .where("mode", "=", mode),
);

export function replicaStore(db: Kysely<Schema>, mode: Mode, dialect: Dialect): ReplicaStore {
  return {
    async heartbeat(id, now, deadBefore, catalogue) {
      const heartbeat = { mode, id, now, deadBefore, catalogue };
      await recordHeartbeat.execute(db, dialect, heartbeat);
      const [count = { all: 1, dead: 0 }] = await countReplicas.execute(db, dialect, heartbeat);
      if (count.dead > 0)
        await db.deleteFrom("replicas").where("mode", "=", mode).where("seenAt", "<", deadBefore).execute();
      return count.all - count.dead;
    },

    async leave(id) {
      await db.deleteFrom("replicas").where("mode", "=", mode).where("id", "=", id).execute();
    },
  };
}
