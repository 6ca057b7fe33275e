/**
 * The outbox: a queue of the app's hooks that must run. The transaction that writes a change also writes the hooks that the
 * change causes.
 */
import type { Kysely } from "kysely";
import { ownerKey, type BillingOwner } from "../../domain/owner.ts";
import type { Mode } from "../../domain/records.ts";
import { addRows } from "../bulk.ts";
import type { Dialect } from "../dialect.ts";
import type { Schema } from "../schema.ts";
import { findHandledHooks, hookHandlers, type HookHandlers } from "./hook-handlers.ts";
import { assignNewRows, claimRows, type Claim } from "./queue-lanes.ts";
import { queue, queued, type Queue } from "./queue.ts";
import type { QueueScope } from "./queue-scope.ts";

export interface OutboxMessage {
  /** The stable id of a hook. All attempts to run the hook have the same id. */
  id: string;
  /** The owner whom the hook is about. Hooks of one owner run in order, one at a time. */
  owner: BillingOwner;
  hook: string;
  /** Argument with which the hook function is called, as JSON. */
  payload: string;
  createdAt: number;
}

export type ClaimedMessage = Omit<OutboxMessage, "owner"> & Claim;

export interface OutboxStore extends Queue, HookHandlers {
  /** Adds messages (calls of hooks) in the given order. Skips messages whose id already exists. */
  add(messages: readonly OutboxMessage[]): Promise<void>;
  /**
   * Claims due messages of the given hooks, which this process handles. If an owner's first hook is handled only by another
   * process, the owner's later hooks wait for it.
   */
  claim(limit: number, now: number, leasedUntil: number, hooks: readonly string[]): Promise<ClaimedMessage[]>;
}

export function outboxStore(db: Kysely<Schema>, mode: Mode, dialect: Dialect): OutboxStore {
  const scope: QueueScope = { mode, table: "outbox", dialect };
  return {
    ...queue(db, scope),
    ...hookHandlers(db, scope),

    add: (messages) =>
      addRows(db, {
        dialect,
        table: "outbox",
        rows: messages.map(({ owner, ...message }) => ({
          ...message,
          ownerKind: owner.kind,
          ownerId: owner.id,
          lane: ownerKey(owner),
          ...queued(mode, message.createdAt),
        })),
      }),

    async claim(limit, now, leasedUntil, hooks) {
      const handled = [...hooks, ...(await findHandledHooks(db, scope, now))];
      if (hooks.length > 0) return claimRows<ClaimedMessage>(db, { ...scope, now, leasedUntil, limit, hooks, handled });
      // Without this step, the rows would stay new, and the metric of unhandled rows would be 0.
      await assignNewRows(db, { ...scope, handled });
      return [];
    },
  };
}
