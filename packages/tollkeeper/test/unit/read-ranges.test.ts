import fc from "fast-check";
import { expect, test } from "vitest";
import { openRange, openRanges, readRanges, type OpenRange } from "../../src/reconcile/read-ranges.ts";

const PAGE = 100;
const FROM = 0;
const UNTIL = 1_000_000_000;

interface Row {
  id: string;
  createdAt: number;
}

/** Lists rows as Stripe's API does: newest row first, limited by a time range and a cursor. */
function listing(rows: readonly Row[]) {
  const calls = { all: 0, now: 0, most: 0 };
  const read = async ({ from, until }: { from: number; until: number }, after: string | null) => {
    calls.all += 1;
    calls.now += 1;
    calls.most = Math.max(calls.most, calls.now);
    await new Promise((resolve) => setImmediate(resolve));
    calls.now -= 1;
    const inRange = rows
      .filter((row) => row.createdAt >= from && row.createdAt < until)
      .toSorted((one, other) => other.createdAt - one.createdAt || (one.id < other.id ? -1 : 1));
    const start = after === null ? 0 : inRange.findIndex(({ id }) => id === after) + 1;
    const page = inRange.slice(start, start + PAGE);
    const last = page.at(-1);
    return {
      rows: page,
      unreadable: [],
      next: start + PAGE < inRange.length ? (last?.id ?? null) : null,
      newest: page[0]?.createdAt ?? null,
      reached: last?.createdAt ?? null,
    };
  };
  return { read, calls };
}

const anyRows = fc
  .array(fc.integer({ min: 0, max: UNTIL / 1_000 - 1 }), { maxLength: 1_200, size: "max" })
  .map((seconds) => seconds.map((at, index): Row => ({ id: `row${index}`, createdAt: at * 1_000 })));
/**
 * Generates lists whose rows were all created in the same second, as in an account with customers that were migrated to Stripe.
 */
const crowded = fc
  .integer({ min: 0, max: 800 })
  .map((count) => Array.from({ length: count }, (_, index): Row => ({ id: `row${index}`, createdAt: 5_000 })));

test("every row of a list is read exactly once, for any distribution of creation times and any number of concurrent readers", async () => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(anyRows, crowded), fc.integer({ min: 1, max: 8 }), async (rows, readers) => {
      const { read, calls } = listing(rows);
      const seen: string[] = [];
      await readRanges({
        ranges: [openRange(FROM, UNTIL)],
        readers,
        position: async () => null,
        read,
        handle: async ({ rows: page }) => void seen.push(...page.map(({ id }) => id)),
        progress: async () => {},
      });
      expect(seen.toSorted()).toEqual(rows.map(({ id }) => id).toSorted());
      expect(calls.most).toBeLessThanOrEqual(readers);
    }),
    { seed: 1, numRuns: 100 },
  );
});

test("a long list is read by eight concurrent readers", async () => {
  const rows = Array.from({ length: 8_000 }, (_, index): Row => ({
    id: `row${index}`,
    createdAt: 500_000_000 + index * 1_000,
  }));
  const { read, calls } = listing(rows);
  await readRanges({
    ranges: [openRange(FROM, UNTIL)],
    readers: 8,
    position: async () => null,
    read,
    handle: async () => {},
    progress: async () => {},
  });
  expect(calls.most).toBe(8);
  // If a time range contains few rows, splitting the range costs a few extra requests.
  expect(calls.all).toBeLessThan(110);
});

test("the next page of a list is requested while the current page is processed", async () => {
  const rows = Array.from({ length: 350 }, (_, index): Row => ({ id: `row${index}`, createdAt: index * 1_000 }));
  const { read, calls } = listing(rows);
  const readSoFar: number[] = [];
  let dealtWith = Promise.withResolvers<void>();
  await readRanges({
    ranges: [openRange(FROM, UNTIL)],
    readers: 1,
    position: async () => null,
    read: async (range, after) => {
      const page = await read(range, after);
      if (after !== null) await dealtWith.promise;
      dealtWith = Promise.withResolvers<void>();
      return page;
    },
    handle: async () => {
      await new Promise((resolve) => setImmediate(resolve));
      readSoFar.push(calls.all);
      dealtWith.resolve();
    },
    progress: async () => {},
  });
  expect(readSoFar).toEqual([2, 3, 4, 4]);
});

