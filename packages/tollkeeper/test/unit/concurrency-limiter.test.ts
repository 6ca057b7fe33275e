import { expect, test } from "vitest";
import { UnavailableError } from "../../src/errors.ts";
import { createSingly } from "../../src/reconcile/concurrency-limiter.ts";

const ids = (page: number): string[] => Array.from({ length: 100 }, (_, at) => `in_${page}_${at}`);
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function createPages() {
  const troubles: string[] = [];
  const failed = new Set<string>();
  const stop = new AbortController();
  const onTrouble = (trouble: string): void => void troubles.push(trouble);
  return { troubles, failed, stop, singly: createSingly({ signal: stop.signal, onTrouble }, failed) };
}

test("of all pages together no more than 24 are asked about at once, and every one is", async () => {
  const { singly } = createPages();
  const asked: string[] = [];
  let underWay = 0;
  let most = 0;
  const pages = [1, 2, 3, 4, 5].map((page) =>
    singly(ids(page), async (id) => {
      underWay += 1;
      most = Math.max(most, underWay);
      await nextTurn();
      underWay -= 1;
      asked.push(id);
    }),
  );
  await Promise.all(pages);
  expect(most).toBe(24);
  expect(new Set(asked).size).toBe(500);
});

test("a page is over as soon as its own are", async () => {
  const { singly } = createPages();
  const slow = Promise.withResolvers<void>();
  const first = singly(["in_1"], () => slow.promise);
  let asked = "";
  await singly([{ id: "in_2" }], async ({ id }) => {
    asked = id;
  });
  expect(asked).toBe("in_2");
  slow.resolve();
  await first;
});

test("what can't be read is told of and left, and the others are read", async () => {
  const { singly, failed, troubles } = createPages();
  const read: string[] = [];
  await singly(["in_1", "in_2", "in_3"], async (id) => {
    if (id === "in_2") throw new Error("no such invoice");
    read.push(id);
  });
  expect(read).toEqual(["in_1", "in_3"]);
  expect([...failed]).toEqual(["in_2"]);
  expect(troubles).toEqual(['"in_2" could not be read: Error: no such invoice']);
});

test("an outage ends what waits, in other pages, too", async () => {
  const { singly, failed } = createPages();
  const outage = new UnavailableError("stripe_unavailable", "Stripe does not answer.");
  let asked = 0;
  const ask = async (): Promise<void> => {
    asked += 1;
    await nextTurn();
    throw outage;
  };
  const pages = await Promise.allSettled([singly(ids(1), ask), singly(ids(2), ask)]);
  expect(pages.map((page) => page.status === "rejected" && page.reason)).toEqual([outage, outage]);
  await nextTurn();
  expect(asked).toBe(24);
  expect(failed.size).toBe(0);
});

test("nothing more is asked about once it is told to stop", async () => {
  const { singly, stop } = createPages();
  let asked = 0;
  const page = singly(ids(1), async () => {
    asked += 1;
    await nextTurn();
    stop.abort(new Error("the service stops"));
  });
  await expect(page).rejects.toThrow("the service stops");
  await nextTurn();
  expect(asked).toBe(24);
});
