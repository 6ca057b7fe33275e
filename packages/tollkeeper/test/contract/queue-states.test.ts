import { describe, expect, test } from "vitest";
import type { Store } from "../../src/store/store.ts";
import { freshDatabase, type DialectName } from "../../../../test/support/databases.ts";
import { NOW } from "../support/records.ts";
import {
  HOOKS,
  endClaims,
  inboxEvent,
  onlyClaim,
  openStoreAt,
  outboxMessage,
  STORE_DIALECTS,
} from "../support/store.ts";

const LEASED_UNTIL = NOW + 9_000;

/** Opens a store in test mode and a store in live mode on the same database. */
async function openBothModes(dialect: DialectName): Promise<{ store: Store; live: Store }> {
  const url = await freshDatabase(dialect);
  return { store: await openStoreAt(url), live: await openStoreAt(url, "live") };
}

/** Adds four events with the states new, pending, done and dead, each in its own lane. */
async function addEachState({ inbox }: Store): Promise<void> {
  await inbox.add(
    ["done", "dead", "pending"].map((name) => inboxEvent(`evt_${name}`, { lane: `cus_${name}` })),
    NOW,
  );
  await endClaims(inbox, NOW, {
    evt_dead: (claim) => inbox.deadLetter(claim, "refused"),
    evt_pending: (claim) => inbox.retry(claim, NOW + 500, "outage"),
  });
  await inbox.add([inboxEvent("evt_new", { lane: "cus_new" })], NOW + 1);
}

describe.each(STORE_DIALECTS)("a stored Stripe event on %s", (dialect) => {
  const open = async (): Promise<Store> => openStoreAt(await freshDatabase(dialect));

  test("is read with its body and the id of the request that caused it", async () => {
    const { inbox } = await open();
    const body = '{"id":"evt_1","größe":"€"}';
    await inbox.add([inboxEvent("evt_1", { requestId: "req_1", body: new TextEncoder().encode(body) })], NOW);
    expect(await inbox.find("evt_1")).toEqual({
      ...inboxEvent("evt_1", { requestId: "req_1" }),
      body,
      receivedAt: NOW,
      state: "new",
      attempts: 0,
      reason: null,
    });
  });

  test("has no body and no request id by default", async () => {
    const { inbox } = await open();
    await inbox.add([inboxEvent("evt_1")], NOW);
    expect(await inbox.find("evt_1")).toMatchObject({ body: null, requestId: null });
    expect(await inbox.find("evt_2")).toBeNull();
  });

  test("is stored only once if one call to the store contains the event twice", async () => {
    const { inbox } = await open();
    expect(await inbox.add([inboxEvent("evt_1"), inboxEvent("evt_1")], NOW)).toEqual(new Set(["evt_1"]));
    expect(await inbox.add([], NOW)).toEqual(new Set());
    expect(await inbox.countByState()).toEqual({ pending: 1, done: 0, dead: 0 });
  });

  test("becomes due again after another delivery from Stripe only if it is a dead letter", async () => {
    const store = await open();
    await addEachState(store);
    const again = ["new", "pending", "done", "dead"].map((name) => inboxEvent(`evt_${name}`));
    expect(await store.inbox.add(again, NOW + 9, NOW + 20)).toEqual(new Set(["evt_dead"]));
    expect(await store.inbox.find("evt_dead")).toMatchObject({ state: "new", attempts: 0, reason: null });
    expect(await store.inbox.find("evt_done")).toMatchObject({ state: "done" });
    const due = async (now: number) => (await store.inbox.claim(9, now, now + 1)).map(({ eventId }) => eventId);
    expect(await due(NOW + 19)).toEqual(["evt_new"]);
    expect(await due(NOW + 20)).toContain("evt_dead");
  });

  test("has the reason of its last failure until it is processed", async () => {
    const { inbox } = await open();
    await inbox.add([inboxEvent("evt_1")], NOW);
    const first = onlyClaim(await inbox.claim(1, NOW, LEASED_UNTIL));
    expect(await inbox.retry(first, NOW + 500, "outage")).toBe(true);
    expect(await inbox.find("evt_1")).toMatchObject({ state: "pending", attempts: 1, reason: "outage" });
    const second = onlyClaim(await inbox.claim(1, NOW + 500, LEASED_UNTIL));
    expect(second.attempts).toBe(2);
    expect(await inbox.complete(second)).not.toBeNull();
    expect(await inbox.find("evt_1")).toMatchObject({ state: "done", attempts: 2, reason: null });
  });

  test("stays pending if the transaction that completes it fails", async () => {
    const { inbox, transaction } = await open();
    await inbox.add([inboxEvent("evt_1")], NOW);
    const claim = onlyClaim(await inbox.claim(1, NOW, LEASED_UNTIL));
    const failing = transaction(async (parts) => {
      expect(await parts.inbox.complete(claim)).not.toBeNull();
      throw new Error("fails");
    });
    await expect(failing).rejects.toThrow("fails");
    expect(await inbox.find("evt_1")).toMatchObject({ state: "pending" });
    expect(await inbox.claim(1, NOW + 1, LEASED_UNTIL)).toEqual([]);
  });
});

