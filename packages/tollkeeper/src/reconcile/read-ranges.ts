/**
 * Reads a whole list from Stripe with several concurrent readers. Each concurrent reader of a list reads the objects of one
 * range of creation times, newest first. A reader of Stripe's list requests the next page while the previous page is handled.
 * The number of objects in each time range is unknown, so an idle reader takes over the older half of another reader's range.
 * Each split of a range of creation times adds one list page that is not full.
 */
import type { CreatedRange, Page } from "../stripe/gateway/gateway.ts";

/** The position in a range of creation times up to which the listed rows have been handled. */
interface Cursor {
  /** Id of the last row of the list that has been handled; null before the first page. */
  after: string | null;
  /** Creation time of the last list row that was handled in the range of creation times. */
  reached: number;
}

/**
 * A range of creation times whose rows are not all read. List rows that were created between `from` and `reached` are still
 * unread.
 */
export interface OpenRange extends CreatedRange, Cursor {}

interface ReadPage<Row, Position> {
  page: Page<Row>;
  position: Position;
}

export interface ReadRangesOptions<Row, Position> {
  ranges: readonly OpenRange[];
  readers: number;
  /**
   * A reader of the list calls this function before it requests a page. The function `handle` receives the list page and the
   * position that the function `position` returned.
   */
  position(): Promise<Position>;
  /** Requests one page. Returns null if Stripe no longer has the object `after`. The page should start after this object. */
  read(range: CreatedRange, after: string | null): Promise<Page<Row> | null>;
  /** Handles the rows of one page of Stripe's list. If `handle` throws, reading of the whole list ends. */
  handle(page: Page<Row>, position: Position): Promise<void>;
  /** This function is called after each page of the list, with the list's unread ranges and the page's number of rows. */
  progress(left: readonly OpenRange[], rows: number): Promise<void>;
}

/** Number of readers. If Stripe takes a second per list page, 24 concurrent readers send about 25 requests a second. */
export const READERS = 24;
/**
 * End of the newest range of creation times. No object is created after this end. The newest range ends in the far future,
 * because our clock may be slow and a test clock may be far ahead.
 */
export const STRIPE_ENDS: number = Date.UTC(2100, 0, 1);
/** Resolution of Stripe's timestamps in milliseconds. */
const SECOND_MS = 1_000;
/** Minimum length of a range of creation times, in milliseconds, that may be split. */
const MIN_SPLIT_MS = 2 * SECOND_MS;
/**
 * A range of a list is split only if it is expected to have at least this number of rows. If few rows remain in a range of a
 * list, two readers would need more pages than one reader.
 */
const MIN_SPLIT_ROWS = 600;

export function openRange(from: number, until: number): OpenRange {
  return { from, until, after: null, reached: until };
}

/**
 * A list is divided only into ranges of at least this many pages. The last page of each range of a list is rarely full, so
 * short ranges would waste requests.
 */
const MIN_PAGES_PER_RANGE = 3;

/**
 * Splits a range of creation times into at most `maxRanges` ranges with about the same number of rows. `pageEnds` contains the
 * creation time of each page's last row, from a list with a similar distribution of creation times.
 */
export function openRanges({ from, until }: CreatedRange, pageEnds: readonly number[], maxRanges: number): OpenRange[] {
  const inside = [...new Set(pageEnds)].filter((at) => at > from && at < until).toSorted((one, other) => one - other);
  const count = Math.max(1, Math.min(maxRanges, Math.floor(inside.length / MIN_PAGES_PER_RANGE)));
  const cuts = Array.from({ length: count - 1 }, (_, at) => inside[Math.floor(((at + 1) * inside.length) / count)]);
  const bounds = [from, ...cuts.filter((cut) => cut !== undefined), until];
  return bounds.slice(1).map((end, at) => openRange(bounds[at] ?? from, end));
}

/**
 * Reads all ranges. Returns the creation time of the last row of each page of the list. Throws the first error that one of the
 * functions `read`, `handle` and `progress` throws.
 */
