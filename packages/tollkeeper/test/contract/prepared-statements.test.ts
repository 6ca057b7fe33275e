import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import { freshDatabase } from "../../../../test/support/databases.ts";
import { nonDurable } from "../../src/store/transactions.ts";
import { openTestDatabase } from "../support/test-store.ts";

describe("a prepared statement", () => {
  const add = sql<{ one: number }>`select cast(${1} as integer) as one`;
  const prepared = sql<{ name: string }>`select name from pg_prepared_statements`;
  const connect = async (): Promise<ReturnType<typeof openTestDatabase>> => {
    const db = openTestDatabase(await freshDatabase("postgres"));
    return db;
  };

  test("is prepared again after a migration has added a column", async () => {
    const db = await connect();
    await sql`create table plans (id integer)`.execute(db);
    const everything = sql`select * from plans where id > ${0}`;
    await everything.execute(db);
    await sql`alter table plans add column name text default 'pro'`.execute(db);
    await sql`insert into plans values (1)`.execute(db);
    expect((await everything.execute(db)).rows).toEqual([{ id: 1, name: "pro" }]);
  });

  test("runs unprepared if a connection pooler uses a backend that lacks the statement", async () => {
    const db = await connect();
    await db.connection().execute(async (connection) => {
      await add.execute(connection);
      expect((await prepared.execute(connection)).rows).toHaveLength(1);
      await sql`deallocate all`.execute(connection);
      expect((await add.execute(connection)).rows).toEqual([{ one: 1 }]);
      expect((await prepared.execute(connection)).rows).toEqual([]);
    });
  });

  test("runs unprepared if a connection pooler uses a backend with another statement of the same name", async () => {
    const first = await connect();
    const name = await first.connection().execute(async (connection) => {
      await add.execute(connection);
      return (await prepared.execute(connection)).rows[0]?.name ?? "";
    });
    const second = await connect();
    await second.connection().execute(async (connection) => {
      await sql`prepare ${sql.ref(name)} as select cast($1 as integer) + 1 as one`.execute(connection);
      expect((await add.execute(connection)).rows).toEqual([{ one: 1 }]);
    });
  });

  test("causes a retry of its transaction if the statement's failure aborted the transaction", async () => {
    const db = await connect();
    await sql`create table written (run integer)`.execute(db);
    await add.execute(db);
    await sql`deallocate all`.execute(db);
    let runs = 0;
    const result = await nonDurable(db, "postgres").execute(async (transaction) => {
      runs += 1;
      await sql`insert into written values (${sql.lit(runs)})`.execute(transaction);
      return add.execute(transaction);
    });
    expect(result.rows).toEqual([{ one: 1 }]);
    expect((await sql`select run from written`.execute(db)).rows).toEqual([{ run: 2 }]);
  });
});
