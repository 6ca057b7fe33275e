/** A version per lane: how a slow retrieve finds out that somebody wrote something newer meanwhile. */
import type { Kysely } from "kysely";
import type { Mode } from "../domain/records.ts";
import type { Schema } from "./schema.ts";

export interface LaneStore {
  /** Read before a retrieve begins; 0 for a lane that was never written. */
  versionOf(lane: string): Promise<number>;
  /** Raises the version, in the transaction that writes the mirror; false when it is no longer `version`. */
  advance(lane: string, version: number): Promise<boolean>;
  /** Every lane's version, before lists are read. */
  all(): Promise<Map<string, number>>;
  /** As `advance`, for many lanes; answers those that still had the version that was read. */
  advanceMany(lanes: readonly string[], versions: ReadonlyMap<string, number>): Promise<Set<string>>;
}

export function laneStore(db: Kysely<Schema>, mode: Mode): LaneStore {
  const raise = async (lane: string, version: number): Promise<boolean> => {
    const updated = await db
      .updateTable("lanes")
      .set({ version: version + 1 })
      .where("mode", "=", mode)
      .where("lane", "=", lane)
      .where("version", "=", version)
      .executeTakeFirst();
    return updated.numUpdatedRows === 1n;
  };
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
      return raise(lane, version);
    },

    async all() {
      const rows = await db.selectFrom("lanes").select(["lane", "version"]).where("mode", "=", mode).execute();
      return new Map(rows.map((row) => [row.lane, row.version]));
    },

    async advanceMany(lanes, versions) {
      const advanced = new Set<string>();
      const fresh = lanes.filter((lane) => !versions.has(lane));
      if (fresh.length > 0) {
        const inserted = await db
          .insertInto("lanes")
          .values(fresh.map((lane) => ({ mode, lane, version: 1 })))
          .onConflict((conflict) => conflict.doNothing())
          .returning("lane")
          .execute();
        for (const { lane } of inserted) advanced.add(lane);
      }
      for (const lane of lanes) {
        const version = versions.get(lane);
        if (version !== undefined && (await raise(lane, version))) advanced.add(lane);
      }
      return advanced;
    },
  };
}
