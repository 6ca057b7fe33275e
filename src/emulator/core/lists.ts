/** Lists, newest first, with cursors. @see https://docs.stripe.com/api/pagination */
import { ApiError, missing } from "./errors.ts";
import type { Row, TableName } from "./tables.ts";
import { all, find, idsOf, now, type World } from "./world.ts";

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

/** `rows` come oldest first, as they were made. */
export function page<T extends { id: string }>(
  world: World,
  rows: readonly T[],
  params: ListParams,
  url: string,
): List<T> {
  const visible = rows.filter((row) => isVisible(world, row) && inRange(createdOf(row), params.created)).toReversed();
  const limit = params.limit ?? DEFAULT_LIMIT;
  const { starting_after: after, ending_before: before } = params;
  if (before !== undefined && after !== undefined)
    throw new ApiError("You may only specify one of these parameters: ending_before, starting_after.", {
      code: "parameters_exclusive",
      param: "ending_before",
    });
  if (before !== undefined) {
    const end = cursor(visible, before, "ending_before");
    const start = Math.max(0, end - limit);
    return { object: "list", data: visible.slice(start, end), has_more: start > 0, url };
  }
  const start = after === undefined ? 0 : cursor(visible, after, "starting_after") + 1;
  return { object: "list", data: visible.slice(start, start + limit), has_more: start + limit < visible.length, url };
}

/**
 * A page of a table that is long: no more of its rows are looked at than the page needs. Whoever reads all of it by pages would
 * otherwise look at each row once a page.
 */
export function pageOfMany<Name extends TableName>(
  world: World,
  table: Name,
  where: (row: Row<Name>) => boolean,
  params: ListParams,
  url: string,
): List<Row<Name>> {
  const { limit = DEFAULT_LIMIT, starting_after: after, ending_before: before } = params;
  if (before !== undefined) return page(world, all(world, table, where) as (Row<Name> & { id: string })[], params, url);
  const ids = idsOf(world, table);
  const end = after === undefined ? ids.length : ids.lastIndexOf(after);
  if (end < 0) throw missing("object", after ?? "", "starting_after");
  const data: Row<Name>[] = [];
  for (let at = end - 1; at >= 0; at -= 1) {
    const row = find(world, table, ids[at] ?? null);
    if (!row || !where(row) || !isVisible(world, row) || !inRange(createdOf(row), params.created)) continue;
    if (data.length === limit) return { object: "list", data, has_more: true, url };
    data.push(row);
  }
  return { object: "list", data, has_more: false, url };
}

/** A fault may show a list as it was a while ago: without what has been made since. */
export function isVisible(world: World, row: object): boolean {
  return !world.staleSeconds || createdOf(row) <= now(world) - world.staleSeconds;
}

function createdOf(row: object): number {
  return "created" in row && typeof row.created === "number" ? row.created : 0;
}

function cursor(rows: readonly { id: string }[], id: string, param: string): number {
  const index = rows.findIndex((row) => row.id === id);
  if (index < 0) throw missing("object", id, param);
  return index;
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
