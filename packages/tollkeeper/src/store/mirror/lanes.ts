/** A version per lane: how a slow retrieve finds out that somebody wrote something newer meanwhile. */
import { sql, type Kysely } from "kysely";
import type { Mode } from "../../domain/records.ts";
import { inOneOrder, insertRows } from "../bulk.ts";
import type { Dialect } from "../open-store.ts";
import { keep } from "../prepared-query.ts";
import type { Schema } from "../schema.ts";

export interface LaneStore {
  /** Read before a retrieve begins; 0 for a lane that was never written. */
  versionOf(lane: string): Promise<number>;
  /** Every lane's version, before lists are read. */
  all(): Promise<Map<string, number>>;
  /**
   * Raises the versions of lanes that still have the one that was read, in the transaction that writes the mirror; answers
   * which had.
   */
  advance(versions: ReadonlyMap<string, number>): Promise<Set<string>>;
}

const findVersion = keep((db, { mode, lane }: { mode: Mode; lane: string }) =>
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
      const lanes = inOneOrder(versions, ([lane]) => lane);
      const raised = lanes.map(([lane, version]) => ({ mode, lane, version: version + 1 }));
      const { rows } = await sql<{ lane: string }>`
        ${insertRows({ dialect, table: "lanes", rows: raised })}
        on conflict (mode, lane) do update set version = excluded.version where lanes.version = excluded.version - 1
        returning lane`.execute(db);
      return new Set(rows.map(({ lane }) => lane));
    },
  };
}
