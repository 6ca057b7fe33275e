/** The record of every intent towards Stripe. */
import type { Kysely } from "kysely";
import { IDEMPOTENCY_KEY_LIFETIME_MS, type OperationRecord } from "../domain/operations.ts";
import type { Mode } from "../domain/records.ts";
import { atMost, isState } from "./bulk.ts";
import type { Schema } from "./schema.ts";

/** Under which an operation is sent, since when, and until when it is sent again. */
type OperationKey = Pick<OperationRecord, "idempotencyKey" | "createdAt" | "keyEndsAt">;

export interface OperationStore {
  /** The newest operation of this kind for this subject. */
  findCurrent(kind: string, subject: string): Promise<OperationRecord | null>;
  /** False when another caller began the same generation first. */
  begin(operation: OperationRecord): Promise<boolean>;
  /**
   * Gives a pending operation a new key, once it is known that the old one led to nothing; false when another caller has
   * done so first, since two keys would be two acts.
   */
  replaceKey(change: { id: string; from: string } & OperationKey): Promise<boolean>;
  /** Notes that a pending operation's key leads to nothing new any more; the first to know it counts. */
  endKey(key: { id: string; idempotencyKey: string; keyEndsAt: number }): Promise<void>;
  /** Those whose outcome has been unknown since before an instant, oldest first, from after one of them. */
  listPending(before: number, after: OperationRecord | null, limit: number): Promise<OperationRecord[]>;
  finish(id: string, state: "succeeded" | "failed", result: string, now: number): Promise<void>;
}

const COLUMNS = [
  "id",
  "kind",
  "subject",
  "generation",
  "fingerprint",
  "params",
  "idempotencyKey",
  "state",
  "result",
  "createdAt",
  "keyEndsAt",
] as const;

/** A replica of a version before may begin one, or give it a new key, and says nothing of the key's end. */
function toRecord(row: Omit<OperationRecord, "keyEndsAt"> & { keyEndsAt: number | null }): OperationRecord {
  const { createdAt, keyEndsAt } = row;
  const isKnown = keyEndsAt !== null && keyEndsAt >= createdAt;
  return { ...row, keyEndsAt: isKnown ? keyEndsAt : createdAt + IDEMPOTENCY_KEY_LIFETIME_MS };
}

export function operationStore(db: Kysely<Schema>, mode: Mode): OperationStore {
  return {
    async findCurrent(kind, subject) {
      const row = await db
        .selectFrom("operations")
        .select(COLUMNS)
        .where("mode", "=", mode)
        .where("kind", "=", kind)
        .where("subject", "=", subject)
        .orderBy("generation", "desc")
        .limit(atMost(1))
        .executeTakeFirst();
      return row ? toRecord(row) : null;
    },

    async listPending(before, after, limit) {
      const rows = await db
        .selectFrom("operations")
        .select(COLUMNS)
        .where("mode", "=", mode)
        .where(isState("pending"))
        .where("createdAt", "<", before)
        .$if(after !== null, (query) =>
          query.where((eb) =>
            eb(eb.refTuple("createdAt", "id"), ">", eb.tuple(after?.createdAt ?? 0, after?.id ?? "")),
          ),
        )
        .orderBy("createdAt")
        .orderBy("id")
        .limit(atMost(limit))
        .execute();
      return rows.map(toRecord);
    },

    async begin(operation) {
      const inserted = await db
        .insertInto("operations")
        .values({ ...operation, mode })
        .onConflict((conflict) => conflict.columns(["mode", "kind", "subject", "generation"]).doNothing())
        .returning("id")
        .executeTakeFirst();
      return inserted !== undefined;
    },

    async replaceKey({ id, from, idempotencyKey, createdAt, keyEndsAt }) {
      const replaced = await db
        .updateTable("operations")
        .set({ idempotencyKey, createdAt, keyEndsAt })
        .where("mode", "=", mode)
        .where("id", "=", id)
        .where("idempotencyKey", "=", from)
        .where(isState("pending"))
        .executeTakeFirst();
      return replaced.numUpdatedRows === 1n;
    },

    async endKey({ id, idempotencyKey, keyEndsAt }) {
      await db
        .updateTable("operations")
        .set({ keyEndsAt })
        .where("mode", "=", mode)
        .where("id", "=", id)
        .where("idempotencyKey", "=", idempotencyKey)
        .where((eb) => eb.or([eb("keyEndsAt", "is", null), eb("keyEndsAt", ">", keyEndsAt)]))
        .where(isState("pending"))
        .execute();
    },

    async finish(id, state, result, now) {
      await db
        .updateTable("operations")
        .set({ state, result, params: null, finishedAt: now })
        .where("mode", "=", mode)
        .where("id", "=", id)
        .where(isState("pending"))
        .execute();
    },
  };
}
