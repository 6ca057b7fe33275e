import { describe, expect, test } from "vitest";
import {
  finishOperation,
  finishPending,
  runOperation,
  runSimpleOperation,
  type OperationKind,
} from "../../src/actions/operation.ts";
import { IDEMPOTENCY_KEY_LIFETIME_MS, LIST_LAG_MS } from "../../src/domain/operations.ts";
import { ConflictError, UnavailableError } from "../../src/errors.ts";
import { freshDatabase } from "../../../../test/support/databases.ts";
import { operationContext, operationRecord } from "../support/operations.ts";
import { NOW } from "../support/records.ts";
import { openStoreAt } from "../support/store.ts";

interface Params {
  amount: number;
}
type Kind = OperationKind<Params, string>;
type Request = Parameters<Kind["act"]>[2] & { params: Params };

const OUTAGE = new UnavailableError("stripe_unavailable", "Stripe is down.");
/**
 * Represents a failed request whose response Stripe has stored under the idempotency key. A retry with the same idempotency key
 * gets the same response.
 */
const STORED_FAILURE = new UnavailableError("stripe_unavailable", "Stripe failed.", { settled: true });
const REFUSAL = new ConflictError("already_subscribed", "Stripe refused.");
const ADA = { subject: "ada", params: { amount: 1 } };

/**
 * Returns a kind of operation for tests, and a store. Also returns the list `requests`, to which each request of an operation
 * is added. Each request of an operation fails with the next error in `failures`, until `failures` is empty.
 */
async function stand(changes: Partial<Kind> = {}) {
  const { context, logged, clock } = operationContext(await openStoreAt(await freshDatabase("sqlite")));
  const { operations } = context.store;
  const requests: Request[] = [];
  const failures: Error[] = [];
  const kind: Kind = {
    kind: "test",
    async act(_context, params, operation) {
      requests.push({ ...operation, params });
      const failure = failures.shift();
      if (failure) throw failure;
      return `result ${requests.length}`;
    },
    ...changes,
  };
  /** Makes the request of an operation fail, so that the operation stays pending. */
  const leavePending = async (failure: Error = OUTAGE): Promise<void> => {
    failures.push(failure);
    await expect(runOperation(context, kind, ADA)).rejects.toBe(failure);
  };
  const current = () => operations.findCurrent("test", "ada");
  return { context, logged, clock, operations, kind, requests, failures, leavePending, current };
}

describe("an operation", () => {
  test("sends one request with a new idempotency key, and records the result", async () => {
    const { context, kind, requests, current } = await stand();
    expect(await runOperation(context, kind, ADA)).toEqual({ kind: "done", result: "result 1" });
    const endsAt = NOW + IDEMPOTENCY_KEY_LIFETIME_MS;
    expect(requests).toEqual([{ id: "op_1", subject: "ada", key: { value: "op_1", endsAt }, params: { amount: 1 } }]);
    expect(await current()).toMatchObject({
      id: "op_1",
      generation: 1,
      state: "succeeded",
      params: null,
      result: '"result 1"',
      createdAt: NOW,
      keyEndsAt: endsAt,
    });
  });

  test("is logged with its id and kind when it succeeds", async () => {
    const { context, kind, logged } = await stand();
    await runOperation(context, kind, ADA);
    expect(logged).toEqual([[{ operationId: "op_1", kind: "test" }, "operation succeeded"]]);
  });

  test("has an idempotency key with the lifetime that its kind defines", async () => {
    const { context, kind, requests } = await stand({ keyLifetimeMs: 5 });
    await runOperation(context, kind, ADA);
    expect(requests[0]?.key.endsAt).toBe(NOW + 5);
  });

  test("has the result null if its request returns nothing", async () => {
    const { context, kind, current } = await stand({ act: async () => undefined as unknown as string });
    expect(await runSimpleOperation(context, kind, ADA)).toBeUndefined();
    expect(await current()).toMatchObject({ state: "succeeded", result: "null" });
  });

  test("has the next generation number if the previous operation is finished", async () => {
    const { context, kind, requests, current } = await stand();
    expect(await runSimpleOperation(context, kind, ADA)).toBe("result 1");
    expect(await runSimpleOperation(context, kind, ADA)).toBe("result 2");
    expect(requests.map(({ key }) => key.value)).toEqual(["op_1", "op_2"]);
    expect(await current()).toMatchObject({ generation: 2 });
  });

  test("is recorded as failed if Stripe refuses it, and the next call begins a new operation", async () => {
    const { context, kind, failures, current } = await stand();
    failures.push(REFUSAL);
    await expect(runOperation(context, kind, ADA)).rejects.toBe(REFUSAL);
    expect(await current()).toMatchObject({ state: "failed", params: null, result: '{"code":"already_subscribed"}' });
    expect(await runSimpleOperation(context, kind, ADA)).toBe("result 2");
    expect(await current()).toMatchObject({ generation: 2, state: "succeeded" });
  });

  test.each([
    ["Stripe is unavailable", OUTAGE],
    ["Stripe stored a failure under its key", STORED_FAILURE],
    ["the request failed unexpectedly", new TypeError("bug")],
  ])("stays pending with its parameters if %s", async (_name, failure) => {
    const { leavePending, current } = await stand();
    await leavePending(failure);
    expect(await current()).toMatchObject({ state: "pending", params: '{"amount":1}', result: null });
  });
});

