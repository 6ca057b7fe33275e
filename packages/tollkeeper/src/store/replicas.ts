/** Which replicas live: they share what all of them together may ask of Stripe. */
import type { Kysely } from "kysely";
import type { Mode } from "../domain/records.ts";
import type { Dialect } from "./open-store.ts";
import { keep } from "./prepared-query.ts";
import type { Schema } from "./schema.ts";

export interface ReplicaStore {
  /** Says that this one lives, forgets who has not said so since `deadBefore`, and answers how many do. */
  beat(id: string, now: number, deadBefore: number): Promise<number>;
  leave(id: string): Promise<void>;
}

interface Beat {
  mode: Mode;
  id: string;
  now: number;
  deadBefore: number;
}

const sayAlive = keep((db, { mode, id, now }: Beat) =>
  db
    .insertInto("replicas")
    .values({ mode, id, seenAt: now })
    .onConflict((conflict) => conflict.columns(["mode", "id"]).doUpdateSet({ seenAt: now })),
);

const countReplicas = keep((db, { mode, deadBefore }: Beat) =>
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
    async beat(id, now, deadBefore) {
      const beat = { mode, id, now, deadBefore };
      await sayAlive.execute(db, dialect, beat);
      const [count = { all: 1, dead: 0 }] = await countReplicas.execute(db, dialect, beat);
      if (count.dead > 0)
        await db.deleteFrom("replicas").where("mode", "=", mode).where("seenAt", "<", deadBefore).execute();
      return count.all - count.dead;
    },

    async leave(id) {
      await db.deleteFrom("replicas").where("mode", "=", mode).where("id", "=", id).execute();
    },
  };
}
