/** Tests faults of a running database: failovers, ended sessions and removed files. */
import { copyFileSync, renameSync, rmSync } from "node:fs";
import { sql } from "kysely";
import pg from "pg";
import { describe, expect, inject, onTestFinished, test } from "vitest";
import { createTestHarness } from "../../../../test/support/harness.ts";
import { DIALECTS, freshDatabase } from "../../../../test/support/databases.ts";
import { openStore } from "../../src/store/open-store.ts";
import type { Store } from "../../src/store/store.ts";
import { signWebhook } from "../../src/testing/harness/index.ts";
import { NOW } from "../support/records.ts";
import { inboxEvent, openTestDatabase } from "../support/test-store.ts";

const UNAVAILABLE = { code: "store_unavailable", retryable: true };

async function administer(statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: inject("postgresUrl") });
  await client.connect();
  await client.query(statement);
  await client.end();
}

async function openAt(url: string): Promise<{ store: Store; lost: string[] }> {
  const lost: string[] = [];
  const store = openStore({ url, mode: "test", onConnectionLost: ({ message }) => lost.push(message) });
  onTestFinished(() => store.close());
  await store.migrate();
  return { store, lost };
}

/** Ends all sessions of a database, as a failover does. */
function endSessions(name: string): Promise<void> {
  return administer(
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}' and pid <> pg_backend_pid()`,
  );
}

describe("after a failover of PostgreSQL", () => {
  test("old read-only sessions fail the readiness check, are closed, and the next session can write", async () => {
    const url = await freshDatabase("postgres");
    const name = new URL(url).pathname.slice(1);
    const { store, lost } = await openAt(url);
    await administer(`alter database ${name} set default_transaction_read_only = on`);
    await endSessions(name);
    await expect.poll(() => store.ping(NOW).then(String, String)).toContain("database is unavailable");
    // Each session that the store opens now is read-only.
    await expect(store.ping(NOW)).rejects.toMatchObject(UNAVAILABLE);
    await expect(store.inbox.add([inboxEvent("evt_1")], NOW)).rejects.toMatchObject(UNAVAILABLE);
    await expect(store.replicas.heartbeat("r1", NOW, 0, null)).rejects.toMatchObject(UNAVAILABLE);
    await administer(`alter database ${name} reset default_transaction_read_only`);
    await store.ping(NOW);
    expect(await store.inbox.add([inboxEvent("evt_1")], NOW)).toEqual(new Set(["evt_1"]));
    expect(lost.filter((message) => message.includes("read-only"))).not.toEqual([]);
  });

  test("a read-only session that only reads fails the readiness check, even shortly after a check succeeded", async () => {
    const url = await freshDatabase("postgres");
    const name = new URL(url).pathname.slice(1);
    const { store } = await openAt(url);
    await store.ping(NOW);
    await administer(`alter database ${name} set default_transaction_read_only = on`);
    await endSessions(name);
    await store.ping(NOW).catch(() => {});
    await expect(store.ping(NOW)).rejects.toMatchObject(UNAVAILABLE);
  });

  test("a transaction in a read-only session fails as unavailable, and its session is closed", async () => {
    const db = openTestDatabase(await freshDatabase("postgres"));
    await sql`create table notes (text text)`.execute(db);
    const sessionOf = async () => (await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db)).rows[0]?.pid;
    const before = await sessionOf();
    await sql`set session characteristics as transaction read only`.execute(db);
    await expect(
      db.transaction().execute((transaction) => sql`insert into notes values ('a')`.execute(transaction)),
    ).rejects.toThrow();
    expect(await sessionOf()).not.toBe(before);
    await sql`insert into notes values ('b')`.execute(db);
  });

  test("sessions that PostgreSQL ended fail at most one call each, and are replaced", async () => {
    const url = await freshDatabase("postgres");
    const { store } = await openAt(url);
    await Promise.all(Array.from({ length: 5 }, () => store.ping(NOW)));
    await endSessions(new URL(url).pathname.slice(1));
    await Promise.allSettled(Array.from({ length: 5 }, () => store.ping(NOW)));
    await store.ping(NOW);
    expect(await store.inbox.add([inboxEvent("evt_1")], NOW)).toEqual(new Set(["evt_1"]));
  });
});