describe("a pending operation", () => {
  test("is sent again with the same idempotency key if a call has equal parameters", async () => {
    const { context, kind, requests, leavePending, current } = await stand();
    await leavePending();
    expect(await runOperation(context, kind, ADA)).toEqual({ kind: "done", result: "result 2" });
    expect(requests.map(({ key }) => key.value)).toEqual(["op_1", "op_1"]);
    expect(await current()).toMatchObject({ generation: 1, state: "succeeded" });
  });

  test("is finished before a call with other parameters begins a new operation", async () => {
    const { context, kind, requests, leavePending } = await stand();
    await leavePending();
    const other = { subject: "ada", params: { amount: 2 } };
    expect(await runOperation(context, kind, other)).toEqual({ kind: "done", result: "result 3" });
    expect(requests.map(({ key, params }) => [key.value, params.amount])).toEqual([
      ["op_1", 1],
      ["op_1", 1],
      ["op_2", 2],
    ]);
  });

  test("keeps its idempotency key if its next request fails because of an outage", async () => {
    const { context, kind, failures, requests, leavePending, current } = await stand();
    await leavePending();
    failures.push(OUTAGE);
    await expect(runOperation(context, kind, ADA)).rejects.toBe(OUTAGE);
    expect(requests).toHaveLength(2);
    expect(await current()).toMatchObject({ state: "pending", idempotencyKey: "op_1" });
  });

  test("is not sent if its idempotency key expires just before the request", async () => {
    const { context, kind, clock, requests, leavePending } = await stand();
    await leavePending();
    clock.now = NOW + IDEMPOTENCY_KEY_LIFETIME_MS - 2;
    clock.read = () => void (clock.now += 1);
    await expect(runOperation(context, kind, ADA)).rejects.toMatchObject({
      code: "operation_in_progress",
      message: "Another change of this kind is in progress. Retry in a moment.",
    });
    expect(requests).toHaveLength(1);
  });

  test("is sent again until one millisecond before its idempotency key expires", async () => {
    const { context, kind, clock, requests, leavePending } = await stand();
    await leavePending();
    clock.now = NOW + IDEMPOTENCY_KEY_LIFETIME_MS - 1;
    await runOperation(context, kind, ADA);
    expect(requests.map(({ key }) => key.value)).toEqual(["op_1", "op_1"]);
  });

  test("causes the error operation_in_progress if a newer pending operation replaces it twelve times in a row", async () => {
    const { context, kind, operations, requests } = await stand({
      async act(_context, params, operation) {
        requests.push({ ...operation, params });
        const generation = requests.length + 1;
        await operations.begin(operationRecord({ id: `other_${generation}`, generation, keyEndsAt: NOW + 1 }));
        return "done";
      },
    });
    await operations.begin(operationRecord({ keyEndsAt: NOW + 1 }));
    await expect(runOperation(context, kind, ADA)).rejects.toMatchObject({ code: "operation_in_progress" });
    expect(requests).toHaveLength(12);
  });
});