describe.each(STORE_DIALECTS)("pruning on %s", (dialect) => {
  test("deletes processed rows, but no new, pending or dead rows", async () => {
    const { store, live } = await openBothModes(dialect);
    await addEachState(store);
    await addEachState(live);
    expect(await store.inbox.pruneDone(NOW + 1_000, 10)).toBe(1);
    expect(await store.inbox.countByState()).toEqual({ pending: 2, done: 0, dead: 1 });
    expect(await store.inbox.find("evt_done")).toBeNull();
    expect(await live.inbox.countByState()).toEqual({ pending: 2, done: 1, dead: 1 });
  });

  test("deletes processed rows that were due before the given time, up to a limit", async () => {
    const { store } = await openBothModes(dialect);
    const add = (id: string, runAt: number) => store.inbox.add([inboxEvent(id, { lane: id })], NOW, runAt);
    for (const [at, id] of ["evt_1", "evt_2", "evt_3"].entries()) await add(id, NOW + at);
    await endClaims(store.inbox, NOW + 10);
    expect(await store.inbox.pruneDone(NOW, 10)).toBe(0);
    expect(await store.inbox.pruneDone(NOW + 2, 1)).toBe(1);
    expect(await store.inbox.pruneDone(NOW + 2, 10)).toBe(1);
    expect(await store.inbox.find("evt_3")).toMatchObject({ state: "done" });
  });
});

describe.each(STORE_DIALECTS)("dead letters on %s", (dialect) => {
  test("are listed with their failure reasons, starting with the newest dead letter and up to a limit", async () => {
    const { store, live } = await openBothModes(dialect);
    await store.inbox.add([inboxEvent("evt_1"), inboxEvent("evt_2", { lane: "cus_2" })], NOW);
    const refuse = (claim: Parameters<Store["inbox"]["deadLetter"]>[0]) => store.inbox.deadLetter(claim, "refused");
    await endClaims(store.inbox, NOW, { evt_1: refuse, evt_2: refuse });
    const first = { name: "evt_1", lane: "cus_1", attempts: 1, reason: "refused" };
    const second = { name: "evt_2", lane: "cus_2", attempts: 1, reason: "refused" };
    expect(await store.inbox.listDeadLetters(10)).toEqual([second, first]);
    expect(await store.inbox.listDeadLetters(1)).toEqual([second]);
    expect(await live.inbox.listDeadLetters(10)).toEqual([]);
  });

  test("of the outbox are listed with the message's id and the owner's lane", async () => {
    const { store } = await openBothModes(dialect);
    await store.outbox.add([outboxMessage("m1")]);
    const claim = onlyClaim(await store.outbox.claim(1, NOW, LEASED_UNTIL, HOOKS));
    expect(await store.outbox.deadLetter(claim, "the hook threw")).toBe(true);
    expect(await store.outbox.listDeadLetters(10)).toEqual([
      { name: "m1", lane: "user:ada", attempts: 1, reason: "the hook threw" },
    ]);
  });

  test("have an attempt count of 0 and no failure reason after an operator requeues them", async () => {
    const { store, live } = await openBothModes(dialect);
    await addEachState(store);
    await addEachState(live);
    expect(await store.inbox.redrive(NOW + 9)).toBe(1);
    expect(await store.inbox.redrive(NOW + 9)).toBe(0);
    expect(await store.inbox.find("evt_dead")).toMatchObject({ state: "new", attempts: 0, reason: null });
    expect(await live.inbox.find("evt_dead")).toMatchObject({ state: "dead", reason: "refused" });
    expect((await store.inbox.claim(9, NOW + 8, LEASED_UNTIL)).map(({ eventId }) => eventId)).toEqual(["evt_new"]);
    expect((await store.inbox.claim(9, NOW + 9, LEASED_UNTIL)).map(({ eventId }) => eventId)).toEqual(["evt_dead"]);
  });
});

