/** Which Stripe customer is which user's, and what the mirror knows of customers and their cards. */
import type { Kysely } from "kysely";
import type { CustomerRecord, Mode, PaymentMethodRecord } from "../../domain/records.ts";
import { addRows, atMost, inOneOrder, isAnyOf, isIn, saveRows, toList } from "../bulk.ts";
import type { Dialect } from "../open-store.ts";
import { keep } from "../prepared-query.ts";
import type { Schema } from "../schema.ts";

export interface CustomerLink {
  userId: string;
  customerId: string;
}

export interface CustomerStore {
  /** The user's customer; null before the first checkout, and after Stripe deleted it. */
  findCustomerOf(userId: string): Promise<string | null>;
  findUserOf(customerId: string): Promise<string | null>;
  /** The users of these customers, for those that are linked. */
  findUsersOf(customerIds: readonly string[]): Promise<Map<string, string>>;
  /** Links each two unless either has a link already. */
  link(links: readonly CustomerLink[], now: number): Promise<void>;
  unlink(customerId: string): Promise<void>;
  /** A customer that says it is this user's, and is there. */
  findCustomerNaming(userId: string): Promise<string | null>;
  saveCustomers(customers: readonly CustomerRecord[]): Promise<void>;
  savePaymentMethods(methods: readonly PaymentMethodRecord[]): Promise<void>;
  removePaymentMethod(id: string): Promise<void>;
  /** As they are in the mirror, for those that it has. */
  findPaymentMethods(ids: readonly string[]): Promise<Map<string, PaymentMethodRecord>>;
  /** Ids of customers that Stripe still had. */
  listIds(): Promise<string[]>;
  /** As they are in the mirror, for those that it has. */
  findCustomers(ids: readonly string[]): Promise<Map<string, CustomerRecord>>;
}

const findLinkOf = keep((db, { mode, userId }: { mode: Mode; userId: string }) =>
  db.selectFrom("customerLinks").select("customerId").where("mode", "=", mode).where("userId", "=", userId),
);

const selectLinks = (db: Kysely<Schema>, mode: Mode) =>
  db.selectFrom("customerLinks").select(["customerId", "userId"]).where("mode", "=", mode);

/** One alone and several apart, as `isAnyOf` has it. */
const findLinks = {
  one: keep((db, { mode, customerId }: { mode: Mode; customerId: string }) =>
    selectLinks(db, mode).where("customerId", "=", customerId),
  ),
  several: keep((db, { mode, customerIds }: { mode: Mode; customerIds: unknown }, dialect) =>
    selectLinks(db, mode).where(isIn(dialect, "customerId", customerIds)),
  ),
};

export function customerStore(db: Kysely<Schema>, mode: Mode, dialect: Dialect): CustomerStore {
  const findCustomerOf = async (userId: string): Promise<string | null> => {
    const [link] = await findLinkOf.execute(db, dialect, { mode, userId });
    return link?.customerId ?? null;
  };
  const findUsersOf = async (customerIds: readonly string[]): Promise<Map<string, string>> => {
    const [first = "", ...others] = customerIds;
    const links = await (others.length === 0
      ? findLinks.one.execute(db, dialect, { mode, customerId: first })
      : findLinks.several.execute(db, dialect, { mode, customerIds: toList(dialect, customerIds) }));
    return new Map(links.map(({ customerId, userId }) => [customerId, userId]));
  };
  return {
    findCustomerOf,
    findUserOf: async (customerId) => (await findUsersOf([customerId])).get(customerId) ?? null,
    findUsersOf,

    link: (links, now) =>
      addRows(db, {
        dialect,
        table: "customerLinks",
        rows: inOneOrder(links, ({ userId }) => userId).map(({ userId, customerId }) => ({
          mode,
          userId,
          customerId,
          linkedAt: now,
        })),
      }),

    async unlink(customerId) {
      await db.deleteFrom("customerLinks").where("mode", "=", mode).where("customerId", "=", customerId).execute();
    },

    async findCustomerNaming(userId) {
      const row = await db
        .selectFrom("customers")
        .select("id")
        .where("mode", "=", mode)
        .where("userId", "=", userId)
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
        rows: customers.map((customer) => ({ ...customer, mode, deleted: Number(customer.deleted) })),
      }),

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
        .selectAll()
        .where("mode", "=", mode)
        .where(isAnyOf(dialect, "id", ids))
        .execute();
      return new Map(
        rows.map(({ mode: _mode, deleted, ...customer }) => [customer.id, { ...customer, deleted: deleted === 1 }]),
      );
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
