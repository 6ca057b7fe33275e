/** The mirror's subscriptions and invoices, read together with everything access and the account page need. */
import { sql, type Kysely } from "kysely";
import type { SubscriptionState } from "../../domain/access.ts";
import type {
  InvoiceRecord,
  Mode,
  PaymentMethodRecord,
  PriceRecord,
  ProductRecord,
  SubscriptionRecord,
} from "../../domain/records.ts";
import { OVER } from "../../domain/subscription.ts";
import { isAnyOf, isIn, saveRows, toList } from "../bulk.ts";
import type { Dialect } from "../open-store.ts";
import { keep } from "../prepared-query.ts";
import type { Schema } from "../schema.ts";

/** A subscription with its invoice, prices, products and card. */
export interface MirroredSubscription extends SubscriptionState {
  paymentMethod: PaymentMethodRecord | null;
}

export interface SubscriptionStore {
  /** All the user's subscriptions, newest first, in one query. */
  listOfUser(userId: string): Promise<MirroredSubscription[]>;
  /** The same of many users, for those that have any. */
  listOfUsers(userIds: readonly string[]): Promise<Map<string, MirroredSubscription[]>>;
  /** The customer a mirrored object belongs to: how a hint that names no customer finds its lane. */
  findOwner(objectId: string): Promise<string | null>;
  saveSubscriptions(subscriptions: readonly SubscriptionRecord[]): Promise<void>;
  saveInvoices(invoices: readonly InvoiceRecord[]): Promise<void>;
  findInvoice(id: string): Promise<InvoiceRecord | null>;
  /** As they are in the mirror, for those that it has. */
  findSubscriptions(ids: readonly string[]): Promise<Map<string, SubscriptionRecord>>;
  findInvoices(ids: readonly string[]): Promise<Map<string, InvoiceRecord>>;
  /** Ids of subscriptions that are not over. */
  listLiveIds(): Promise<string[]>;
  /** Ids of invoices that are to be paid. */
  listOpenInvoiceIds(): Promise<string[]>;
}

