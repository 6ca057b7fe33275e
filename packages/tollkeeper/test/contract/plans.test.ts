/**
 * Tests query plans. The number of rows that a query reads must not depend on the number of rows that the query does not need.
 */
import { DatabaseSync } from "node:sqlite";
import pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { openDatabase, openStore } from "../../src/store/open-store.ts";
import type { Store } from "../../src/store/store.ts";
import { migrate } from "../../src/store/migrations/index.ts";
import { freshDatabase } from "../../../../test/support/databases.ts";
import { NOW } from "../support/records.ts";
import { HOOKS } from "../support/store.ts";
import { userOwner } from "../../src/domain/owner.ts";

async function openAt(url: string): Promise<Store> {
  const store = openStore({ url, mode: "test" });
  onTestFinished(() => store.close());
  await store.migrate();
  return store;
}

/**
 * Runs all database queries on the event queue and the message queue.
 */
async function askQueues({ inbox, outbox, dueWork }: Store): Promise<void> {
  await inbox.add(
    [{ eventId: "evt_1", type: "customer.updated", objectId: "cus_1", lane: "cus_1", eventCreatedAt: NOW }],
    NOW,
  );
  const message = { id: "m1", owner: userOwner("ada"), hook: "onAccessGranted", payload: "{}", createdAt: NOW };
  await outbox.add([message]);
  const [claimed] = await inbox.claim(10, NOW, NOW + 1_000);
  if (claimed) await inbox.complete(claimed, ["in_1"]);
  const [claimedHook] = await outbox.claim(10, NOW, NOW + 1_000, HOOKS);
  if (claimedHook) await outbox.complete(claimedHook);
  await outbox.registerHooks(HOOKS, NOW);
  await outbox.countUnhandled();
  await outbox.pruneUnhandled(NOW, NOW, 10);
  await dueWork.find(NOW, NOW);
  await inbox.findPendingObjectIds(["cus_1"], 10);
  await inbox.completeCovered(["cus_1"], 10, NOW);
  await inbox.countPending(10);
  for (const queue of [inbox, outbox]) {
    await queue.countUnfinished();
    await queue.findOldestPending();
    await queue.listDeadLetters(10);
    await queue.pruneDone(NOW, 100);
  }
  await inbox.listPendingLanes(NOW, 10);
  await inbox.filterUnstored(["evt_1"]);
}

/** The test omits the queries that delete old rows, because these queries read all rows that they delete. */
const isAsked = (text: string): boolean => /^\s*(\/\*.*\*\/\s*)?(select|with|update|insert)/.test(text);

test("on SQLite, a query about a few rows does not read all rows of test mode or live mode", async () => {
  const prepare = vi.spyOn(DatabaseSync.prototype, "prepare");
  onTestFinished(() => prepare.mockRestore());
  const url = await freshDatabase("sqlite");
  const store = await openAt(url);
  const { customers, subscriptions, operations, announcedAccess, lanes } = store;
  prepare.mockClear();
  await askQueues(store);
  await customers.findCustomers(["cus_1"]);
  await customers.findOwnersOf(["cus_1"]);
  await customers.findPaymentMethods(["pm_1"]);
  await customers.listCustomersOf(userOwner("ada"));
  await customers.addLink({ owner: userOwner("ada"), customerId: "cus_1" }, NOW);
  await subscriptions.listOfOwners([userOwner("ada")]);
  await subscriptions.findCustomerOfObject("sub_1");
  await subscriptions.findSubscriptions(["sub_1"]);
  await subscriptions.findInvoices(["in_1"]);
  await operations.findCurrent("checkout", "ada");
  await operations.listPending(NOW, null, 20);
  await announcedAccess.lockForUpdate([userOwner("ada")]);
  await lanes.versionOf("cus_1");
  const texts = prepare.mock.calls.map(([text]) => text).filter(isAsked);
  expect(texts.length).toBeGreaterThan(15);
  const plans = new DatabaseSync(url.replace("file:", ""));
  onTestFinished(() => plans.close());
  const readsAll = texts.flatMap((text) =>
    plans
      .prepare(`explain query plan ${text}`)
      .all()
      .map(({ detail }) => String(detail))
      .filter(
        (detail) =>
          (/\((mode=\?|mode=\? AND (kind|queue|owner_kind)=\?|rowid[<>]\?.*)\)$/.test(detail) &&
            // The indexes whose names contain `new`, `lanes`, `objects` or `dead` contain only rows that are not yet processed.
            !/(inbox|outbox)_(new|lanes|objects|dead|unhandled)/.test(detail)) ||
          /^SCAN (announced_access|customer|inbox|invoices|lanes|operations|outbox|queue_lanes|sub|payment)/.test(
            detail,
          ),
      )
      .map((detail) => `${detail}: ${text}`),
  );
  expect(readsAll).toEqual([]);
});

interface Plan {
  "Node Type": string;
  "Actual Rows": number;
  "Actual Loops": number;
  "Rows Removed by Filter"?: number;
  "Rows Removed by Join Filter"?: number;
  "Index Name"?: string;
  "Index Cond"?: string;
  Plans?: Plan[];
}

