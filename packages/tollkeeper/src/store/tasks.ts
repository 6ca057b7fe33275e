/** Long work that one replica does for all: who has it, how far it has come, and when it was last finished. */
import type { Kysely } from "kysely";
import type { Mode } from "../domain/records.ts";
import type { Dialect } from "./open-store.ts";
import { keep } from "./prepared-query.ts";
import type { Schema } from "./schema.ts";

export interface TaskRecord {
  /** What an unfinished run has noted, as JSON; null between runs. */
  progress: string | null;
  finishedAt: number | null;
}

export interface TaskStore {
  find(name: string): Promise<TaskRecord | null>;
  /** Takes the task unless a holder's lease still runs; null when it does. */
  take(name: string, holder: string, now: number, leasedUntil: number): Promise<TaskRecord | null>;
  /** Holds the task on and notes how far it has come; false when another holder has taken it over. */
  note(name: string, holder: string, leasedUntil: number, progress: string | null): Promise<boolean>;
  /** Gives the task back; false when another holder has taken it over. */
  finish(name: string, holder: string, finishedAt: number): Promise<boolean>;
  /** Notes when something was finished that nobody holds. */
  mark(name: string, finishedAt: number): Promise<void>;
  /** Gives it back unfinished, for anybody to go on from there. */
  release(name: string, holder: string, progress: string | null): Promise<void>;
}

const findTask = keep((db, { mode, name }: { mode: Mode; name: string }) =>
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

    async take(name, holder, now, leasedUntil) {
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

    async note(name, holder, leasedUntil, progress) {
      const noted = await held(name, holder).set({ leasedUntil, progress }).executeTakeFirst();
      return noted.numUpdatedRows === 1n;
    },

    async finish(name, holder, finishedAt) {
      const finished = await held(name, holder)
        .set({ holder: null, leasedUntil: 0, progress: null, finishedAt })
        .executeTakeFirst();
      return finished.numUpdatedRows === 1n;
    },

    async mark(name, finishedAt) {
      await db
        .insertInto("tasks")
        .values({ mode, name, holder: null, leasedUntil: 0, progress: null, finishedAt })
        .onConflict((conflict) => conflict.columns(["mode", "name"]).doUpdateSet({ finishedAt }))
        .execute();
    },

    async release(name, holder, progress) {
      await held(name, holder).set({ holder: null, leasedUntil: 0, progress }).execute();
    },
  };
}
