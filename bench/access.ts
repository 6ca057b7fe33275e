/**
 * What it costs to load what a user's access is decided from, beside a mirror of 20,000 subscriptions, against one of ten. Part
 * of `npm run bench`.
 */
import { openStore, type Store } from "../packages/tollkeeper/src/store/open-store.ts";
import { invoiceRecord, subscriptionRecord } from "../packages/tollkeeper/test/support/records.ts";
import { onBothStores, tellCosts } from "./stores.ts";

const SIZES = [10, 20_000];
const BATCH = 1_000;
const WARM_UP = 50;
const QUESTIONS = 500;

/** Fills the mirror up from what it had. */
async function fill(store: Store, from: number, until: number): Promise<void> {
  for (let first = from; first < until; first += BATCH) {
    const numbers = Array.from({ length: Math.min(BATCH, until - first) }, (_, index) => first + index);
    await store.customers.link(
      numbers.map((at) => ({ userId: `user${at}`, customerId: `cus_${at}` })),
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

async function questionMs(store: Store, size: number): Promise<number> {
  const ask = async (index: number): Promise<void> => {
    const found = await store.subscriptions.listOfUser(`user${(index * 7) % size}`);
    if (found.length !== 1) throw new Error(`found ${found.length} subscriptions, not one`);
  };
  for (let index = 0; index < WARM_UP; index += 1) await ask(index);
  const startedAt = performance.now();
  for (let index = 0; index < QUESTIONS; index += 1) await ask(index);
  return (performance.now() - startedAt) / QUESTIONS;
}

await onBothStores(async (name, url) => {
  const store = openStore({ url, mode: "test" });
  await store.migrate();
  const took: number[] = [];
  for (const [index, size] of SIZES.entries()) {
    await fill(store, SIZES[index - 1] ?? 0, size);
    took.push(await questionMs(store, size));
  }
  await store.close();
  tellCosts(name, "a user's access", "subscriptions", SIZES, took);
});
