import { sql } from "kysely";
import { describe, expect, onTestFinished, test } from "vitest";
import { userOwner } from "../../src/domain/owner.ts";
import { openDatabase } from "../../src/store/open-store.ts";
import type { Store } from "../../src/store/store.ts";
import { freshDatabase } from "../../../../test/support/databases.ts";
import { NOW } from "../support/records.ts";
import { HOOKS, onlyClaim, openStoreAt, outboxMessage, STORE_DIALECTS } from "../support/store.ts";

const LEASED_UNTIL = NOW + 9_000;

describe.each(STORE_DIALECTS)("the outbox on %s", (dialect) => {
  const open = async (): Promise<Store> => openStoreAt(await freshDatabase(dialect));

  test("claims a message with all its fields", async () => {
    const { outbox } = await open();
    await outbox.add([outboxMessage("m1", { payload: '{"id":"m1"}' })]);
    expect(onlyClaim(await outbox.claim(9, NOW, LEASED_UNTIL, HOOKS))).toMatchObject({
      id: "m1",
      hook: "onAccessGranted",
      payload: '{"id":"m1"}',
      createdAt: NOW,
      lane: "user:ada",
      attempts: 1,
      lease: 1,
    });
  });

  test("completes one message at a time, in the order in which they were added", async () => {
    const { outbox } = await open();
    await outbox.add([outboxMessage("m1", { createdAt: NOW }), outboxMessage("m2", { createdAt: NOW - 5 })]);
    const first = onlyClaim(await outbox.claim(9, NOW, LEASED_UNTIL, HOOKS));
    expect(first.id).toBe("m1");
    expect(await outbox.complete(first)).toBe(true);
    expect(await outbox.countByState()).toEqual({ pending: 1, done: 1, dead: 0 });
    expect(onlyClaim(await outbox.claim(9, NOW, LEASED_UNTIL, HOOKS)).id).toBe("m2");
  });

  test("claims an owner's second message only after the retry of the owner's first message", async () => {
    const { outbox, dueWork } = await open();
    await outbox.add([outboxMessage("m1"), outboxMessage("m2")]);
    await outbox.retry(onlyClaim(await outbox.claim(9, NOW, LEASED_UNTIL, HOOKS)), NOW + 500, "the hook threw");
    expect(await outbox.claim(9, NOW + 499, LEASED_UNTIL, HOOKS)).toEqual([]);
    await outbox.add([outboxMessage("m3", { createdAt: NOW + 1 })]);
    expect(await outbox.claim(9, NOW + 499, LEASED_UNTIL, HOOKS)).toEqual([]);
    expect(await dueWork.find(NOW + 499, NOW)).toMatchObject({ outbox: false });
    expect(await dueWork.find(NOW + 500, NOW)).toMatchObject({ outbox: true });
    expect(onlyClaim(await outbox.claim(9, NOW + 500, LEASED_UNTIL, HOOKS))).toMatchObject({ id: "m1", attempts: 2 });
  });

  test("finds the next instant at which work is due: new rows, retries, and checks of access", async () => {
    const { outbox, dueWork, announcedAccess } = await open();
    expect(await dueWork.findNextInstant()).toBeNull();
    await announcedAccess.save([{ owner: userOwner("ada"), features: [], checkAt: NOW + 900 }]);
    expect(await dueWork.findNextInstant()).toBe(NOW + 900);
    await outbox.add([outboxMessage("m1", { createdAt: NOW })]);
    expect(await dueWork.findNextInstant()).toBe(NOW);
    await outbox.retry(onlyClaim(await outbox.claim(9, NOW, LEASED_UNTIL, HOOKS)), NOW + 500, "the hook threw");
    expect(await dueWork.findNextInstant()).toBe(NOW + 500);
    await outbox.complete(onlyClaim(await outbox.claim(9, NOW + 500, LEASED_UNTIL, HOOKS)));
    expect(await dueWork.findNextInstant()).toBe(NOW + 900);
  });

  test("claims an owner's second message after the owner's first message becomes a dead letter", async () => {
    const { outbox } = await open();
    await outbox.add([outboxMessage("m1"), outboxMessage("m2")]);
    await outbox.deadLetter(onlyClaim(await outbox.claim(9, NOW, LEASED_UNTIL, HOOKS)), "the hook threw");
    expect(onlyClaim(await outbox.claim(9, NOW, LEASED_UNTIL, HOOKS)).id).toBe("m2");
  });
});

test("on PostgreSQL a claim of outbox messages waits while another replica processes a message, and does not claim this message again", async () => {
  const url = await freshDatabase("postgres");
  const { outbox } = await openStoreAt(url);
  await outbox.add([outboxMessage("m1"), outboxMessage("m2")]);
  const db = openDatabase(url);
  onTestFinished(() => db.destroy());
  const isWaiting = async (): Promise<boolean> => {
    const { rows } = await sql`select 1 from pg_stat_activity
      where wait_event_type = 'Lock' and datname = current_database()`.execute(db);
    return rows.length > 0;
  };
  const [claiming] = await db.transaction().execute(async (processing) => {
    await sql`update outbox set state = 'done' where id = 'm1'`.execute(processing);
    const claim = outbox.claim(9, NOW, LEASED_UNTIL, HOOKS);
    await expect.poll(isWaiting, { timeout: 5_000 }).toBe(true);
    return [claim];
  });
  expect(onlyClaim(await claiming).id).toBe("m2");
  expect(await outbox.countByState()).toEqual({ pending: 1, done: 1, dead: 0 });
});
