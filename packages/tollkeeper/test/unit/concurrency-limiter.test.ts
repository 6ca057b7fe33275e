import { expect, test } from "vitest";
import { UnavailableError } from "../../src/errors.ts";
import { createConcurrencyLimiter } from "../../src/reconcile/concurrency-limiter.ts";

const ids = (page: number): string[] => Array.from({ length: 100 }, (_, at) => `in_${page}_${at}`);
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function createPages() {
  const troubles: string[] = [];
  const failed = new Set<string>();
  const stop = new AbortController();
  const onProblem = (problem: string): void => void troubles.push(problem);
  return {
    troubles,
    failed,
    stop,
    forEachLimited: createConcurrencyLimiter({ signal: stop.signal, onProblem }, failed),
  };
}

test("all objects on all pages of a list are retrieved, with at most 24 requests at the same time", async () => {
  const { forEachLimited } = createPages();
  const retrieved: string[] = [];
  let underWay = 0;
  let most = 0;
  const pages = [1, 2, 3, 4, 5].map((page) =>
    forEachLimited(ids(page), async (id) => {
      underWay += 1;
      most = Math.max(most, underWay);
      await nextTurn();
      underWay -= 1;
      retrieved.push(id);
    }),
  );
  await Promise.all(pages);
  expect(most).toBe(24);
  expect(new Set(retrieved).size).toBe(500);
});

test("a page of a list is complete as soon as all objects on this page are retrieved", async () => {
  const { forEachLimited } = createPages();
  const slow = Promise.withResolvers<void>();
  const first = forEachLimited(["in_1"], () => slow.promise);
  let retrieved = "";
  await forEachLimited([{ id: "in_2" }], async ({ id }) => {
    retrieved = id;
  });
  expect(retrieved).toBe("in_2");
  slow.resolve();
  await first;
});

test("an object that cannot be retrieved is reported, and the other objects are retrieved", async () => {
  const { forEachLimited, failed, troubles } = createPages();
  const read: string[] = [];
  await forEachLimited(["in_1", "in_2", "in_3"], async (id) => {
    if (id === "in_2") throw new Error("no such invoice");
    read.push(id);
  });
  expect(read).toEqual(["in_1", "in_3"]);
  expect([...failed]).toEqual(["in_2"]);
  expect(troubles).toEqual(['"in_2" could not be read: Error: no such invoice']);
});

test("an outage of Stripe cancels all waiting requests for objects, including requests for objects on other pages of a list", async () => {
  const { forEachLimited, failed } = createPages();
  const outage = new UnavailableError("stripe_unavailable", "Stripe does not answer.");
  let retrieved = 0;
  const ask = async (): Promise<void> => {
    retrieved += 1;
    await nextTurn();
    throw outage;
  };
  const pages = await Promise.allSettled([forEachLimited(ids(1), ask), forEachLimited(ids(2), ask)]);
  expect(pages.map((page) => page.status === "rejected" && page.reason)).toEqual([outage, outage]);
  await nextTurn();
  expect(retrieved).toBe(24);
  expect(failed.size).toBe(0);
});

test("after a retrieval of objects is aborted, no more objects are retrieved", async () => {
  const { forEachLimited, stop } = createPages();
  let retrieved = 0;
  const page = forEachLimited(ids(1), async () => {
    retrieved += 1;
    await nextTurn();
    stop.abort(new Error("the service stops"));
  });
  await expect(page).rejects.toThrow("the service stops");
  await nextTurn();
  expect(retrieved).toBe(24);
});
