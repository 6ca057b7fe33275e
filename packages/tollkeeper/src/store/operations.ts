/** Stores operations: one row per intended change at Stripe. */
import type { Kysely } from "kysely";
import type { OperationRecord } from "../domain/operations.ts";
import type { Mode } from "../domain/records.ts";
import { atMost, isState } from "./bulk.ts";
import type { Schema } from "./schema.ts";

/** The idempotency key of an operation, and the period in which the key may be sent. */
type OperationKey = Pick<OperationRecord, "idempotencyKey" | "createdAt" | "keyEndsAt">;

export interface OperationStore {
  /** Returns the newest operation of one kind for an owner or a Stripe object; null if there is none. */
  findCurrent(kind: string, subject: string): Promise<OperationRecord | null>;
  /**
   * Adds a pending operation, which is one intended change at Stripe. Returns false if an operation with the same number was
   * already added.
   */
  begin(operation: OperationRecord): Promise<boolean>;
  /**
   * Replaces the idempotency key of a pending operation whose old key had no effect at Stripe. Returns false if another caller
   * has already replaced the idempotency key. If the result is false, the caller must not use its own key, because two
   * idempotency keys could cause two effects at Stripe.
   */
  replaceKey(change: { id: string; from: string } & OperationKey): Promise<boolean>;
  /**
   * Records the time from which a pending operation's idempotency key must not be sent. If the stored expiry of the idempotency
   * key is before the given one, the stored expiry is kept.
   */
  endKey(key: { id: string; idempotencyKey: string; keyEndsAt: number }): Promise<void>;
  /**
   * Lists pending operations that were created before a given instant, oldest first. The parameter `after` is an operation; the
   * returned list starts with the next operation.
   */
  listPending(before: number, after: OperationRecord | null, limit: number): Promise<OperationRecord[]>;
  /** Records the outcome of a pending operation. Returns false if the outcome was already recorded. */
  finish(id: string, state: "succeeded" | "failed", result: string, now: number): Promise<boolean>;
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

export function operationStore(db: Kysely<Schema>, mode: Mode): OperationStore {
  return { ...operationQueries(db, mode), ...operationWrites(db, mode) };
}

type OperationQueries = Pick<OperationStore, "findCurrent" | "listPending">;

function operationQueries(db: Kysely<Schema>, mode: Mode): OperationQueries {
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
      return row ?? null;
    },

    async listPending(before, after, limit) {
      return db
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
    },
  };
}

function operationWrites(db: Kysely<Schema>, mode: Mode): Omit<OperationStore, keyof OperationQueries> {
  return {
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
        .where("keyEndsAt", ">", keyEndsAt)
        .where(isState("pending"))
        .execute();
    },

    async finish(id, state, result, now) {
      const finished = await db
        .updateTable("operations")
        .set({ state, result, params: null, finishedAt: now })
        .where("mode", "=", mode)
        .where("id", "=", id)
        .where(isState("pending"))
        .executeTakeFirst();
      return finished.numUpdatedRows > 0n;
    },
  };
}
