/** Stores the mirror's refunds and disputes. */
import type { Kysely } from "kysely";
import type { DisputeRecord, Mode, RefundRecord } from "../../domain/records.ts";
import type { Reversals } from "../../domain/reversals.ts";
import { isAnyOf, saveRows, sortByKey } from "../bulk.ts";
import type { Dialect } from "../dialect.ts";
import type { Schema } from "../schema.ts";

export interface ReversalStore {
  saveRefunds(refunds: readonly RefundRecord[]): Promise<void>;
  saveDisputes(disputes: readonly DisputeRecord[]): Promise<void>;
  /** Returns mirrored refunds by id. */
  findRefunds(ids: readonly string[]): Promise<Map<string, RefundRecord>>;
  /** Returns mirrored disputes by id. */
  findDisputes(ids: readonly string[]): Promise<Map<string, DisputeRecord>>;
  /** Returns the mirrored refunds of invoices. */
  listRefundsOfInvoices(invoiceIds: readonly string[]): Promise<RefundRecord[]>;
}

export function reversalStore(db: Kysely<Schema>, mode: Mode, dialect: Dialect): ReversalStore {
  const save = (table: "refunds" | "disputes", records: readonly (RefundRecord | DisputeRecord)[]): Promise<void> =>
    saveRows(db, {
      dialect,
      table,
      key: ["mode", "id"],
      rows: sortByKey(records, ({ id }) => id).map((record) => ({ ...record, mode })),
    });
  return {
    saveRefunds: (refunds) => save("refunds", refunds),
    saveDisputes: (disputes) => save("disputes", disputes),

    async findRefunds(ids) {
      if (ids.length === 0) return new Map();
      const query = db.selectFrom("refunds").selectAll().where("mode", "=", mode);
      return byId(await query.where(isAnyOf(dialect, "id", ids)).execute());
    },

    async findDisputes(ids) {
      if (ids.length === 0) return new Map();
      const query = db.selectFrom("disputes").selectAll().where("mode", "=", mode);
      return byId(await query.where(isAnyOf(dialect, "id", ids)).execute());
    },

    async listRefundsOfInvoices(invoiceIds) {
      if (invoiceIds.length === 0) return [];
      const query = db.selectFrom("refunds").selectAll().where("mode", "=", mode);
      const rows = await query.where(isAnyOf(dialect, "invoiceId", invoiceIds)).execute();
      return rows.map(({ mode: _mode, ...refund }) => refund);
    },
  };
}

function byId<Row extends { mode: Mode; id: string }>(rows: readonly Row[]): Map<string, Omit<Row, "mode">> {
  return new Map(rows.map(({ mode: _mode, ...row }) => [row.id, row]));
}

/** Returns the refunds, disputes and invoices of subscriptions, by subscription id. */
export async function listReversals(
  db: Kysely<Schema>,
  { mode, dialect }: { mode: Mode; dialect: Dialect },
  subscriptionIds: readonly string[],
): Promise<Map<string, Reversals>> {
  if (subscriptionIds.length === 0) return new Map();
  const isListed = isAnyOf(dialect, "subscriptionId", subscriptionIds);
  const refunds = await db.selectFrom("refunds").selectAll().where("mode", "=", mode).where(isListed).execute();
  const disputes = await db.selectFrom("disputes").selectAll().where("mode", "=", mode).where(isListed).execute();
  const invoices = await db
    .selectFrom("invoices")
    .select(["id", "subscriptionId", "status", "total", "amountPaid", "createdAt"])
    .where("mode", "=", mode)
    .where(isListed)
    .execute();
  return new Map(
    subscriptionIds.map((id) => [
      id,
      {
        refunds: ofSubscription(refunds, id),
        disputes: ofSubscription(disputes, id),
        invoices: ofSubscription(invoices, id),
      },
    ]),
  );
}

function ofSubscription<Row extends { subscriptionId: string | null }>(rows: readonly Row[], id: string): Row[] {
  return rows.filter(({ subscriptionId }) => subscriptionId === id);
}
