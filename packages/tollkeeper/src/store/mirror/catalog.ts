/** Stores the mirror's products and prices. */
import type { Kysely } from "kysely";
import type { Mode, PriceRecord, ProductRecord } from "../../domain/records.ts";
import { addRows, sortByKey, saveRows, type Rows } from "../bulk.ts";
import type { Dialect } from "../dialect.ts";
import type { Schema } from "../schema.ts";

export interface CatalogStore {
  saveProducts(products: readonly ProductRecord[]): Promise<void>;
  savePrices(prices: readonly PriceRecord[]): Promise<void>;
  /**
   * Adds products that were found inside other Stripe objects, such as subscriptions. If the mirror already has a product, its
   * row is not overwritten, because the row may be newer than the given product.
   */
  addProducts(products: readonly ProductRecord[]): Promise<void>;
  addPrices(prices: readonly PriceRecord[]): Promise<void>;
  /** Removes a product that Stripe has deleted. Stripe deletes a product or price only if it was never sold. */
  removeProduct(id: string): Promise<void>;
  removePrice(id: string): Promise<void>;
  hasProduct(id: string): Promise<boolean>;
}

export function catalogStore(db: Kysely<Schema>, mode: Mode, dialect: Dialect): CatalogStore {
  const products = (records: readonly ProductRecord[]): Rows => ({
    dialect,
    table: "products",
    rows: sortByKey(records, ({ id }) => id).map((product) => ({ ...product, mode, active: Number(product.active) })),
  });
  const prices = (records: readonly PriceRecord[]): Rows => ({
    dialect,
    table: "prices",
    rows: sortByKey(records, ({ id }) => id).map(({ interval, ...price }) => ({
      ...price,
      mode,
      active: Number(price.active),
      billingInterval: interval,
    })),
  });
  return {
    saveProducts: (records) => saveRows(db, { ...products(records), key: ["mode", "id"] }),
    savePrices: (records) => saveRows(db, { ...prices(records), key: ["mode", "id"] }),
    addProducts: (records) => addRows(db, products(records)),
    addPrices: (records) => addRows(db, prices(records)),

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
