import { describe, expect, onTestFinished, test } from "vitest";
import type { OperationRecord } from "../../src/domain/operations.ts";
import { openDatabase } from "../../src/store/open-store.ts";
import { freshDatabase } from "../../../../test/support/databases.ts";
import { operationRecord } from "../support/operations.ts";
import { NOW } from "../support/records.ts";
import { openStoreAt, STORE_DIALECTS } from "../support/store.ts";

const KEY = { idempotencyKey: "new", createdAt: NOW + 5, keyEndsAt: NOW + 9 };

describe.each(STORE_DIALECTS)("stored operations on %s", (dialect) => {
  const open = async (url?: string) => (await openStoreAt(url ?? (await freshDatabase(dialect)))).operations;

  /** Opens a store that contains the given operations, and returns the part of the store that keeps operations. */
  async function withRecords(...records: OperationRecord[]) {
    const operations = await open();
    for (const record of records) expect(await operations.begin(record)).toBe(true);
    return operations;
  }

  test("an operation is read back with all its fields", async () => {
    const operations = await withRecords(operationRecord());
    expect(await operations.findCurrent("test", "ada")).toEqual(operationRecord());
  });

  test("of all operations with the same kind and subject, the operation with the highest generation number is current", async () => {
    const newest = operationRecord({ id: "op_2", generation: 2 });
    const operations = await withRecords(
      operationRecord({ id: "op_other_kind", kind: "other", generation: 8 }),
      operationRecord({ id: "op_other_subject", subject: "grace", generation: 9 }),
      newest,
      operationRecord(),
    );
    expect(await operations.findCurrent("test", "ada")).toEqual(newest);
    expect(await operations.findCurrent("test", "alan")).toBeNull();
  });

  test("of several operations with the same generation number, only the first operation begins", async () => {
    const operations = await withRecords(operationRecord());
    expect(await operations.begin(operationRecord({ id: "op_2" }))).toBe(false);
    expect(await operations.begin(operationRecord({ id: "op_3", generation: 2 }))).toBe(true);
    expect(await operations.findCurrent("test", "ada")).toMatchObject({ id: "op_3" });
  });

  test("operations of live mode are neither read nor changed in test mode, even in the same database", async () => {
    const url = await freshDatabase(dialect);
    const operations = await open(url);
    const live = (await openStoreAt(url, "live")).operations;
    await operations.begin(operationRecord());
    expect(await live.findCurrent("test", "ada")).toBeNull();
    expect(await live.listPending(NOW + 1, null, 9)).toEqual([]);
    expect(await live.replaceKey({ id: "op_1", from: "op_1", ...KEY })).toBe(false);
    await live.endKey({ id: "op_1", idempotencyKey: "op_1", keyEndsAt: NOW });
    await live.finish("op_1", "failed", "{}", NOW);
    expect(await live.begin(operationRecord())).toBe(true);
    expect(await operations.findCurrent("test", "ada")).toEqual(operationRecord());
  });

  test("an operation's idempotency key is replaced at most once, together with the key's creation and expiry times", async () => {
    const operations = await withRecords(operationRecord());
    expect(await operations.replaceKey({ id: "op_1", from: "op_1", ...KEY })).toBe(true);
    expect(await operations.replaceKey({ id: "op_1", from: "op_1", ...KEY, idempotencyKey: "late" })).toBe(false);
    expect(await operations.findCurrent("test", "ada")).toEqual(operationRecord(KEY));
  });

  test("the idempotency key is not replaced if the operation is finished or has another id", async () => {
    const operations = await withRecords(operationRecord());
    expect(await operations.replaceKey({ id: "op_2", from: "op_1", ...KEY })).toBe(false);
    await operations.finish("op_1", "succeeded", "{}", NOW);
    expect(await operations.replaceKey({ id: "op_1", from: "op_1", ...KEY })).toBe(false);
  });

  test("an idempotency key that gets two expiry times keeps the earlier of the two times", async () => {
    const operations = await withRecords(operationRecord());
    await operations.endKey({ id: "op_1", idempotencyKey: "op_1", keyEndsAt: NOW + 500 });
    await operations.endKey({ id: "op_1", idempotencyKey: "op_1", keyEndsAt: NOW + 700 });
    expect(await operations.findCurrent("test", "ada")).toMatchObject({ keyEndsAt: NOW + 500 });
  });

  test("if an operation's idempotency key expires early, other keys, other operations and finished operations do not change", async () => {
    const finished = operationRecord({ id: "op_3", subject: "alan" });
    const operations = await withRecords(operationRecord(), finished);
    await operations.finish("op_3", "succeeded", "{}", NOW);
    await operations.endKey({ id: "op_1", idempotencyKey: "op_0", keyEndsAt: NOW });
    await operations.endKey({ id: "op_2", idempotencyKey: "op_1", keyEndsAt: NOW });
    await operations.endKey({ id: "op_3", idempotencyKey: "op_1", keyEndsAt: NOW });
    expect(await operations.findCurrent("test", "ada")).toMatchObject({ keyEndsAt: NOW + 1_000 });
    expect(await operations.findCurrent("test", "alan")).toMatchObject({ keyEndsAt: NOW + 1_000 });
  });

  test("the first outcome of an operation is final, and the store deletes the parameters of an operation with an outcome", async () => {
    const url = await freshDatabase(dialect);
    const operations = await open(url);
    await operations.begin(operationRecord());
    await operations.begin(operationRecord({ id: "op_2", subject: "grace" }));
    await operations.finish("op_1", "succeeded", '{"id":1}', NOW + 1);
    await operations.finish("op_1", "failed", '{"code":"late"}', NOW + 2);
    const outcome = { state: "succeeded", params: null, result: '{"id":1}' } as const;
    expect(await operations.findCurrent("test", "ada")).toEqual(operationRecord(outcome));
    expect(await operations.findCurrent("test", "grace")).toMatchObject({ state: "pending" });
    const db = openDatabase(url);
    onTestFinished(() => db.destroy());
    const rows = await db.selectFrom("operations").select(["id", "finishedAt"]).orderBy("id").execute();
    expect(rows).toEqual([
      { id: "op_1", finishedAt: NOW + 1 },
      { id: "op_2", finishedAt: null },
    ]);
  });
});

