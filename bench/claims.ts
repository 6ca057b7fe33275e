/**
 * Measures how long the worker's claim of one event takes while another customer has 10 or 20,000 pending events. Part of `npm
 * run bench`.
 */
import { openStore } from "../packages/tollkeeper/src/store/open-store.ts";
import type { Store } from "../packages/tollkeeper/src/store/store.ts";
import { writeResult, type Figure } from "./results.ts";
import { onBothStores, reportCosts } from "./stores.ts";

const BACKLOGS = [10, 20_000];
const CLAIMS = 200;
const BATCH = 1_000;
const NOW = 1_000;
const LEASED_UNTIL = 1_000_000;

let events = 0;

function eventOf(lane: string) {
  events += 1;
  return { eventId: `evt_${events}`, type: "invoice.paid", objectId: `in_${events}`, lane, eventCreatedAt: NOW };
}

/** Returns how many milliseconds a claim of one event takes while another, leased lane has `backlog` pending events. */
async function claimMs(store: Store, backlog: number): Promise<number> {
  for (let added = 0; added < backlog; added += BATCH) {
    const batch = Math.min(BATCH, backlog - added);
    await store.inbox.add(
      Array.from({ length: batch }, () => eventOf(`long${backlog}`)),
      NOW,
    );
  }
  await store.inbox.claim(1, NOW, LEASED_UNTIL);
  let ms = 0;
  for (let index = 0; index < CLAIMS; index += 1) {
    await store.inbox.add([eventOf(`short${events}`)], NOW);
    const startedAt = performance.now();
    const claimed = await store.inbox.claim(1, NOW, LEASED_UNTIL);
    ms += performance.now() - startedAt;
    if (claimed.length !== 1) throw new Error(`claimed ${claimed.length} events instead of 1`);
  }
  return ms / CLAIMS;
}

const figures: Figure[] = [];
await onBothStores(async (store, url) => {
  const opened = openStore({ url, mode: "test" });
  await opened.migrate();
  const tookMs = new Map<number, number>();
  for (const backlog of BACKLOGS) tookMs.set(backlog, await claimMs(opened, backlog));
  await opened.close();
  figures.push(...reportCosts({ store, call: "claim", others: "events in another lane", tookMs }));
});
writeResult("claims", figures);
