/**
 * Reads an owner's subscriptions in one query. Each subscription has its items, prices, products, latest invoice and payment
 * method.
 */
import { sql, type Kysely } from "kysely";
import type { SubscriptionState } from "../../domain/access.ts";
import { idsByKind, ownerKey, type BillingOwner, type OwnerKind } from "../../domain/owner.ts";
import type {
  InvoiceRecord,
  Mode,
  PaymentMethodRecord,
  PriceRecord,
  ProductRecord,
  SubscriptionRecord,
} from "../../domain/records.ts";
import type { Reversals } from "../../domain/reversals.ts";
import { isIn, toList } from "../bulk.ts";
import type { Dialect } from "../dialect.ts";
import { prepare } from "../prepared-query.ts";
import type { Schema } from "../schema.ts";
import { listReversals } from "./reversals.ts";

export interface MirroredSubscription extends SubscriptionState {
  /** The subscription's own payment method, or else the customer's default payment method; null if there is none. */
  paymentMethod: PaymentMethodRecord | null;
}

/**
 * Returns the subscriptions of each owner, by `ownerKey`, newest first. The returned map leaves out owners without
 * subscriptions.
 */
export async function listOfOwners(
  db: Kysely<Schema>,
  { mode, dialect }: { mode: Mode; dialect: Dialect },
  owners: readonly BillingOwner[],
): Promise<Map<string, MirroredSubscription[]>> {
  const found = new Map<string, MirroredSubscription[]>();
  for (const [kind, ids] of idsByKind(owners)) {
    const [first = "", ...others] = ids;
    const rows = await (others.length === 0
      ? statesOf.one.execute(db, dialect, { mode, kind, id: first })
      : statesOf.several.execute(db, dialect, { mode, kind, ids: toList(dialect, ids) }));
    const reversed = new Set(rows.flatMap((row) => (row.isReversed ? [row.id] : [])));
    const reversals = await listReversals(db, { mode, dialect }, [...reversed]);
    for (const [id, ofOwner] of Map.groupBy(rows, ({ ownerId }) => ownerId))
      found.set(ownerKey({ kind, id }), groupRows(ofOwner, reversals));
  }
  return found;
}

/**
 * A query for one id and a query for a list of ids are separate SQL statements; see the function `isAnyOf`.
 */
const statesOf = {
  one: prepare((db, { mode, kind, id }: { mode: Mode; kind: OwnerKind; id: string }) =>
    selectStates(db, mode, kind).where("l.ownerId", "=", id),
  ),
  several: prepare((db, { mode, kind, ids }: { mode: Mode; kind: OwnerKind; ids: unknown }, dialect) =>
    selectStates(db, mode, kind).where(isIn(dialect, "l.ownerId", ids)),
  ),
};

const STATE_COLUMNS = [
  "l.ownerId",
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
  "s.scheduleId",
  "s.merchantCancelAt",
  "s.pauseBehavior",
  "s.pauseResumesAt",
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
  "d.app",
  "v.id as invoiceId",
  "v.status as invoiceStatus",
  "v.currency as invoiceCurrency",
  "v.total",
  "v.amountPaid",
  "v.amountRemaining",
  "v.attempted",
  "v.attemptCount",
  "v.nextPaymentAttemptAt",
  "v.hostedInvoiceUrl",
  "v.createdAt as invoiceCreatedAt",
  "v.dueAt",
  "v.payment",
  "v.failureMessage",
  "v.declineCode",
  "m.id as methodId",
  "m.customerId as methodCustomerId",
  "m.type as methodType",
  "m.brand",
  "m.last4",
  "m.expMonth",
  "m.expYear",
] as const;

/** Builds the query that selects one row per subscription item, newest subscription first. */
function selectStates(db: Kysely<Schema>, mode: Mode, kind: OwnerKind) {
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
    .where("l.ownerKind", "=", kind)
    .where((eb) => eb(eb.fn.coalesce("c.deleted", sql.lit(0)), "=", sql.lit(0)))
    .orderBy("s.createdAt", "desc")
    .orderBy("s.id")
    .orderBy("i.id")
    .select(STATE_COLUMNS)
    .select((eb) =>
      eb
        .selectFrom("invoices as u")
        .select((inner) => inner.fn.min(inner.fn.coalesce("u.dueAt", "u.createdAt")).as("oldest"))
        .whereRef("u.mode", "=", "s.mode")
        .whereRef("u.subscriptionId", "=", "s.id")
        // The status in the SQL condition is a literal, so that SQLite uses the partial index of open invoices.
        .where("u.status", "=", sql.lit("open"))
        .as("unpaidSince"),
    )
    .select((eb) =>
      eb
        .or([
          eb.exists(
            eb
              .selectFrom("refunds as r")
              .select("r.id")
              .whereRef("r.mode", "=", "s.mode")
              .whereRef("r.subscriptionId", "=", "s.id"),
          ),
          eb.exists(
            eb
              .selectFrom("disputes as q")
              .select("q.id")
              .whereRef("q.mode", "=", "s.mode")
              .whereRef("q.subscriptionId", "=", "s.id"),
          ),
        ])
        .as("isReversed"),
    );
}

type StateRow = Awaited<ReturnType<ReturnType<typeof selectStates>["execute"]>>[number];

/** Groups the rows of subscription items into one state per subscription. */
function groupRows(rows: readonly StateRow[], reversals: ReadonlyMap<string, Reversals>): MirroredSubscription[] {
  return [...Map.groupBy(rows, ({ id }) => id).values()].flatMap(([first, ...rest]) =>
    first ? [toState(first, [first, ...rest], reversals.get(first.id) ?? null)] : [],
  );
}

function toState(row: StateRow, rows: readonly StateRow[], reversals: Reversals | null): MirroredSubscription {
  return {
    reversals,
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
      scheduleId: row.scheduleId,
      merchantCancelAt: row.merchantCancelAt,
      pauseBehavior: row.pauseBehavior,
      pauseResumesAt: row.pauseResumesAt,
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
  return [{ id: row.productId, name: row.productName, active: row.productActive === 1, plan: row.plan, app: row.app }];
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
    amountRemaining: row.amountRemaining ?? 0,
    attempted: row.attempted === 1,
    attemptCount: row.attemptCount ?? 0,
    nextPaymentAttemptAt: row.nextPaymentAttemptAt,
    hostedInvoiceUrl: row.hostedInvoiceUrl,
    createdAt: row.invoiceCreatedAt ?? 0,
    dueAt: row.dueAt,
    payment: row.payment ?? "none",
    failureMessage: row.failureMessage,
    declineCode: row.declineCode,
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
