import { DatabaseSync } from "node:sqlite";
import { sql } from "kysely";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { openDatabase } from "../../src/store/open-store.ts";
import type { Store } from "../../src/store/store.ts";
import { freshDatabase } from "../../../../test/support/databases.ts";
import { NOW } from "../support/records.ts";
import { HOOKS, inboxEvent, onlyClaim, openStoreAt, outboxMessage, STORE_DIALECTS } from "../support/store.ts";

const LEASED_UNTIL = NOW + 9_000;

const inLane = (eventId: string, lane: string) => inboxEvent(eventId, { lane, objectId: eventId });

async function claimIds(inbox: Store["inbox"], now: number, limit = 9): Promise<string[]> {
  return (await inbox.claim(limit, now, LEASED_UNTIL)).map(({ eventId }) => eventId);
}

describe.each(STORE_DIALECTS)("a claim on %s", (dialect) => {
  const open = async (): Promise<Store> => openStoreAt(await freshDatabase(dialect));

  test("leases due lanes and returns one event of each lane", async () => {
    const { inbox } = await open();
    await inbox.add([inLane("evt_1", "cus_1"), inLane("evt_2", "cus_1"), inLane("evt_3", "cus_2")], NOW);
    expect((await claimIds(inbox, NOW)).toSorted()).toEqual(["evt_1", "evt_3"]);
    expect(await claimIds(inbox, NOW)).toEqual([]);
  });

  test("contains the event's fields, attempt number and lease number, and the sequence number of the newest stored event", async () => {
    const { inbox } = await open();
    await inbox.add([inLane("evt_1", "cus_1"), inLane("evt_2", "cus_1")], NOW);
    expect(onlyClaim(await inbox.claim(9, NOW, LEASED_UNTIL))).toMatchObject({
      ...inLane("evt_1", "cus_1"),
      attempts: 1,
      lease: 1,
      upToSeq: await inbox.lastSeq(),
    });
  });

  test("leases the lanes that have been due longest, and orders lanes with the same due time by name", async () => {
    const { inbox } = await open();
    await inbox.add([inLane("evt_1", "cus_3"), inLane("evt_2", "cus_2")], NOW, NOW + 1);
    await inbox.add([inLane("evt_3", "cus_4")], NOW, NOW);
    expect(await claimIds(inbox, NOW + 2, 1)).toEqual(["evt_3"]);
    expect(await claimIds(inbox, NOW + 2, 1)).toEqual(["evt_2"]);
    expect(await claimIds(inbox, NOW + 2, 1)).toEqual(["evt_1"]);
  });

  test("takes events from all lanes in turn, even if one lane has more events than another", async () => {
    const { inbox } = await open();
    await inbox.add([inLane("evt_1", "cus_1"), inLane("evt_2", "cus_1")], NOW);
    await inbox.add([inLane("evt_3", "cus_2")], NOW + 1);
    await inbox.complete(onlyClaim(await inbox.claim(1, NOW + 2, LEASED_UNTIL)));
    expect(await claimIds(inbox, NOW + 3, 1)).toEqual(["evt_3"]);
    expect(await claimIds(inbox, NOW + 3, 1)).toEqual(["evt_2"]);
  });

  test("finds the only due event among thousands of new events", async () => {
    const { inbox } = await open();
    const many = Array.from({ length: 2_000 }, (_, at) => inLane(`evt_${at}`, "cus_1"));
    await inbox.add(many, NOW, NOW + 1);
    await inbox.add([inLane("evt_last", "cus_2")], NOW);
    expect(await claimIds(inbox, NOW, 1)).toEqual(["evt_last"]);
  });

  test("returns as many events as its limit, even if some due lanes contain only completed events", async () => {
    const { inbox } = await open();
    await inbox.add(
      Array.from({ length: 8 }, (_, at) => inLane(`evt_${at}`, `cus_${at}`)),
      NOW,
    );
    const upToSeq = await inbox.lastSeq();
    await inbox.findPendingObjectIds(["evt_0"], upToSeq);
    const completed = Array.from({ length: 5 }, (_, at) => `evt_${at}`);
    expect(await inbox.completeCovered(completed, upToSeq, NOW)).toBe(5);
    expect((await claimIds(inbox, NOW, 2)).toSorted()).toEqual(["evt_5", "evt_6"]);
    expect(await claimIds(inbox, NOW, 2)).toEqual(["evt_7"]);
  });

  test("of inbox events does not change lanes of the outbox or of the other mode (test or live)", async () => {
    const url = await freshDatabase(dialect);
    const [store, live] = [await openStoreAt(url), await openStoreAt(url, "live")];
    await store.inbox.add([inLane("evt_1", "cus_1")], NOW);
    await live.inbox.add([inLane("evt_1", "cus_1")], NOW);
    const claimed = onlyClaim(await store.inbox.claim(9, NOW, LEASED_UNTIL));
    const theirs = onlyClaim(await live.inbox.claim(9, NOW, LEASED_UNTIL));
    expect(await store.inbox.complete(claimed)).not.toBeNull();
    expect(await live.inbox.find("evt_1")).toMatchObject({ state: "pending" });
    expect(await claimIds(live.inbox, NOW + 1)).toEqual([]);
    expect(await live.inbox.renew(theirs, NOW + 20_000)).toBe(true);
    expect(await live.inbox.complete(theirs)).not.toBeNull();
  });
});