export function subscriptionStore(db: Kysely<Schema>, mode: Mode, dialect: Dialect): SubscriptionStore {
  const findInvoices = async (ids: readonly string[]): Promise<Map<string, InvoiceRecord>> => {
    const rows = await db
      .selectFrom("invoices")
      .selectAll()
      .where("mode", "=", mode)
      .where(isAnyOf(dialect, "id", ids))
      .execute();
    return new Map(
      rows.map(({ mode: _mode, attempted, ...invoice }) => [invoice.id, { ...invoice, attempted: attempted === 1 }]),
    );
  };
  const listOfUsers = async (userIds: readonly string[]): Promise<Map<string, MirroredSubscription[]>> => {
    const [first = "", ...others] = userIds;
    const rows = await (others.length === 0
      ? statesOf.one.execute(db, dialect, { mode, userId: first })
      : statesOf.several.execute(db, dialect, { mode, userIds: toList(dialect, userIds) }));
    const ofUsers = Map.groupBy(rows, ({ userId }) => userId);
    return new Map([...ofUsers].map(([userId, ofUser]) => [userId, groupRows(ofUser)]));
  };
  return {
    listOfUser: async (userId) => (await listOfUsers([userId])).get(userId) ?? [],
    listOfUsers,

    async findOwner(objectId) {
      const owner = await db
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
      return owner?.customerId ?? null;
    },

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

    async listLiveIds() {
      const rows = await db
        .selectFrom("subscriptions")
        .select("id")
        .where("mode", "=", mode)
        .where("status", "not in", OVER)
        .execute();
      return rows.map((row) => row.id);
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

/** One alone and several apart, as `isAnyOf` has it. */
const statesOf = {
  one: keep((db, given: { mode: Mode; userId: string }) =>
    selectStates(db, given.mode).where("l.userId", "=", given.userId),
  ),
  several: keep((db, given: { mode: Mode; userIds: unknown }, dialect) =>
    selectStates(db, given.mode).where(isIn(dialect, "l.userId", given.userIds)),
  ),
};

/** To be narrowed to some users. */
function selectStates(db: Kysely<Schema>, mode: Mode) {
  return db
    .selectFrom("customerLinks as l")
    .innerJoin("subscriptions as s", (join) =>
      join.onRef("s.mode", "=", "l.mode").onRef("s.customerId", "=", "l.customerId"),
    )
    .leftJoin("customers as c", (join) => join.onRef("c.mode", "=", "s.mode").onRef("c.id", "=", "s.customerId"))
    .leftJoin("subscriptionItems as i", (join) =>
      join.onRef("i.mode", "=", "s.mode").onRef("i.subscriptionId", "=", "s.id"),
    )
    .leftJoin("prices as p", (join) => join.onRef("p.mode", "=", "i.mode").onRef("p.id", "=", "i.priceId"))
    .leftJoin("products as d", (join) => join.onRef("d.mode", "=", "i.mode").onRef("d.id", "=", "i.productId"))
    .leftJoin("invoices as v", (join) => join.onRef("v.mode", "=", "s.mode").onRef("v.id", "=", "s.latestInvoiceId"))
    .leftJoin("paymentMethods as m", (join) =>
      join
        .onRef("m.mode", "=", "s.mode")
        .on("m.id", "=", (eb) => eb.fn.coalesce("s.defaultPaymentMethodId", "c.defaultPaymentMethodId")),
    )
    .where("l.mode", "=", mode)
    .orderBy("s.createdAt", "desc")
    .orderBy("s.id")
    .orderBy("i.id")
    .select([
      "l.userId",
      "s.id",
      "s.customerId",
      "s.status",
      "s.createdAt",
      "s.cancelAtPeriodEnd",
      "s.cancelAt",
      "s.canceledAt",
      "s.endedAt",
      "s.trialStart",
      "s.trialEnd",
      "s.defaultPaymentMethodId",
      "s.latestInvoiceId",
      "i.id as itemId",
      "i.priceId",
      "i.productId",
      "i.quantity",
      "i.currentPeriodStart",
      "i.currentPeriodEnd",
      "p.active as priceActive",
      "p.lookupKey",
      "p.currency as priceCurrency",
      "p.unitAmount",
      "p.billingInterval",
      "p.intervalCount",
      "d.name as productName",
      "d.active as productActive",
      "d.plan",
      "v.id as invoiceId",
      "v.status as invoiceStatus",
      "v.currency as invoiceCurrency",
      "v.total",
      "v.amountPaid",
      "v.attempted",
      "v.attemptCount",
      "v.nextPaymentAttemptAt",
      "v.hostedInvoiceUrl",
      "v.createdAt as invoiceCreatedAt",
      "v.payment",
      "v.failureMessage",
      "m.id as methodId",
      "m.customerId as methodCustomerId",
      "m.type as methodType",
      "m.brand",
      "m.last4",
      "m.expMonth",
      "m.expYear",
    ])
    .select((eb) =>
      eb
        .selectFrom("invoices as u")
        .select((inner) => inner.fn.min("u.createdAt").as("oldest"))
        .whereRef("u.mode", "=", "s.mode")
        .whereRef("u.subscriptionId", "=", "s.id")
        // Written out, as the index of what is to be paid has it.
        .where("u.status", "=", sql.lit("open"))
        .as("unpaidSince"),
    );
}

type StateRow = Awaited<ReturnType<ReturnType<typeof selectStates>["execute"]>>[number];

/** One row an item -> one entry a subscription. */
function groupRows(rows: readonly StateRow[]): MirroredSubscription[] {
  return [...Map.groupBy(rows, ({ id }) => id).values()].flatMap(([first, ...rest]) =>
    first ? [toState(first, [first, ...rest])] : [],
  );
}

function toState(row: StateRow, rows: readonly StateRow[]): MirroredSubscription {
  return {
    subscription: {
      id: row.id,
      customerId: row.customerId,
      status: row.status,
      createdAt: row.createdAt,
      cancelAtPeriodEnd: row.cancelAtPeriodEnd === 1,
      cancelAt: row.cancelAt,
      canceledAt: row.canceledAt,
      endedAt: row.endedAt,
      trialStart: row.trialStart,
      trialEnd: row.trialEnd,
      defaultPaymentMethodId: row.defaultPaymentMethodId,
      latestInvoiceId: row.latestInvoiceId,
      items: rows.flatMap(toItem),
    },
    prices: rows.flatMap(toPrice),
    products: rows.flatMap(toProduct),
    latestInvoice: toInvoice(row),
    unpaidSince: row.unpaidSince,
    paymentMethod: toPaymentMethod(row),
  };
}

function toItem(row: StateRow): SubscriptionRecord["items"] {
  const { itemId, priceId, productId, quantity, currentPeriodStart, currentPeriodEnd } = row;
  if (itemId === null || priceId === null || productId === null) return [];
  return [
    {
      id: itemId,
      priceId,
      productId,
      quantity: quantity ?? 1,
      currentPeriodStart: currentPeriodStart ?? 0,
      currentPeriodEnd: currentPeriodEnd ?? 0,
    },
  ];
}

function toPrice(row: StateRow): PriceRecord[] {
  if (row.priceId === null || row.productId === null || row.priceCurrency === null) return [];
  return [
    {
      id: row.priceId,
      productId: row.productId,
      active: row.priceActive === 1,
      lookupKey: row.lookupKey,
      currency: row.priceCurrency,
      unitAmount: row.unitAmount,
      interval: row.billingInterval,
      intervalCount: row.intervalCount ?? 1,
    },
  ];
}

function toProduct(row: StateRow): ProductRecord[] {
  if (row.productId === null || row.productName === null) return [];
  return [{ id: row.productId, name: row.productName, active: row.productActive === 1, plan: row.plan }];
}

function toInvoice(row: StateRow): InvoiceRecord | null {
  if (row.invoiceId === null) return null;
  return {
    id: row.invoiceId,
    customerId: row.customerId,
    subscriptionId: row.id,
    status: row.invoiceStatus ?? "draft",
    currency: row.invoiceCurrency ?? "",
    total: row.total ?? 0,
    amountPaid: row.amountPaid ?? 0,
    attempted: row.attempted === 1,
    attemptCount: row.attemptCount ?? 0,
    nextPaymentAttemptAt: row.nextPaymentAttemptAt,
    hostedInvoiceUrl: row.hostedInvoiceUrl,
    createdAt: row.invoiceCreatedAt ?? 0,
    payment: row.payment ?? "none",
    failureMessage: row.failureMessage,
  };
}

function toPaymentMethod(row: StateRow): PaymentMethodRecord | null {
  if (row.methodId === null) return null;
  return {
    id: row.methodId,
    customerId: row.methodCustomerId,
    type: row.methodType ?? "card",
    brand: row.brand,
    last4: row.last4,
    expMonth: row.expMonth,
    expYear: row.expYear,
  };
}
