/** How much a database reads to answer: what is asked about some rows costs the same beside however many others. */
import { DatabaseSync } from "node:sqlite";
import pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { openDatabase, openStore, type Store } from "../../src/store/open-store.ts";
import { queueStatistics } from "../../src/store/migrations/0008-queue-statistics.ts";
import { migrate, STEPS } from "../../src/store/migrations/index.ts";
import { freshDatabase } from "../../../../test/support/databases.ts";
import { NOW } from "../support/records.ts";

async function openAt(url: string): Promise<Store> {
  const store = openStore({ url, mode: "test" });
  onTestFinished(() => store.close());
  await store.migrate();
  return store;
}

/** All that a worker, a page of a list, the metrics and an operator ask of the queues. */
async function askQueues({ inbox, outbox, dueWork }: Store): Promise<void> {
  await inbox.add(
    [{ eventId: "evt_1", type: "customer.updated", objectId: "cus_1", lane: "cus_1", eventCreatedAt: NOW }],
    NOW,
  );
  const message = { id: "m1", userId: "cus_1", hook: "onAccessGranted", payload: "{}", createdAt: NOW };
  await outbox.add([message]);
  const [claimed] = await inbox.claim(10, NOW, NOW + 1_000);
  if (claimed) await inbox.complete(claimed, ["in_1"]);
  const [told] = await outbox.claim(10, NOW, NOW + 1_000);
  if (told) await outbox.complete(told);
  await dueWork.find(NOW, NOW);
  await inbox.findHinted(["cus_1"], 10);
  await inbox.completeTold(["cus_1"], 10, NOW);
  await inbox.countWaiting(10);
  for (const queue of [inbox, outbox]) {
    await queue.countOpen();
    await queue.oldestAt();
    await queue.listDead(10);
    await queue.forget(NOW, 100);
  }
  await inbox.listWaitingLanes(NOW, 10);
  await inbox.unknown(["evt_1"]);
}

/** Left out is what forgets: what was done long ago is found by reading. */
const isAsked = (text: string): boolean => /^\s*(\/\*.*\*\/\s*)?(select|with|update|insert)/.test(text);

test("SQLite answers questions about some rows without reading all of a mode", async () => {
  const prepare = vi.spyOn(DatabaseSync.prototype, "prepare");
  onTestFinished(() => prepare.mockRestore());
  const url = await freshDatabase("sqlite");
  const store = await openAt(url);
  const { customers, subscriptions, operations, grants, lanes } = store;
  prepare.mockClear();
  await askQueues(store);
  await customers.findCustomers(["cus_1"]);
  await customers.findUsersOf(["cus_1"]);
  await customers.findPaymentMethods(["pm_1"]);
  await customers.findCustomerNaming("ada");
  await subscriptions.listOfUsers(["ada"]);
  await subscriptions.findOwner("sub_1");
  await subscriptions.findSubscriptions(["sub_1"]);
  await subscriptions.findInvoices(["in_1"]);
  await operations.findCurrent("checkout", "ada");
  await operations.listPending(NOW, null, 20);
  await grants.hold(["ada"]);
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
          (/\((mode=\?|mode=\? AND (kind|queue)=\?|rowid[<>]\?.*)\)$/.test(detail) &&
            // These know only what is not done.
            !/(inbox|outbox)_(new|lanes|objects|dead)/.test(detail)) ||
          /^SCAN (access_grants|customer|inbox|invoices|lanes|operations|outbox|queue_lanes|sub|payment)/.test(detail),
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

/** The most rows that one step of a plan looked at. */
function mostRead(plan: Plan): number {
  const looked =
    plan["Actual Rows"] + (plan["Rows Removed by Filter"] ?? 0) + (plan["Rows Removed by Join Filter"] ?? 0);
  return Math.max(looked * plan["Actual Loops"], ...(plan.Plans ?? []).map(mostRead));
}

/** Indexes of what waits of which a step reads all, since it does not know how their keys begin. */
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
  insert into outbox (mode, id, user_id, hook, payload, created_at, state, run_at, attempts)
    select 'test', 'm_done_' || n, 'cus_' || n % ${LANES}, 'onAccessGranted', '{}', 1, 'done', 1, 1
    from generate_series(1, ${DONE}) as n;
  insert into queue_lanes (mode, queue, lane, leased_until, leases)
    select 'test', queue, 'cus_' || n, 0, 1
    from generate_series(1, ${LANES}) as n, (values ('inbox'), ('outbox')) as queues (queue)`;
const burst = (state: "new" | "pending"): string => `
  update inbox set state = '${state}' where seq > 1;
  update outbox set state = '${state}' where seq > 1;
  update queue_lanes set due_at = 1`;
const FEW_ARE_DUE = `
  update inbox set state = case when seq % 2 = 0 then 'new' else 'pending' end where seq > ${DONE - DUE};
  update outbox set state = case when seq % 2 = 0 then 'new' else 'pending' end where seq > ${DONE - DUE};
  update queue_lanes set due_at = 1 where lane in (select lane from inbox where state = 'pending')`;

test.each([
  ["much that was new", `${burst("new")}; delete from queue_lanes where queue = 'inbox'`],
  ["much that waited", burst("pending")],
  ["nothing that was due", "select 1"],
  ["nothing at all", EMPTY],
])("PostgreSQL finds what is due beside all that was done though it has last counted %s", async (_, moment) => {
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
});

test("what PostgreSQL has counted of a queue is forgotten when it is told to count no more", async () => {
  const url = await freshDatabase("postgres");
  const db = openDatabase(url);
  onTestFinished(() => db.destroy());
  await migrate(db, "postgres", STEPS.slice(0, STEPS.indexOf(queueStatistics)));
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  onTestFinished(() => client.end());
  const counted = async (): Promise<string[]> => {
    const { rows } = await client.query(
      `select tablename || '.' || attname as name from pg_stats
       where schemaname = 'public' and (tablename, attname) in
         (('inbox', 'state'), ('outbox', 'state'), ('queue_lanes', 'queue'), ('queue_lanes', 'leased_until'))
       order by 1`,
    );
    return rows.map(({ name }) => String(name));
  };
  await client.query(FILL);
  await client.query("analyze");
  expect(await counted()).toEqual(["inbox.state", "outbox.state", "queue_lanes.leased_until", "queue_lanes.queue"]);
  await migrate(db, "postgres");
  expect(await counted()).toEqual([]);
  await client.query("analyze");
  expect(await counted()).toEqual([]);
});
