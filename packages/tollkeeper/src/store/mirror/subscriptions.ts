/** Stores the mirror's subscriptions and invoices, and reads them with all that access decisions and account pages need. */
import { sql, type Kysely, type Selectable } from "kysely";
import { ownerKey, type BillingOwner } from "../../domain/owner.ts";
import type { InvoiceRecord, Mode, SubscriptionRecord } from "../../domain/records.ts";
import { FINAL_STATUSES, LIVE_STATUSES } from "../../domain/subscription.ts";
import { atMost, isAnyOf, saveRows } from "../bulk.ts";
import type { Dialect } from "../dialect.ts";
import type { Schema } from "../schema.ts";
import { countLiveByPrice, listOwnersWithSeveralLive, type LiveCount } from "./subscription-counts.ts";
import { listOfOwners, type MirroredSubscription } from "./subscription-states.ts";

export type { MirroredSubscription } from "./subscription-states.ts";

export interface SubscriptionStore {
  /** Returns the owner's subscriptions, newest first, with a single query. */
  listOfOwner(owner: BillingOwner): Promise<MirroredSubscription[]>;
  /** Returns the subscriptions of each owner, by `ownerKey`. The returned map leaves out owners without subscriptions. */
  listOfOwners(owners: readonly BillingOwner[]): Promise<Map<string, MirroredSubscription[]>>;
  /**
   * Returns the customer of a mirrored subscription, invoice or payment method; null if the customer is unknown. If an event
   * names no customer, the worker finds the customer through the event's object, and uses the customer's lane.
   */
  findCustomerOfObject(objectId: string): Promise<string | null>;
  /** Returns true if the owner has had a trial, even if the customer with the trial was deleted at Stripe. */
  hasHadTrial(owner: BillingOwner): Promise<boolean>;
  saveSubscriptions(subscriptions: readonly SubscriptionRecord[]): Promise<void>;
  saveInvoices(invoices: readonly InvoiceRecord[]): Promise<void>;
  findInvoice(id: string): Promise<InvoiceRecord | null>;
  /** Returns mirrored subscriptions by id. The items of each subscription are sorted by id. */
  findSubscriptions(ids: readonly string[]): Promise<Map<string, SubscriptionRecord>>;
  /** Returns mirrored invoices by id. */
  findInvoices(ids: readonly string[]): Promise<Map<string, InvoiceRecord>>;
  /** Returns the newest open invoice of a subscription; null if no invoice is open. */
  findOpenInvoice(subscriptionId: string): Promise<InvoiceRecord | null>;
  /** Lists the ids of mirrored subscriptions whose status can still change. */
  listChangeableIds(): Promise<string[]>;
  /**
   * Lists the ids of mirrored subscriptions that are live at the instant `now`: Stripe may charge them again, and no scheduled
   * end has passed.
   */
  listLiveIds(now: number): Promise<string[]>;
  /** Lists the ids of mirrored open invoices. */
  listOpenInvoiceIds(): Promise<string[]>;
  /** Counts live subscriptions by status and by what their price and product say about the plan. Reads all of them. */
  countLiveByPrice(): Promise<LiveCount[]>;
  /** Lists at most `limit` owners that have several live subscriptions, of whatever plan. Reads all live subscriptions. */
  listOwnersWithSeveralLive(limit: number): Promise<BillingOwner[]>;
}

export function subscriptionStore(db: Kysely<Schema>, mode: Mode, dialect: Dialect): SubscriptionStore {
  return {
    ...lookups(db, mode, dialect),
    ...subscriptionRows(db, mode, dialect),
    ...invoiceRows(db, mode, dialect),
  };
}

type InvoiceMethods = Pick<
  SubscriptionStore,
  "saveInvoices" | "findInvoice" | "findInvoices" | "findOpenInvoice" | "listOpenInvoiceIds"
>;

function invoiceRows(db: Kysely<Schema>, mode: Mode, dialect: Dialect): InvoiceMethods {
  const findInvoices = async (ids: readonly string[]): Promise<Map<string, InvoiceRecord>> => {
    const rows = await db
      .selectFrom("invoices")
      .selectAll()
      .where("mode", "=", mode)
      .where(isAnyOf(dialect, "id", ids))
      .execute();
    return new Map(rows.map((row) => [row.id, toInvoice(row)]));
  };
  return {
    saveInvoices: (invoices) =>
      saveRows(db, {
        dialect,
        table: "invoices",
        key: ["mode", "id"],
        rows: invoices.map((invoice) => ({ ...invoice, mode, attempted: Number(invoice.attempted) })),
      }),

    async findInvoice(id) {
      return (await findInvoices([id])).get(id) ?? null;
    },

    findInvoices,

    async findOpenInvoice(subscriptionId) {
      const row = await db
        .selectFrom("invoices")
        .selectAll()
        .where("mode", "=", mode)
        .where("subscriptionId", "=", subscriptionId)
        .where("status", "=", sql.lit("open"))
        .orderBy("createdAt", "desc")
        .limit(atMost(1))
        .executeTakeFirst();
      return row ? toInvoice(row) : null;
    },

    async listOpenInvoiceIds() {
      const rows = await db
        .selectFrom("invoices")
        .select("id")
        .where("mode", "=", mode)
        .where("status", "=", sql.lit("open"))
        .execute();
      return rows.map((row) => row.id);
    },
  };
}

function toInvoice({ mode: _mode, attempted, ...invoice }: Selectable<Schema["invoices"]>): InvoiceRecord {
  return { ...invoice, attempted: attempted === 1 };
}

