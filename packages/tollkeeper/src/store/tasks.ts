/**
 * Stores long tasks that only one replica at a time runs. The row of each task stores the holder of its lease, its saved
 * progress, and the time of its last run.
 */
import type { Kysely } from "kysely";
import type { Mode } from "../domain/records.ts";
import type { Dialect } from "./dialect.ts";
import { prepare } from "./prepared-query.ts";
import type { Schema } from "./schema.ts";

export interface TaskRecord {
  /** The saved progress of an unfinished run of the task, as JSON; null between runs. */
  progress: string | null;
  finishedAt: number | null;
}

export interface TaskStore {
  find(name: string): Promise<TaskRecord | null>;
  /**
   * Leases the task to this replica and returns the task's row. Returns null if another replica holds the task and its lease
   * has not expired.
   */
  acquire(name: string, holder: string, now: number, leasedUntil: number): Promise<TaskRecord | null>;
  /** Renews the lease of the task and saves its progress. Returns false if another holder has taken the task over. */
  renewLease(name: string, holder: string, leasedUntil: number, progress: string | null): Promise<boolean>;
  /** Records the time of the task's run, and ends the lease. Returns false if another holder has taken the task over. */
  finish(name: string, holder: string, finishedAt: number): Promise<boolean>;
  /** Records the time of a run for a task that needs no lease, and deletes its progress. */
  recordFinished(name: string, finishedAt: number): Promise<void>;
  /** Saves the progress of a task that needs no lease. The time of the task's last run does not change. */
  recordProgress(name: string, progress: string | null): Promise<void>;
  /**
   * Ends the lease of an unfinished run and saves its progress. The next holder of the lease continues from the saved progress.
   */
  release(name: string, holder: string, progress: string | null): Promise<void>;
}

const findTask = prepare((db, { mode, name }: { mode: Mode; name: string }) =>
  db.selectFrom("tasks").select(["progress", "finishedAt"]).where("mode", "=", mode).where("name", "=", name),
);

export function taskStore(db: Kysely<Schema>, mode: Mode, dialect: Dialect): TaskStore {
  const held = (name: string, holder: string) =>
    db.updateTable("tasks").where("mode", "=", mode).where("name", "=", name).where("holder", "=", holder);
  return {
    async find(name) {
      const [row] = await findTask.execute(db, dialect, { mode, name });
      return row ?? null;
    },

    async acquire(name, holder, now, leasedUntil) {
      const taken = await db
        .insertInto("tasks")
        .values({ mode, name, holder, leasedUntil, progress: null, finishedAt: null })
        .onConflict((conflict) =>
          conflict
            .columns(["mode", "name"])
            .doUpdateSet({ holder, leasedUntil })
            .where((eb) => eb.or([eb("tasks.leasedUntil", "<=", now), eb("tasks.holder", "=", holder)])),
        )
        .returning(["progress", "finishedAt"])
        .executeTakeFirst();
      return taken ?? null;
    },

    async renewLease(name, holder, leasedUntil, progress) {
      const renewed = await held(name, holder).set({ leasedUntil, progress }).executeTakeFirst();
      return renewed.numUpdatedRows === 1n;
    },

    async finish(name, holder, finishedAt) {
      const finished = await held(name, holder)
        .set({ holder: null, leasedUntil: 0, progress: null, finishedAt })
        .executeTakeFirst();
      return finished.numUpdatedRows === 1n;
    },

    async recordFinished(name, finishedAt) {
      await db
        .insertInto("tasks")
        .values({ mode, name, holder: null, leasedUntil: 0, progress: null, finishedAt })
        .onConflict((conflict) => conflict.columns(["mode", "name"]).doUpdateSet({ finishedAt, progress: null }))
        .execute();
    },

    async recordProgress(name, progress) {
      await db
        .insertInto("tasks")
        .values({ mode, name, holder: null, leasedUntil: 0, progress, finishedAt: null })
        .onConflict((conflict) => conflict.columns(["mode", "name"]).doUpdateSet({ progress }))
        .execute();
    },

    async release(name, holder, progress) {
      await held(name, holder).set({ holder: null, leasedUntil: 0, progress }).execute();
    },
  };
}
