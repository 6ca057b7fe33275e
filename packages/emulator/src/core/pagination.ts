/**
 * Splits lists in API responses into pages, newest objects first. A cursor selects the page.
 *
 * @see https://docs.stripe.com/api/pagination
 */
import { now } from "./clock.ts";
import { ApiError, resourceMissing } from "./errors.ts";
import { findById } from "./rows.ts";
import type { Context } from "./state.ts";

export interface TimeRange {
  gt?: number | undefined;
  gte?: number | undefined;
  lt?: number | undefined;
  lte?: number | undefined;
}

export interface ListParams {
  limit?: number | undefined;
  starting_after?: string | undefined;
  ending_before?: string | undefined;
  created?: TimeRange | undefined;
}

export interface List<T> {
  object: "list";
  data: T[];
  has_more: boolean;
  url: string;
}

const DEFAULT_LIMIT = 10;

/**
 * Returns one page of `rows`, which must be ordered oldest first. Stops filtering when the page is full, so that
 * reading all pages of a list takes linear time.
 */
export function paginate<T extends { id: string }>(
  context: Context,
  rows: readonly T[],
  params: ListParams,
  { url, filter = () => true }: { url: string; filter?: (row: T) => boolean },
): List<T> {
  const { limit = DEFAULT_LIMIT, starting_after: after, ending_before: before } = params;
  if (before !== undefined && after !== undefined)
    throw new ApiError("You may only specify one of these parameters: ending_before, starting_after.", {
      code: "parameters_exclusive",
      param: "ending_before",
    });
  const isListed = (row: T): boolean =>
    filter(row) && inRange(createdOf(row), params.created) && isVisible(context, row);
  if (before !== undefined) {
    const newer = takeMatching(
      rows.slice(cursorIndex(context, rows, before, "ending_before") + 1),
      limit + 1,
      isListed,
    );
    return { object: "list", data: newer.slice(0, limit).toReversed(), has_more: newer.length > limit, url };
  }
  const end = after === undefined ? rows.length : cursorIndex(context, rows, after, "starting_after");
  const older = takeOlder(rows, end, limit + 1, isListed);
  return { object: "list", data: older.slice(0, limit), has_more: older.length > limit, url };
}

function takeMatching<T>(rows: readonly T[], count: number, where: (row: T) => boolean): T[] {
  const found: T[] = [];
  for (const row of rows) {
    if (where(row)) found.push(row);
    if (found.length === count) break;
  }
  return found;
}

/** Returns the last matching rows before the index `end`, newest first. */
function takeOlder<T>(rows: readonly T[], end: number, count: number, where: (row: T) => boolean): T[] {
  const found: T[] = [];
  for (let at = end - 1; at >= 0 && found.length < count; at -= 1) {
    const row = rows[at] as T;
    if (where(row)) found.push(row);
  }
  return found;
}

/** Returns whether lists in API responses include the given row. A `stale` fault hides recently created rows. */
export function isVisible(context: Context, row: object): boolean {
  return !context.staleSeconds || createdOf(row) <= now(context) - context.staleSeconds;
}

function createdOf(row: object): number {
  return "created" in row && typeof row.created === "number" ? row.created : 0;
}

function cursorIndex(context: Context, rows: readonly { id: string }[], id: string, param: string): number {
  const index = indexByTime(context, rows, id) ?? rows.findLastIndex((row) => row.id === id);
  if (index < 0) throw resourceMissing("object", id, param);
  return index;
}

/**
 * Returns the index of a row, by binary search over creation times. Returns null if the rows are not ordered by creation time,
 * which test clocks can cause.
 */
function indexByTime(context: Context, rows: readonly { id: string }[], id: string): number | null {
  const row = findById(context, id);
  if (!row) return null;
  const made = createdOf(row);
  let [from, until] = [0, rows.length];
  while (from < until) {
    const middle = (from + until) >> 1;
    if (createdOf(rows[middle] ?? {}) < made) from = middle + 1;
    else until = middle;
  }
  for (let at = from; at < rows.length && createdOf(rows[at] ?? {}) === made; at += 1)
    if (rows[at]?.id === id) return at;
  return null;
}

/** Returns whether the fields of a row have the wanted values. An undefined value matches every row. */
export function hasFields<T extends object>(row: T, wanted: { [Name in keyof T]?: unknown }): boolean {
  // A list calls this function for each row of a table, and `Object.entries` would double the time of the list.
  for (const name in wanted) if (wanted[name] !== undefined && row[name] !== wanted[name]) return false;
  return true;
}

/**
 * Returns whether a time is in the range that a list filter gives. Returns true if the filter gives no range. A missing time
 * is in no range.
 */
export function inRange(at: number | null, range: TimeRange | undefined): boolean {
  if (!range) return true;
  if (at === null) return false;
  return (
    at > (range.gt ?? -Infinity) &&
    at >= (range.gte ?? -Infinity) &&
    at < (range.lt ?? Infinity) &&
    at <= (range.lte ?? Infinity)
  );
}
