/**
 * What a claim costs beside a lane in which much waits: a lane of 20,000 events that is worked on, against one of ten. Part of
 * `npm run bench`.
 */
import { openStore, type Store } from "../packages/tollkeeper/src/store/open-store.ts";
import { onBothStores, tellCosts } from "./stores.ts";

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

/** Milliseconds a claim of one event takes, when a lane with so many others is somebody's. */
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
    if (claimed.length !== 1) throw new Error(`claimed ${claimed.length} events, not one`);
  }
  return ms / CLAIMS;
}

await onBothStores(async (name, url) => {
  const store = openStore({ url, mode: "test" });
  await store.migrate();
  const took: number[] = [];
  for (const backlog of BACKLOGS) took.push(await claimMs(store, backlog));
  await store.close();
  tellCosts(name, "a claim", "events", BACKLOGS, took);
});
