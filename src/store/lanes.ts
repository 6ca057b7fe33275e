/** A version per lane: how a slow retrieve finds out that somebody wrote something newer meanwhile. */
import type { Kysely } from "kysely";
import type { Mode } from "../domain/records.ts";
import type { Schema } from "./schema.ts";

export interface LaneStore {
  /** Read before a retrieve begins; 0 for a lane that was never written. */
  versionOf(lane: string): Promise<number>;
  /** Raises the version, in the transaction that writes the mirror; false when it is no longer `version`. */
  advance(lane: string, version: number): Promise<boolean>;
}

export function laneStore(db: Kysely<Schema>, mode: Mode): LaneStore {
  return {
    async versionOf(lane) {
      const row = await db
        .selectFrom("lanes")
        .select("version")
        .where("mode", "=", mode)
        .where("lane", "=", lane)
        .executeTakeFirst();
      return row?.version ?? 0;
    },

    async advance(lane, version) {
      if (version === 0) {
        const inserted = await db
          .insertInto("lanes")
          .values({ mode, lane, version: 1 })
          .onConflict((conflict) => conflict.doNothing())
          .returning("version")
          .executeTakeFirst();
        return inserted !== undefined;
      }
      const updated = await db
        .updateTable("lanes")
        .set({ version: version + 1 })
        .where("mode", "=", mode)
        .where("lane", "=", lane)
        .where("version", "=", version)
        .executeTakeFirst();
      return updated.numUpdatedRows === 1n;
    },
  };
}
