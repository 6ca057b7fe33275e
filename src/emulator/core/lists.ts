/** Lists, newest first, with cursors. @see https://docs.stripe.com/api/pagination */
import { missing } from "./errors.ts";

export interface ListParams {
  limit?: number | undefined;
  starting_after?: string | undefined;
  ending_before?: string | undefined;
  created?:
    | { gt?: number | undefined; gte?: number | undefined; lt?: number | undefined; lte?: number | undefined }
    | undefined;
}

export interface List<T> {
  object: "list";
  data: T[];
  has_more: boolean;
  url: string;
}

const DEFAULT_LIMIT = 10;

/** `rows` come oldest first, as they were made. */
export function page<T extends { id: string; created: number }>(
  rows: readonly T[],
  params: ListParams,
  url: string,
): List<T> {
  const matching = rows.filter((row) => inRange(row.created, params.created)).toReversed();
  const limit = params.limit ?? DEFAULT_LIMIT;
  const { starting_after: after, ending_before: before } = params;
  if (before !== undefined) {
    const end = cursor(matching, before, "ending_before");
    const start = Math.max(0, end - limit);
    return { object: "list", data: matching.slice(start, end), has_more: start > 0, url };
  }
  const start = after === undefined ? 0 : cursor(matching, after, "starting_after") + 1;
  return { object: "list", data: matching.slice(start, start + limit), has_more: start + limit < matching.length, url };
}

function cursor(rows: readonly { id: string }[], id: string, param: string): number {
  const index = rows.findIndex((row) => row.id === id);
  if (index < 0) throw missing("object", id, param);
  return index;
}

function inRange(created: number, range: ListParams["created"]): boolean {
  if (!range) return true;
  return (
    created > (range.gt ?? -Infinity) &&
    created >= (range.gte ?? -Infinity) &&
    created < (range.lt ?? Infinity) &&
    created <= (range.lte ?? Infinity)
  );
}
