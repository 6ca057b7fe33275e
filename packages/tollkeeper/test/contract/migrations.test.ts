import { DatabaseSync } from "node:sqlite";
import { sql } from "kysely";
import { describe, expect, onTestFinished, test } from "vitest";
import { DIALECTS, freshDatabase } from "../../../../test/support/databases.ts";
import { migrate, STEPS } from "../../src/store/migrations/index.ts";
import { openDatabase, openStore } from "../../src/store/open-store.ts";

describe.each(DIALECTS)("migrations on %s", (dialect) => {
  test("are applied once, even if several replicas start at the same time", async () => {
    const url = await freshDatabase(dialect);
    const stores = Array.from({ length: 3 }, () => openStore({ url, mode: "test" }));
    onTestFinished(async () => void (await Promise.all(stores.map((store) => store.close()))));
    const applied = await Promise.all(stores.map((store) => store.migrate()));
    expect(applied.flat()).toEqual(STEPS.map(({ name }) => name));
    expect(await stores[0]?.migrate()).toEqual([]);
  });

  test("keep the data of the first release, and link a second customer that was mirrored without a link", async () => {
    const url = await freshDatabase(dialect);
    const db = openDatabase(url);
    onTestFinished(() => db.destroy());
    await migrate(db, dialect, STEPS.slice(0, 1));
    await sql`insert into customer_links (mode, owner_kind, owner_id, customer_id, linked_at)
      values ('test', 'user', 'ada', 'cus_b', 5)`.execute(db);
    await sql`insert into customers (mode, id, owner_kind, owner_id, deleted) values ('test', 'cus_a', 'user', 'ada', 0),
      ('test', 'cus_b', 'user', 'ada', 0), ('test', 'cus_c', 'user', 'ada', 1), ('test', 'cus_d', null, null, 0)`.execute(
      db,
    );
    await sql`insert into invoices (mode, id, customer_id, status, currency, total, amount_paid, attempted, attempt_count,
      created_at, payment) values ('test', 'in_1', 'cus_b', 'open', 'usd', 900, 200, 1, 1, 5, 'failed')`.execute(db);
    await migrate(db, dialect);
    const store = openStore({ url, mode: "test" });
    onTestFinished(() => store.close());
    // The customer that the first release used stays the primary customer.
    expect(await store.customers.listCustomersOf({ kind: "user", id: "ada" })).toEqual(["cus_b", "cus_a"]);
    expect(await store.subscriptions.findInvoice("in_1")).toMatchObject({ amountRemaining: 700 });
  });
});

test("a store rejects a database that a newer version of Tollkeeper migrated, and the error explains what to do", async () => {
  const url = await freshDatabase("sqlite");
  const store = openStore({ url, mode: "test" });
  onTestFinished(() => store.close());
  await store.migrate();
  const raw = new DatabaseSync(url.replace("file:", ""));
  raw.exec("insert into tollkeeper_migrations values ('9999-from-the-future')");
  raw.close();
  await expect(store.migrate()).rejects.toThrow("run the newer version of tollkeeper");
});

test("a migration on PostgreSQL may take longer than the timeout of SQL statements outside migrations", async () => {
  const db = openDatabase(await freshDatabase("postgres"), { responseTimeoutMs: 200 });
  onTestFinished(() => db.destroy());
  const slow = { name: "0001-slow", statements: () => ["select pg_sleep(0.4)"] };
  expect(await migrate(db, "postgres", [slow])).toEqual(["0001-slow"]);
  await expect(sql`select pg_sleep(0.4)`.execute(db)).rejects.toThrow("Connection terminated");
});
