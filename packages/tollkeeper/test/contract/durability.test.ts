import { DatabaseSync } from "node:sqlite";
import { sql } from "kysely";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { freshDatabase } from "../../../../test/support/databases.ts";
import { userOwner } from "../../src/domain/owner.ts";
import type { ClaimedEvent } from "../../src/store/queue/inbox.ts";
import { nonDurable } from "../../src/store/transactions.ts";
import { NOW } from "../support/records.ts";
import { inboxEvent, openTestDatabase, openTestStore } from "../support/test-store.ts";
import { HOOKS } from "../support/store.ts";

describe("durability on SQLite", () => {
  const opened = async (): Promise<ReturnType<typeof openTestDatabase>> => {
    const db = openTestDatabase(await freshDatabase("sqlite"));
    return db;
  };
  const level = async (db: ReturnType<typeof openTestDatabase>): Promise<unknown> =>
    (await sql<{ synchronous: number }>`pragma synchronous`.execute(db)).rows[0]?.synchronous;
  const [NORMAL, FULL] = [1, 2];

  test("a commit waits until its data is on disk, unless Tollkeeper can repeat a lost transaction", async () => {
    const db = await opened();
    expect(await level(db)).toBe(FULL);
    expect(await db.transaction().execute(level)).toBe(FULL);
    expect(await nonDurable(db, "sqlite").execute(level)).toBe(NORMAL);
    expect(await level(db)).toBe(FULL);
    const failing = nonDurable(db, "sqlite").execute(async () => {
      throw new Error("fails");
    });
    await expect(failing).rejects.toThrow("fails");
    expect(await level(db)).toBe(FULL);
  });

  test("a commit waits until its data is on disk, even if the commit before it failed", async () => {
    const db = await opened();
    await sql`create table owners (id text primary key)`.execute(db);
    await sql`create table owned (owner text references owners (id) deferrable initially deferred)`.execute(db);
    const refused = nonDurable(db, "sqlite").execute((inside) =>
      sql`insert into owned values ('missing')`.execute(inside),
    );
    await expect(refused).rejects.toThrow("FOREIGN KEY");
    expect(await level(db)).toBe(FULL);
    expect((await sql`select * from owned`.execute(db)).rows).toEqual([]);
  });

  test("without a write-ahead log, every commit waits until its data is on disk", async () => {
    const db = openTestDatabase("file::memory:");
    expect(await nonDurable(db, "sqlite").execute(level)).toBe(FULL);
  });

  test("only a commit that stores events or claims hooks waits until its data is on disk", async () => {
    const exec = vi.spyOn(DatabaseSync.prototype, "exec");
    onTestFinished(() => exec.mockRestore());
    const { inbox, outbox, transaction } = await openTestStore(await freshDatabase("sqlite"));
    const unflushed = async (work: () => Promise<unknown>): Promise<number> => {
      exec.mockClear();
      await work();
      return exec.mock.calls.filter(([text]) => text === "pragma synchronous = normal").length;
    };
    expect(await unflushed(() => inbox.add([inboxEvent("evt_1")], NOW))).toBe(0);
    const claims: ClaimedEvent[] = [];
    const claim = async () => claims.push(...(await inbox.claim(10, NOW, NOW + 1_000)));
    // The first transaction of `claim` assigns new events to lanes. The second transaction of `claim` leases the lanes that
    // have due events.
    expect(await unflushed(claim)).toBe(2);
    const message = { id: "m1", owner: userOwner("ada"), hook: "onAccessGranted", payload: "{}", createdAt: NOW };
    const work = () =>
      transaction(async (parts) => {
        await parts.outbox.add([message]);
        for (const claimed of claims) await parts.inbox.complete(claimed);
      });
    expect(await unflushed(work)).toBe(1);
    expect(await unflushed(() => outbox.claim(10, NOW, NOW + 1_000, HOOKS))).toBe(1);
    expect(await outbox.countByState()).toMatchObject({ pending: 1 });
  });
});
