/** The mirror's subscriptions and invoices, read together with everything access and the account page need. */
import type { Kysely } from "kysely";
import type { SubscriptionState } from "../domain/access.ts";
import type {
  InvoiceRecord,
  Mode,
  PaymentMethodRecord,
  PriceRecord,
  ProductRecord,
  SubscriptionRecord,
} from "../domain/records.ts";
import type { Schema } from "./schema.ts";

/** A subscription with its invoice, prices, products and card. */
export interface MirroredSubscription extends SubscriptionState {
  paymentMethod: PaymentMethodRecord | null;
}

export interface SubscriptionStore {
  /** All the user's subscriptions, newest first, in one query. */
  listOfUser(userId: string): Promise<MirroredSubscription[]>;
  /** The customer a mirrored object belongs to: how a hint that names no customer finds its lane. */
  findOwner(objectId: string): Promise<string | null>;
  saveSubscription(subscription: SubscriptionRecord): Promise<void>;
  /** Stripe has it no more: whatever it was, it is over. */
  endSubscription(id: string, now: number): Promise<void>;
  saveInvoice(invoice: InvoiceRecord): Promise<void>;
  findInvoice(id: string): Promise<InvoiceRecord | null>;
  /** As they are in the mirror, for those that it has. */
  findSubscriptions(ids: readonly string[]): Promise<Map<string, SubscriptionRecord>>;
  findInvoices(ids: readonly string[]): Promise<Map<string, InvoiceRecord>>;
  /** Ids of subscriptions that are not over. */
  listLiveIds(): Promise<string[]>;
}

export function subscriptionStore(db: Kysely<Schema>, mode: Mode): SubscriptionStore {
  const findInvoices = async (ids: readonly string[]): Promise<Map<string, InvoiceRecord>> => {
    if (ids.length === 0) return new Map();
    const rows = await db.selectFrom("invoices").selectAll().where("mode", "=", mode).where("id", "in", ids).execute();
    return new Map(
      rows.map(({ mode: _mode, attempted, ...invoice }) => [invoice.id, { ...invoice, attempted: attempted === 1 }]),
    );
  };
  return {
    async listOfUser(userId) {
      return groupRows(await selectStates(db, mode, userId));
    },

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

    async saveSubscription({ items, ...subscription }) {
      const row = { ...subscription, mode, cancelAtPeriodEnd: Number(subscription.cancelAtPeriodEnd) };
      await db
        .insertInto("subscriptions")
        .values(row)
        .onConflict((conflict) => conflict.columns(["mode", "id"]).doUpdateSet(row))
        .execute();
      await db
        .deleteFrom("subscriptionItems")
        .where("mode", "=", mode)
        .where("subscriptionId", "=", subscription.id)
        .execute();
      if (items.length > 0)
        await db
          .insertInto("subscriptionItems")
          .values(items.map((item) => ({ ...item, mode, subscriptionId: subscription.id })))
          .execute();
    },

    async endSubscription(id, now) {
      await db
        .updateTable("subscriptions")
        .set((eb) => ({
          status: "canceled" as const,
          canceledAt: eb.fn.coalesce("canceledAt", eb.val(now)),
          endedAt: eb.fn.coalesce("endedAt", eb.val(now)),
        }))
        .where("mode", "=", mode)
        .where("id", "=", id)
        .where("status", "not in", ["canceled", "incomplete_expired"])
        .execute();
    },

    async saveInvoice(invoice) {
      const row = { ...invoice, mode, attempted: Number(invoice.attempted) };
      await db
        .insertInto("invoices")
        .values(row)
        .onConflict((conflict) => conflict.columns(["mode", "id"]).doUpdateSet(row))
        .execute();
    },

    async findInvoice(id) {
      return (await findInvoices([id])).get(id) ?? null;
    },

    findInvoices,

    async findSubscriptions(ids) {
      if (ids.length === 0) return new Map();
      const rows = await db
        .selectFrom("subscriptions")
        .selectAll()
        .where("mode", "=", mode)
        .where("id", "in", ids)
        .execute();
      const items = await db
        .selectFrom("subscriptionItems")
        .selectAll()
        .where("mode", "=", mode)
        .where("subscriptionId", "in", ids)
        .orderBy("id")
        .execute();
      return new Map(
        rows.map(({ mode: _mode, cancelAtPeriodEnd, ...row }) => {
          const own = items.filter(({ subscriptionId }) => subscriptionId === row.id);
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
        .where("status", "not in", ["canceled", "incomplete_expired"])
        .execute();
      return rows.map((row) => row.id);
    },
  };
}

function selectStates(db: Kysely<Schema>, mode: Mode, userId: string) {
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
    .where("l.userId", "=", userId)
    .orderBy("s.createdAt", "desc")
    .orderBy("s.id")
    .orderBy("i.id")
    .select([
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
        .where("u.status", "=", "open")
        .as("unpaidSince"),
    )
    .execute();
}

type StateRow = Awaited<ReturnType<typeof selectStates>>[number];

/** One row an item -> one entry a subscription. */
function groupRows(rows: readonly StateRow[]): MirroredSubscription[] {
  const groups = new Map<string, StateRow[]>();
  for (const row of rows) groups.set(row.id, [...(groups.get(row.id) ?? []), row]);
  return [...groups.values()].flatMap(([first, ...rest]) => (first ? [toState(first, [first, ...rest])] : []));
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
