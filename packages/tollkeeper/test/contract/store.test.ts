import { once } from "node:events";
import { createConnection, createServer, type AddressInfo, type Socket } from "node:net";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test, onTestFinished, vi } from "vitest";
import { sql } from "kysely";
import { openDatabase, openStore, type Store } from "../../src/store/open-store.ts";
import type { ClaimedEvent } from "../../src/store/queue/inbox.ts";
import { redoable } from "../../src/store/transactions.ts";
import { createInboxWriter, type InboxWriter } from "../../src/ingest/inbox-writer.ts";
import { migrate, STEPS } from "../../src/store/migrations/index.ts";
import { IDEMPOTENCY_KEY_LIFETIME_MS } from "../../src/domain/operations.ts";
import type { Mode } from "../../src/domain/records.ts";
import { DIALECTS, freshDatabase } from "../../../../test/support/databases.ts";
import { invoiceRecord, NOW, subscriptionRecord } from "../support/records.ts";

const event = (eventId: string, objectId = "sub_1", lane = "cus_1") => ({
  eventId,
  type: "customer.subscription.updated",
  objectId,
  lane,
  eventCreatedAt: NOW,
});

async function openAt(url: string, mode: Mode = "test"): Promise<Store> {
  const store = openStore({ url, mode });
  onTestFinished(() => store.close());
  await store.migrate();
  return store;
}

