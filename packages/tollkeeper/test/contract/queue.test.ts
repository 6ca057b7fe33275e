import { describe, expect, test } from "vitest";
import { DIALECTS, freshDatabase } from "../../../../test/support/databases.ts";
import { userOwner } from "../../src/domain/owner.ts";
import type { Store } from "../../src/store/store.ts";
import { NOW } from "../support/records.ts";
import { inboxEvent, openTestStore } from "../support/test-store.ts";
import { HOOKS } from "../support/store.ts";

describe.each(DIALECTS)("the queue on %s", (dialect) => {
  const open = async (): Promise<Store> => openTestStore(await freshDatabase(dialect));

  test("stores an event only once, even if it is delivered several times", async () => {
    const { inbox } = await open();
    expect(await inbox.add([inboxEvent("evt_1"), inboxEvent("evt_2")], NOW)).toEqual(new Set(["evt_1", "evt_2"]));
    expect(await inbox.add([inboxEvent("evt_2"), inboxEvent("evt_3")], NOW)).toEqual(new Set(["evt_3"]));
    expect((await inbox.countByState()).pending).toBe(3);
  });

  test("claims one event per lane, and no event of a leased lane", async () => {
    const { inbox } = await open();
    await inbox.add([inboxEvent("evt_1"), inboxEvent("evt_2", "in_1"), inboxEvent("evt_3", "sub_9", "cus_9")], NOW);
    const first = await inbox.claim(10, NOW, NOW + 1_000);
    expect(first.map((claimed) => claimed.eventId).toSorted()).toEqual(["evt_1", "evt_3"]);
    expect(await inbox.claim(10, NOW, NOW + 1_000)).toEqual([]);
    for (const claimed of first) expect(await inbox.complete(claimed)).not.toBeNull();
    expect((await inbox.claim(10, NOW, NOW + 1_000)).map((claimed) => claimed.eventId)).toEqual(["evt_2"]);
  });

  test("returns different lanes to concurrent claims", async () => {
    const { inbox } = await open();
    await inbox.add(
      Array.from({ length: 40 }, (_, at) => inboxEvent(`evt_${at}`, `sub_${at}`, `cus_${at % 20}`)),
      NOW,
    );
    const claims = await Promise.all(Array.from({ length: 4 }, () => inbox.claim(8, NOW, NOW + 1_000)));
    const lanes = claims.flat().map((claimed) => claimed.lane);
    expect(new Set(lanes).size).toBe(lanes.length);
  });

  test("claims from all lanes in turn, even if one lane has thousands of events", async () => {
    const { inbox } = await open();
    await inbox.add(
      Array.from({ length: 4_500 }, (_, at) => inboxEvent(`evt_${at}`, `in_${at}`)),
      NOW,
    );
    await inbox.add([inboxEvent("evt_last", "sub_9", "cus_9")], NOW + 1);
    const [long] = await inbox.claim(1, NOW + 2, NOW + 9_000);
    if (!long) throw new Error("expected a claim");
    await inbox.complete(long);
    expect((await inbox.claim(1, NOW + 3, NOW + 9_000)).map(({ eventId }) => eventId)).toEqual(["evt_last"]);
    expect((await inbox.claim(1, NOW + 3, NOW + 9_000)).map(({ lane }) => lane)).toEqual(["cus_1"]);
  });

  test("completes the events that a list from Stripe covers only if they were stored before the list was requested", async () => {
    const { inbox } = await open();
    await inbox.add([inboxEvent("evt_before")], NOW);
    const upToSeq = await inbox.lastSeq();
    await inbox.add([inboxEvent("evt_after")], NOW);
    expect(await inbox.findPendingObjectIds(["sub_1", "sub_2"], upToSeq)).toEqual(new Set(["sub_1"]));
    expect(await inbox.completeCovered(["sub_1"], upToSeq, NOW)).toBe(1);
    expect(await inbox.claim(5, NOW, NOW + 9_000)).toMatchObject([{ eventId: "evt_after" }]);
  });

  test("makes deferred events due, even in a leased lane, but no events that wait for a retry", async () => {
    const { inbox } = await open();
    const due = async (now: number) => (await inbox.claim(5, now, NOW + 9_000)).map(({ eventId }) => eventId);
    await inbox.add([inboxEvent("evt_leased"), inboxEvent("evt_retry", "in_2", "cus_2")], NOW);
    await inbox.add([inboxEvent("evt_behind", "in_1"), inboxEvent("evt_alone", "in_3", "cus_3")], NOW, NOW + 600_000);
    const claimed = await inbox.claim(5, NOW, NOW + 9_000);
    const [leased, retried] = claimed.toSorted((one, other) => one.eventId.localeCompare(other.eventId));
    if (!leased || !retried) throw new Error("expected two claims");
    await inbox.retry(retried, NOW + 60_000, "not now");
    await inbox.releaseDeferred(NOW + 1);
    expect(await due(NOW + 1)).toEqual(["evt_alone"]);
    await inbox.complete(leased);
    expect(await due(NOW + 1)).toEqual(["evt_behind"]);
    expect(await due(NOW + 8_999)).toEqual([]);
  });

  test("claims as many events as requested, even if most due lanes contain only completed events", async () => {
    const { inbox } = await open();
    const lanes = Array.from({ length: 40 }, (_, at) => `cus_${String(at).padStart(2, "0")}`);
    await inbox.add(
      lanes.map((lane) => inboxEvent(`evt_${lane}`, `sub_${lane}`, lane)),
      NOW,
    );
    const covered = lanes.slice(0, 36).map((lane) => `sub_${lane}`);
    const upToSeq = await inbox.lastSeq();
    await inbox.findPendingObjectIds(covered, upToSeq);
    await inbox.completeCovered(covered, upToSeq, NOW);
    await inbox.add([inboxEvent("evt_more", "in_more", "cus_00")], NOW);
    expect(await inbox.claim(3, NOW, NOW + 9_000)).toHaveLength(3);
    expect(await inbox.claim(8, NOW, NOW + 9_000)).toHaveLength(2);
  });

  test("claims due events even if many lanes without pending events precede the lanes of the due events", async () => {
    const { inbox } = await open();
    const lanes = Array.from({ length: 12 }, (_, at) => at);
    await inbox.add(
      lanes.map((at) => inboxEvent(`evt_${at}`, `sub_${at}`, `cus_${at}`)),
      NOW,
    );
    for (const claimed of await inbox.claim(10, NOW, NOW + 9_000)) await inbox.complete(claimed);
    const left: string[] = [];
    for (let claims = 0; claims < lanes.length; claims += 1)
      left.push(...(await inbox.claim(1, NOW + 1, NOW + 9_000)).map(({ eventId }) => eventId));
    expect(left).toHaveLength(2);
    expect((await inbox.claim(1, NOW, NOW + 9_000)).length).toBe(0);
  });

  test("makes a lane due when its next event is due, and an empty lane when a new event is stored", async () => {
    const { inbox } = await open();
    await inbox.add([inboxEvent("evt_1")], NOW, NOW + 500);
    const claim = async (now: number) => (await inbox.claim(5, now, now + 1_000)).map(({ eventId }) => eventId);
    expect(await claim(NOW)).toEqual([]);
    const [first] = await inbox.claim(5, NOW + 500, NOW + 1_500);
    await inbox.add([inboxEvent("evt_2")], NOW + 600);
    expect(await claim(NOW + 600)).toEqual([]);
    if (first) await inbox.complete(first);
    const [second] = await inbox.claim(5, NOW + 700, NOW + 1_700);
    expect(second?.eventId).toBe("evt_2");
    if (second) await inbox.complete(second);
    expect(await claim(NOW + 800)).toEqual([]);
    await inbox.add([inboxEvent("evt_3")], NOW + 900);
    expect(await claim(NOW + 900)).toEqual(["evt_3"]);
  });

  test("lets the next claim take a lane whose lease expired, and rejects writes of the worker that held the expired lease", async () => {
    const { inbox } = await open();
    await inbox.add([inboxEvent("evt_1")], NOW);
    const [lost] = await inbox.claim(1, NOW, NOW + 1_000);
    const [taken] = await inbox.claim(1, NOW + 1_001, NOW + 2_000);
    if (!lost || !taken) throw new Error("expected two claims");
    expect(taken.eventId).toBe("evt_1");
    expect(await inbox.complete(lost)).toBeNull();
    expect(await inbox.complete(taken)).not.toBeNull();
  });

  test("renews a lease before another claim takes the lane, but not afterwards", async () => {
    const { inbox } = await open();
    await inbox.add([inboxEvent("evt_1")], NOW);
    const [first] = await inbox.claim(1, NOW, NOW + 1_000);
    if (!first) throw new Error("expected a claim");
    expect(await inbox.renew(first, NOW + 3_000)).toBe(true);
    expect(await inbox.claim(1, NOW + 1_001, NOW + 2_000)).toEqual([]);
    expect(await inbox.claim(1, NOW + 3_001, NOW + 4_000)).toHaveLength(1);
    expect(await inbox.renew(first, NOW + 9_000)).toBe(false);
  });

  test("a late renewal does not lease a lane that the worker has already released", async () => {
    const { inbox } = await open();
    await inbox.add([inboxEvent("evt_1"), inboxEvent("evt_2", "in_1")], NOW);
    const [claimed] = await inbox.claim(1, NOW, NOW + 1_000);
    if (!claimed) throw new Error("expected a claim");
    await inbox.complete(claimed);
    expect(await inbox.renew(claimed, NOW + 99_000)).toBe(false);
    expect(await inbox.claim(1, NOW + 1, NOW + 9_000)).toHaveLength(1);
  });

  test("a worker cannot write to a lane after another worker claims this lane, even if the two workers claimed different events", async () => {
    const { inbox } = await open();
    await inbox.add([inboxEvent("evt_1")], NOW);
    const [slow] = await inbox.claim(1, NOW, NOW + 1_000);
    // A replica with a slow clock stored the event evt_2, so evt_2 has an earlier due time than evt_1.
    await inbox.add([inboxEvent("evt_2", "in_1"), inboxEvent("evt_3", "in_2")], NOW, NOW - 500);
    const [next] = await inbox.claim(1, NOW + 1_001, NOW + 9_000);
    if (!slow || !next) throw new Error("expected two claims");
    expect([slow.eventId, next.eventId]).toEqual(["evt_1", "evt_2"]);
    expect(await inbox.renew(slow, NOW + 99_000)).toBe(false);
    expect(await inbox.complete(slow)).toBeNull();
    expect(await inbox.claim(1, NOW + 2_000, NOW + 9_000)).toEqual([]);
    expect(await inbox.complete(next)).not.toBeNull();
    expect((await inbox.claim(1, NOW + 2_000, NOW + 9_000)).map(({ eventId }) => eventId)).toEqual(["evt_3"]);
  });

  test("claims other events of a lane while one event waits for its retry", async () => {
    const { inbox } = await open();
    await inbox.add([inboxEvent("evt_1_poison", "in_1"), inboxEvent("evt_2", "sub_1")], NOW);
    const [poison] = await inbox.claim(1, NOW, NOW + 1_000);
    if (!poison) throw new Error("expected a claim");
    await inbox.retry(poison, NOW + 60_000, "no");
    expect((await inbox.claim(1, NOW, NOW + 1_000)).map((claimed) => claimed.eventId)).toEqual(["evt_2"]);
  });

  test("completes all events about one object together, except events that were stored after the claim", async () => {
    const { inbox } = await open();
    await inbox.add([inboxEvent("evt_1"), inboxEvent("evt_2"), inboxEvent("evt_other", "in_1")], NOW);
    const [claimed] = await inbox.claim(1, NOW, NOW + 1_000);
    if (!claimed) throw new Error("expected a claim");
    await inbox.add([inboxEvent("evt_later")], NOW);
    await inbox.complete(claimed);
    expect(await inbox.countByState()).toEqual({ pending: 2, done: 2, dead: 0 });
  });

  test("completes an event together with events about all objects of Stripe's response, but only events in the same lane", async () => {
    const { inbox } = await open();
    const elsewhere = { ...inboxEvent("evt_elsewhere", "in_1"), lane: "cus_other" };
    await inbox.add([inboxEvent("evt_1"), inboxEvent("evt_2", "in_1"), inboxEvent("evt_3", "in_2"), elsewhere], NOW);
    const [claimed] = await inbox.claim(1, NOW, NOW + 1_000);
    if (!claimed) throw new Error("expected a claim");
    await inbox.complete(claimed, ["in_1"]);
    expect(await inbox.countByState()).toEqual({ pending: 2, done: 2, dead: 0 });
    expect((await inbox.claim(5, NOW, NOW + 1_000)).map(({ eventId }) => eventId).toSorted()).toEqual([
      "evt_3",
      "evt_elsewhere",
    ]);
  });

  test("a lane is due if and only if it has a due event", async () => {
    const { inbox, dueWork } = await open();
    await inbox.add([inboxEvent("evt_1"), inboxEvent("evt_2", "in_1")], NOW);
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

  test("an event that is stored in a leased lane makes the lane due when the lease ends", async () => {
    const { inbox, dueWork } = await open();
    await inbox.add([inboxEvent("evt_1")], NOW);
    const [first] = await inbox.claim(5, NOW, NOW + 9_000);
    if (!first) throw new Error("expected a claim");
    await inbox.add([inboxEvent("evt_2")], NOW + 1);
    expect(await inbox.claim(5, NOW + 1, NOW + 9_000)).toEqual([]);
    expect((await dueWork.find(NOW + 1, NOW)).inbox).toBe(false);
    await inbox.complete(first);
    expect((await dueWork.find(NOW + 1, NOW)).inbox).toBe(true);
  });

  test("makes dead letters due again on request", async () => {
    const { inbox } = await open();
    await inbox.add([inboxEvent("evt_1")], NOW);
    const [claimed] = await inbox.claim(1, NOW, NOW + 1_000);
    if (!claimed) throw new Error("expected a claim");
    await inbox.deadLetter(claimed, "poison");
    expect(await inbox.claim(1, NOW + 9_000, NOW + 10_000)).toEqual([]);
    expect(await inbox.redrive(NOW)).toBe(1);
    const [again] = await inbox.claim(1, NOW, NOW + 1_000);
    // If a dead letter is requeued, its attempts are counted from one again. If an event was claimed before it became a dead
    // letter, this old claim cannot complete the event.
    expect(again?.attempts).toBe(1);
    expect(await inbox.complete(claimed)).toBeNull();
    expect(again && (await inbox.complete(again))).toEqual(["customer.subscription.updated"]);
  });

  test("claims a user's hooks in order, even if a hook waits for its retry", async () => {
    const { outbox } = await open();
    const message = (id: string, userId: string) => ({
      id,
      owner: userOwner(userId),
      hook: "onAccessGranted",
      payload: "{}",
      createdAt: NOW,
    });
    await outbox.add([message("m1", "ada"), message("m2", "ada"), message("m3", "grace")]);
    await outbox.add([message("m1", "ada")]);
    const first = await outbox.claim(10, NOW, NOW + 1_000, HOOKS);
    expect(first.map(({ id }) => id)).toEqual(["m1", "m3"]);
    if (!first[0]) throw new Error("expected a claim");
    await outbox.retry(first[0], NOW + 60_000, "the hook threw");
    expect(await outbox.claim(10, NOW, NOW + 1_000, HOOKS)).toEqual([]);
  });
});
