/** Stores the links between owners and Stripe customers, and the mirror's customers and payment methods. */
import { sql, type Kysely } from "kysely";
import type { BillingOwner, OwnerKind } from "../../domain/owner.ts";
import type { CustomerRecord, Mode, PaymentMethodRecord } from "../../domain/records.ts";
import { LIVE_STATUSES } from "../../domain/subscription.ts";
import { addRows, isAnyOf, isIn, saveRows, sortByKey, toList, type Rows } from "../bulk.ts";
import type { Dialect } from "../dialect.ts";
import { prepare } from "../prepared-query.ts";
import type { Schema } from "../schema.ts";

export interface CustomerLink {
  owner: BillingOwner;
  customerId: string;
}

export interface CustomerStore {
  /**
   * Returns the ids of the owner's customers that are not deleted at Stripe, primary customer first. The primary customer is
   * the one with a live subscription. If several customers have a live subscription, or none has, the primary customer is the
   * one that Stripe created first.
   */
  listCustomersOf(owner: BillingOwner): Promise<string[]>;
  /** Returns the id of the owner's primary customer; null before the first checkout and if all customers are deleted. */
  findPrimaryCustomer(owner: BillingOwner): Promise<string | null>;
  /** Returns the owner of a customer, even if the customer was deleted at Stripe; null if no owner is known. */
  findOwnerOf(customerId: string): Promise<BillingOwner | null>;
  /** Returns the owners of linked customers, by customer id. */
  findOwnersOf(customerIds: readonly string[]): Promise<Map<string, BillingOwner>>;
  /** Links customers to owners. A customer that is linked to another owner is moved to the given owner. */
  link(links: readonly CustomerLink[], now: number): Promise<void>;
  /** Links a customer to an owner. Does nothing if the customer is linked to an owner already. */
  addLink(link: CustomerLink, now: number): Promise<void>;
  /** Counts the owners for which `listCustomersOf` returns more than one customer. */
  countOwnersWithSeveral(): Promise<number>;
  saveCustomers(customers: readonly CustomerRecord[]): Promise<void>;
  savePaymentMethods(methods: readonly PaymentMethodRecord[]): Promise<void>;
  removePaymentMethod(id: string): Promise<void>;
  /** Returns mirrored payment methods by id. */
  findPaymentMethods(ids: readonly string[]): Promise<Map<string, PaymentMethodRecord>>;
  /** Lists the ids of mirrored customers that are not deleted. */
  listIds(): Promise<string[]>;
  /** Returns mirrored customers by id. */
  findCustomers(ids: readonly string[]): Promise<Map<string, CustomerRecord>>;
}

/** Selects the links of the customers that are not deleted at Stripe. The mirror may not contain a new customer yet. */
const selectUndeletedLinks = (db: Kysely<Schema>, mode: Mode) =>
  db
    .selectFrom("customerLinks as l")
    .leftJoin("customers as c", (join) => join.onRef("c.mode", "=", "l.mode").onRef("c.id", "=", "l.customerId"))
    .where("l.mode", "=", mode)
    .where((eb) => eb(eb.fn.coalesce("c.deleted", sql.lit(0)), "=", sql.lit(0)));

const listLinksOf = prepare((db, { mode, kind, id }: { mode: Mode; kind: OwnerKind; id: string }) =>
  selectUndeletedLinks(db, mode)
    .select("l.customerId")
    .where("l.ownerKind", "=", kind)
    .where("l.ownerId", "=", id)
    .orderBy(
      (eb) =>
        eb.exists(
          eb
            .selectFrom("subscriptions as s")
            .select("s.id")
            .whereRef("s.mode", "=", "l.mode")
            .whereRef("s.customerId", "=", "l.customerId")
            .where(
              "s.status",
              "in",
              LIVE_STATUSES.map((status) => sql.lit(status)),
            ),
        ),
      "desc",
    )
    .orderBy((eb) => eb.fn.coalesce("c.createdAt", "l.linkedAt"))
    .orderBy("l.customerId"),
);

const selectLinks = (db: Kysely<Schema>, mode: Mode) =>
  db.selectFrom("customerLinks").select(["customerId", "ownerKind", "ownerId"]).where("mode", "=", mode);

/**
 * A query for one id and a query for a list of ids are separate SQL statements; see the function `isAnyOf`.
 */
const findLinks = {
  one: prepare((db, { mode, customerId }: { mode: Mode; customerId: string }) =>
    selectLinks(db, mode).where("customerId", "=", customerId),
  ),
  several: prepare((db, { mode, customerIds }: { mode: Mode; customerIds: unknown }, dialect) =>
    selectLinks(db, mode).where(isIn(dialect, "customerId", customerIds)),
  ),
};

export function customerStore(db: Kysely<Schema>, mode: Mode, dialect: Dialect): CustomerStore {
  return {
    ...linkStore(db, mode, dialect),
    ...customerRows(db, mode, dialect),
    ...paymentMethodRows(db, mode, dialect),
  };
}

type LinkStore = Pick<
  CustomerStore,
  | "listCustomersOf"
  | "findPrimaryCustomer"
  | "findOwnerOf"
  | "findOwnersOf"
  | "link"
  | "addLink"
  | "countOwnersWithSeveral"
>;

