import { sql } from "kysely";
import { expect, test } from "vitest";
import { freshDatabase } from "../../../../test/support/databases.ts";
import { NOW } from "../support/records.ts";
import { inboxEvent, openTestDatabase, openTestStore, untilLockWaits } from "../support/test-store.ts";

test("on PostgreSQL, storing duplicates of events while a worker claims the events causes no deadlock", async () => {
  const url = await freshDatabase("postgres");
  const [{ inbox }, receiver] = [await openTestStore(url), await openTestStore(url)];
  await inbox.add([inboxEvent("evt_0", "in_0", "cus_2"), inboxEvent("evt_a", "in_a", "cus_1")], NOW);
  for (const claimed of await inbox.claim(5, NOW, NOW + 9_000))
    await (claimed.eventId === "evt_a" ? inbox.retry(claimed, NOW + 10, "outage") : inbox.complete(claimed));
  await inbox.add([inboxEvent("evt_b", "in_b", "cus_2")], NOW + 20);
  const db = openTestDatabase(url);
  const [claiming, adding] = await db.transaction().execute(async (completing) => {
    await sql`select 1 from queue_lanes where lane = 'cus_2' and queue = 'inbox' for update`.execute(completing);
    const claim = inbox.claim(5, NOW + 30, NOW + 9_000);
    await untilLockWaits(url);
    const add = receiver.inbox.add(
      [inboxEvent("evt_a", "in_a", "cus_1"), inboxEvent("evt_b", "in_b", "cus_2")],
      NOW + 30,
    );
    await untilLockWaits(url, 2);
    return [claim, add];
  });
  expect((await claiming).map(({ eventId }) => eventId).toSorted()).toEqual(["evt_a", "evt_b"]);
  expect(await adding).toEqual(new Set());
});

test.each([
  ["first", "cus_9"],
  ["last", "cus_0"],
])(
  "on PostgreSQL, an event stays due if it is assigned to its lane while a claim of this lane ends (the locked lane is %s by name)",
  async (_, held) => {
    const url = await freshDatabase("postgres");
    const [{ inbox }, other] = [await openTestStore(url), await openTestStore(url)];
    await inbox.add([inboxEvent("evt_1", "in_1", "cus_1"), inboxEvent("evt_2", "in_2", held)], NOW);
    const claims = await inbox.claim(5, NOW, NOW + 9_000);
    const [ours, theirs] = claims.toSorted((claim) => (claim.lane === "cus_1" ? -1 : 1));
    if (!ours || !theirs) throw new Error("two lanes are due");
    await inbox.complete(theirs);
    await inbox.add([inboxEvent("evt_3", "in_3", "cus_1"), inboxEvent("evt_4", "in_4", held)], NOW + 10);
    const db = openTestDatabase(url);
    const [claiming, ending] = await db.transaction().execute(async (holding) => {
      await sql`select 1 from queue_lanes where lane = ${held} and queue = 'inbox' for update`.execute(holding);
      const claim = other.inbox.claim(5, NOW + 20, NOW + 9_000);
      await untilLockWaits(url);
      const end = inbox.complete(ours);
      await (held > ours.lane ? untilLockWaits(url, 2) : end);
      return [claim, end];
    });
    expect(await ending).toEqual(["customer.subscription.updated"]);
    const due = [...(await claiming), ...(await inbox.claim(5, NOW + 30, NOW + 9_000))];
    expect(due.map(({ eventId }) => eventId).toSorted()).toEqual(["evt_3", "evt_4"]);
  },
);
