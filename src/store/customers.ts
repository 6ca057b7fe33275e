/** Which Stripe customer is which user's, and what the mirror knows of customers and their cards. */
import type { Kysely } from "kysely";
import type { CustomerRecord, Mode, PaymentMethodRecord } from "../domain/records.ts";
import type { Schema } from "./schema.ts";

export interface CustomerStore {
  /** The user's customer; null before the first checkout, and after Stripe deleted it. */
  findCustomerOf(userId: string): Promise<string | null>;
  findUserOf(customerId: string): Promise<string | null>;
  /** Links the two unless either has a link already; answers the user's customer afterwards, whoever linked it. */
  link(userId: string, customerId: string, now: number): Promise<string | null>;
  unlink(customerId: string): Promise<void>;
  /** A customer that says it is this user's, and is there. */
  findCustomerNaming(userId: string): Promise<string | null>;
  saveCustomer(customer: CustomerRecord): Promise<void>;
  savePaymentMethod(method: PaymentMethodRecord): Promise<void>;
  removePaymentMethod(id: string): Promise<void>;
  findPaymentMethod(id: string): Promise<PaymentMethodRecord | null>;
  /** Ids of customers that Stripe still had. */
  listIds(): Promise<string[]>;
  /** As they are in the mirror, for those that it has. */
  findCustomers(ids: readonly string[]): Promise<Map<string, CustomerRecord>>;
}

export function customerStore(db: Kysely<Schema>, mode: Mode): CustomerStore {
  const findCustomerOf = async (userId: string): Promise<string | null> => {
    const link = await db
      .selectFrom("customerLinks")
      .select("customerId")
      .where("mode", "=", mode)
      .where("userId", "=", userId)
      .executeTakeFirst();
    return link?.customerId ?? null;
  };
  return {
    findCustomerOf,

    async findUserOf(customerId) {
      const link = await db
        .selectFrom("customerLinks")
        .select("userId")
        .where("mode", "=", mode)
        .where("customerId", "=", customerId)
        .executeTakeFirst();
      return link?.userId ?? null;
    },

    async link(userId, customerId, now) {
      await db
        .insertInto("customerLinks")
        .values({ mode, userId, customerId, linkedAt: now })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      return findCustomerOf(userId);
    },

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
        .limit(1)
        .executeTakeFirst();
      return row?.id ?? null;
    },

    async saveCustomer(customer) {
      const row = { ...customer, mode, deleted: Number(customer.deleted) };
      await db
        .insertInto("customers")
        .values(row)
        .onConflict((conflict) => conflict.columns(["mode", "id"]).doUpdateSet(row))
        .execute();
    },

    async savePaymentMethod(method) {
      const row = { ...method, mode };
      await db
        .insertInto("paymentMethods")
        .values(row)
        .onConflict((conflict) => conflict.columns(["mode", "id"]).doUpdateSet(row))
        .execute();
    },

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
        .where("id", "in", ids)
        .execute();
      return new Map(
        rows.map(({ mode: _mode, deleted, ...customer }) => [customer.id, { ...customer, deleted: deleted === 1 }]),
      );
    },

    async findPaymentMethod(id) {
      const row = await db
        .selectFrom("paymentMethods")
        .select(["id", "customerId", "type", "brand", "last4", "expMonth", "expYear"])
        .where("mode", "=", mode)
        .where("id", "=", id)
        .executeTakeFirst();
      return row ?? null;
    },
  };
}
