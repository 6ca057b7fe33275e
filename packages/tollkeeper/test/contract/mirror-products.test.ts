import { describe, expect, test } from "vitest";
import type { PriceRecord, ProductRecord } from "../../src/domain/records.ts";
import { openDatabase } from "../../src/store/open-store.ts";
import { freshDatabase } from "../../../../test/support/databases.ts";
import { openStoreAt, STORE_DIALECTS } from "../support/store.ts";

const PRODUCT: ProductRecord = { id: "prod_1", name: "Premium", active: true, plan: "premium", app: null };
const PRICE: PriceRecord = {
  id: "price_1",
  productId: "prod_1",
  active: true,
  lookupKey: "premium_month",
  currency: "usd",
  unitAmount: 900,
  interval: "month",
  intervalCount: 1,
};

describe.each(STORE_DIALECTS)("products and prices in the mirror on %s", (dialect) => {
  async function openProducts() {
    const url = await freshDatabase(dialect);
    const { products: store } = await openStoreAt(url);
    const db = openDatabase(url);
    const products = () => db.selectFrom("products").select(["id", "name"]).orderBy("id").execute();
    const prices = () => db.selectFrom("prices").select(["id", "unitAmount"]).orderBy("id").execute();
    return { store, products, prices, close: () => db.destroy() };
  }

  test("a product that is embedded in another object does not overwrite data from the product's own event", async () => {
    const { store, products, close } = await openProducts();
    await store.saveProducts([PRODUCT]);
    await store.addProducts([
      { ...PRODUCT, name: "outdated" },
      { ...PRODUCT, id: "prod_2", name: "Team" },
    ]);
    expect(await products()).toEqual([
      { id: "prod_1", name: "Premium" },
      { id: "prod_2", name: "Team" },
    ]);
    await close();
  });

  test("a price that is embedded in another object does not overwrite data from the price's own event", async () => {
    const { store, prices, close } = await openProducts();
    await store.savePrices([PRICE]);
    await store.addPrices([
      { ...PRICE, unitAmount: 1 },
      { ...PRICE, id: "price_2", unitAmount: 2_900 },
    ]);
    expect(await prices()).toEqual([
      { id: "price_1", unitAmount: 900 },
      { id: "price_2", unitAmount: 2_900 },
    ]);
    await close();
  });

  test("an event about a product or a price overwrites the data of this product or price in the mirror", async () => {
    const { store, products, prices, close } = await openProducts();
    await store.addProducts([PRODUCT]);
    await store.addPrices([PRICE]);
    await store.saveProducts([{ ...PRODUCT, name: "Premium Plus" }]);
    await store.savePrices([{ ...PRICE, unitAmount: 1_000 }]);
    expect(await products()).toEqual([{ id: "prod_1", name: "Premium Plus" }]);
    expect(await prices()).toEqual([{ id: "price_1", unitAmount: 1_000 }]);
    await close();
  });
});