test("a failed read of a list rejects its promise only after all requests of the read have ended", async () => {
  const rows = Array.from({ length: 2_000 }, (_, index): Row => ({ id: `row${index}`, createdAt: index * 1_000 }));
  const { read } = listing(rows);
  const reads = { begun: 0, ended: 0 };
  const broken = readRanges({
    ranges: [openRange(FROM, UNTIL)],
    readers: 1,
    position: async () => null,
    read: async (range, after) => {
      reads.begun += 1;
      for (let turn = 0; turn < reads.begun; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      const page = await read(range, after);
      reads.ended += 1;
      return page;
    },
    handle: async () => {
      throw new Error("the disk is full");
    },
    progress: async () => {},
  });
  await expect(broken).rejects.toThrow("the disk is full");
  expect(reads.begun).toBe(2);
  expect(reads.ended).toBe(reads.begun);
});

test("if a read of a list resumes from the saved progress of a failed read, it misses no row", async () => {
  await fc.assert(
    fc.asyncProperty(anyRows, fc.integer({ min: 1, max: 20 }), async (rows, breaksAt) => {
      const { read } = listing(rows);
      const seen = new Set<string>();
      let left: OpenRange[] = [openRange(FROM, UNTIL)];
      let pages = 0;
      const run = (breaks: boolean) =>
        readRanges({
          ranges: structuredClone(left),
          readers: 4,
          position: async () => null,
          read,
          handle: async ({ rows: page }) => {
            pages += 1;
            // Several concurrent readers read one list. After one reader fails, the other readers finish the list pages that
            // they have requested.
            if (breaks && pages === breaksAt) throw new Error("the machine died");
            for (const { id } of page) seen.add(id);
          },
          progress: async (open) => void (left = structuredClone([...open])),
        });
      await run(true).catch(() => {});
      await run(false);
      expect(seen.size).toBe(rows.length);
    }),
    { seed: 1, numRuns: 100 },
  );
});

test.each([1, 2])(
  "the saved progress of a read is correct after page %i fails, even if time ranges were split before the failure",
  async (breaksAt) => {
    const rows = Array.from({ length: 2_000 }, (_, index): Row => ({ id: `row${index}`, createdAt: index * 1_000 }));
    const { read } = listing(rows);
    const seen = new Set<string>();
    let left: readonly OpenRange[] = [openRange(FROM, UNTIL)];
    let pages = 0;
    const run = () =>
      readRanges({
        ranges: left,
        readers: 8,
        position: async () => null,
        read,
        handle: async ({ rows: page }) => {
          pages += 1;
          if (pages >= breaksAt && pages < breaksAt + 8) throw new Error("the machine died");
          for (const { id } of page) seen.add(id);
        },
        progress: async (open) => void (left = open),
      });
    await expect(run()).rejects.toThrow("the machine died");
    pages = Infinity;
    await run();
    expect(seen.size).toBe(rows.length);
  },
);

test("the read of a time range misses no row if the row at the range's cursor is deleted", async () => {
  await fc.assert(
    fc.asyncProperty(fc.oneof(anyRows, crowded), async (rows) => {
      const { read } = listing(rows);
      const gone = new Set<string>();
      const seen = new Set<string>();
      await readRanges({
        ranges: [openRange(FROM, UNTIL)],
        readers: 4,
        position: async () => null,
        read: async (range, after) => {
          if (after === null || gone.has(after)) return read(range, after);
          gone.add(after);
          return null;
        },
        handle: async ({ rows: page }) => {
          for (const { id } of page) seen.add(id);
        },
        progress: async () => {},
      });
      expect(seen.size).toBe(rows.length);
    }),
    { seed: 1, numRuns: 100 },
  );
});

test("if the distribution of a list's rows is known, the list is split into parts with similar numbers of rows before the first request", async () => {
  const rows = Array.from({ length: 6_000 }, (_, index): Row => ({
    id: `row${index}`,
    // In the test's list, the number of rows per day grows, as in a Stripe account with more and more customers.
    createdAt: Math.floor(Math.sqrt(index / 6_000) * 900_000) * 1_000,
  }));
  const all = { handle: async () => {}, progress: async () => {}, position: async () => null };
  const pageEnds = await readRanges({
    ...all,
    ranges: [openRange(FROM, UNTIL)],
    readers: 4,
    read: listing(rows).read,
  });
  const ranges = openRanges({ from: FROM, until: UNTIL }, pageEnds, 12);
  const rowsOf = ({ from, until }: OpenRange) => rows.filter(({ createdAt: at }) => at >= from && at < until).length;
  expect(ranges.length).toBe(12);
  for (const range of ranges) {
    expect(rowsOf(range)).toBeGreaterThan(200);
    expect(rowsOf(range)).toBeLessThan(1_200);
  }
});

test("if a time range is split according to any distribution of rows, the parts have no gap between them", () => {
  const anyEnds = fc.array(fc.integer({ min: -10, max: UNTIL / 1_000 + 10 }), { maxLength: 200, size: "max" });
  fc.assert(
    fc.property(anyEnds, (seconds) => {
      const ends = seconds.map((at) => at * 1_000);
      const ranges = openRanges({ from: FROM, until: UNTIL }, ends, 12);
      expect([FROM, ...ranges.map(({ until }) => until)]).toEqual([...ranges.map(({ from }) => from), UNTIL]);
      for (const { from, until, reached } of ranges) {
        expect(until).toBeGreaterThan(from);
        expect(reached).toBe(until);
      }
    }),
    { seed: 1, numRuns: 200 },
  );
});
