/** `expand`: ids become the objects they name, and what is only shown on request is shown. @see https://docs.stripe.com/expand */
import { checkoutLines, orderOf } from "./billing/checkout.ts";
import { invoiceExtras } from "./resources/invoices.ts";
import { ApiError } from "./core/errors.ts";
import { mapShared, present } from "./core/present.ts";
import { all, find, lookUp, of, type Row, type World } from "./core/world.ts";

const MAX_LEVELS = 4;
/** Lists inside objects are cut here; the others have to be listed. */
const INNER_LIST_LIMIT = 10;

type Extras = Record<string, () => unknown>;

export function expand<T extends object>(world: World, object: T, paths: readonly string[]): T {
  let shown: object = present(object);
  // Nothing is left to expand of what was deleted.
  if ((shown as { deleted?: boolean }).deleted === true) return shown as T;
  for (const path of paths) {
    const levels = path.split(".");
    if (levels.length > MAX_LEVELS)
      throw new ApiError(`You cannot expand more than ${MAX_LEVELS} levels of a property. Property: ${path}`, {
        code: "property_expansion_max_depth",
      });
    shown = walk(world, shown, levels, path);
  }
  const { data } = shown as { data?: unknown };
  if (!Array.isArray(data)) return cutLists(shown, 0) as T;
  return { ...shown, data: mapShared(data, (row) => cutLists(row, 0)) } as T;
}

export function notExpandable(path: string): ApiError {
  return new ApiError(`This property cannot be expanded (${path}).`, { code: "property_cannot_be_expanded" });
}

/** The object with what the path names in place of its id. */
function walk(world: World, object: object, levels: readonly string[], path: string): object {
  const [name, ...rest] = levels;
  if (name === undefined) return object;
  const row = object as Record<string, unknown>;
  const extras = extrasOf(world, object);
  const extra = Object.hasOwn(extras, name) ? extras[name] : undefined;
  const isExtra = extra !== undefined && row[name] === undefined;
  if (!isExtra && !Object.hasOwn(row, name)) throw notExpandable(path);
  const value = isExtra ? present(extra()) : row[name];
  const follow = (entry: unknown): unknown => {
    const found = resolve(world, entry);
    return typeof found === "object" && found !== null ? walk(world, found, rest, path) : found;
  };
  return { ...row, [name]: Array.isArray(value) ? value.map(follow) : follow(value) };
}

function resolve(world: World, value: unknown): unknown {
  if (typeof value !== "string") return value;
  const found = lookUp(world, value);
  return found ? present(found) : value;
}

/** What each kind of object shows only where it is asked for. */
function extrasOf(world: World, object: object): Extras {
  const row = object as { object?: string; id?: string };
  switch (row.object) {
    case "invoice":
      return invoiceExtras(world, object as Row<"invoice">);
    case "customer":
      return customerExtras(world, row.id ?? "");
    case "price": {
      const price = find(world, "price", row.id ?? "");
      return { tiers: () => price?.tiers ?? null, currency_options: () => price?.currency_options ?? null };
    }
    case "charge":
      return {
        refunds: () =>
          listOf(of(world, "refund", "charge", row.id ?? "").toReversed(), `/v1/charges/${row.id}/refunds`),
      };
    case "checkout.session": {
      const session = object as Row<"checkout.session">;
      return {
        line_items: () => ({
          ...listOf(
            checkoutLines(world, session, orderOf(world, session)),
            `/v1/checkout/sessions/${row.id}/line_items`,
          ),
          total_count: undefined,
        }),
      };
    }
    default:
      return {};
  }
}

function customerExtras(world: World, id: string): Extras {
  return {
    subscriptions: () =>
      listOf(of(world, "subscription", "customer", id).toReversed(), `/v1/customers/${id}/subscriptions`),
    sources: () => listOf([], `/v1/customers/${id}/sources`),
    tax_ids: () => listOf(of(world, "tax_id", "customer", id).toReversed(), `/v1/customers/${id}/tax_ids`),
    invoice_credit_balance: () => ({}),
    tax: () => ({ automatic_tax: "unrecognized_location", ip_address: null, location: null, provider: "stripe" }),
    cash_balance: () => null,
    payment_methods: () =>
      listOf(
        all(world, "payment_method", (row) => row.customer === id),
        "",
      ),
  };
}

function listOf(data: readonly object[], url: string) {
  return { object: "list", data: [...data], has_more: false, total_count: data.length, url };
}

function cutLists(value: unknown, depth: number): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return mapShared(value, (entry) => cutLists(entry, depth + 1));
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
    const cutInner = cutLists(inner, depth + 1);
    if (cutInner !== inner) set(name, cutInner);
  }
  return cut;
}
