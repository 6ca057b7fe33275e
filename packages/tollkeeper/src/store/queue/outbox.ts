/** The outbox: what the app's hooks are to be told, written with the change that causes it. */
import type { Kysely } from "kysely";
import type { Mode } from "../../domain/records.ts";
import { addRows } from "../bulk.ts";
import type { Dialect } from "../open-store.ts";
import { claimRows, queue, queued, type Claim, type Queue, type QueueScope } from "./queue.ts";
import type { Schema } from "../schema.ts";

export interface OutboxMessage {
  /** Stable: the same fact has the same id, however often it is found. */
  id: string;
  userId: string;
  hook: string;
  /** The hook's argument, as JSON. */
  payload: string;
  createdAt: number;
}

export interface OutboxStore extends Queue {
  /** In this order; leaves out those whose id is there already. */
  add(messages: readonly OutboxMessage[]): Promise<void>;
  claim(limit: number, now: number, leasedUntil: number): Promise<(OutboxMessage & Claim)[]>;
}

export function outboxStore(db: Kysely<Schema>, mode: Mode, dialect: Dialect): OutboxStore {
  const scope: QueueScope = { mode, table: "outbox", dialect };
  return {
    ...queue(db, scope),

    add: (messages) =>
      addRows(db, {
        dialect,
        table: "outbox",
        rows: messages.map((message) => ({ ...message, ...queued(mode, message.createdAt) })),
      }),

    claim: (limit, now, leasedUntil) =>
      claimRows<OutboxMessage & Omit<Claim, "lease">>(db, { ...scope, now, leasedUntil, limit }),
  };
}