describe("what can't be prepared is asked all the same", () => {
  const add = sql<{ one: number }>`select cast(${1} as integer) as one`;
  const prepared = sql<{ name: string }>`select name from pg_prepared_statements`;
  const connect = async (): Promise<ReturnType<typeof openDatabase>> => {
    const db = openDatabase(await freshDatabase("postgres"));
    onTestFinished(() => db.destroy());
    return db;
  };

  test("where a newer version has added a column meanwhile", async () => {
    const db = await connect();
    await sql`create table plans (id integer)`.execute(db);
    const everything = sql`select * from plans where id > ${0}`;
    await everything.execute(db);
    await sql`alter table plans add column name text default 'pro'`.execute(db);
    await sql`insert into plans values (1)`.execute(db);
    expect((await everything.execute(db)).rows).toEqual([{ id: 1, name: "pro" }]);
  });

  test("where a pooler has led it to a backend that does not know the statement", async () => {
    const db = await connect();
    await db.connection().execute(async (connection) => {
      await add.execute(connection);
      expect((await prepared.execute(connection)).rows).toHaveLength(1);
      await sql`deallocate all`.execute(connection);
      expect((await add.execute(connection)).rows).toEqual([{ one: 1 }]);
      expect((await prepared.execute(connection)).rows).toEqual([]);
    });
  });

  test("where a pooler has led it to one that knows another's of that name", async () => {
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

  test("where it ends a transaction, which is done once more", async () => {
    const db = await connect();
    await sql`create table written (run integer)`.execute(db);
    await add.execute(db);
    await sql`deallocate all`.execute(db);
    let runs = 0;
    const answer = await redoable(db, "postgres").execute(async (transaction) => {
      runs += 1;
      await sql`insert into written values (${sql.lit(runs)})`.execute(transaction);
      return add.execute(transaction);
    });
    expect(answer.rows).toEqual([{ one: 1 }]);
    expect((await sql`select run from written`.execute(db)).rows).toEqual([{ run: 2 }]);
  });
});

describe("on SQLite", () => {
  const opened = async (): Promise<ReturnType<typeof openDatabase>> => {
    const db = openDatabase(await freshDatabase("sqlite"));
    onTestFinished(() => db.destroy());
    return db;
  };
  const level = async (db: ReturnType<typeof openDatabase>): Promise<unknown> =>
    (await sql<{ synchronous: number }>`pragma synchronous`.execute(db)).rows[0]?.synchronous;
  const [NORMAL, FULL] = [1, 2];

  test("a commit waits for the disk, but for a transaction's that can be done again", async () => {
    const db = await opened();
    expect(await level(db)).toBe(FULL);
    expect(await db.transaction().execute(level)).toBe(FULL);
    expect(await redoable(db, "sqlite").execute(level)).toBe(NORMAL);
    expect(await level(db)).toBe(FULL);
    const failing = redoable(db, "sqlite").execute(async () => {
      throw new Error("fails");
    });
    await expect(failing).rejects.toThrow("fails");
    expect(await level(db)).toBe(FULL);
  });

  test("a commit waits after one that could not be", async () => {
    const db = await opened();
    await sql`create table owners (id text primary key)`.execute(db);
    await sql`create table owned (owner text references owners (id) deferrable initially deferred)`.execute(db);
    const refused = redoable(db, "sqlite").execute((inside) =>
      sql`insert into owned values ('nobody')`.execute(inside),
    );
    await expect(refused).rejects.toThrow("FOREIGN KEY");
    expect(await level(db)).toBe(FULL);
    expect((await sql`select * from owned`.execute(db)).rows).toEqual([]);
  });

  test("a commit waits where there is no write-ahead log", async () => {
    const db = openDatabase("file::memory:");
    onTestFinished(() => db.destroy());
    expect(await redoable(db, "sqlite").execute(level)).toBe(FULL);
  });

  test("events and the claims of hooks wait for the disk, the work on events does not", async () => {
    const exec = vi.spyOn(DatabaseSync.prototype, "exec");
    onTestFinished(() => exec.mockRestore());
    const { inbox, outbox, transaction } = await openAt(await freshDatabase("sqlite"));
    const unflushed = async (work: () => Promise<unknown>): Promise<number> => {
      exec.mockClear();
      await work();
      return exec.mock.calls.filter(([text]) => text === "pragma synchronous = normal").length;
    };
    expect(await unflushed(() => inbox.add([event("evt_1")], NOW))).toBe(0);
    const claims: ClaimedEvent[] = [];
    const claim = async () => claims.push(...(await inbox.claim(10, NOW, NOW + 1_000)));
    // What is new is taken in, and then claimed.
    expect(await unflushed(claim)).toBe(2);
    const message = { id: "m1", userId: "ada", hook: "onAccessGranted", payload: "{}", createdAt: NOW };
    const work = () =>
      transaction(async (parts) => {
        await parts.outbox.add([message]);
        for (const claimed of claims) await parts.inbox.complete(claimed);
      });
    expect(await unflushed(work)).toBe(1);
    expect(await unflushed(() => outbox.claim(10, NOW, NOW + 1_000))).toBe(1);
    expect(await outbox.countByState()).toMatchObject({ pending: 1 });
  });
});

const MOST_LOOKS = 10_000;

async function somebodyWaitsForALock(url: string, howMany = 1): Promise<void> {
  const db = openDatabase(url);
  onTestFinished(() => db.destroy());
  for (let looks = 0; looks < MOST_LOOKS; looks += 1) {
    const { rows } = await sql`select 1 from pg_stat_activity
      where wait_event_type = 'Lock' and datname = current_database()`.execute(db);
    if (rows.length >= howMany) return;
  }
  throw new Error("nobody waits for a lock");
}

test("PostgreSQL stores events that have come before while they are claimed, and nobody waits for ever", async () => {
  const url = await freshDatabase("postgres");
  const [{ inbox }, door] = [await openAt(url), await openAt(url)];
  await inbox.add([event("evt_0", "in_0", "cus_2"), event("evt_a", "in_a", "cus_1")], NOW);
  for (const claimed of await inbox.claim(5, NOW, NOW + 9_000))
    await (claimed.eventId === "evt_a" ? inbox.retry(claimed, NOW + 10, "outage") : inbox.complete(claimed));
  await inbox.add([event("evt_b", "in_b", "cus_2")], NOW + 20);
  const db = openDatabase(url);
  onTestFinished(() => db.destroy());
  const [claiming, adding] = await db.transaction().execute(async (endsItsClaim) => {
    await sql`select 1 from queue_lanes where lane = 'cus_2' and queue = 'inbox' for update`.execute(endsItsClaim);
    const claim = inbox.claim(5, NOW + 30, NOW + 9_000);
    await somebodyWaitsForALock(url);
    const add = door.inbox.add([event("evt_a", "in_a", "cus_1"), event("evt_b", "in_b", "cus_2")], NOW + 30);
    await somebodyWaitsForALock(url, 2);
    return [claim, add];
  });
  expect((await claiming).map(({ eventId }) => eventId).toSorted()).toEqual(["evt_a", "evt_b"]);
  expect(await adding).toEqual(new Set());
});

test.each([
  ["first", "cus_9"],
  ["last", "cus_0"],
])(
  "on PostgreSQL what is taken in while a claim of its lane ends is not forgotten, whose lane comes %s",
  async (_, held) => {
    const url = await freshDatabase("postgres");
    const [{ inbox }, other] = [await openAt(url), await openAt(url)];
    await inbox.add([event("evt_1", "in_1", "cus_1"), event("evt_2", "in_2", held)], NOW);
    const claims = await inbox.claim(5, NOW, NOW + 9_000);
    const [ours, theirs] = claims.toSorted((claim) => (claim.lane === "cus_1" ? -1 : 1));
    if (!ours || !theirs) throw new Error("two lanes are due");
    await inbox.complete(theirs);
    await inbox.add([event("evt_3", "in_3", "cus_1"), event("evt_4", "in_4", held)], NOW + 10);
    const db = openDatabase(url);
    onTestFinished(() => db.destroy());
    const [claiming, ending] = await db.transaction().execute(async (holding) => {
      await sql`select 1 from queue_lanes where lane = ${held} and queue = 'inbox' for update`.execute(holding);
      const claim = other.inbox.claim(5, NOW + 20, NOW + 9_000);
      await somebodyWaitsForALock(url);
      const end = inbox.complete(ours);
      await (held > ours.lane ? somebodyWaitsForALock(url, 2) : end);
      return [claim, end];
    });
    expect(await ending).toBe(true);
    const due = [...(await claiming), ...(await inbox.claim(5, NOW + 30, NOW + 9_000))];
    expect(due.map(({ eventId }) => eventId).toSorted()).toEqual(["evt_3", "evt_4"]);
  },
);

/** An inbox's writer whose first commit waits for somebody else's: what it answers for events that come then. */
async function besideACommit(act: (write: InboxWriter, later: (ms: number) => void) => Promise<void>): Promise<void> {
  const url = await freshDatabase("postgres");
  const [store, other] = [await openAt(url), await openAt(url)];
  let now = NOW;
  const sleeping: (() => void)[] = [];
  const sleep = (): Promise<void> => new Promise((resolve) => void sleeping.push(resolve));
  const write = createInboxWriter(store, { now: () => now, sleep });
  const [earlier] = await other.transaction(async (parts) => {
    await parts.inbox.add([event("evt_1")], NOW);
    const waits = write(event("evt_1"));
    await somebodyWaitsForALock(url);
    await act(write, (ms) => {
      now += ms;
      for (const wake of sleeping.splice(0)) wake();
    });
    return [waits];
  });
  expect(await earlier).toBe(false);
}

test("on PostgreSQL an event is stored while an earlier commit is held up", async () => {
  await besideACommit(async (write, later) => {
    later(50);
    expect(await write(event("evt_2"))).toBe(true);
  });
});

test("on PostgreSQL an event that came shortly after a commit is stored though it is held up, and nobody comes after it", async () => {
  await besideACommit(async (write, later) => {
    later(20);
    const stored = write(event("evt_2"));
    later(10);
    await new Promise((resolve) => setImmediate(resolve));
    later(20);
    expect(await stored).toBe(true);
  });
});

test("on PostgreSQL many events are stored while an earlier commit is under way", async () => {
  await besideACommit(async (write) => {
    const many = Array.from({ length: 12 }, (_, at) => write(event(`evt_${at + 2}`)));
    expect(new Set(await Promise.all(many))).toEqual(new Set([true]));
  });
});

test("PostgreSQL looks how large the mirror is when it is asked to, at as much of it as is said", async () => {
  const url = await freshDatabase("postgres");
  const store = await openAt(url);
  const links = Array.from({ length: 50 }, (_, at) => ({ userId: `user${at}`, customerId: `cus_${at}` }));
  await store.customers.link(links, NOW);
  const db = openDatabase(url);
  onTestFinished(() => db.destroy());
  const known = async () => {
    const { rows } = await sql`
      select reltuples as rows, array_length(histogram_bounds::text::text[], 1) as bounds
      from pg_class join pg_stats on tablename = relname
      where relname = 'customer_links' and attname = 'user_id'`.execute(db);
    return rows;
  };
  await store.analyze("small");
  expect(await known()).toEqual([{ rows: 50, bounds: 2 }]);
  await store.analyze("usual");
  expect(await known()).toEqual([{ rows: 50, bounds: 50 }]);
});

test("on SQLite an event is stored soon, though each turn of a busy process brings more", async () => {
  const store = await openAt(await freshDatabase("sqlite"));
  let now = NOW;
  const write = createInboxWriter(store, { now: () => now, sleep: () => new Promise(() => {}) });
  const others: Promise<boolean>[] = [];
  const storedAfter = write(event("evt_0")).then(() => others.length);
  for (let turn = 1; turn <= 100; turn += 1) {
    others.push(write(event(`evt_${turn}`)));
    await new Promise((resolve) => setImmediate(resolve));
    now += 5;
  }
  expect(await storedAfter).toBeLessThan(10);
  await Promise.all(others);
});

describe.each(DIALECTS)("the store on %s", (dialect) => {
  const open = async (url?: string, mode?: Mode): Promise<Store> => openAt(url ?? (await freshDatabase(dialect)), mode);

  test("past so many events that wait to be stored the next is refused, and all that wait are stored", async () => {
    const write = createInboxWriter(await open(), { now: () => NOW, sleep: () => new Promise(() => {}) });
    const waiting = Array.from({ length: 20_000 }, (_, at) => write(event(`evt_${at}`)));
    await expect(write(event("evt_more"))).rejects.toMatchObject({ code: "overloaded", retryable: true });
    expect(new Set(await Promise.all(waiting))).toEqual(new Set([true]));
    expect(await write(event("evt_more"))).toBe(true);
  });

  test("migrates once, also when several start at the same time", async () => {
    const url = await freshDatabase(dialect);
    const stores = Array.from({ length: 3 }, () => openStore({ url, mode: "test" }));
    onTestFinished(async () => void (await Promise.all(stores.map((store) => store.close()))));
    const applied = await Promise.all(stores.map((store) => store.migrate()));
    expect(applied.flat()).toEqual([
      "0001-initial",
      "0002-reconcile",
      "0003-lanes",
      "0004-bodies",
      "0005-key-ends",
      "0006-statistics",
      "0007-dead-letters",
      "0008-queue-statistics",
    ]);
    expect(await stores[0]?.migrate()).toEqual([]);
  });

  test("takes over what waits in a database of an earlier version", async () => {
    const url = await freshDatabase(dialect);
    const before = openDatabase(url);
    onTestFinished(() => before.destroy());
    await migrate(before, dialect, STEPS.slice(0, 2));
    for (const [eventId, state] of [
      ["evt_1", "pending"],
      ["evt_2", "done"],
    ])
      await sql`insert into inbox (mode, event_id, type, object_id, lane, event_created_at, received_at, state, run_at,
        leased_until, attempts) values ('test', ${eventId}, 'invoice.paid', 'in_1', 'cus_1', ${NOW}, ${NOW}, ${state},
        ${NOW + 60_000}, ${NOW + 60_000}, 1)`.execute(before);
    const { inbox } = await open(url);
    expect((await inbox.claim(5, NOW, NOW + 1_000)).map(({ eventId }) => eventId)).toEqual(["evt_1"]);
    expect(await inbox.countByState()).toEqual({ pending: 1, done: 1, dead: 0 });
  });

  test("keeps an event once, however often it comes", async () => {
    const { inbox } = await open();
    expect(await inbox.add([event("evt_1"), event("evt_2")], NOW)).toEqual(new Set(["evt_1", "evt_2"]));
    expect(await inbox.add([event("evt_2"), event("evt_3")], NOW)).toEqual(new Set(["evt_3"]));
    expect((await inbox.countByState()).pending).toBe(3);
  });

  test("keeps test and live apart in one database", async () => {
    const url = await freshDatabase(dialect);
    const testStore = await open(url, "test");
    const liveStore = await open(url, "live");
    await testStore.customers.link([{ userId: "ada", customerId: "cus_test" }], NOW);
    await liveStore.customers.link([{ userId: "ada", customerId: "cus_live" }], NOW);
    expect(await testStore.customers.findCustomerOf("ada")).toBe("cus_test");
    expect(await liveStore.customers.findCustomerOf("ada")).toBe("cus_live");
    await testStore.inbox.add([event("evt_1")], NOW);
    expect(await liveStore.inbox.claim(10, NOW, NOW + 1)).toEqual([]);
  });

  test("claims one event per lane, and none of a lane that is being worked on", async () => {
    const { inbox } = await open();
    await inbox.add([event("evt_1"), event("evt_2", "in_1"), event("evt_3", "sub_9", "cus_9")], NOW);
    const first = await inbox.claim(10, NOW, NOW + 1_000);
    expect(first.map((claimed) => claimed.eventId).toSorted()).toEqual(["evt_1", "evt_3"]);
    expect(await inbox.claim(10, NOW, NOW + 1_000)).toEqual([]);
    for (const claimed of first) expect(await inbox.complete(claimed)).toBe(true);
    expect((await inbox.claim(10, NOW, NOW + 1_000)).map((claimed) => claimed.eventId)).toEqual(["evt_2"]);
  });

  test("gives several claimers different lanes", async () => {
    const { inbox } = await open();
    await inbox.add(
      Array.from({ length: 40 }, (_, at) => event(`evt_${at}`, `sub_${at}`, `cus_${at % 20}`)),
      NOW,
    );
    const claims = await Promise.all(Array.from({ length: 4 }, () => inbox.claim(8, NOW, NOW + 1_000)));
    const lanes = claims.flat().map((claimed) => claimed.lane);
    expect(new Set(lanes).size).toBe(lanes.length);
  });

  test("takes in whatever has come, and serves lanes in turn: a long one goes before nobody", async () => {
    const { inbox } = await open();
    await inbox.add(
      Array.from({ length: 4_500 }, (_, at) => event(`evt_${at}`, `in_${at}`)),
      NOW,
    );
    await inbox.add([event("evt_last", "sub_9", "cus_9")], NOW + 1);
    const [long] = await inbox.claim(1, NOW + 2, NOW + 9_000);
    if (!long) throw new Error("expected a claim");
    await inbox.complete(long);
    expect((await inbox.claim(1, NOW + 3, NOW + 9_000)).map(({ eventId }) => eventId)).toEqual(["evt_last"]);
    expect((await inbox.claim(1, NOW + 3, NOW + 9_000)).map(({ lane }) => lane)).toEqual(["cus_1"]);
  });

  test("a list answers the hints that had come before it was asked for, and none that came later", async () => {
    const { inbox } = await open();
    await inbox.add([event("evt_before")], NOW);
    const upToSeq = await inbox.lastSeq();
    await inbox.add([event("evt_after")], NOW);
    expect(await inbox.findHinted(["sub_1", "sub_2"], upToSeq)).toEqual(new Set(["sub_1"]));
    expect(await inbox.completeTold(["sub_1"], upToSeq, NOW)).toBe(1);
    expect(await inbox.claim(5, NOW, NOW + 9_000)).toMatchObject([{ eventId: "evt_after" }]);
  });

  test("makes due what was put off when it came, of a lane that is worked on as well, but no retry", async () => {
    const { inbox } = await open();
    const due = async (now: number) => (await inbox.claim(5, now, NOW + 9_000)).map(({ eventId }) => eventId);
    await inbox.add([event("evt_worked_on"), event("evt_retry", "in_2", "cus_2")], NOW);
    await inbox.add([event("evt_behind", "in_1"), event("evt_alone", "in_3", "cus_3")], NOW, NOW + 600_000);
    const claimed = await inbox.claim(5, NOW, NOW + 9_000);
    const [retried, workedOn] = claimed.toSorted((one, other) => one.eventId.localeCompare(other.eventId));
    if (!workedOn || !retried) throw new Error("expected two claims");
    await inbox.retry(retried, NOW + 60_000, "not now");
    await inbox.hasten(NOW + 1);
    expect(await due(NOW + 1)).toEqual(["evt_alone"]);
    await inbox.complete(workedOn);
    expect(await due(NOW + 1)).toEqual(["evt_behind"]);
    expect(await due(NOW + 8_999)).toEqual([]);
  });

  test("answers as many as were asked for, though lanes that lists have answered were due before", async () => {
    const { inbox } = await open();
    const lanes = Array.from({ length: 40 }, (_, at) => `cus_${String(at).padStart(2, "0")}`);
    await inbox.add(
      lanes.map((lane) => event(`evt_${lane}`, `sub_${lane}`, lane)),
      NOW,
    );
    const told = lanes.slice(0, 36).map((lane) => `sub_${lane}`);
    const upToSeq = await inbox.lastSeq();
    await inbox.findHinted(told, upToSeq);
    await inbox.completeTold(told, upToSeq, NOW);
    await inbox.add([event("evt_more", "in_more", "cus_00")], NOW);
    expect(await inbox.claim(3, NOW, NOW + 9_000)).toHaveLength(3);
    expect(await inbox.claim(8, NOW, NOW + 9_000)).toHaveLength(2);
  });

  test("finds what is due behind lanes that are done with", async () => {
    const { inbox } = await open();
    const lanes = Array.from({ length: 12 }, (_, at) => at);
    await inbox.add(
      lanes.map((at) => event(`evt_${at}`, `sub_${at}`, `cus_${at}`)),
      NOW,
    );
    for (const claimed of await inbox.claim(10, NOW, NOW + 9_000)) await inbox.complete(claimed);
    const left: string[] = [];
    for (let claims = 0; claims < lanes.length; claims += 1)
      left.push(...(await inbox.claim(1, NOW + 1, NOW + 9_000)).map(({ eventId }) => eventId));
    expect(left).toHaveLength(2);
    expect((await inbox.claim(1, NOW, NOW + 9_000)).length).toBe(0);
  });

  test("comes back to a lane when its next event is due, and to one that was done when another comes", async () => {
    const { inbox } = await open();
    await inbox.add([event("evt_1")], NOW, NOW + 500);
    const claim = async (now: number) => (await inbox.claim(5, now, now + 1_000)).map(({ eventId }) => eventId);
    expect(await claim(NOW)).toEqual([]);
    const [first] = await inbox.claim(5, NOW + 500, NOW + 1_500);
    await inbox.add([event("evt_2")], NOW + 600);
    expect(await claim(NOW + 600)).toEqual([]);
    if (first) await inbox.complete(first);
    const [second] = await inbox.claim(5, NOW + 700, NOW + 1_700);
    expect(second?.eventId).toBe("evt_2");
    if (second) await inbox.complete(second);
    expect(await claim(NOW + 800)).toEqual([]);
    await inbox.add([event("evt_3")], NOW + 900);
    expect(await claim(NOW + 900)).toEqual(["evt_3"]);
  });

  test("hands a lost lease to the next claimer, and takes nothing from the first any more", async () => {
    const { inbox } = await open();
    await inbox.add([event("evt_1")], NOW);
    const [lost] = await inbox.claim(1, NOW, NOW + 1_000);
    const [taken] = await inbox.claim(1, NOW + 1_001, NOW + 2_000);
    if (!lost || !taken) throw new Error("expected two claims");
    expect(taken.eventId).toBe("evt_1");
    expect(await inbox.complete(lost)).toBe(false);
    expect(await inbox.complete(taken)).toBe(true);
  });

  test("holds a lease that is renewed in time, and none that was lost", async () => {
    const { inbox } = await open();
    await inbox.add([event("evt_1")], NOW);
    const [first] = await inbox.claim(1, NOW, NOW + 1_000);
    if (!first) throw new Error("expected a claim");
    expect(await inbox.renew(first, NOW + 3_000)).toBe(true);
    expect(await inbox.claim(1, NOW + 1_001, NOW + 2_000)).toEqual([]);
    expect(await inbox.claim(1, NOW + 3_001, NOW + 4_000)).toHaveLength(1);
    expect(await inbox.renew(first, NOW + 9_000)).toBe(false);
  });

  test("a beat that comes late holds no lane that its holder has freed", async () => {
    const { inbox } = await open();
    await inbox.add([event("evt_1"), event("evt_2", "in_1")], NOW);
    const [claimed] = await inbox.claim(1, NOW, NOW + 1_000);
    if (!claimed) throw new Error("expected a claim");
    await inbox.complete(claimed);
    expect(await inbox.renew(claimed, NOW + 99_000)).toBe(false);
    expect(await inbox.claim(1, NOW + 1, NOW + 9_000)).toHaveLength(1);
  });

  test("whoever has lost a lane has no say in it, though nobody else has taken its row", async () => {
    const { inbox } = await open();
    await inbox.add([event("evt_1")], NOW);
    const [slow] = await inbox.claim(1, NOW, NOW + 1_000);
    // By a clock that is behind, this one was due before.
    await inbox.add([event("evt_2", "in_1"), event("evt_3", "in_2")], NOW, NOW - 500);
    const [next] = await inbox.claim(1, NOW + 1_001, NOW + 9_000);
    if (!slow || !next) throw new Error("expected two claims");
    expect([slow.eventId, next.eventId]).toEqual(["evt_1", "evt_2"]);
    expect(await inbox.renew(slow, NOW + 99_000)).toBe(false);
    expect(await inbox.complete(slow)).toBe(false);
    expect(await inbox.claim(1, NOW + 2_000, NOW + 9_000)).toEqual([]);
    expect(await inbox.complete(next)).toBe(true);
    expect((await inbox.claim(1, NOW + 2_000, NOW + 9_000)).map(({ eventId }) => eventId)).toEqual(["evt_3"]);
  });

  test("lets other events of a lane go ahead of one that waits for its retry", async () => {
    const { inbox } = await open();
    await inbox.add([event("evt_1_poison", "in_1"), event("evt_2", "sub_1")], NOW);
    const [poison] = await inbox.claim(1, NOW, NOW + 1_000);
    if (!poison) throw new Error("expected a claim");
    await inbox.retry(poison, NOW + 60_000, "no");
    expect((await inbox.claim(1, NOW, NOW + 1_000)).map((claimed) => claimed.eventId)).toEqual(["evt_2"]);
  });

  test("completes the hints for one object together, but none that came after the claim", async () => {
    const { inbox } = await open();
    await inbox.add([event("evt_1"), event("evt_2"), event("evt_other", "in_1")], NOW);
    const [claimed] = await inbox.claim(1, NOW, NOW + 1_000);
    if (!claimed) throw new Error("expected a claim");
    await inbox.add([event("evt_later")], NOW);
    await inbox.complete(claimed);
    expect(await inbox.countByState()).toEqual({ pending: 2, done: 2, dead: 0 });
  });

  test("completes with a hint those of its lane that its answer tells of, and no other lane's", async () => {
    const { inbox } = await open();
    const elsewhere = { ...event("evt_elsewhere", "in_1"), lane: "cus_other" };
    await inbox.add([event("evt_1"), event("evt_2", "in_1"), event("evt_3", "in_2"), elsewhere], NOW);
    const [claimed] = await inbox.claim(1, NOW, NOW + 1_000);
    if (!claimed) throw new Error("expected a claim");
    await inbox.complete(claimed, ["in_1"]);
    expect(await inbox.countByState()).toEqual({ pending: 2, done: 2, dead: 0 });
    expect((await inbox.claim(5, NOW, NOW + 1_000)).map(({ eventId }) => eventId).toSorted()).toEqual([
      "evt_3",
      "evt_elsewhere",
    ]);
  });

  test("a lane with nothing left in it is not due, and one with more is", async () => {
    const { inbox, dueWork } = await open();
    await inbox.add([event("evt_1"), event("evt_2", "in_1")], NOW);
    const [first] = await inbox.claim(5, NOW, NOW + 9_000);
    if (!first) throw new Error("expected a claim");
    expect((await dueWork.find(NOW, NOW)).inbox).toBe(false);
    await inbox.retry(first, NOW + 500, "outage");
    expect((await dueWork.find(NOW, NOW)).inbox).toBe(true);
    const [second] = await inbox.claim(5, NOW, NOW + 9_000);
    if (!second) throw new Error("expected a claim");
    await inbox.complete(second);
    expect((await dueWork.find(NOW + 499, NOW)).inbox).toBe(false);
    expect((await dueWork.find(NOW + 500, NOW)).inbox).toBe(true);
  });

  test("hints that come while their lane is worked on make it due once it is free", async () => {
    const { inbox, dueWork } = await open();
    await inbox.add([event("evt_1")], NOW);
    const [first] = await inbox.claim(5, NOW, NOW + 9_000);
    if (!first) throw new Error("expected a claim");
    await inbox.add([event("evt_2")], NOW + 1);
    expect(await inbox.claim(5, NOW + 1, NOW + 9_000)).toEqual([]);
    expect((await dueWork.find(NOW + 1, NOW)).inbox).toBe(false);
    await inbox.complete(first);
    expect((await dueWork.find(NOW + 1, NOW)).inbox).toBe(true);
  });

  test("gives dead letters another chance when asked", async () => {
    const { inbox } = await open();
    await inbox.add([event("evt_1")], NOW);
    const [claimed] = await inbox.claim(1, NOW, NOW + 1_000);
    if (!claimed) throw new Error("expected a claim");
    await inbox.bury(claimed, "poison");
    expect(await inbox.claim(1, NOW + 9_000, NOW + 10_000)).toEqual([]);
    expect(await inbox.revive(NOW)).toBe(1);
    const [again] = await inbox.claim(1, NOW, NOW + 1_000);
    // Attempts begin anew; who knew the row in its earlier life has no say in this one.
    expect(again?.attempts).toBe(1);
    expect(await inbox.complete(claimed)).toBe(false);
    expect(again && (await inbox.complete(again))).toBe(true);
  });

  test("delivers a user's outbox in order, also around a retry", async () => {
    const { outbox } = await open();
    const message = (id: string, userId: string) => ({
      id,
      userId,
      hook: "onAccessGranted",
      payload: "{}",
      createdAt: NOW,
    });
    await outbox.add([message("m1", "ada"), message("m2", "ada"), message("m3", "grace")]);
    await outbox.add([message("m1", "ada")]);
    const first = await outbox.claim(10, NOW, NOW + 1_000);
    expect(first.map(({ id }) => id)).toEqual(["m1", "m3"]);
    if (!first[0]) throw new Error("expected a claim");
    await outbox.retry(first[0], NOW + 60_000, "the hook threw");
    expect(await outbox.claim(10, NOW, NOW + 1_000)).toEqual([]);
  });

  test("links a user to one customer, whoever comes first", async () => {
    const { customers } = await open();
    const linked = await Promise.all(
      Array.from({ length: 20 }, async (_, at) => {
        await customers.link([{ userId: "ada", customerId: `cus_${at}` }], NOW);
        return customers.findCustomerOf("ada");
      }),
    );
    expect(new Set(linked).size).toBe(1);
    await customers.link([{ userId: "grace", customerId: linked[0] ?? "" }], NOW);
    expect(await customers.findCustomerOf("grace")).toBeNull();
  });

  test("lets one writer through per version of a lane", async () => {
    const store = await open();
    const advance = (...versions: [string, number][]) =>
      store.transaction(async (parts) => [...(await parts.lanes.advance(new Map(versions)))]);
    const results = await Promise.all(Array.from({ length: 5 }, () => advance(["cus_1", 0])));
    expect(results.flat()).toEqual(["cus_1"]);
    expect(await store.lanes.versionOf("cus_1")).toBe(1);
    expect(await advance(["cus_1", 1], ["cus_2", 0])).toEqual(["cus_1", "cus_2"]);
    expect(await advance(["cus_1", 1], ["cus_2", 1])).toEqual(["cus_2"]);
    expect(await store.lanes.all()).toEqual(
      new Map([
        ["cus_1", 2],
        ["cus_2", 2],
      ]),
    );
  });

  test("takes everything of a failed transaction back", async () => {
    const store = await open();
    const failing = store.transaction(async (parts) => {
      await parts.customers.link([{ userId: "ada", customerId: "cus_1" }], NOW);
      throw new Error("no");
    });
    await expect(failing).rejects.toThrow("no");
    expect(await store.customers.findCustomerOf("ada")).toBeNull();
  });

  test("lets one decide about a user's access at a time", async () => {
    const url = await freshDatabase(dialect);
    const [one, other] = [await open(url), await open(url)];
    await one.grants.save([{ userId: "ada", features: [], checkAt: null }]);
    const holding = Promise.withResolvers<void>();
    const deciding = Promise.withResolvers<void>();
    const first = one.transaction(async ({ grants }) => {
      await grants.hold(["ada"]);
      holding.resolve();
      await deciding.promise;
      await grants.save([{ userId: "ada", features: ["export"], checkAt: null }]);
    });
    await holding.promise;
    const second = other.transaction(async ({ grants }) => (await grants.hold(["ada"])).get("ada")?.features);
    if (dialect === "postgres") await somebodyWaitsForALock(url);
    deciding.resolve();
    await first;
    expect(await second).toEqual(["export"]);
  });

  test("takes an operation of the version before for one whose key Stripe keeps", async () => {
    const url = await freshDatabase(dialect);
    const { operations } = await open(url);
    const db = openDatabase(url);
    onTestFinished(() => db.destroy());
    await sql`insert into operations (mode, id, kind, subject, generation, fingerprint, params, idempotency_key, state, created_at)
      values ('test', 'op_1', 'customer', 'ada', 1, 'f', '{}', 'op_1', 'pending', ${NOW})`.execute(db);
    const keyEndsAt = NOW + IDEMPOTENCY_KEY_LIFETIME_MS;
    expect(await operations.findCurrent("customer", "ada")).toMatchObject({ keyEndsAt });
    await operations.endKey({ id: "op_1", idempotencyKey: "op_1", keyEndsAt: NOW + 1 });
    expect(await operations.findCurrent("customer", "ada")).toMatchObject({ keyEndsAt: NOW + 1 });
    await sql`update operations set idempotency_key = 'op_1_a', created_at = ${NOW + 2}`.execute(db);
    expect(await operations.findCurrent("customer", "ada")).toMatchObject({ keyEndsAt: keyEndsAt + 2 });
  });

  test("counts the replicas that live, and forgets one that has long been silent", async () => {
    const { replicas } = await open();
    expect(await replicas.beat("a", NOW, 0)).toBe(1);
    expect(await replicas.beat("b", NOW + 10, 0)).toBe(2);
    expect(await replicas.beat("b", NOW + 20, NOW + 10)).toBe(1);
    expect(await replicas.beat("b", NOW + 20, 0)).toBe(1);
    expect(await replicas.beat("a", NOW + 30, NOW + 10)).toBe(2);
  });

  test("begins one operation per generation", async () => {
    const { operations } = await open();
    const operation = {
      id: "op_1",
      kind: "checkout",
      subject: "ada",
      generation: 1,
      fingerprint: "f",
      params: "{}",
      idempotencyKey: "op_1",
      state: "pending" as const,
      result: null,
      createdAt: NOW,
      keyEndsAt: NOW + 1_000,
    };
    expect(await operations.begin(operation)).toBe(true);
    expect(await operations.begin({ ...operation, id: "op_2" })).toBe(false);
    await operations.finish("op_1", "succeeded", '{"id":1}', NOW);
    // Whoever comes to another end later has not decided it.
    await operations.finish("op_1", "failed", '{"code":"late"}', NOW + 1);
    expect(await operations.findCurrent("checkout", "ada")).toMatchObject({
      state: "succeeded",
      params: null,
      result: '{"id":1}',
    });
  });

  test("reads a subscription back with all that is around it", async () => {
    const { customers, subscriptions, catalog } = await open();
    await customers.link([{ userId: "ada", customerId: "cus_1" }], NOW);
    await customers.saveCustomers([{ id: "cus_1", userId: "ada", deleted: false, defaultPaymentMethodId: "pm_1" }]);
    const card = {
      id: "pm_1",
      customerId: "cus_1",
      type: "card",
      brand: "visa",
      last4: "4242",
      expMonth: 12,
      expYear: 2030,
    };
    await customers.savePaymentMethods([card]);
    const product = { id: "prod_1", name: "Premium", active: true, plan: "premium" };
    await catalog.saveProducts([product]);
    await catalog.addProducts([{ ...product, name: "stale" }]);
    await subscriptions.saveSubscriptions([subscriptionRecord()]);
    await subscriptions.saveSubscriptions([subscriptionRecord(), subscriptionRecord({ status: "past_due" })]);
    await subscriptions.saveInvoices([invoiceRecord({ status: "open", attempted: true })]);
    expect(await subscriptions.listOfUser("ada")).toEqual([
      {
        subscription: subscriptionRecord({ status: "past_due" }),
        latestInvoice: invoiceRecord({ status: "open", attempted: true }),
        unpaidSince: invoiceRecord().createdAt,
        prices: [],
        products: [product],
        paymentMethod: card,
      },
    ]);
    expect(await subscriptions.listOfUser("grace")).toEqual([]);
    expect(await subscriptions.findOwner("sub_1")).toBe("cus_1");
    expect(await subscriptions.findOwner("sub_unknown")).toBeNull();
  });
});

test("a database of a newer version is refused, with what to do", async () => {
  const url = await freshDatabase("sqlite");
  const store = openStore({ url, mode: "test" });
  onTestFinished(() => store.close());
  await store.migrate();
  const raw = new DatabaseSync(url.replace("file:", ""));
  raw.exec("insert into tollkeeper_migrations values ('9999-from-the-future')");
  raw.close();
  await expect(store.migrate()).rejects.toThrow("run the newer version of tollkeeper");
});

test("a PostgreSQL that can't be reached is unavailable, not broken", async () => {
  const store = openStore({ url: "postgres://nobody@127.0.0.1:1/none", mode: "test" });
  onTestFinished(() => store.close());
  await expect(store.ping()).rejects.toMatchObject({ code: "store_unavailable", retryable: true });
});

test("a PostgreSQL that is silent is unavailable, and asked again on another connection", async () => {
  const url = new URL(await freshDatabase("postgres"));
  let isSilent = false;
  const server = createServer((client) => {
    const database = createConnection(Number(url.port), url.hostname);
    const pass = (from: Socket, to: Socket): void => {
      from.on("data", (bytes) => isSilent || to.write(bytes));
      from.on("close", () => to.destroy());
      from.on("error", () => {});
    };
    pass(client, database);
    pass(database, client);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const lost: string[] = [];
  const store = openStore({
    url: Object.assign(new URL(url), { port: String(port) }).href,
    mode: "test",
    answerTimeoutMs: 1_000,
    onConnectionLost: ({ message }) => lost.push(message),
  });
  onTestFinished(async () => {
    await store.close();
    server.close();
  });
  await store.migrate();
  await store.ping();
  const save = (work: () => void) =>
    store.transaction(async (parts) => {
      await parts.customers.link([{ userId: "ada", customerId: "cus_1" }], NOW);
      work();
    });
  const falls = () => {
    isSilent = true;
  };
  const asks = [
    async () => {
      falls();
      await store.ping();
    },
    () => save(falls),
    () =>
      store.transaction(async (parts) => {
        falls();
        await parts.lanes.versionOf("cus_1");
      }),
  ];
  for (const [before, ask] of asks.entries()) {
    expect(lost).toHaveLength(before);
    await expect(ask()).rejects.toMatchObject({ code: "store_unavailable", retryable: true });
    isSilent = false;
    await store.ping();
  }
  expect(new Set(lost)).toEqual(new Set(["PostgreSQL has not answered for 1000 ms"]));
  expect(await store.customers.findCustomerOf("ada")).toBeNull();
});

test("a migration on PostgreSQL may take longer than any other statement", async () => {
  const db = openDatabase(await freshDatabase("postgres"), { answerTimeoutMs: 200 });
  onTestFinished(() => db.destroy());
  const slow = { name: "0001-slow", statements: () => ["select pg_sleep(0.4)"] };
  expect(await migrate(db, "postgres", [slow])).toEqual(["0001-slow"]);
  await expect(sql`select pg_sleep(0.4)`.execute(db)).rejects.toThrow("Connection terminated");
});

test("the store on postgres tells other replicas of the same mode that events have come", async () => {
  const url = await freshDatabase("postgres");
  const [writer, listener, live] = [await openAt(url), await openAt(url), await openAt(url, "live")];
  const heard: string[] = [];
  const calls = new Map<string, () => void>();
  const listen = async (name: string, store: Store): Promise<() => Promise<void>> => {
    const ready = new Promise<void>((resolve) => calls.set(name, resolve));
    const stop = store.onArrival(() => {
      heard.push(name);
      calls.get(name)?.();
    });
    await ready;
    return stop;
  };
  const stops = [await listen("test", listener), await listen("live", live)];
  onTestFinished(async () => void (await Promise.all(stops.map((stop) => stop()))));
  heard.length = 0;
  for (const id of ["evt_1", "evt_2"]) {
    const told = new Promise<void>((resolve) => calls.set("test", resolve));
    await writer.inbox.add([event(id)], NOW);
    await told;
  }
  expect(heard).toEqual(["test", "test"]);
});
