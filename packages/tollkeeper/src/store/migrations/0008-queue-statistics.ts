/**
 * What PostgreSQL has counted of a queue is wrong a moment later: it has seen a burst, or the silence after it, and reads all
 * that was ever done to find what is due. Of what changes while work is done it counts nothing, and takes its own guess: that
 * few rows have any one value. (SQLite is told so by 0006-statistics.)
 * @see https://www.postgresql.org/docs/current/planner-stats.html
 */
import type { MigrationStep } from "./index.ts";

const CHANGING = [
  ["inbox", "state", "text"],
  ["outbox", "state", "text"],
  ["queue_lanes", "queue", "text"],
  ["queue_lanes", "due_at", "bigint"],
  ["queue_lanes", "leased_until", "bigint"],
] as const;

export const queueStatistics: MigrationStep = {
  name: "0008-queue-statistics",
  statements: (dialect) =>
    dialect === "sqlite"
      ? []
      : [
          // One right after the other: whoever works on both would wait for this, and this for them, if much came between.
          `lock table queue_lanes, inbox, outbox in access exclusive mode`,
          ...CHANGING.flatMap(([table, column, type]) => [
            // To the type that it has: what was counted so far is forgotten with it.
            `alter table ${table} alter column ${column} type ${type}`,
            `alter table ${table} alter column ${column} set statistics 0`,
          ]),
        ],
};