function linkStore(db: Kysely<Schema>, mode: Mode, dialect: Dialect): LinkStore {
  const findOwnersOf = async (customerIds: readonly string[]): Promise<Map<string, BillingOwner>> => {
    const [first = "", ...others] = customerIds;
    const links = await (others.length === 0
      ? findLinks.one.execute(db, dialect, { mode, customerId: first })
      : findLinks.several.execute(db, dialect, { mode, customerIds: toList(dialect, customerIds) }));
    return new Map(links.map(({ customerId, ownerKind, ownerId }) => [customerId, { kind: ownerKind, id: ownerId }]));
  };
  const listCustomersOf = async ({ kind, id }: BillingOwner): Promise<string[]> =>
    (await listLinksOf.execute(db, dialect, { mode, kind, id })).map(({ customerId }) => customerId);
  const toRows = (links: readonly CustomerLink[], now: number): Rows => ({
    dialect,
    table: "customerLinks",
    rows: sortByKey(links, ({ customerId }) => customerId).map(({ owner, customerId }) => ({
      mode,
      customerId,
      ownerKind: owner.kind,
      ownerId: owner.id,
      linkedAt: now,
    })),
  });
  return {
    listCustomersOf,
    findPrimaryCustomer: async (owner) => (await listCustomersOf(owner))[0] ?? null,
    findOwnerOf: async (customerId) => (await findOwnersOf([customerId])).get(customerId) ?? null,
    findOwnersOf,

    link: (links, now) => saveRows(db, { ...toRows(links, now), key: ["mode", "customerId"] }),
    addLink: (link, now) => addRows(db, toRows([link], now)),

    async countOwnersWithSeveral() {
      // Only few owners have several links. So the query looks up only the customers of these owners, not all customers.
      const candidates = db
        .selectFrom("customerLinks")
        .select(["ownerKind", "ownerId"])
        .where("mode", "=", mode)
        .groupBy(["ownerKind", "ownerId"])
        .having((eb) => eb.fn.countAll(), ">", 1)
        .as("candidates");
      const customersOfCandidate = selectUndeletedLinks(db, mode)
        .select((eb) => eb.fn.countAll<number | string>().as("customers"))
        .where("l.ownerKind", "=", sql.ref<OwnerKind>("candidates.ownerKind"))
        .where("l.ownerId", "=", sql.ref<string>("candidates.ownerId"));
      const { owners } = await db
        .selectFrom(candidates)
        .select((eb) => eb.fn.countAll<number | string>().as("owners"))
        .where(customersOfCandidate, ">", 1)
        .executeTakeFirstOrThrow();
      return Number(owners);
    },
  };
}

function customerRows(
  db: Kysely<Schema>,
  mode: Mode,
  dialect: Dialect,
): Omit<CustomerStore, keyof LinkStore | keyof PaymentMethodRows> {
  return {
    saveCustomers: (customers) =>
      saveRows(db, {
        dialect,
        table: "customers",
        key: ["mode", "id"],
        rows: customers.map(({ owner, deleted, ...customer }) => ({
          ...customer,
          mode,
          ownerKind: owner?.kind ?? null,
          ownerId: owner?.id ?? null,
          deleted: Number(deleted),
        })),
      }),

    async listIds() {
      const rows = await db
        .selectFrom("customers")
        .select("id")
        .where("mode", "=", mode)
        .where("deleted", "=", 0)
        .execute();
      return rows.map((row) => row.id);
    },

    async findCustomers(ids) {
      if (ids.length === 0) return new Map();
      const rows = await db
        .selectFrom("customers")
        .select(["id", "ownerKind", "ownerId", "deleted", "createdAt", "defaultPaymentMethodId"])
        .where("mode", "=", mode)
        .where(isAnyOf(dialect, "id", ids))
        .execute();
      return new Map(rows.map((row) => [row.id, toCustomer(row)]));
    },
  };
}

type PaymentMethodRows = Pick<CustomerStore, "savePaymentMethods" | "removePaymentMethod" | "findPaymentMethods">;

function paymentMethodRows(db: Kysely<Schema>, mode: Mode, dialect: Dialect): PaymentMethodRows {
  return {
    savePaymentMethods: (methods) =>
      saveRows(db, {
        dialect,
        table: "paymentMethods",
        key: ["mode", "id"],
        rows: methods.map((method) => ({ ...method, mode })),
      }),

    async removePaymentMethod(id) {
      await db.deleteFrom("paymentMethods").where("mode", "=", mode).where("id", "=", id).execute();
    },

    async findPaymentMethods(ids) {
      if (ids.length === 0) return new Map();
      const rows = await db
        .selectFrom("paymentMethods")
        .select(["id", "customerId", "type", "brand", "last4", "expMonth", "expYear"])
        .where("mode", "=", mode)
        .where(isAnyOf(dialect, "id", ids))
        .execute();
      return new Map(rows.map((row) => [row.id, row]));
    },
  };
}

function toCustomer(row: Omit<Schema["customers"], "mode">): CustomerRecord {
  const { id, ownerKind, ownerId, deleted, createdAt, defaultPaymentMethodId } = row;
  const owner = ownerKind === null || ownerId === null ? null : { kind: ownerKind, id: ownerId };
  return { id, owner, deleted: deleted === 1, createdAt, defaultPaymentMethodId };
}
