/**
 * What a claim costs beside a lane in which much waits: a lane of 20,000 events that is worked on, against one of ten. Part of
 * `npm run bench`.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStore, type Store } from "../src/store/database.ts";
import { startPostgres } from "../test/support/postgres.ts";

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

const folder = mkdtempSync(join(tmpdir(), "tollkeeper-bench-"));
const postgres = await startPostgres({ durable: true });
try {
  for (const [name, url] of [
    ["SQLite", `file:${join(folder, "claims.sqlite")}`],
    ["PostgreSQL", postgres.url],
  ] as const) {
    const store = openStore({ url, mode: "test" });
    await store.migrate();
    const took: number[] = [];
    for (const backlog of BACKLOGS) took.push(await claimMs(store, backlog));
    await store.close();
    const [few = 0, many = 0] = took;
    console.log(
      `${name.padEnd(12)} a claim beside ${BACKLOGS[0]} events ${few.toFixed(2)} ms, beside ${BACKLOGS[1]} ${many.toFixed(2)} ms: ${(many / few).toFixed(2)} times`,
    );
  }
} finally {
  await postgres.stop();
  rmSync(folder, { recursive: true, force: true });
}
