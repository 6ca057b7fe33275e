/** Opens stores for contract tests. */
import { sql } from "kysely";
import { onTestFinished } from "vitest";
import type { Mode } from "../../src/domain/records.ts";
import type { InboxEvent } from "../../src/store/queue/inbox.ts";
import { openDatabase, openStore } from "../../src/store/open-store.ts";
import type { Store } from "../../src/store/store.ts";
import { NOW } from "./records.ts";

/** Returns a Stripe event that a test can add to the inbox. */
export function inboxEvent(eventId: string, objectId = "sub_1", lane = "cus_1"): InboxEvent {
  return { eventId, type: "customer.subscription.updated", objectId, lane, eventCreatedAt: NOW };
}

/** Opens and migrates a store. Closes the store at the end of the test. */
export async function openTestStore(url: string, mode: Mode = "test"): Promise<Store> {
  const store = openStore({ url, mode });
  onTestFinished(() => store.close());
  await store.migrate();
  return store;
}

/** Opens a direct connection to the database, without Tollkeeper's store. Closes the connection at the end of the test. */
export function openTestDatabase(url: string): ReturnType<typeof openDatabase> {
  const db = openDatabase(url);
  onTestFinished(() => db.destroy());
  return db;
}

const MAX_POLLS = 10_000;

/** Waits until at least the given number of PostgreSQL sessions wait for a lock. */
export async function untilLockWaits(url: string, sessions = 1): Promise<void> {
  const db = openTestDatabase(url);
  for (let polls = 0; polls < MAX_POLLS; polls += 1) {
    const { rows } = await sql`select 1 from pg_stat_activity
      where wait_event_type = 'Lock' and datname = current_database()`.execute(db);
    if (rows.length >= sessions) return;
  }
  throw new Error("no session waits for a lock");
}