describe.each(STORE_DIALECTS)("a lease on %s", (dialect) => {
  const open = async (): Promise<Store> => openStoreAt(await freshDatabase(dialect));

  test("expires at its end time, and the next worker can then lease the lane", async () => {
    const { inbox } = await open();
    await inbox.add([inLane("evt_1", "cus_1")], NOW);
    const lost = onlyClaim(await inbox.claim(9, NOW, NOW + 500));
    expect(await inbox.claim(9, NOW + 499, LEASED_UNTIL)).toEqual([]);
    const held = onlyClaim(await inbox.claim(9, NOW + 500, LEASED_UNTIL));
    expect(held).toMatchObject({ eventId: "evt_1", attempts: 2, lease: 2 });
    expect(await inbox.renew(lost, NOW + 99_000)).toBe(false);
    expect(await inbox.retry(lost, NOW, "outage")).toBe(false);
    expect(await inbox.deadLetter(lost, "refused")).toBe(false);
    expect(await inbox.complete(lost)).toBeNull();
    expect(await inbox.find("evt_1")).toMatchObject({ state: "pending", reason: null });
    expect(await inbox.claim(9, NOW + 501, LEASED_UNTIL)).toEqual([]);
    expect(await inbox.complete(held)).not.toBeNull();
  });

  test("gets a later end time if it is renewed before it expires", async () => {
    const { inbox } = await open();
    await inbox.add([inLane("evt_1", "cus_1"), inLane("evt_2", "cus_2")], NOW);
    const [claimed] = await inbox.claim(1, NOW, NOW + 500);
    if (!claimed) throw new Error("expected a claim");
    await inbox.claim(1, NOW, NOW + 500);
    expect(await inbox.renew(claimed, NOW + 900)).toBe(true);
    expect(await claimIds(inbox, NOW + 500)).toEqual(["evt_2"]);
    expect(await claimIds(inbox, NOW + 900)).toEqual(["evt_1"]);
  });

  test("ends when its claim is completed, and a late renewal does not lease the lane again", async () => {
    const { inbox } = await open();
    await inbox.add([inLane("evt_1", "cus_1"), inLane("evt_2", "cus_1")], NOW);
    const claimed = onlyClaim(await inbox.claim(9, NOW, LEASED_UNTIL));
    expect(await inbox.complete(claimed)).not.toBeNull();
    expect(await inbox.renew(claimed, NOW + 99_000)).toBe(false);
    expect(await claimIds(inbox, NOW + 1)).toEqual(["evt_2"]);
  });

  test("covers events that arrive during the lease, and these events are due when the lease ends", async () => {
    const { inbox, dueWork } = await open();
    await inbox.add([inLane("evt_1", "cus_1")], NOW);
    const claimed = onlyClaim(await inbox.claim(9, NOW, LEASED_UNTIL));
    await inbox.add([inLane("evt_2", "cus_1")], NOW + 1);
    expect(await claimIds(inbox, NOW + 1)).toEqual([]);
    await inbox.complete(claimed);
    expect(await dueWork.find(NOW + 1, NOW)).toMatchObject({ inbox: true });
    expect(await claimIds(inbox, NOW + 1)).toEqual(["evt_2"]);
  });

  test("ends when its event is scheduled for a retry, and the lane's other events are due before the retry", async () => {
    const { inbox, dueWork } = await open();
    await inbox.add([inLane("evt_1", "cus_1"), inLane("evt_2", "cus_1")], NOW);
    await inbox.retry(onlyClaim(await inbox.claim(9, NOW, LEASED_UNTIL)), NOW + 500, "outage");
    await inbox.complete(onlyClaim(await inbox.claim(9, NOW, LEASED_UNTIL)));
    expect(await dueWork.find(NOW + 499, NOW)).toMatchObject({ inbox: false });
    expect(await claimIds(inbox, NOW + 499)).toEqual([]);
    expect(await claimIds(inbox, NOW + 500)).toEqual(["evt_1"]);
  });
});