/** Returns the number of rows that was read by the step of a query plan that read the most rows. */
function mostRead(plan: Plan): number {
  const looked =
    plan["Actual Rows"] + (plan["Rows Removed by Filter"] ?? 0) + (plan["Rows Removed by Join Filter"] ?? 0);
  return Math.max(looked * plan["Actual Loops"], ...(plan.Plans ?? []).map(mostRead));
}

/**
 * Returns the indexes that a step of a query plan reads completely. A step of a query plan reads an index completely if the
 * step has no condition on the index's first column.
 */
function readWhole(plan: Plan): string[] {
  const { "Index Name": index = "", "Index Cond": condition = "", Plans: inner = [] } = plan;
  const isWhole = index !== "" && !index.endsWith("_pkey") && !condition.includes("mode");
  return [...(isWhole ? [index] : []), ...inner.flatMap(readWhole)];
}

const DONE = 4_000;
const LANES = 2_000;
const DUE = 20;
const MOST_READ = 10 * DUE;

const EMPTY = "truncate inbox, outbox, queue_lanes restart identity";
const FILL = `
  insert into inbox (mode, event_id, type, object_id, lane, event_created_at, received_at, state, run_at, attempts)
    select 'test', 'evt_done_' || n, 'customer.updated', 'cus_' || n % ${LANES}, 'cus_' || n % ${LANES}, 1, 1, 'done', 1, 1
    from generate_series(1, ${DONE}) as n;
  insert into outbox (mode, id, owner_kind, owner_id, lane, hook, payload, created_at, state, run_at, attempts)
    select 'test', 'm_done_' || n, 'user', 'cus_' || n % ${LANES}, 'user:cus_' || n % ${LANES}, 'onAccessGranted', '{}', 1, 'done', 1, 1
    from generate_series(1, ${DONE}) as n;
  insert into queue_lanes (mode, queue, lane, leased_until, leases)
    select 'test', queue, prefix || 'cus_' || n, 0, 1
    from generate_series(1, ${LANES}) as n, (values ('inbox', ''), ('outbox', 'user:')) as queues (queue, prefix)`;
const burst = (state: "new" | "pending"): string => `
  update inbox set state = '${state}' where seq > 1;
  update outbox set state = '${state}' where seq > 1;
  update queue_lanes set due_at = 1`;
const FEW_ARE_DUE = `
  update inbox set state = case when seq % 2 = 0 then 'new' else 'pending' end where seq > ${DONE - DUE};
  update outbox set state = case when seq % 2 = 0 then 'new' else 'pending' end where seq > ${DONE - DUE};
  update queue_lanes set due_at = 1 where lane in
    (select lane from inbox where state = 'pending' union select lane from outbox where state = 'pending')`;

test.each([
  ["many new rows", `${burst("new")}; delete from queue_lanes where queue = 'inbox'`],
  ["many pending rows", burst("pending")],
  ["no due rows", "select 1"],
  ["empty tables", EMPTY],
])(
  "PostgreSQL uses an index to find due rows among many processed rows, even if its statistics are from a time with %s",
  async (_, moment) => {
    const query = vi.spyOn(pg.Client.prototype, "query");
    onTestFinished(() => query.mockRestore());
    const url = await freshDatabase("postgres");
    const store = await openAt(url);
    query.mockClear();
    await askQueues(store);
    const asked = query.mock.calls.map((given): [string, unknown[]] => {
      const [first, values] = given as unknown as [string | { text: string; values: unknown[] }, unknown[]];
      return typeof first === "string" ? [first, values] : [first.text, first.values];
    });
    query.mockRestore();
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    onTestFinished(() => client.end());
    await client.query(`${EMPTY}; ${FILL}; ${moment}`);
    await client.query("analyze");
    await client.query(`${EMPTY}; ${FILL}; ${FEW_ARE_DUE}`);
    const readsMuch: string[] = [];
    const texts = asked.filter(([text]) => isAsked(text));
    expect(texts.length).toBeGreaterThan(15);
    for (const [text, values] of texts) {
      await client.query("begin");
      const { rows } = await client.query(`explain (analyze, format json) ${text}`, values);
      await client.query("rollback");
      const [{ Plan: plan }] = rows[0]["QUERY PLAN"] as [{ Plan: Plan }];
      const whole = readWhole(plan);
      if (mostRead(plan) > MOST_READ) readsMuch.push(`${mostRead(plan)} rows: ${text}`);
      if (whole.length > 0) readsMuch.push(`all of ${whole.join()}: ${text}`);
    }
    expect(readsMuch).toEqual([]);
  },
);

test("PostgreSQL collects no statistics about queue columns that change often", async () => {
  const url = await freshDatabase("postgres");
  const db = openDatabase(url);
  onTestFinished(() => db.destroy());
  await migrate(db, "postgres");
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  onTestFinished(() => client.end());
  const counted = async (...columns: string[]): Promise<string[]> => {
    const { rows } = await client.query(
      `select tablename || '.' || attname as name from pg_stats
       where schemaname = 'public' and tablename in ('inbox', 'outbox', 'queue_lanes') and attname = any($1)
       order by 1`,
      [columns],
    );
    return rows.map(({ name }) => String(name));
  };
  await client.query(FILL);
  await client.query("analyze");
  expect(await counted("lane")).toEqual(["inbox.lane", "outbox.lane", "queue_lanes.lane"]);
  expect(await counted("state", "queue", "due_at", "leased_until")).toEqual([]);
});
