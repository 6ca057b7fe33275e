import { sql } from "kysely";
import { describe, expect, onTestFinished, test } from "vitest";
import { openDatabase } from "../../src/store/open-store.ts";
import type { Store } from "../../src/store/store.ts";
import { freshDatabase } from "../../../../test/support/databases.ts";
import { userOwner } from "../../src/domain/owner.ts";
import { NOW } from "../support/records.ts";
import { HOOKS, inboxEvent, onlyClaim, openStoreAt, outboxMessage, STORE_DIALECTS } from "../support/store.ts";

const LEASED_UNTIL = NOW + 9_000;

/**
 * Assigns new events to their lanes. The service also assigns new events to lanes before it completes the events that a list
 * from Stripe covers.
 */
async function assignNewEvents({ inbox }: Store): Promise<number> {
  const upToSeq = await inbox.lastSeq();
  await inbox.findPendingObjectIds(["sub_1"], upToSeq);
  return upToSeq;
}

describe.each(STORE_DIALECTS)(
  "pending events that need no processing because a newer list from Stripe covers them, on %s",
  (dialect) => {
    const open = async (): Promise<Store> => openStoreAt(await freshDatabase(dialect));
    const stateOf = async ({ inbox }: Store, eventId: string) => (await inbox.find(eventId))?.state;

    test("a list covers events about the list's objects if the events were stored before the list was requested", async () => {
      const store = await open();
      const { inbox } = store;
      expect(await inbox.lastSeq()).toBe(0);
      await inbox.add([inboxEvent("evt_1"), inboxEvent("evt_2", { objectId: "in_1" })], NOW);
      const upToSeq = await inbox.lastSeq();
      await inbox.add([inboxEvent("evt_later", { lane: "cus_2" })], NOW);
      expect(await inbox.findPendingObjectIds(["sub_1", "sub_2"], upToSeq)).toEqual(new Set(["sub_1"]));
      expect(await inbox.completeCovered(["sub_1", "sub_2"], upToSeq, NOW)).toBe(1);
      expect(await stateOf(store, "evt_1")).toBe("done");
      expect(await stateOf(store, "evt_2")).toBe("pending");
      expect(await stateOf(store, "evt_later")).toBe("pending");
    });

    test("an empty list of objects completes no events, and any list completes none in an empty inbox", async () => {
      const { inbox } = await open();
      expect(await inbox.findPendingObjectIds(["sub_1"], 9)).toEqual(new Set());
      await inbox.add([inboxEvent("evt_1")], NOW);
      expect(await inbox.findPendingObjectIds([], 9)).toEqual(new Set());
      expect(await inbox.completeCovered([], 9, NOW)).toBe(0);
    });

    test("a list covers events that are already assigned to lanes", async () => {
      const store = await open();
      await store.inbox.add([inboxEvent("evt_1")], NOW);
      const upToSeq = await assignNewEvents(store);
      expect(await store.inbox.findPendingObjectIds(["sub_1"], upToSeq)).toEqual(new Set(["sub_1"]));
    });

    test("a list does not cover the event customer.subscription.trial_will_end", async () => {
      const store = await open();
      await store.inbox.add([inboxEvent("evt_1", { type: "customer.subscription.trial_will_end" })], NOW);
      const upToSeq = await assignNewEvents(store);
      expect(await store.inbox.findPendingObjectIds(["sub_1"], upToSeq)).toEqual(new Set());
      expect(await store.inbox.completeCovered(["sub_1"], upToSeq, NOW)).toBe(0);
    });

    test("a list in test mode does not cover events in live mode", async () => {
      const url = await freshDatabase(dialect);
      const [store, live] = [await openStoreAt(url), await openStoreAt(url, "live")];
      await store.inbox.add([inboxEvent("evt_1")], NOW);
      await live.inbox.add([inboxEvent("evt_live", { objectId: "sub_2" })], NOW);
      const upToSeq = await assignNewEvents(store);
      expect(await live.inbox.findPendingObjectIds(["sub_1", "sub_2"], upToSeq)).toEqual(new Set(["sub_2"]));
      expect(await live.inbox.completeCovered(["sub_1", "sub_2"], upToSeq, NOW)).toBe(1);
      expect(await stateOf(store, "evt_1")).toBe("pending");
    });

    test("a list does not cover events in a lane that a worker has leased", async () => {
      const store = await open();
      const { inbox } = store;
      await inbox.add([inboxEvent("evt_leased_1"), inboxEvent("evt_leased_2")], NOW);
      const claimed = onlyClaim(await inbox.claim(5, NOW, LEASED_UNTIL));
      await inbox.add([inboxEvent("evt_free", { lane: "cus_2" })], NOW);
      const upToSeq = await assignNewEvents(store);
      expect(await inbox.completeCovered(["sub_1"], upToSeq, NOW + 1)).toBe(1);
      expect(await stateOf(store, "evt_free")).toBe("done");
      expect(await stateOf(store, "evt_leased_1")).toBe("pending");
      expect(await stateOf(store, "evt_leased_2")).toBe("pending");
      expect(await inbox.complete(claimed)).not.toBeNull();
    });

    test("a list covers events of a lane whose lease has expired", async () => {
      const store = await open();
      await store.inbox.add([inboxEvent("evt_1")], NOW);
      await store.inbox.claim(5, NOW, NOW + 500);
      const upToSeq = await store.inbox.lastSeq();
      expect(await store.inbox.completeCovered(["sub_1"], upToSeq, NOW + 499)).toBe(0);
      expect(await store.inbox.completeCovered(["sub_1"], upToSeq, NOW + 500)).toBe(1);
    });

    test("a list covers the events of a lane even if a leased lane in the outbox or in the other mode has the same name", async () => {
      const url = await freshDatabase(dialect);
      const [store, live] = [await openStoreAt(url), await openStoreAt(url, "live")];
      await store.outbox.add([outboxMessage("m1", { owner: userOwner("ada") })]);
      await live.inbox.add([inboxEvent("evt_live", { lane: "user:ada" })], NOW);
      onlyClaim(await store.outbox.claim(1, NOW, LEASED_UNTIL, HOOKS));
      onlyClaim(await live.inbox.claim(1, NOW, LEASED_UNTIL));
      await store.inbox.add([inboxEvent("evt_1", { lane: "user:ada" })], NOW);
      const upToSeq = await assignNewEvents(store);
      expect(await store.inbox.completeCovered(["sub_1"], upToSeq, NOW + 1)).toBe(1);
    });
  },
);

