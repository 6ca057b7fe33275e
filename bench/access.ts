/**
 * What it costs to load what a user's access is decided from, beside a mirror of 20,000 subscriptions, against one of ten. Part
 * of `npm run bench`.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStore, type Store } from "../src/store/database.ts";
import { startPostgres } from "../test/support/postgres.ts";
import { invoiceRecord, subscriptionRecord } from "../test/support/records.ts";

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
  await store.analyze();
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

const folder = mkdtempSync(join(tmpdir(), "tollkeeper-bench-"));
const postgres = await startPostgres({ durable: true });
try {
  for (const [name, url] of [
    ["SQLite", `file:${join(folder, "access.sqlite")}`],
    ["PostgreSQL", postgres.url],
  ] as const) {
    const store = openStore({ url, mode: "test" });
    await store.migrate();
    const took: number[] = [];
    for (const [index, size] of SIZES.entries()) {
      await fill(store, SIZES[index - 1] ?? 0, size);
      took.push(await questionMs(store, size));
    }
    await store.close();
    const [few = 0, many = 0] = took;
    console.log(
      `${name.padEnd(12)} a user's access beside ${SIZES[0]} subscriptions ${few.toFixed(2)} ms, beside ${SIZES[1]} ${many.toFixed(2)} ms: ${(many / few).toFixed(2)} times`,
    );
  }
} finally {
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
}
