/** Implements Stripe's search query language. @see https://docs.stripe.com/search#search-query-language */
import { z } from "zod";
import { ApiError } from "./errors.ts";
import { isVisible } from "./pagination.ts";
import { expand, integer, text } from "./params.ts";
import type { Context } from "./state.ts";

export const searchParams = z.strictObject({
  query: text,
  limit: integer.pipe(z.number().min(1).max(100)).optional(),
  page: text.optional(),
  expand,
});

const CLAUSE =
  /^\s*(-?)(\w+(?:\.\w+)*)(?:\[\s*(["'])((?:(?!\3)[^\\]|\\.)*)\3\s*\])?\s*(:|~|>=|<=|>|<)\s*(?:(["'])((?:(?!\6)[^\\]|\\.)*)\6|(null|-?\d+(?:\.\d+)?|true|false))\s*/;
const CONNECTIVE = /^(AND|OR)\s+/i;
const DEFAULT_LIMIT = 10;

export interface SearchPage<T> {
  object: "search_result";
  data: T[];
  has_more: boolean;
  next_page: string | null;
  url: string;
}

/** Searches `rows`, which must be ordered oldest first. The page token of a search is the offset of the next result. */
export function search<T extends object>(
  context: Context,
  rows: readonly T[],
  params: z.output<typeof searchParams>,
  url: string,
): SearchPage<T> {
  const matches = parseQuery(params.query, url.split("/").at(-2) ?? "");
  const found = rows.filter((row) => isVisible(context, row) && matches(row)).toReversed();
  const start = Number(params.page ?? 0);
  if (!Number.isInteger(start) || start < 0) throw new ApiError(`Invalid page: ${params.page}`, { param: "page" });
  const end = start + (params.limit ?? DEFAULT_LIMIT);
  const more = end < found.length;
  return {
    object: "search_result",
    data: found.slice(start, end),
    has_more: more,
    next_page: more ? String(end) : null,
    url,
  };
}

type Clause = (row: object) => boolean;

function parseQuery(query: string, resource: string): Clause {
  const clauses: Clause[] = [];
  const connectives = new Set<string>();
  let rest = query;
  do {
    const match = CLAUSE.exec(rest);
    if (!match) throw unparsable(query);
    checkField(match[2] ?? "", resource);
    clauses.push(toClause(match, resource));
    rest = rest.slice(match[0].length);
    const connective = CONNECTIVE.exec(rest);
    if (!connective && rest.trim() !== "") throw unparsable(query);
    if (connective) connectives.add((connective[1] ?? "").toUpperCase());
    rest = rest.slice(connective?.[0].length ?? 0);
  } while (rest.trim() !== "");
  if (connectives.size > 1)
    throw new ApiError("You cannot combine AND and OR in one search query.", { param: "query" });
  return (row) =>
    connectives.has("OR") ? clauses.some((clause) => clause(row)) : clauses.every((clause) => clause(row));
}

/**
 * The searchable fields of each resource.
 * @see https://docs.stripe.com/search#supported-query-fields-for-each-resource
 */
const FIELDS: Record<string, readonly string[]> = {
  charges: [
    "amount",
    "billing_details",
    "created",
    "currency",
    "customer",
    "disputed",
    "metadata",
    "payment_method_details",
    "refunded",
    "status",
  ],
  customers: ["created", "email", "metadata", "name", "phone"],
  invoices: [
    "created",
    "currency",
    "customer",
    "last_finalization_error_code",
    "last_finalization_error_type",
    "metadata",
    "number",
    "receipt_number",
    "status",
    "subscription",
    "total",
  ],
  payment_intents: ["amount", "created", "currency", "customer", "metadata", "status"],
  prices: ["active", "currency", "lookup_key", "metadata", "product", "type"],
  products: ["active", "description", "metadata", "name", "shippable", "url"],
  subscriptions: ["canceled_at", "created", "metadata", "status"],
};
function checkField(field: string, resource: string): void {
  const [name = ""] = field.split(".");
  if (FIELDS[resource]?.includes(name)) return;
  throw new ApiError(
    `Field \`${field}\` is an unsupported search field for resource \`${resource}\`. See https://docs.stripe.com/search#query-fields-for-${resource.replaceAll("_", "-")} for a list of supported fields.`,
    { param: "query" },
  );
}

function unparsable(query: string): ApiError {
  return new ApiError(`We were unable to parse your search query: ${query}`, { param: "query" });
}

/** The fields of the stored objects that hold the values of search fields with other names. */
const PATHS: Record<string, string[]> = {
  "invoices last_finalization_error_code": ["last_finalization_error", "code"],
  "invoices last_finalization_error_type": ["last_finalization_error", "type"],
  "invoices subscription": ["parent", "subscription_details", "subscription"],
};

function toClause(match: RegExpExecArray, resource: string): Clause {
  const [, minus, field = "", , key, operator = ":", , quoted, bare] = match;
  const path = key === undefined ? (PATHS[`${resource} ${field}`] ?? field.split(".")) : [field, unescape(key)];
  const wanted = quoted === undefined ? bare : unescape(quoted);
  const compare = COMPARE[operator];
  return (row) => {
    const value = path.reduce<unknown>((at, name) => (at as Record<string, unknown> | null | undefined)?.[name], row);
    const holds =
      wanted === "null" && quoted === undefined
        ? value == null
        : value != null && (compare?.(value, wanted ?? "") ?? false);
    return holds !== (minus === "-");
  };
}

const COMPARE: Record<string, (value: unknown, wanted: string) => boolean> = {
  ":": (value, wanted) => String(value).toLowerCase() === wanted.toLowerCase(),
  "~": (value, wanted) => String(value).toLowerCase().includes(wanted.toLowerCase()),
  ">": (value, wanted) => Number(value) > Number(wanted),
  "<": (value, wanted) => Number(value) < Number(wanted),
  ">=": (value, wanted) => Number(value) >= Number(wanted),
  "<=": (value, wanted) => Number(value) <= Number(wanted),
};

function unescape(value: string): string {
  return value.replaceAll(/\\(.)/g, "$1");
}