describe.each(STORE_DIALECTS)(
  "a lane whose events were completed because a list from Stripe covers them, on %s",
  (dialect) => {
    test("is released by the next claim, so that the lane's next event is due immediately", async () => {
      const store = await openStoreAt(await freshDatabase(dialect));
      await store.inbox.add([inboxEvent("evt_1")], NOW);
      await store.inbox.completeCovered(["sub_1"], await assignNewEvents(store), NOW);
      expect(await store.inbox.claim(9, NOW, LEASED_UNTIL)).toEqual([]);
      expect(await store.dueWork.find(LEASED_UNTIL, NOW)).toMatchObject({ inbox: false });
      await store.inbox.add([inboxEvent("evt_2")], NOW + 1);
      expect((await store.inbox.claim(9, NOW + 1, LEASED_UNTIL)).map(({ eventId }) => eventId)).toEqual(["evt_2"]);
    });
  },
);

describe("a stored event that another transaction has locked on PostgreSQL", () => {
  /** Adds two events in two lanes, and runs `work` while another transaction has locked the row of the first event. */
  async function besideLock<T>(runAt: number, work: (store: Store, upToSeq: number) => Promise<T>) {
    const url = await freshDatabase("postgres");
    const store = await openStoreAt(url);
    await store.inbox.add([inboxEvent("evt_1"), inboxEvent("evt_2", { lane: "cus_2" })], NOW, runAt);
    const upToSeq = await assignNewEvents(store);
    const db = openDatabase(url);
    onTestFinished(() => db.destroy());
    return db.transaction().execute(async (locking) => {
      await sql`select 1 from inbox where event_id = 'evt_1' for update`.execute(locking);
      return work(store, upToSeq);
    });
  }

  test("is not completed when a list from Stripe covers it, and the completion of other events does not wait for the lock", async () => {
    expect(await besideLock(NOW, ({ inbox }, upToSeq) => inbox.completeCovered(["sub_1"], upToSeq, NOW))).toBe(1);
  });

  test("stays deferred, and other deferred events become due without a wait for the lock", async () => {
    const due = await besideLock(NOW + 500, async ({ inbox }) => {
      await inbox.releaseDeferred(NOW);
      return inbox.claim(9, NOW, LEASED_UNTIL);
    });
    expect(due.map(({ eventId }) => eventId)).toEqual(["evt_2"]);
  });
});

