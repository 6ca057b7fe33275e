import { EventEmitter, once } from "node:events";
import pg from "pg";
import { sql } from "kysely";
import { describe, expect, onTestFinished, test } from "vitest";
import { openDatabase } from "../../src/store/open-store.ts";
import { listenForNewEvents, notifyNewEvents } from "../../src/store/queue/event-notifications.ts";
import { freshDatabase } from "../../../../test/support/databases.ts";
import { NOW } from "../support/records.ts";
import { inboxEvent, openStoreAt } from "../support/store.ts";

/** The tests wait for `QUIET_MS`, which is longer than the interval between two notifications of new events. */
const QUIET_MS = 200;
const UNREACHABLE = "postgres://postgres@127.0.0.1:1/none";

const wait = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));

function open(url: string): ReturnType<typeof openDatabase> {
  const db = openDatabase(url);
  onTestFinished(() => db.destroy());
  return db;
}

/**
 * Opens a separate PostgreSQL connection that listens for notifications. Returns an array that receives the payload of each
 * notification.
 */
async function receivePayloads(url: string): Promise<string[]> {
  const client = new pg.Client({ connectionString: url });
  onTestFinished(() => client.end());
  await client.connect();
  const payloads: string[] = [];
  client.on("notification", ({ payload = "" }) => payloads.push(payload));
  await client.query("listen tollkeeper_new_events");
  return payloads;
}

/**
 * Starts a listener for new events in test mode. `nextCall` resolves at the next call of `onNewEvents`. `nextLoss` resolves
 * when the listener loses its connection.
 */
function listen(url: string) {
  const happened = new EventEmitter();
  let calls = 0;
  const stop = listenForNewEvents({
    url,
    mode: "test",
    onNewEvents: () => {
      calls += 1;
      happened.emit("called");
    },
    onConnectionLost: (error) => void happened.emit("lost", error),
  });
  onTestFinished(stop);
  const nextLoss = async (): Promise<Error> => {
    const [error] = (await once(happened, "lost")) as [Error];
    return error;
  };
  return { stop, calls: () => calls, nextCall: () => once(happened, "called"), nextLoss };
}

describe("the notification of other replicas about new events", () => {
  test("is sent immediately, and a single later notification announces all events that are stored shortly after the first notification", async () => {
    const url = await freshDatabase("postgres");
    const payloads = await receivePayloads(url);
    const notify = notifyNewEvents(open(url), "live", (error) => expect.unreachable(String(error)));
    for (let count = 0; count < 10; count += 1) notify();
    await wait(QUIET_MS);
    expect(payloads).toEqual(["live", "live"]);
    notify();
    await wait(QUIET_MS);
    expect(payloads).toEqual(["live", "live", "live"]);
  });

  test("is sent for new events, and not for events that are already stored", async () => {
    const url = await freshDatabase("postgres");
    const payloads = await receivePayloads(url);
    const { inbox } = await openStoreAt(url);
    await inbox.add([inboxEvent("evt_1")], NOW);
    await wait(QUIET_MS);
    expect(payloads).toEqual(["test"]);
    await inbox.add([inboxEvent("evt_1")], NOW);
    await wait(QUIET_MS);
    expect(payloads).toEqual(["test"]);
  });

  test("is sent even if the previous notification failed, and the failure is reported", async () => {
    const url = await freshDatabase("postgres");
    const payloads = await receivePayloads(url);
    const db = open(url);
    await sql`create schema broken`.execute(db);
    await sql`create function broken.pg_notify(text, text) returns void language plpgsql
      as 'begin raise exception ''no notifications''; end'`.execute(db);
    const name = new URL(url).pathname.slice(1);
    await sql`alter database ${sql.ref(name)} set search_path = broken, pg_catalog, public`.execute(db);
    const failures: string[] = [];
    const notify = notifyNewEvents(open(url), "test", ({ message }) => failures.push(message));
    notify();
    await wait(QUIET_MS);
    expect(failures).toEqual(["no notifications"]);
    await sql`drop schema broken cascade`.execute(db);
    notify();
    await wait(QUIET_MS);
    expect(payloads).toEqual(["test"]);
    expect(failures).toHaveLength(1);
  });
});

describe("a listener for new events", () => {
  test("calls onNewEvents when the listener starts, and later for each notification of new events in its mode", async () => {
    const url = await freshDatabase("postgres");
    const { calls, nextCall } = listen(url);
    await nextCall();
    const [db, again] = [open(url), nextCall()];
    await sql`select pg_notify('tollkeeper_new_events', 'live')`.execute(db);
    await wait(QUIET_MS);
    expect(calls()).toBe(1);
    await sql`select pg_notify('tollkeeper_new_events', 'test')`.execute(db);
    await again;
    expect(calls()).toBe(2);
  });

  test("reports a lost connection, and calls onNewEvents after it has connected again", async () => {
    const url = await freshDatabase("postgres");
    const { nextCall, nextLoss } = listen(url);
    await nextCall();
    const [again, loss] = [nextCall(), nextLoss()];
    await sql`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and query = 'listen tollkeeper_new_events'`.execute(open(url));
    expect((await loss).message).toContain("terminating connection");
    await again;
  });

  test("closes its connection when it stops", async () => {
    const url = await freshDatabase("postgres");
    const { stop, calls, nextCall } = listen(url);
    await nextCall();
    await stop();
    const { rows } = await sql`select 1 from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`.execute(open(url));
    expect(rows).toEqual([]);
    expect(calls()).toBe(1);
  });

  test("reports that PostgreSQL is unreachable, and does not try to connect after the listener is stopped", async () => {
    const { stop, calls, nextLoss } = listen(UNREACHABLE);
    expect((await nextLoss()).message).toContain("ECONNREFUSED");
    const startedAt = performance.now();
    await stop();
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    expect(calls()).toBe(0);
  });
});