describe("a pending operation whose idempotency key has expired", () => {
  const ENDED = NOW + IDEMPOTENCY_KEY_LIFETIME_MS;

  /** Leaves an operation pending until the operation's idempotency key has expired. */
  async function standEnded(lookUp?: Kind["lookUp"]) {
    const parts = await stand(lookUp ? { lookUp } : {});
    await parts.leavePending();
    parts.clock.now = ENDED;
    return parts;
  }

  test("is sent with a new key if this kind of operation cannot search for its effect in Stripe", async () => {
    const { context, kind, requests, current } = await standEnded();
    expect(await runSimpleOperation(context, kind, ADA)).toBe("result 2");
    const key = { value: "op_1_2", endsAt: ENDED + IDEMPOTENCY_KEY_LIFETIME_MS };
    expect(requests[1]).toEqual({ id: "op_1", subject: "ada", key, params: { amount: 1 } });
    expect(await current()).toMatchObject({ state: "succeeded", idempotencyKey: key.value, createdAt: ENDED });
  });

  test("succeeds without another request if a search finds the operation's effect in Stripe", async () => {
    const searches: unknown[] = [];
    const { context, kind, requests, current } = await standEnded(async (_context, params, { id, keyEndsAt }) => {
      searches.push({ params, id, keyEndsAt });
      return "found";
    });
    expect(await runOperation(context, kind, ADA)).toEqual({ kind: "done", result: "found" });
    expect(searches).toEqual([{ params: { amount: 1 }, id: "op_1", keyEndsAt: ENDED }]);
    expect(requests).toHaveLength(1);
    expect(await current()).toMatchObject({ state: "succeeded", result: '"found"' });
  });

  test("is not sent while Stripe's lists may still lack the operation's effect", async () => {
    const { context, kind, clock, requests, current } = await standEnded(async () => null);
    clock.now = ENDED + LIST_LAG_MS - 1;
    await expect(runOperation(context, kind, ADA)).rejects.toMatchObject({
      code: "operation_in_progress",
      message: "Stripe does not show yet if an earlier request had an effect. Retry in a few minutes.",
    });
    expect(requests).toHaveLength(1);
    expect(await current()).toMatchObject({ state: "pending", idempotencyKey: "op_1" });
  });

  test("is sent with a new key if a search finds no effect when Stripe's lists must be up to date", async () => {
    const { context, kind, clock, requests } = await standEnded(async () => null);
    clock.now = ENDED + LIST_LAG_MS;
    expect(await runSimpleOperation(context, kind, ADA)).toBe("result 2");
    expect(requests[1]?.key).toEqual({ value: "op_1_2", endsAt: clock.now + IDEMPOTENCY_KEY_LIFETIME_MS });
  });

  test("is not sent if the search began while Stripe's lists could still lack the operation's effect", async () => {
    const { context, kind, clock, requests } = await standEnded(async () => {
      clock.now = ENDED + LIST_LAG_MS;
      return null;
    });
    await expect(runOperation(context, kind, ADA)).rejects.toMatchObject({ code: "operation_in_progress" });
    expect(requests).toHaveLength(1);
  });

  test("is not sent if another replica replaces its idempotency key first", async () => {
    const { context, kind, clock, operations, requests } = await standEnded(async () => {
      const times = { createdAt: NOW, keyEndsAt: ENDED };
      await operations.replaceKey({ id: "op_1", from: "op_1", idempotencyKey: "theirs", ...times });
      return null;
    });
    clock.now = ENDED + LIST_LAG_MS;
    await expect(runOperation(context, kind, ADA)).rejects.toMatchObject({
      code: "operation_in_progress",
      message: "Another change of this kind is in progress. Retry in a moment.",
    });
    expect(requests).toHaveLength(1);
  });
});

describe("a failure that Stripe stored under an idempotency key", () => {
  test("makes this key unusable, so an operation that cannot search for its effect is sent with a new key", async () => {
    const { context, kind, requests, failures, leavePending } = await stand();
    await leavePending(STORED_FAILURE);
    failures.push(STORED_FAILURE);
    expect(await runSimpleOperation(context, kind, ADA)).toBe("result 3");
    expect(requests.map(({ key }) => key.value)).toEqual(["op_1", "op_1", "op_1_2"]);
  });

  test("makes this key unusable immediately, so an operation that can search for its effect does this search", async () => {
    const searchedUntil: number[] = [];
    const { context, kind, clock, failures, leavePending, current } = await stand({
      async lookUp(_context, _params, { keyEndsAt }) {
        searchedUntil.push(keyEndsAt);
        return null;
      },
    });
    await leavePending(STORED_FAILURE);
    failures.push(STORED_FAILURE);
    clock.now = NOW + 7;
    await expect(runOperation(context, kind, ADA)).rejects.toMatchObject({ code: "operation_in_progress" });
    expect(searchedUntil).toEqual([NOW + 7]);
    expect(await current()).toMatchObject({ state: "pending", idempotencyKey: "op_1", keyEndsAt: NOW + 7 });
  });
});

