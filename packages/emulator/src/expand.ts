/**
 * Expands responses: replaces IDs with their objects, and adds fields that responses include only on expansion.
 * @see https://docs.stripe.com/expand
 */
import { mapIfChanged, toApiView } from "./core/api-view.ts";
import { ApiError } from "./core/errors.ts";
import { find, findById } from "./core/rows.ts";
import type { Context } from "./core/state.ts";
import { expandOnlyFields, nestedField } from "./expand-only-fields.ts";
import { toCard } from "./objects/card.ts";

const MAX_LEVELS = 4;
/** The maximum number of entries that a list inside a response object shows. */
const INNER_LIST_LIMIT = 10;

export function expand<T extends object>(context: Context, object: T, paths: readonly string[]): T {
  let shown: object = toApiView(object);
  // A deleted object has no fields to expand.
  if ((shown as { deleted?: boolean }).deleted === true) return shown as T;
  for (const path of paths) {
    const levels = path.split(".");
    if (levels.length > MAX_LEVELS)
      throw new ApiError(`You cannot expand more than ${MAX_LEVELS} levels of a property. Property: ${path}`, {
        code: "property_expansion_max_depth",
      });
    shown = expandPath(context, shown, levels, path);
  }
  const { data } = shown as { data?: unknown };
  if (!Array.isArray(data)) return truncateLists(shown, 0) as T;
  return { ...shown, data: mapIfChanged(data, (row) => truncateLists(row, 0)) } as T;
}

export function notExpandable(path: string): ApiError {
  return new ApiError(`This property cannot be expanded (${path}).`, { code: "property_cannot_be_expanded" });
}

/** Returns a copy of the object in which the property at this path is expanded. */
function expandPath(context: Context, object: object, levels: readonly string[], path: string): object {
  const [name, ...rest] = levels;
  if (name === undefined) return object;
  const row = object as Record<string, unknown>;
  const [inner = "", ...below] = rest;
  const nested = nestedField(context, object, `${name}.${inner}`);
  if (nested !== undefined) {
    const found = expandPath(context, toApiView(nested), below, path);
    return { ...row, [name]: { ...(row[name] as object), [inner]: found } };
  }
  const extras = expandOnlyFields(context, object);
  const extra = Object.hasOwn(extras, name) ? extras[name] : undefined;
  const isExtra = extra !== undefined && row[name] === undefined;
  if (!isExtra && !Object.hasOwn(row, name)) throw notExpandable(path);
  const value = isExtra ? toApiView(extra()) : row[name];
  const follow = (entry: unknown): unknown => {
    const found = resolveId(context, name, entry);
    return typeof found === "object" && found !== null ? expandPath(context, found, rest, path) : found;
  };
  return { ...row, [name]: Array.isArray(value) ? value.map(follow) : follow(value) };
}

function resolveId(context: Context, name: string, value: unknown): unknown {
  if (typeof value !== "string") return value;
  const card = name === "default_source" ? find(context, "payment_method", value) : undefined;
  if (card) return toCard(card);
  const found = findById(context, value);
  return found ? toApiView(found) : value;
}

function truncateLists(value: unknown, depth: number): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return mapIfChanged(value, (entry) => truncateLists(entry, depth + 1));
  const row = value as Record<string, unknown>;
  let cut = row;
  const set = (name: string, inner: unknown): void => {
    if (cut === row) cut = { ...row };
    cut[name] = inner;
  };
  const { data } = row;
  if (depth > 0 && row["object"] === "list" && Array.isArray(data) && data.length > INNER_LIST_LIMIT) {
    set("data", data.slice(0, INNER_LIST_LIMIT));
    set("has_more", true);
  }
  for (const name in row) {
    const inner = cut[name];
    if (typeof inner !== "object" || inner === null) continue;
    const cutInner = truncateLists(inner, depth + 1);
    if (cutInner !== inner) set(name, cutInner);
  }
  return cut;
}
