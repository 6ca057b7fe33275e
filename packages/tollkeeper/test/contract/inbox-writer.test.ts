import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import { DIALECTS, freshDatabase } from "../../../../test/support/databases.ts";
import { createInboxWriter } from "../../src/ingest/inbox-writer.ts";
import type { Store } from "../../src/store/store.ts";
import { NOW } from "../support/records.ts";
import { inboxEvent, openTestDatabase, openTestStore } from "../support/test-store.ts";

test("on SQLite an event is stored within a few turns of the event loop, even if more events arrive in each turn", async () => {
  const store = await openTestStore(await freshDatabase("sqlite"));
  let now = NOW;
  const write = createInboxWriter(store, { now: () => now });
  const others: Promise<boolean>[] = [];
  const storedAfter = write(inboxEvent("evt_0")).then(() => others.length);
  for (let turn = 1; turn <= 100; turn += 1) {
    others.push(write(inboxEvent(`evt_${turn}`)));
    await new Promise((resolve) => setImmediate(resolve));
    now += 5;
  }
  expect(await storedAfter).toBeLessThan(10);
  await Promise.all(others);
});

describe.each(DIALECTS)("the inbox writer on %s", (dialect) => {
  const open = async (): Promise<Store> => openTestStore(await freshDatabase(dialect));

  test("rejects new events while 20,000 events wait to be stored, and stores all waiting events", async () => {
    const write = createInboxWriter(await open(), { now: () => NOW });
    const waiting = Array.from({ length: 20_000 }, (_, at) => write(inboxEvent(`evt_${at}`)));
    await expect(write(inboxEvent("evt_more"))).rejects.toMatchObject({ code: "overloaded", retryable: true });
    expect(new Set(await Promise.all(waiting))).toEqual(new Set([true]));
    expect(await write(inboxEvent("evt_more"))).toBe(true);
  });

  test("fails only the event that the database refuses, and stores the other events of its batch", async () => {
    const url = await freshDatabase(dialect);
    const store = await openTestStore(url);
    const db = openTestDatabase(url);
    await (
      dialect === "sqlite"
        ? sql`create trigger refuse before insert on inbox when new.event_id = 'evt_7'
            begin select raise(abort, 'refused'); end`
        : sql`alter table inbox add constraint refuse check (event_id <> 'evt_7')`
    ).execute(db);
    const write = createInboxWriter(store, { now: () => NOW });
    const results = await Promise.allSettled(Array.from({ length: 20 }, (_, at) => write(inboxEvent(`evt_${at}`))));
    const refused = results.flatMap(({ status }, at) => (status === "rejected" ? [at] : []));
    expect(refused).toEqual([7]);
    expect(await store.inbox.countByState()).toMatchObject({ pending: 19 });
  });
});