describe("a SQLite file that is in use", () => {
  const open = async () => {
    const url = await freshDatabase("sqlite");
    return { ...(await openAt(url)), path: url.replace("file:", "") };
  };
  const replace = (path: string): void => {
    copyFileSync(path, `${path}.copy`);
    renameSync(`${path}.copy`, path);
  };

  test.each<[name: string, damage: (path: string) => void]>([
    ["removed", (path) => rmSync(path)],
    ["moved", (path) => renameSync(path, `${path}.old`)],
    ["replaced", replace],
    ["left without its write-ahead log", (path) => rmSync(`${path}-wal`)],
    ["in a folder that is removed", (path) => rmSync(path.replace(/[^/]+$/, ""), { recursive: true })],
  ])("makes all calls fail as unavailable and is reported once if it is %s", async (_, damage) => {
    const { store, lost, path } = await open();
    await store.inbox.add([inboxEvent("evt_1")], NOW);
    await store.ping(NOW);
    damage(path);
    await expect(store.ping(NOW)).rejects.toMatchObject(UNAVAILABLE);
    await expect(store.inbox.add([inboxEvent("evt_2")], NOW)).rejects.toMatchObject(UNAVAILABLE);
    await expect(store.transaction(async ({ lanes }) => lanes.versionOf("cus_1"))).rejects.toMatchObject(UNAVAILABLE);
    expect(lost).toEqual([expect.stringMatching(/removed or replaced .* restart the service/)]);
  });

  test("makes the readiness check and webhooks return 503 if it is removed", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    const call = async (path: string, init?: RequestInit): Promise<number> =>
      (await billing.service.fetch(new Request(`http://app.test/stripe/${path}`, init))).status;
    const deliver = (id: string): Promise<number> => {
      const object = { id: "cus_1", object: "customer" };
      const event = { id, object: "event", type: "customer.updated", created: 1_770_000_000, livemode: false };
      const body = JSON.stringify({ ...event, data: { object } });
      const headers = { "stripe-signature": signWebhook(body, { now: billing.emulator.now() }) };
      return call("webhook", { method: "POST", headers, body });
    };
    expect([await call("ready"), await deliver("evt_1")]).toEqual([200, 200]);
    rmSync(billing.databaseUrl.replace("file:", ""));
    expect([await call("ready"), await deliver("evt_1"), await deliver("evt_2")]).toEqual([503, 503, 503]);
    expect(billing.log.filter(({ message }) => message === "database connection lost")).toHaveLength(1);
  });
});

test.each(DIALECTS)("the readiness check on %s proves a write", async (dialect) => {
  const url = await freshDatabase(dialect);
  const { store } = await openAt(url);
  expect(await store.tasks.find("ready")).toBeNull();
  await store.ping(NOW);
  expect(await store.tasks.find("ready")).toEqual({ progress: null, finishedAt: null });
});

test.each(DIALECTS)("the readiness check on %s writes at most once a second", async (dialect) => {
  const url = await freshDatabase(dialect);
  const { store } = await openAt(url);
  const db = openTestDatabase(url);
  /** Returns true if a check at the instant writes to the database. */
  const writesAt = async (now: number): Promise<boolean> => {
    await sql`delete from tasks where name = 'ready'`.execute(db);
    await store.ping(now);
    return (await store.tasks.find("ready")) !== null;
  };
  expect(await writesAt(NOW)).toBe(true);
  expect(await writesAt(NOW + 999)).toBe(false);
  expect(await writesAt(NOW + 1_000)).toBe(true);
  // The clock was corrected.
  expect(await writesAt(NOW - 60_000)).toBe(true);
});

test("a transaction on a full SQLite database fails with the cause, and a later transaction succeeds", async () => {
  const db = openTestDatabase(await freshDatabase("sqlite"));
  await sql`create table notes (text text)`.execute(db);
  const add = (bytes: number) =>
    db.transaction().execute(async (transaction) => {
      await sql`insert into notes values ('first')`.execute(transaction);
      await sql`insert into notes values (${"x".repeat(bytes)})`.execute(transaction);
    });
  await sql.raw("pragma max_page_count = 20").execute(db);
  await expect(add(200_000)).rejects.toThrow("database or disk is full");
  await add(10);
  const { rows } = await sql<{ text: string }>`select text from notes`.execute(db);
  expect(rows.map(({ text }) => text)).toEqual(["first", "x".repeat(10)]);
});
