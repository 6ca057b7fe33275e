/**
 * Stores a version for each lane (for example for each customer). If a lane's version has changed during a slow retrieve from
 * Stripe, another worker has written the lane meanwhile.
 */
import { sql, type Kysely } from "kysely";
import type { Mode } from "../../domain/records.ts";
import { insertRows, sortByKey } from "../bulk.ts";
import type { Dialect } from "../dialect.ts";
import { prepare } from "../prepared-query.ts";
import type { Schema } from "../schema.ts";

export interface LaneStore {
  /**
   * Returns the lane's version; 0 for a lane that was never written. Read a lane's version before the retrieve from Stripe
   * starts.
   */
  versionOf(lane: string): Promise<number>;
  /** Returns the versions of all lanes. Read the lanes' versions before lists are requested from Stripe. */
  all(): Promise<Map<string, number>>;
  /**
   * Increments the version of each lane whose version is still the given one. Returns the lanes whose version was incremented.
   * Increment lane versions in the transaction that writes the mirror.
   */
  advance(versions: ReadonlyMap<string, number>): Promise<Set<string>>;
}

const findVersion = prepare((db, { mode, lane }: { mode: Mode; lane: string }) =>
  db.selectFrom("lanes").select("version").where("mode", "=", mode).where("lane", "=", lane),
);

export function laneStore(db: Kysely<Schema>, mode: Mode, dialect: Dialect): LaneStore {
  return {
    async versionOf(lane) {
      const [row] = await findVersion.execute(db, dialect, { mode, lane });
      return row?.version ?? 0;
    },

    async all() {
      const rows = await db.selectFrom("lanes").select(["lane", "version"]).where("mode", "=", mode).execute();
      return new Map(rows.map((row) => [row.lane, row.version]));
    },

    async advance(versions) {
      if (versions.size === 0) return new Set();
      const lanes = sortByKey(versions, ([lane]) => lane);
      const raised = lanes.map(([lane, version]) => ({ mode, lane, version: version + 1 }));
      const { rows } = await sql<{ lane: string }>`
        ${insertRows({ dialect, table: "lanes", rows: raised })}
        on conflict (mode, lane) do update set version = excluded.version where lanes.version = excluded.version - 1
        returning lane`.execute(db);
      return new Set(rows.map(({ lane }) => lane));
    },
  };
}