type SubscriptionMethods = Pick<
  SubscriptionStore,
  | "saveSubscriptions"
  | "findSubscriptions"
  | "listChangeableIds"
  | "listLiveIds"
  | "countLiveByPrice"
  | "listOwnersWithSeveralLive"
>;

function lookups(
  db: Kysely<Schema>,
  mode: Mode,
  dialect: Dialect,
): Omit<SubscriptionStore, keyof InvoiceMethods | keyof SubscriptionMethods> {
  return {
    async listOfOwner(owner) {
      return (await listOfOwners(db, { mode, dialect }, [owner])).get(ownerKey(owner)) ?? [];
    },

    listOfOwners: (owners) => listOfOwners(db, { mode, dialect }, owners),

    async hasHadTrial({ kind, id }) {
      const found = await db
        .selectFrom("customerLinks as l")
        .innerJoin("subscriptions as s", (join) =>
          join.onRef("s.mode", "=", "l.mode").onRef("s.customerId", "=", "l.customerId"),
        )
        .select("s.id")
        .where("l.mode", "=", mode)
        .where("l.ownerKind", "=", kind)
        .where("l.ownerId", "=", id)
        .where("s.trialStart", "is not", null)
        .limit(atMost(1))
        .executeTakeFirst();
      return found !== undefined;
    },

    async findCustomerOfObject(objectId) {
      const found = await db
        .selectFrom("subscriptions")
        .select("customerId")
        .where("mode", "=", mode)
        .where("id", "=", objectId)
        .unionAll(db.selectFrom("invoices").select("customerId").where("mode", "=", mode).where("id", "=", objectId))
        .unionAll(
          db
            .selectFrom("paymentMethods")
            .select("customerId")
            .where("mode", "=", mode)
            .where("id", "=", objectId)
            .where("customerId", "is not", null)
            .$narrowType<{ customerId: string }>(),
        )
        .executeTakeFirst();
      return found?.customerId ?? null;
    },
  };
}

function subscriptionRows(db: Kysely<Schema>, mode: Mode, dialect: Dialect): SubscriptionMethods {
  return {
    async saveSubscriptions(subscriptions) {
      if (subscriptions.length === 0) return;
      const rows = subscriptions.map(({ items: _items, ...subscription }) => ({
        ...subscription,
        mode,
        cancelAtPeriodEnd: Number(subscription.cancelAtPeriodEnd),
      }));
      await saveRows(db, { dialect, table: "subscriptions", key: ["mode", "id"], rows });
      const ids = subscriptions.map(({ id }) => id);
      await db
        .deleteFrom("subscriptionItems")
        .where("mode", "=", mode)
        .where(isAnyOf(dialect, "subscriptionId", ids))
        .execute();
      const items = subscriptions.flatMap(({ id, items: own }) =>
        own.map((item) => ({ ...item, mode, subscriptionId: id })),
      );
      await saveRows(db, { dialect, table: "subscriptionItems", key: ["mode", "id"], rows: items });
    },

    async findSubscriptions(ids) {
      const rows = await db
        .selectFrom("subscriptions")
        .selectAll()
        .where("mode", "=", mode)
        .where(isAnyOf(dialect, "id", ids))
        .execute();
      const items = await db
        .selectFrom("subscriptionItems")
        .selectAll()
        .where("mode", "=", mode)
        .where(isAnyOf(dialect, "subscriptionId", ids))
        .orderBy("id")
        .execute();
      const itemsOf = Map.groupBy(items, ({ subscriptionId }) => subscriptionId);
      return new Map(
        rows.map(({ mode: _mode, cancelAtPeriodEnd, ...row }) => {
          const own = itemsOf.get(row.id) ?? [];
          const itemRecords = own.map(({ mode: _itemMode, subscriptionId: _owner, ...item }) => item);
          return [row.id, { ...row, cancelAtPeriodEnd: cancelAtPeriodEnd === 1, items: itemRecords }];
        }),
      );
    },

    listLiveIds: (now) => listLiveIds(db, mode, now),

    countLiveByPrice: () => countLiveByPrice(db, mode),

    listOwnersWithSeveralLive: (limit) => listOwnersWithSeveralLive(db, mode, limit),

    listChangeableIds: () => listChangeableIds(db, mode),
  };
}

async function listChangeableIds(db: Kysely<Schema>, mode: Mode): Promise<string[]> {
  const rows = await db
    .selectFrom("subscriptions")
    .select("id")
    .where("mode", "=", mode)
    .where("status", "not in", FINAL_STATUSES)
    .execute();
  return rows.map((row) => row.id);
}

async function listLiveIds(db: Kysely<Schema>, mode: Mode, now: number): Promise<string[]> {
  const rows = await db
    .selectFrom("subscriptions as s")
    .select("s.id")
    .where("s.mode", "=", mode)
    .where("s.status", "in", LIVE_STATUSES)
    .where((eb) => eb.or([eb("s.cancelAt", "is", null), eb("s.cancelAt", ">", now)]))
    .where((eb) =>
      eb.or([
        eb("s.cancelAtPeriodEnd", "=", 0),
        eb.exists(
          eb
            .selectFrom("subscriptionItems as i")
            .select("i.id")
            .whereRef("i.mode", "=", "s.mode")
            .whereRef("i.subscriptionId", "=", "s.id")
            .where("i.currentPeriodEnd", ">", now),
        ),
      ]),
    )
    .execute();
  return rows.map((row) => row.id);
}
