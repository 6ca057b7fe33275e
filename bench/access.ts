/**
 * Measures the query that loads one user's subscriptions, in mirrors of 10 and of 20,000 subscriptions. Part of `npm run
 * bench`.
 */
import { userOwner } from "../packages/tollkeeper/src/domain/owner.ts";
import { openStore } from "../packages/tollkeeper/src/store/open-store.ts";
import type { Store } from "../packages/tollkeeper/src/store/store.ts";
import { invoiceRecord, subscriptionRecord } from "../packages/tollkeeper/test/support/records.ts";
import { writeResult, type Figure } from "./results.ts";
import { onBothStores, reportCosts } from "./stores.ts";

const SIZES = [10, 20_000];
const BATCH = 1_000;
const WARM_UP = 50;
const QUERIES = 500;

/** Adds subscriptions to the mirror, numbered from `from` to `until - 1`. */
async function fill(store: Store, from: number, until: number): Promise<void> {
  for (let first = from; first < until; first += BATCH) {
    const numbers = Array.from({ length: Math.min(BATCH, until - first) }, (_, index) => first + index);
    await store.customers.link(
      numbers.map((at) => ({ owner: userOwner(`user${at}`), customerId: `cus_${at}` })),
      0,
    );
    await store.subscriptions.saveSubscriptions(
      numbers.map((at) => {
        const subscription = subscriptionRecord({
          id: `sub_${at}`,
          customerId: `cus_${at}`,
          latestInvoiceId: `in_${at}`,
        });
        return { ...subscription, items: subscription.items.map((item) => ({ ...item, id: `si_${at}` })) };
      }),
    );
    await store.subscriptions.saveInvoices(
      numbers.map((at) => invoiceRecord({ id: `in_${at}`, customerId: `cus_${at}`, subscriptionId: `sub_${at}` })),
    );
  }
  await store.analyze("usual");
}

async function queryMs(store: Store, size: number): Promise<number> {
  const query = async (index: number): Promise<void> => {
    const found = await store.subscriptions.listOfOwner(userOwner(`user${(index * 7) % size}`));
    if (found.length !== 1) throw new Error(`found ${found.length} subscriptions instead of 1`);
  };
  for (let index = 0; index < WARM_UP; index += 1) await query(index);
  const startedAt = performance.now();
  for (let index = 0; index < QUERIES; index += 1) await query(index);
  return (performance.now() - startedAt) / QUERIES;
}

const figures: Figure[] = [];
await onBothStores(async (store, url) => {
  const opened = openStore({ url, mode: "test" });
  await opened.migrate();
  const tookMs = new Map<number, number>();
  for (const [index, size] of SIZES.entries()) {
    await fill(opened, SIZES[index - 1] ?? 0, size);
    tookMs.set(size, await queryMs(opened, size));
  }
  await opened.close();
  figures.push(...reportCosts({ store, call: "access query", others: "subscriptions", tookMs }));
});
writeResult("access", figures);