describe.each(STORE_DIALECTS)("the lanes with due events on %s", (dialect) => {
  test("each lane is listed with the lane's version and the creation time of the lane's oldest event", async () => {
    const store = await openStoreAt(await freshDatabase(dialect));
    await store.transaction((parts) => parts.lanes.advance(new Map([["cus_2", 0]])));
    await store.inbox.add(
      [
        inboxEvent("evt_1", { eventCreatedAt: NOW - 1 }),
        inboxEvent("evt_2", { eventCreatedAt: NOW - 5 }),
        inboxEvent("evt_3", { lane: "cus_2" }),
      ],
      NOW,
    );
    expect(await store.inbox.listPendingLanes(NOW, 9)).toEqual(
      new Map([
        ["cus_1", { version: 0, oldestAt: NOW - 5 }],
        ["cus_2", { version: 1, oldestAt: NOW }],
      ]),
    );
  });

  test("lanes are listed up to a limit, starting with the lane that has been due for the longest time", async () => {
    const { inbox } = await openStoreAt(await freshDatabase(dialect));
    await inbox.add([inboxEvent("evt_1", { lane: "cus_1" })], NOW, NOW + 2);
    await inbox.add([inboxEvent("evt_2", { lane: "cus_2" })], NOW, NOW + 1);
    await inbox.add([inboxEvent("evt_3", { lane: "cus_3" })], NOW, NOW + 9);
    const lanes = async (now: number, limit: number) => [...(await inbox.listPendingLanes(now, limit)).keys()];
    expect(await lanes(NOW + 2, 1)).toEqual(["cus_2"]);
    expect((await lanes(NOW + 2, 9)).toSorted()).toEqual(["cus_1", "cus_2"]);
    expect(await lanes(NOW, 9)).toEqual([]);
  });

  test("a lane is listed only if it has a due event in the store's mode (test or live)", async () => {
    const url = await freshDatabase(dialect);
    const [{ inbox }, live] = [await openStoreAt(url), await openStoreAt(url, "live")];
    await inbox.add([inboxEvent("evt_1", { eventCreatedAt: NOW - 9 })], NOW);
    await inbox.complete(onlyClaim(await inbox.claim(1, NOW, LEASED_UNTIL)));
    await inbox.add([inboxEvent("evt_2", { eventCreatedAt: NOW - 5 })], NOW, NOW + 1_000);
    await inbox.add([inboxEvent("evt_3", { objectId: "in_1", eventCreatedAt: NOW - 1 })], NOW);
    await live.inbox.add([inboxEvent("evt_4", { eventCreatedAt: NOW - 7 })], NOW);
    expect(await inbox.listPendingLanes(NOW, 9)).toEqual(new Map([["cus_1", { version: 0, oldestAt: NOW - 1 }]]));
  });
});

describe.each(STORE_DIALECTS)("deferred events on %s", (dialect) => {
  test("all deferred events become due together, even in thousands of lanes", async () => {
    const { inbox } = await openStoreAt(await freshDatabase(dialect));
    const events = Array.from({ length: 2_001 }, (_, at) => inboxEvent(`evt_${at}`, { lane: `${at}` }));
    await inbox.add(events, NOW, NOW + 600_000);
    await inbox.releaseDeferred(NOW + 1);
    expect(await inbox.listPendingLanes(NOW + 1, 3_000)).toHaveProperty("size", 2_001);
    expect(await inbox.claim(3_000, NOW + 1, LEASED_UNTIL)).toHaveLength(2_001);
  });

  test("if deferred events become due, events of the other mode and events that wait for a retry do not change", async () => {
    const url = await freshDatabase(dialect);
    const [{ inbox }, live] = [await openStoreAt(url), await openStoreAt(url, "live")];
    await inbox.add([inboxEvent("evt_tried")], NOW);
    await inbox.retry(onlyClaim(await inbox.claim(1, NOW, LEASED_UNTIL)), NOW + 500, "outage");
    await inbox.add([inboxEvent("evt_deferred", { lane: "cus_2" })], NOW, NOW + 600_000);
    await live.inbox.add([inboxEvent("evt_live", { lane: "cus_2" })], NOW, NOW + 600_000);
    await inbox.releaseDeferred(NOW + 1);
    expect((await inbox.claim(9, NOW + 1, LEASED_UNTIL)).map(({ eventId }) => eventId)).toEqual(["evt_deferred"]);
    expect(await live.inbox.claim(9, NOW + 1, LEASED_UNTIL)).toEqual([]);
  });
});
