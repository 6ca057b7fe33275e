/** Lists, newest first, with cursors. @see https://docs.stripe.com/api/pagination */
import { ApiError, missing } from "./errors.ts";
import { lookUp, now, type World } from "./world.ts";

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
 * `rows` come oldest first, as they were made. `where` is asked of no more of them than the page needs: whoever reads a long
 * list by pages would otherwise have each row looked at once a page.
 */
export function page<T extends { id: string }>(
  world: World,
  rows: readonly T[],
  params: ListParams,
  url: string,
  where: (row: T) => boolean = () => true,
): List<T> {
  const { limit = DEFAULT_LIMIT, starting_after: after, ending_before: before } = params;
  if (before !== undefined && after !== undefined)
    throw new ApiError("You may only specify one of these parameters: ending_before, starting_after.", {
      code: "parameters_exclusive",
      param: "ending_before",
    });
  const isListed = (row: T): boolean => inRange(createdOf(row), params.created) && isVisible(world, row) && where(row);
  if (before !== undefined) {
    const newer = firstOf(rows.slice(cursor(world, rows, before, "ending_before") + 1), limit + 1, isListed);
    return { object: "list", data: newer.slice(0, limit).toReversed(), has_more: newer.length > limit, url };
  }
  const end = after === undefined ? rows.length : cursor(world, rows, after, "starting_after");
  const older = firstOf(rows.slice(0, end).toReversed(), limit + 1, isListed);
  return { object: "list", data: older.slice(0, limit), has_more: older.length > limit, url };
}

function firstOf<T>(rows: readonly T[], count: number, where: (row: T) => boolean): T[] {
  const found: T[] = [];
  for (const row of rows) {
    if (where(row)) found.push(row);
    if (found.length === count) break;
  }
  return found;
}

/** A fault may show a list as it was a while ago: without what has been made since. */
export function isVisible(world: World, row: object): boolean {
  return !world.staleSeconds || createdOf(row) <= now(world) - world.staleSeconds;
}

function createdOf(row: object): number {
  return "created" in row && typeof row.created === "number" ? row.created : 0;
}

function cursor(world: World, rows: readonly { id: string }[], id: string, param: string): number {
  const index = placeByTime(world, rows, id) ?? rows.findLastIndex((row) => row.id === id);
  if (index < 0) throw missing("object", id, param);
  return index;
}

/** Rows stand as they were made, so one is found among those of its second; null where test clocks have them stand otherwise. */
function placeByTime(world: World, rows: readonly { id: string }[], id: string): number | null {
  const row = lookUp(world, id);
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

/** Everything is where no range was asked for. */
export function inRange(at: number, range: TimeRange | undefined): boolean {
  if (!range) return true;
  return (
    at > (range.gt ?? -Infinity) &&
    at >= (range.gte ?? -Infinity) &&
    at < (range.lt ?? Infinity) &&
    at <= (range.lte ?? Infinity)
  );
}
