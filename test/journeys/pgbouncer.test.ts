/** Tests the service behind PgBouncer in transaction mode. If PgBouncer is not installed, the tests are skipped. */
import { sql } from "kysely";
import { describe, expect, onTestFinished, test } from "vitest";
import { openDatabase, openStore } from "../../packages/tollkeeper/src/store/open-store.ts";
import type { StoreOptions } from "../../packages/tollkeeper/src/store/open-store.ts";
import type { Store } from "../../packages/tollkeeper/src/store/store.ts";
import type { Tollkeeper } from "../../packages/tollkeeper/src/index.ts";
import { createTestHarness } from "../support/harness.ts";
import { freshDatabase } from "../support/databases.ts";
import { HAS_PGBOUNCER, startPgBouncer } from "../support/pgbouncer.ts";

const inboxEvent = (at: number) => ({
  eventId: `evt_${at}`,
  type: "customer.updated",
  objectId: `cus_${at}`,
  lane: `cus_${at}`,
  eventCreatedAt: 1,
});

const name = HAS_PGBOUNCER ? "" : ": skipped, because it is not installed (apt-get install pgbouncer)";

test.skipIf(!HAS_PGBOUNCER)(
  "a test that starts PgBouncer with a setting that PgBouncer refuses ends with an error",
  async () => {
    const starting = startPgBouncer("postgres://postgres@127.0.0.1:5432/postgres", "pool_mode = none");
    await expect(starting).rejects.toThrow("PgBouncer did not start");
  },
);

describe.skipIf(!HAS_PGBOUNCER)(`behind PgBouncer in transaction mode${name}`, () => {
  const open = async (options: Partial<StoreOptions> = {}) => {
    const direct = await freshDatabase("postgres");
    const url = await startPgBouncer(direct);
    const polling: string[] = [];
    const store = openStore({ url, mode: "test", onPolling: () => polling.push("polling"), ...options });
    onTestFinished(() => store.close());
    return { direct, url, store, polling };
  };

  /** Adds and reads events in many transactions at once. Returns the events that were found. */
  async function addEvents(store: Store, count: number): Promise<unknown[]> {
    await store.migrate();
    const work = Array.from({ length: count }, async (_, at) => {
      await store.inbox.add([inboxEvent(at)], 1);
      await store.transaction((parts) => parts.lanes.advance(new Map([[`cus_${at}`, 0]])));
      return store.inbox.find(`evt_${at}`);
    });
    return (await Promise.all(work)).filter((found) => found !== null);
  }

  test("a purchase gives access, and runs its hooks", async () => {
    const granted: string[] = [];
    let service: Tollkeeper | undefined;
    const billing = await createTestHarness({
      dialect: "postgres",
      deliver: (request, next) => (service ? service.fetch(request) : next(request)),
    });
    service = billing.addReplica({
      databaseUrl: await startPgBouncer(await freshDatabase("postgres")),
      hooks: { onAccessGranted: ({ owner }) => void granted.push(owner.id) },
    });
    await billing.buy("ada");
    await billing.emulator.drain();
    await service.reconcile({ sweep: true });
    await service.drain();
    expect(await service.can("ada", "exports")).toBe(true);
    expect(granted).toEqual(["ada"]);
    const ready = await service.fetch(new Request("http://app.test/stripe/ready"));
    expect(ready.status).toBe(200);
  });

  test("many concurrent transactions and queries succeed, and no prepared statement stays in a session", async () => {
    const { store, url } = await open();
    expect(await addEvents(store, 60)).toHaveLength(60);
    expect(await store.inbox.claim(100, 2, 3)).toHaveLength(60);
    const db = openDatabase(url);
    onTestFinished(() => db.destroy());
    const prepared = await Promise.all(
      Array.from({ length: 9 }, () => sql`select name from pg_prepared_statements`.execute(db)),
    );
    expect(prepared.flatMap(({ rows }) => rows)).toEqual([]);
  });

  test("queries succeed even if PgBouncer is set to ignore the parameter by which the service detects it", async () => {
    const url = await startPgBouncer(await freshDatabase("postgres"), "ignore_startup_parameters = statement_timeout");
    const store = openStore({ url, mode: "test" });
    onTestFinished(() => store.close());
    expect(await addEvents(store, 60)).toHaveLength(60);
  });

  test("each transaction has a time limit, which does not stay in the session", async () => {
    const { url } = await open();
    const db = openDatabase(url);
    onTestFinished(() => db.destroy());
    const limit = sql<{ limit: string }>`select current_setting('statement_timeout') as limit`;
    const inside = await db.transaction().execute((transaction) => limit.execute(transaction));
    expect([inside.rows, (await limit.execute(db)).rows]).toEqual([[{ limit: "15s" }], [{ limit: "0" }]]);
  });

  test("the service polls for new events, unless DATABASE_DIRECT_URL names the database itself", async () => {
    const { store, polling } = await open();
    await store.migrate();
    await store.onNewEvents(() => {})();
    expect(polling).toEqual(["polling"]);
    const direct = await freshDatabase("postgres");
    const listener = openStore({
      url: await startPgBouncer(direct),
      directUrl: direct,
      mode: "test",
      onPolling: () => polling.push("again"),
    });
    onTestFinished(() => listener.close());
    await listener.migrate();
    let notify = (): void => {};
    const notified = () =>
      new Promise<void>((resolve) => {
        notify = resolve;
      });
    const listening = notified();
    const stop = listener.onNewEvents(() => notify());
    onTestFinished(() => stop());
    await listening;
    const received = notified();
    await listener.inbox.add([inboxEvent(1)], 1);
    await received;
    expect(polling).toEqual(["polling"]);
  });
});