describe("an operation that is based on a given generation", () => {
  test("begins if no newer generation of the operation exists", async () => {
    const { context, kind } = await stand();
    expect(await runOperation(context, kind, { ...ADA, basedOn: 0 })).toEqual({ kind: "done", result: "result 1" });
    expect(await runOperation(context, kind, { ...ADA, basedOn: 1 })).toEqual({ kind: "done", result: "result 2" });
  });

  test("is reported as overtaken and sends no request if a newer generation exists", async () => {
    const { context, kind, requests } = await stand();
    await runOperation(context, kind, ADA);
    expect(await runOperation(context, kind, { ...ADA, basedOn: 0 })).toEqual({ kind: "overtaken" });
    expect(requests).toHaveLength(1);
  });

  test("finishes a pending operation with other parameters, and is then reported as overtaken", async () => {
    const { context, kind, requests, leavePending } = await stand();
    await leavePending();
    const other = { subject: "ada", params: { amount: 2 }, basedOn: 0 };
    expect(await runOperation(context, kind, other)).toEqual({ kind: "overtaken" });
    expect(requests.map(({ params }) => params.amount)).toEqual([1, 1]);
  });

  test("is reported as overtaken if its generation already has a pending operation with other parameters", async () => {
    const { context, kind, requests, leavePending } = await stand();
    await leavePending();
    const other = { subject: "ada", params: { amount: 2 }, basedOn: 1 };
    expect(await runOperation(context, kind, other)).toEqual({ kind: "overtaken" });
    expect(requests).toHaveLength(2);
  });

  test("returns the result of a pending operation with equal parameters", async () => {
    const { context, kind, leavePending } = await stand();
    await leavePending();
    expect(await runOperation(context, kind, { ...ADA, basedOn: 0 })).toEqual({ kind: "done", result: "result 2" });
  });
});

test("two replicas that begin the same operation at the same time use the same idempotency key", async () => {
  const url = await freshDatabase("sqlite");
  const { kind, requests } = await stand();
  const replicas = [operationContext(await openStoreAt(url)), operationContext(await openStoreAt(url))];
  const outcomes = await Promise.all(replicas.map(({ context }) => runOperation(context, kind, ADA)));
  expect(outcomes.map((outcome) => outcome.kind)).toEqual(["done", "done"]);
  expect(new Set(requests.map(({ key }) => key.value)).size).toBe(1);
});

describe("finishing a pending operation", () => {
  test("sends the operation again, but sends no request if the operation is already finished", async () => {
    const { context, kind, requests, leavePending, current } = await stand();
    await leavePending();
    const pending = await current();
    if (!pending) throw new Error("expected an operation");
    await finishOperation(context, kind, pending);
    expect(await current()).toMatchObject({ state: "succeeded" });
    await finishOperation(context, kind, { ...pending, state: "succeeded" });
    expect(requests).toHaveLength(2);
  });

  test("returns false if the subject has no pending operation", async () => {
    const { context, kind, requests } = await stand();
    expect(await finishPending(context, kind, "ada")).toBe(false);
    await runOperation(context, kind, ADA);
    expect(await finishPending(context, kind, "ada")).toBe(false);
    expect(requests).toHaveLength(1);
  });

  test("returns true if the pending operation succeeds or Stripe refuses it", async () => {
    const { context, kind, failures, leavePending, current } = await stand();
    await leavePending();
    expect(await finishPending(context, kind, "ada")).toBe(true);
    expect(await current()).toMatchObject({ state: "succeeded" });
    await leavePending();
    failures.push(REFUSAL);
    expect(await finishPending(context, kind, "ada")).toBe(true);
    expect(await current()).toMatchObject({ state: "failed" });
  });

  test.each([OUTAGE, new TypeError("bug")])(
    "throws an error if the pending operation fails with %s",
    async (failure) => {
      const { context, kind, failures, leavePending, current } = await stand();
      await leavePending();
      failures.push(failure);
      await expect(finishPending(context, kind, "ada")).rejects.toBe(failure);
      expect(await current()).toMatchObject({ state: "pending" });
    },
  );
});