describe.each(STORE_DIALECTS)("completing an event on %s", (dialect) => {
  test("also completes older events about its object or the given objects, but only in the event's lane", async () => {
    const { inbox } = await openStoreAt(await freshDatabase(dialect));
    await inbox.add(
      [
        inboxEvent("evt_1"),
        inboxEvent("evt_same"),
        inboxEvent("evt_given", { objectId: "in_1" }),
        inboxEvent("evt_other", { objectId: "in_2" }),
        inboxEvent("evt_elsewhere", { lane: "cus_2" }),
      ],
      NOW,
    );
    const claims = await inbox.claim(9, NOW, LEASED_UNTIL);
    const [claimed] = claims.filter(({ lane }) => lane === "cus_1");
    if (!claimed) throw new Error("expected a claim");
    await inbox.add([inboxEvent("evt_later")], NOW);
    await inbox.findPendingObjectIds(["sub_1"], claimed.upToSeq);
    expect(await inbox.complete(claimed, ["in_1"])).not.toBeNull();
    const ids = ["evt_1", "evt_same", "evt_given", "evt_other", "evt_elsewhere", "evt_later"];
    const states = await Promise.all(ids.map(async (id) => (await inbox.find(id))?.state));
    expect(states).toEqual(["done", "done", "done", "pending", "pending", "pending"]);
  });
});

test("on SQLite the claim of an outbox message waits until its data is on disk, and the claim of an inbox event does not wait", async () => {
  const { inbox, outbox } = await openStoreAt(await freshDatabase("sqlite"));
  await inbox.add([inLane("evt_1", "cus_1")], NOW);
  await outbox.add([outboxMessage("m1")]);
  const exec = vi.spyOn(DatabaseSync.prototype, "exec");
  onTestFinished(() => exec.mockRestore());
  const countFast = (): number => exec.mock.calls.filter(([text]) => text === "pragma synchronous = normal").length;
  onlyClaim(await inbox.claim(9, NOW, LEASED_UNTIL));
  // The claim of an event runs two transactions. The first transaction of a claim assigns new events to lanes, and the second
  // transaction claims due events.
  expect(countFast()).toBe(2);
  exec.mockClear();
  onlyClaim(await outbox.claim(9, NOW, LEASED_UNTIL, HOOKS));
  expect(countFast()).toBe(1);
});

test("on PostgreSQL a claim skips lanes and new events that another transaction has locked", async () => {
  const url = await freshDatabase("postgres");
  const { inbox } = await openStoreAt(url);
  await inbox.add([inLane("evt_1", "cus_1"), inLane("evt_2", "cus_2")], NOW);
  await inbox.findPendingObjectIds(["evt_1"], await inbox.lastSeq());
  await inbox.add([inLane("evt_3", "cus_3"), inLane("evt_4", "cus_4")], NOW);
  const db = openDatabase(url);
  onTestFinished(() => db.destroy());
  const claimed = await db.transaction().execute(async (locking) => {
    await sql`select 1 from queue_lanes where lane = 'cus_1' for update`.execute(locking);
    await sql`select 1 from inbox where event_id = 'evt_3' for update`.execute(locking);
    return claimIds(inbox, NOW);
  });
  expect(claimed.toSorted()).toEqual(["evt_2", "evt_4"]);
  expect((await claimIds(inbox, NOW)).toSorted()).toEqual(["evt_1", "evt_3"]);
});