describe.each(STORE_DIALECTS)("the statistics of a queue on %s", (dialect) => {
  test("count the rows of one mode, and count new rows as pending", async () => {
    const { store, live } = await openBothModes(dialect);
    await addEachState(store);
    expect(await store.inbox.countByState()).toEqual({ pending: 2, done: 1, dead: 1 });
    expect(await store.inbox.countUnfinished()).toEqual({ pending: 2, dead: 1 });
    expect(await store.outbox.countUnfinished()).toEqual({ pending: 0, dead: 0 });
    expect(await live.inbox.countByState()).toEqual({ pending: 0, done: 0, dead: 0 });
    expect(await live.inbox.countUnfinished()).toEqual({ pending: 0, dead: 0 });
  });

  test("contain the time at which the oldest unfinished event was received", async () => {
    const { store, live } = await openBothModes(dialect);
    expect(await store.inbox.findOldestPending()).toBeNull();
    await addEachState(store);
    expect(await store.inbox.findOldestPending()).toBe(NOW);
    await endClaims(store.inbox, NOW + 500);
    expect(await store.inbox.findOldestPending()).toBeNull();
    await store.inbox.add([inboxEvent("evt_late", { eventCreatedAt: NOW - 9 })], NOW + 600);
    expect(await store.inbox.findOldestPending()).toBe(NOW + 600);
    expect(await live.inbox.findOldestPending()).toBeNull();
  });

  test("contain the time at which the oldest unfinished message was created", async () => {
    const { store } = await openBothModes(dialect);
    await store.outbox.add([outboxMessage("m1", { createdAt: NOW - 7 }), outboxMessage("m2")]);
    expect(await store.outbox.findOldestPending()).toBe(NOW - 7);
  });

  test("count pending events up to a limit", async () => {
    const { store, live } = await openBothModes(dialect);
    await addEachState(store);
    expect(await store.inbox.countPending(9)).toBe(2);
    expect(await store.inbox.countPending(1)).toBe(1);
    expect(await live.inbox.countPending(9)).toBe(0);
  });

  test("list the given events that are not stored, in the given order", async () => {
    const { store, live } = await openBothModes(dialect);
    await store.inbox.add([inboxEvent("evt_1"), inboxEvent("evt_2")], NOW);
    expect(await store.inbox.filterUnstored(["evt_3", "evt_1", "evt_0"])).toEqual(["evt_3", "evt_0"]);
    expect(await live.inbox.filterUnstored(["evt_1"])).toEqual(["evt_1"]);
  });
});

describe.each(STORE_DIALECTS)("a check whether work is due on %s", (dialect) => {
  const NONE = { inbox: false, outbox: false, access: false };

  test("finds an event that is stored and not leased", async () => {
    const { store, live } = await openBothModes(dialect);
    expect(await store.dueWork.find(NOW, NOW)).toEqual(NONE);
    await store.inbox.add([inboxEvent("evt_1")], NOW);
    expect(await store.dueWork.find(NOW, NOW)).toEqual({ ...NONE, inbox: true });
    expect(await live.dueWork.find(NOW, NOW)).toEqual(NONE);
    await store.inbox.claim(1, NOW, NOW + 500);
    expect(await store.dueWork.find(NOW + 499, NOW)).toEqual(NONE);
    expect(await store.dueWork.find(NOW + 500, NOW)).toEqual({ ...NONE, inbox: true });
    expect(await live.dueWork.find(NOW + 500, NOW)).toEqual(NONE);
  });

  test("finds a hook in the outbox that is due", async () => {
    const { store } = await openBothModes(dialect);
    await store.outbox.add([outboxMessage("m1")]);
    expect(await store.dueWork.find(NOW, NOW)).toEqual({ ...NONE, outbox: true });
  });

  test("finds a user whose next change of access is due according to Stripe's clock", async () => {
    const { store, live } = await openBothModes(dialect);
    await store.announcedAccess.save([{ owner: outboxMessage("m1").owner, features: ["exports"], checkAt: NOW }]);
    expect(await store.dueWork.find(NOW, NOW - 1)).toEqual(NONE);
    expect(await store.dueWork.find(NOW, NOW)).toEqual({ ...NONE, access: true });
    expect(await live.dueWork.find(NOW, NOW)).toEqual(NONE);
  });
});
