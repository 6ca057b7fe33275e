/**
 * Reads a whole list from Stripe by several ranges of creation at once, each a page ahead of what is dealt with. Where readers
 * have nothing to do, whoever goes on to its next page leaves them half of the time before it, so that nobody need know how
 * objects are spread over the years. Each share costs a page that is not full, so where that is known there are as many shares
 * as readers from the beginning.
 */
import type { CreatedRange, Page } from "../stripe/gateway/gateway.ts";

/** Where the rows end that are dealt with. */
interface Place {
  /** The last of them; null before the first page. */
  after: string | null;
  /** When it was made. */
  reached: number;
}

/** A range that is being read: newest first, so what is left lies between `from` and `reached`. */
export interface OpenRange extends CreatedRange, Place {}

interface Read<Row, Mark> {
  page: Page<Row>;
  mark: Mark;
}

export interface SweepOptions<Row, Mark> {
  ranges: readonly OpenRange[];
  readers: number;
  /** Notes where things stand before a page is asked for. */
  mark(): Promise<Mark>;
  /** Null where what it is to go on from is gone. */
  read(range: CreatedRange, after: string | null): Promise<Page<Row> | null>;
  /** Deals with a page; what it throws ends the sweep. */
  handle(page: Page<Row>, mark: Mark): Promise<void>;
  /** Told after each page which ranges are left. */
  progress(left: readonly OpenRange[], rows: number): Promise<void>;
}

/** How many ranges are read at once: enough for 25 requests a second, even where Stripe takes a second to answer. */
export const READERS = 24;
/** Nothing at Stripe is newer, by whichever clock: ours may be behind, and a test clock far ahead. */
export const STRIPE_ENDS: number = Date.UTC(2100, 0, 1);
/** Stripe counts whole seconds. */
const SECOND_MS = 1_000;
/** Below this nothing is shared out. */
const SMALLEST_SHARE_MS = 2 * SECOND_MS;
/** With fewer rows to expect, two would read a page each where one reads it alone. */
const SMALLEST_SHARE_ROWS = 600;

export function openRange(from: number, until: number): OpenRange {
  return { from, until, after: null, reached: until };
}

/** A share's last page is seldom full, so it has some before it. */
const PAGES_A_SHARE = 3;

/**
 * At most so many ranges, in which about equally many rows lie where they are spread as those of a list whose pages ended at
 * these instants.
 */
export function openRanges({ from, until }: CreatedRange, pageEnds: readonly number[], most: number): OpenRange[] {
  const inside = [...new Set(pageEnds)].filter((at) => at > from && at < until).toSorted((one, other) => one - other);
  const shares = Math.max(1, Math.min(most, Math.floor(inside.length / PAGES_A_SHARE)));
  const cuts = Array.from({ length: shares - 1 }, (_, at) => inside[Math.floor(((at + 1) * inside.length) / shares)]);
  const bounds = [from, ...cuts.filter((cut) => cut !== undefined), until];
  return bounds.slice(1).map((end, at) => openRange(bounds[at] ?? from, end));
}

/** Answers where the pages ended. */
export async function sweep<Row, Mark>(options: SweepOptions<Row, Mark>): Promise<number[]> {
  const waiting = options.ranges.map((range) => ({ ...range }));
  const active = new Set<OpenRange>();
  const failures: unknown[] = [];
  const pageEnds: number[] = [];
  let idle = 0;
  let turn = Promise.withResolvers<void>();
  const nextTurn = (): void => {
    turn.resolve();
    turn = Promise.withResolvers<void>();
  };

  const readAll = async (): Promise<void> => {
    while (failures.length === 0) {
      const range = waiting.pop();
      if (range) {
        active.add(range);
        await readRange(range).catch((error: unknown) => failures.push(error));
        nextTurn();
      } else if (active.size === 0) return;
      else {
        idle += 1;
        await turn.promise;
        idle -= 1;
      }
    }
  };

  const readPage = async ({ from, until }: CreatedRange, place: Place): Promise<Read<Row, Mark>> => {
    const mark = await options.mark();
    const page = await options.read({ from, until }, place.after);
    // From its second on instead, of which some are dealt with again.
    return page ? { page, mark } : readPage({ from, until: place.reached + SECOND_MS }, { ...place, after: null });
  };

  const readRange = async (range: OpenRange): Promise<void> => {
    let reading: Promise<Read<Row, Mark>> | null = readPage(range, range);
    try {
      while (reading !== null && failures.length === 0) {
        const { page, mark }: Read<Row, Mark> = await reading;
        const place = { after: page.next, reached: page.reached ?? range.from };
        if (page.reached !== null) pageEnds.push(page.reached);
        if (page.next !== null) shareOut(range, place.reached, densityOf(page));
        reading = page.next === null || failures.length > 0 ? null : readPage(range, place);
        reading?.catch(() => {});
        await options.handle(page, mark);
        range.after = place.after;
        range.reached = place.reached;
        // One that fails stays among what is left, whoever tells of that next.
        if (page.next === null) active.delete(range);
        // Copies: ranges are cut while they are read, and what is noted must hold until the next word.
        const left = [...active, ...waiting].map((one) => ({ ...one }));
        await options.progress(left, page.rows.length);
      }
    } finally {
      await reading?.catch(() => {});
    }
  };

  const shareOut = (range: OpenRange, reached: number, density: number): void => {
    while (waiting.length < idle && isWorthSharing(reached - range.from, density))
      waiting.push(olderHalf(range, reached));
    nextTurn();
  };

  await Promise.all(Array.from({ length: options.readers }, readAll));
  if (failures.length > 0) throw failures[0];
  return pageEnds;
}

/** Rows a millisecond, where the page lies. */
function densityOf<Row>({ rows, newest, reached }: Page<Row>): number {
  return rows.length / Math.max(1, (newest ?? 0) - (reached ?? 0));
}

/** Expects what is left to lie as densely as what was just read. */
function isWorthSharing(leftMs: number, density: number): boolean {
  return leftMs >= SMALLEST_SHARE_MS && leftMs * density >= SMALLEST_SHARE_ROWS;
}

/** Takes it from the range: what lies from its beginning to half of what is left. */
function olderHalf(range: OpenRange, reached: number): OpenRange {
  const middle = range.from + Math.floor((reached - range.from) / (2 * SECOND_MS)) * SECOND_MS;
  const half = openRange(range.from, middle);
  range.from = middle;
  return half;
}
