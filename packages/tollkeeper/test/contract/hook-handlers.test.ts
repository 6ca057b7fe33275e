/** Tests which process claims a hook, if processes handle different hooks. */
import { describe, expect, test } from "vitest";
import { freshDatabase } from "../../../../test/support/databases.ts";
import type { Store } from "../../src/store/store.ts";
import { NOW } from "../support/records.ts";
import { onlyClaim, openStoreAt, outboxMessage, STORE_DIALECTS } from "../support/store.ts";

const MINUTE_MS = 60_000;
const ACCESS = ["onAccessGranted"];
const PAYMENTS = ["onPaymentSucceeded"];

describe.each(STORE_DIALECTS)("the outbox on %s", (dialect) => {
  const open = async (): Promise<Store["outbox"]> => (await openStoreAt(await freshDatabase(dialect))).outbox;
  const claimIds = async (outbox: Store["outbox"], hooks: string[], now = NOW): Promise<string[]> =>
    (await outbox.claim(9, now, now + 1_000, hooks)).map(({ id }) => id);

  test("gives a process only hooks that it handles, and keeps the order of an owner's hooks across processes", async () => {
    const outbox = await open();
    await outbox.registerHooks(ACCESS, NOW);
    await outbox.registerHooks(PAYMENTS, NOW);
    await outbox.add([
      outboxMessage("granted", { hook: "onAccessGranted" }),
      outboxMessage("paid", { hook: "onPaymentSucceeded" }),
    ]);
    expect(await claimIds(outbox, PAYMENTS)).toEqual([]);
    const granted = onlyClaim(await outbox.claim(9, NOW, NOW + 1_000, ACCESS));
    expect(granted.id).toBe("granted");
    expect(await claimIds(outbox, PAYMENTS)).toEqual([]);
    await outbox.complete(granted);
    expect(await claimIds(outbox, ACCESS)).toEqual([]);
    expect(await claimIds(outbox, PAYMENTS)).toEqual(["paid"]);
  });

  test("gives no hook to a process without hooks, and leaves the rows to others", async () => {
    const outbox = await open();
    await outbox.add([outboxMessage("granted")]);
    expect(await claimIds(outbox, [])).toEqual([]);
    expect(await outbox.countByState()).toMatchObject({ pending: 1, done: 0 });
    await outbox.registerHooks(ACCESS, NOW);
    expect(await claimIds(outbox, ACCESS)).toEqual(["granted"]);
  });

  test("counts the hooks that no process handles, even if only a process without hooks runs", async () => {
    const outbox = await open();
    await outbox.registerHooks(PAYMENTS, NOW);
    await outbox.add([outboxMessage("granted"), outboxMessage("paid", { hook: "onPaymentSucceeded" })]);
    expect(await claimIds(outbox, [])).toEqual([]);
    expect(await outbox.countUnhandled()).toEqual(new Map([["onAccessGranted", 1]]));
    expect(await claimIds(outbox, PAYMENTS)).toEqual(["paid"]);
  });

  test("does not delay an owner's hooks by a hook that no process handles, which stays visible", async () => {
    const outbox = await open();
    await outbox.registerHooks(ACCESS, NOW);
    await outbox.add([
      outboxMessage("paid", { hook: "onPaymentSucceeded", createdAt: NOW - 5 }),
      outboxMessage("granted"),
    ]);
    await outbox.complete(onlyClaim(await outbox.claim(9, NOW, NOW + 1_000, ACCESS)));
    expect(await claimIds(outbox, ACCESS)).toEqual([]);
    expect(await outbox.findOldestPending()).toBe(NOW - 5);
    expect(await outbox.countUnhandled()).toEqual(new Map([["onPaymentSucceeded", 1]]));
    expect(await outbox.countByState()).toEqual({ pending: 1, done: 1, dead: 0 });
  });

  test("gives a waiting hook to the first process that handles it, in the order of the owner's hooks", async () => {
    const outbox = await open();
    await outbox.add([
      outboxMessage("paid 1", { hook: "onPaymentSucceeded" }),
      outboxMessage("paid 2", { hook: "onPaymentSucceeded" }),
    ]);
    expect(await claimIds(outbox, ACCESS)).toEqual([]);
    await outbox.registerHooks(PAYMENTS, NOW);
    await outbox.complete(onlyClaim(await outbox.claim(9, NOW, NOW + 1_000, PAYMENTS)));
    expect(await claimIds(outbox, PAYMENTS)).toEqual(["paid 2"]);
    expect(await outbox.countUnhandled()).toEqual(new Map());
  });

  test("keeps an owner's later hooks waiting for ten minutes after the last process that handles the first hook", async () => {
    const outbox = await open();
    await outbox.registerHooks(PAYMENTS, NOW);
    await outbox.registerHooks(ACCESS, NOW);
    await outbox.add([outboxMessage("paid", { hook: "onPaymentSucceeded" }), outboxMessage("granted")]);
    const later = NOW + 10 * MINUTE_MS;
    await outbox.registerHooks(ACCESS, later - 1);
    await outbox.expireHooks(later - 1);
    expect(await claimIds(outbox, ACCESS, later - 1)).toEqual([]);
    await outbox.expireHooks(later);
    expect(await claimIds(outbox, ACCESS, later)).toEqual(["granted"]);
    expect(await outbox.countUnhandled()).toEqual(new Map([["onPaymentSucceeded", 1]]));
  });

  test("frees an owner's later hooks even if a claim that began earlier added a row after the first hook expired", async () => {
    const outbox = await open();
    await outbox.registerHooks(PAYMENTS, NOW);
    const later = NOW + 10 * MINUTE_MS;
    await outbox.registerHooks(ACCESS, later);
    await outbox.expireHooks(later);
    await outbox.add([outboxMessage("paid", { hook: "onPaymentSucceeded" }), outboxMessage("granted")]);
    expect(await claimIds(outbox, ACCESS, later - 1)).toEqual([]);
    await outbox.expireHooks(later + 10_000);
    expect(await claimIds(outbox, ACCESS, later + 10_000)).toEqual(["granted"]);
    expect(await outbox.countUnhandled()).toEqual(new Map([["onPaymentSucceeded", 1]]));
  });

  test("completes a hook whose process was too slow to register its hooks again", async () => {
    const outbox = await open();
    await outbox.registerHooks(ACCESS, NOW);
    await outbox.add([outboxMessage("granted")]);
    const claim = onlyClaim(await outbox.claim(9, NOW, NOW + 1_000, ACCESS));
    await outbox.expireHooks(NOW + 10 * MINUTE_MS);
    expect(await outbox.complete(claim)).toBe(true);
    await outbox.registerHooks(ACCESS, NOW + 10 * MINUTE_MS);
    expect(await claimIds(outbox, ACCESS, NOW + 10 * MINUTE_MS)).toEqual([]);
    expect(await outbox.countByState()).toEqual({ pending: 0, done: 1, dead: 0 });
  });

  test("completes a hook that another process registers while a process that was too slow still runs it", async () => {
    const outbox = await open();
    await outbox.registerHooks(ACCESS, NOW);
    await outbox.add([outboxMessage("granted")]);
    const claimed = onlyClaim(await outbox.claim(9, NOW, NOW + 1_000, ACCESS));
    const later = NOW + 11 * MINUTE_MS;
    await outbox.expireHooks(later);
    await outbox.registerHooks(ACCESS, later);
    await outbox.complete(claimed);
    expect(await outbox.countByState()).toMatchObject({ pending: 0, done: 1 });
    expect(await claimIds(outbox, ACCESS, later)).toEqual([]);
  });

  test("deletes old hooks that no process handles, in batches, and keeps those that a process handles", async () => {
    const outbox = await open();
    const old = { createdAt: NOW - 10 };
    await outbox.add([
      ...["1", "2", "3"].map((id) => outboxMessage(id, { hook: "onPaymentFailed", ...old })),
      outboxMessage("young", { hook: "onPaymentFailed" }),
      outboxMessage("handled", { hook: "onAccessGranted", ...old }),
    ]);
    await outbox.registerHooks(ACCESS, NOW);
    // The rows are `new` before the first claim and `unhandled` after it. Both are deleted.
    expect(await outbox.pruneUnhandled(NOW, NOW, 1)).toEqual(new Map([["onPaymentFailed", 1]]));
    const claim = onlyClaim(await outbox.claim(9, NOW, NOW + 1_000, ACCESS));
    expect(await outbox.pruneUnhandled(NOW, NOW, 1)).toEqual(new Map([["onPaymentFailed", 1]]));
    expect(await outbox.pruneUnhandled(NOW, NOW, 9)).toEqual(new Map([["onPaymentFailed", 1]]));
    expect(await outbox.pruneUnhandled(NOW, NOW, 9)).toEqual(new Map());
    expect(await outbox.complete(claim)).toBe(true);
    expect(await outbox.countByState()).toEqual({ pending: 1, done: 1, dead: 0 });
  });
});