export async function readRanges<Row, Position>(options: ReadRangesOptions<Row, Position>): Promise<number[]> {
  const ranges = createRangePool(options.ranges);
  const failures: unknown[] = [];
  const pageEnds: number[] = [];

  const readAll = async (): Promise<void> => {
    for (let range = await ranges.next(); range !== null; range = await ranges.next()) {
      await readRange(range).catch((error: unknown) => {
        failures.push(error);
        ranges.stop();
      });
      ranges.wakeIdleReaders();
    }
  };

  const readPage = async ({ from, until }: CreatedRange, cursor: Cursor): Promise<ReadPage<Row, Position>> => {
    const position = await options.position();
    const page = await options.read({ from, until }, cursor.after);
    // If the last handled object was deleted, the next page starts at the second in which that object was created. Objects of
    // the list that were created in this second may be handled twice.
    return page
      ? { page, position }
      : readPage({ from, until: cursor.reached + SECOND_MS }, { ...cursor, after: null });
  };

  const readRange = async (range: OpenRange): Promise<void> => {
    let reading: Promise<ReadPage<Row, Position>> | null = readPage(range, range);
    try {
      while (reading !== null && failures.length === 0) {
        const { page, position }: ReadPage<Row, Position> = await reading;
        const cursor = { after: page.next, reached: page.reached ?? range.from };
        if (page.reached !== null) pageEnds.push(page.reached);
        if (page.next !== null) ranges.splitForIdleReaders(range, cursor.reached, densityOf(page));
        reading = page.next === null || failures.length > 0 ? null : readPage(range, cursor);
        reading?.catch(() => {});
        await options.handle(page, position);
        range.after = cursor.after;
        range.reached = cursor.reached;
        // A range of a list is finished only after its last page was handled. If handling a list page fails, the saved progress
        // still contains the page's range.
        if (page.next === null) ranges.finish(range);
        await options.progress(ranges.left(), page.rows.length);
      }
    } finally {
      await reading?.catch(() => {});
    }
  };

  await Promise.all(Array.from({ length: options.readers }, readAll));
  if (failures.length > 0) throw failures[0];
  return pageEnds;
}

interface RangePool {
  /** Resolves with a range to read, or with null when no range is left or the pool of ranges is stopped. */
  next(): Promise<OpenRange | null>;
  stop(): void;
  finish(range: OpenRange): void;
  /**
   * Splits the unread parts of ranges and gives the older halves to idle readers, if the halves have enough rows.
   */
  splitForIdleReaders(range: OpenRange, reached: number, rowsPerMs: number): void;
  wakeIdleReaders(): void;
  /** Returns copies of the unread ranges, because the readers continue to change the original ranges. */
  left(): OpenRange[];
}

function createRangePool(ranges: readonly OpenRange[]): RangePool {
  const waiting = ranges.map((range) => ({ ...range }));
  const active = new Set<OpenRange>();
  const state = { idleReaders: 0, isStopped: false };
  let turn = Promise.withResolvers<void>();
  const wakeIdleReaders = (): void => {
    turn.resolve();
    turn = Promise.withResolvers<void>();
  };
  return {
    async next() {
      for (;;) {
        const range = state.isStopped ? undefined : waiting.pop();
        if (range) {
          active.add(range);
          return range;
        }
        if (state.isStopped || active.size === 0) return null;
        state.idleReaders += 1;
        await turn.promise;
        state.idleReaders -= 1;
      }
    },
    stop() {
      state.isStopped = true;
    },
    finish: (range) => void active.delete(range),
    splitForIdleReaders(range, reached, rowsPerMs) {
      while (waiting.length < state.idleReaders && isWorthSplitting(reached - range.from, rowsPerMs))
        waiting.push(takeOlderHalf(range, reached));
      wakeIdleReaders();
    },
    wakeIdleReaders,
    left: () => [...active, ...waiting].map((range) => ({ ...range })),
  };
}

/** Returns the density of a page: its rows per millisecond of creation time. */
function densityOf<Row>({ rows, newest, reached }: Page<Row>): number {
  return rows.length / Math.max(1, (newest ?? 0) - (reached ?? 0));
}

/**
 * Returns true if the unread part of a range is large enough for two readers. Assumes that the unread part of a range has the
 * same density of rows as its last page.
 */
function isWorthSplitting(leftMs: number, rowsPerMs: number): boolean {
  return leftMs >= MIN_SPLIT_MS && leftMs * rowsPerMs >= MIN_SPLIT_ROWS;
}

/**
 * Splits the unread part of a range of creation times, and removes the older half from the range. Returns the removed older
 * half as a new range of creation times.
 */
function takeOlderHalf(range: OpenRange, reached: number): OpenRange {
  const middle = range.from + Math.floor((reached - range.from) / (2 * SECOND_MS)) * SECOND_MS;
  const half = openRange(range.from, middle);
  range.from = middle;
  return half;
}
