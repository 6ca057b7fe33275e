/** Stores the links between owners and Stripe customers, and the mirror's customers and payment methods. */
import type { Kysely } from "kysely";
import { ownerKey, type BillingOwner, type OwnerKind } from "../../domain/owner.ts";
import type { CustomerRecord, Mode, PaymentMethodRecord } from "../../domain/records.ts";
import { addRows, atMost, isAnyOf, isIn, saveRows, sortByKey, toList } from "../bulk.ts";
import type { Dialect } from "../dialect.ts";
import { prepare } from "../prepared-query.ts";
import type { Schema } from "../schema.ts";

export interface CustomerLink {
  owner: BillingOwner;
  customerId: string;
}

export interface CustomerStore {
  /**
   * Returns the id of the owner's linked customer; null before the first checkout and after the customer was deleted at Stripe.
   */
  findCustomerOf(owner: BillingOwner): Promise<string | null>;
  findOwnerOf(customerId: string): Promise<BillingOwner | null>;
  /** Returns the owners of linked customers, by customer id. */
  findOwnersOf(customerIds: readonly string[]): Promise<Map<string, BillingOwner>>;
  /** Adds links between owners and customers. Skips a link if the owner or the customer in it already has a link. */
  link(links: readonly CustomerLink[], now: number): Promise<void>;
  unlink(customerId: string): Promise<void>;
  /** Returns the id of a mirrored customer that is not deleted and whose metadata names the owner; null if there is none. */
  findCustomerNaming(owner: BillingOwner): Promise<string | null>;
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

const findLinkOf = prepare((db, { mode, kind, id }: { mode: Mode; kind: OwnerKind; id: string }) =>
  db
    .selectFrom("customerLinks")
    .select("customerId")
    .where("mode", "=", mode)
    .where("ownerKind", "=", kind)
    .where("ownerId", "=", id),
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

type LinkStore = Pick<CustomerStore, "findCustomerOf" | "findOwnerOf" | "findOwnersOf" | "link" | "unlink">;

function linkStore(db: Kysely<Schema>, mode: Mode, dialect: Dialect): LinkStore {
  const findOwnersOf = async (customerIds: readonly string[]): Promise<Map<string, BillingOwner>> => {
    const [first = "", ...others] = customerIds;
    const links = await (others.length === 0
      ? findLinks.one.execute(db, dialect, { mode, customerId: first })
      : findLinks.several.execute(db, dialect, { mode, customerIds: toList(dialect, customerIds) }));
    return new Map(links.map(({ customerId, ownerKind, ownerId }) => [customerId, { kind: ownerKind, id: ownerId }]));
  };
  return {
    async findCustomerOf({ kind, id }) {
      const [link] = await findLinkOf.execute(db, dialect, { mode, kind, id });
      return link?.customerId ?? null;
    },

    findOwnerOf: async (customerId) => (await findOwnersOf([customerId])).get(customerId) ?? null,
    findOwnersOf,

    link: (links, now) =>
      addRows(db, {
        dialect,
        table: "customerLinks",
        rows: sortByKey(links, ({ owner }) => ownerKey(owner)).map(({ owner, customerId }) => ({
          mode,
          ownerKind: owner.kind,
          ownerId: owner.id,
          customerId,
          linkedAt: now,
        })),
      }),

    async unlink(customerId) {
      await db.deleteFrom("customerLinks").where("mode", "=", mode).where("customerId", "=", customerId).execute();
    },
  };
}

function customerRows(
  db: Kysely<Schema>,
  mode: Mode,
  dialect: Dialect,
): Omit<CustomerStore, keyof LinkStore | keyof PaymentMethodRows> {
  return {
    async findCustomerNaming({ kind, id }) {
      const row = await db
        .selectFrom("customers")
        .select("id")
        .where("mode", "=", mode)
        .where("ownerKind", "=", kind)
        .where("ownerId", "=", id)
        .where("deleted", "=", 0)
        .orderBy("id")
        .limit(atMost(1))
        .executeTakeFirst();
      return row?.id ?? null;
    },

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
        .select(["id", "ownerKind", "ownerId", "deleted", "defaultPaymentMethodId"])
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
  const { id, ownerKind, ownerId, deleted, defaultPaymentMethodId } = row;
  const owner = ownerKind === null || ownerId === null ? null : { kind: ownerKind, id: ownerId };
  return { id, owner, deleted: deleted === 1, defaultPaymentMethodId };
}
