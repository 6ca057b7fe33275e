/** Which replicas live: they share what all of them together may ask of Stripe. */
import type { Kysely } from "kysely";
import type { Mode } from "../domain/records.ts";
import type { Schema } from "./schema.ts";

export interface ReplicaStore {
  /** Says that this one lives, forgets who has not said so since `deadBefore`, and answers how many do. */
  beat(id: string, now: number, deadBefore: number): Promise<number>;
  leave(id: string): Promise<void>;
}

export function replicaStore(db: Kysely<Schema>, mode: Mode): ReplicaStore {
  return {
    async beat(id, now, deadBefore) {
      await db
        .insertInto("replicas")
        .values({ mode, id, seenAt: now })
        .onConflict((conflict) => conflict.columns(["mode", "id"]).doUpdateSet({ seenAt: now }))
        .execute();
      await db.deleteFrom("replicas").where("mode", "=", mode).where("seenAt", "<", deadBefore).execute();
      const { count } = await db
        .selectFrom("replicas")
        .select((eb) => eb.fn.countAll().as("count"))
        .where("mode", "=", mode)
        .executeTakeFirstOrThrow();
      return Number(count);
    },

    async leave(id) {
      await db.deleteFrom("replicas").where("mode", "=", mode).where("id", "=", id).execute();
    },
  };
}