describe.each(STORE_DIALECTS)("the list of pending operations on %s", (dialect) => {
  const at = (id: string, createdAt: number) => operationRecord({ id, subject: id, createdAt });

  async function list(before: number, after: OperationRecord | null, limit = 9): Promise<string[]> {
    const { operations } = await openStoreAt(await freshDatabase(dialect));
    for (const record of [at("op_c", NOW + 1), at("op_b", NOW), at("op_a", NOW + 1), at("op_done", NOW)])
      await operations.begin(record);
    await operations.finish("op_done", "succeeded", "{}", NOW);
    return (await operations.listPending(before, after, limit)).map(({ id }) => id);
  }

  test("starts with the oldest operation, and orders operations with the same creation time by id", async () => {
    expect(await list(NOW + 2, null)).toEqual(["op_b", "op_a", "op_c"]);
  });

  test("contains only operations that were created before the given time", async () => {
    expect(await list(NOW + 1, null)).toEqual(["op_b"]);
  });

  test("contains at most as many operations as the given limit", async () => {
    expect(await list(NOW + 2, null, 2)).toEqual(["op_b", "op_a"]);
  });

  test("continues after the given operation, even if the next operation has the same creation time", async () => {
    expect(await list(NOW + 2, at("op_b", NOW))).toEqual(["op_a", "op_c"]);
    expect(await list(NOW + 2, at("op_a", NOW + 1))).toEqual(["op_c"]);
    expect(await list(NOW + 2, at("op_c", NOW + 1))).toEqual([]);
  });
});
