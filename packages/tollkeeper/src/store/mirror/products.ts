/** Stores the mirror's products and prices. */
import type { Kysely } from "kysely";
import type { Mode, PriceRecord, ProductRecord } from "../../domain/records.ts";
import { addRows, atMost, isAnyOf, sortByKey, saveRows, type Rows } from "../bulk.ts";
import type { Dialect } from "../dialect.ts";
import type { Schema } from "../schema.ts";

export interface ProductStore {
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
  /**
   * Returns true if a write of the given products and prices would change the plan of a subscription that is already in the
   * mirror.
   */
  changesPlans(
    products: readonly Pick<ProductRecord, "id" | "plan" | "app">[],
    prices: readonly Pick<PriceRecord, "id" | "lookupKey">[],
  ): Promise<boolean>;
}

export function productStore(db: Kysely<Schema>, mode: Mode, dialect: Dialect): ProductStore {
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

    changesPlans: (changedProducts, changedPrices) =>
      changesPlans({ db, mode, dialect }, changedProducts, changedPrices),
  };
}

interface Scope {
  db: Kysely<Schema>;
  mode: Mode;
  dialect: Dialect;
}

async function changesPlans(
  scope: Scope,
  newProducts: readonly Pick<ProductRecord, "id" | "plan" | "app">[],
  newPrices: readonly Pick<PriceRecord, "id" | "lookupKey">[],
): Promise<boolean> {
  const { db, mode, dialect } = scope;
  const products = await findChangedProducts(scope, newProducts);
  const prices = await findChangedPrices(scope, newPrices);
  if (products.length === 0 && prices.length === 0) return false;
  const used = await db
    .selectFrom("subscriptionItems")
    .select("id")
    .where("mode", "=", mode)
    .where(({ or }) => or([isAnyOf(dialect, "productId", products), isAnyOf(dialect, "priceId", prices)]))
    .limit(atMost(1))
    .executeTakeFirst();
  return used !== undefined;
}

async function findChangedProducts(
  { db, mode, dialect }: Scope,
  products: readonly Pick<ProductRecord, "id" | "plan" | "app">[],
): Promise<string[]> {
  const ids = products.map(({ id }) => id);
  const rows = await db
    .selectFrom("products")
    .select(["id", "plan", "app"])
    .where("mode", "=", mode)
    .where(isAnyOf(dialect, "id", ids))
    .execute();
  const before = new Map(rows.map((row) => [row.id, row]));
  return products.flatMap(({ id, plan, app }) => {
    const old = before.get(id);
    return (old?.plan ?? null) === plan && (old?.app ?? null) === app ? [] : id;
  });
}

async function findChangedPrices(
  { db, mode, dialect }: Scope,
  prices: readonly Pick<PriceRecord, "id" | "lookupKey">[],
): Promise<string[]> {
  const ids = prices.map(({ id }) => id);
  const rows = await db
    .selectFrom("prices")
    .select(["id", "lookupKey"])
    .where("mode", "=", mode)
    .where(isAnyOf(dialect, "id", ids))
    .execute();
  const before = new Map(rows.map(({ id, lookupKey }) => [id, lookupKey]));
  return prices.flatMap(({ id, lookupKey }) => ((before.get(id) ?? null) === lookupKey ? [] : id));
}
