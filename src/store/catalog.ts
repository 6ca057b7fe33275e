/** The mirror's products and prices. */
import type { Kysely } from "kysely";
import type { Mode, PriceRecord, ProductRecord } from "../domain/records.ts";
import type { Schema } from "./schema.ts";

export interface CatalogStore {
  saveProduct(product: ProductRecord): Promise<void>;
  savePrice(price: PriceRecord): Promise<void>;
  /** For prices seen inside another object: what the price's own events have written is never overwritten. */
  addPrice(price: PriceRecord): Promise<void>;
  addProduct(product: ProductRecord): Promise<void>;
  /** Stripe deletes a product or price only where nothing was ever sold with it. */
  removeProduct(id: string): Promise<void>;
  removePrice(id: string): Promise<void>;
  hasProduct(id: string): Promise<boolean>;
}

export function catalogStore(db: Kysely<Schema>, mode: Mode): CatalogStore {
  return {
    async saveProduct(product) {
      const row = productRow(product, mode);
      await db
        .insertInto("products")
        .values(row)
        .onConflict((conflict) => conflict.columns(["mode", "id"]).doUpdateSet(row))
        .execute();
    },

    async savePrice(price) {
      const row = priceRow(price, mode);
      await db
        .insertInto("prices")
        .values(row)
        .onConflict((conflict) => conflict.columns(["mode", "id"]).doUpdateSet(row))
        .execute();
    },

    async addPrice(price) {
      await db
        .insertInto("prices")
        .values(priceRow(price, mode))
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    },

    async addProduct(product) {
      await db
        .insertInto("products")
        .values(productRow(product, mode))
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    },

    async removeProduct(id) {
      await db.deleteFrom("products").where("mode", "=", mode).where("id", "=", id).execute();
    },

    async removePrice(id) {
      await db.deleteFrom("prices").where("mode", "=", mode).where("id", "=", id).execute();
    },

    async hasProduct(id) {
      const row = await db
        .selectFrom("products")
        .select("id")
        .where("mode", "=", mode)
        .where("id", "=", id)
        .executeTakeFirst();
      return row !== undefined;
    },
  };
}

function productRow(product: ProductRecord, mode: Mode): Schema["products"] {
  return { ...product, mode, active: Number(product.active) };
}

function priceRow({ interval, ...price }: PriceRecord, mode: Mode): Schema["prices"] {
  return { ...price, mode, active: Number(price.active), billingInterval: interval };
}
