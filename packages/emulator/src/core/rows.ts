/** Reads and writes the rows of an account's tables. */
import { resourceMissing } from "./errors.ts";
import type { Account, Context } from "./state.ts";
import { INDEXES, type Row, type TableName } from "./tables.ts";
import { forWrite, setEntry } from "./transaction.ts";

/** Returns the row with this ID for reading and writing; undefined if there is none. */
export function find<Name extends TableName>(context: Context, table: Name, id: string | null): Row<Name> | undefined {
  return id === null ? undefined : (forWrite(context, rowsOf(context, table), id) as Row<Name> | undefined);
}

/**
 * Returns the row with this ID. Throws Stripe's error `resource_missing` if the row does not exist. `param` is the
 * parameter that contained the ID, or "id" if it came from the URL path.
 */
export function retrieve<Name extends TableName>(context: Context, table: Name, id: string, param = "id"): Row<Name> {
  const row = find(context, table, id);
  if (!row) throw resourceMissing(table, id, param);
  return row;
}

/**
 * Lists the rows of a table that pass the filter, oldest first. Only the rows that pass the filter are copied for
 * writing.
 */
export function listAll<Name extends TableName>(
  context: Context,
  table: Name,
  where?: (row: Row<Name>) => boolean,
): Row<Name>[] {
  const rows = rowsOf(context, table);
  if (!where && context.writable === null) return [...rows.values()] as Row<Name>[];
  return selectRows(context, table, rows, where ?? (() => true));
}

/**
 * Uses an index to list the rows that belong to one owner (such as a customer), oldest first. Example: `listBy(context,
 * "invoice", { customer: id })`.
 */
export function listBy<Name extends TableName>(
  context: Context,
  table: Name,
  owner: Partial<Record<keyof (typeof INDEXES)[Name] & string, string>>,
  filter: (row: Row<Name>) => boolean = () => true,
): Row<Name>[] {
  const rows = rowsOf(context, table);
  const [field = "", id = ""] = (Object.entries(owner) as [string, string][])[0] ?? [];
  const ids = [...(indexOf(context.account, table, field).get(id) ?? [])];
  return selectRows(
    context,
    table,
    ids.map((rowId) => [rowId, rows.get(rowId)]),
    filter,
  );
}

/**
 * Lists the values of an indexed field, such as all customer IDs, from a table's index. The listed values can include values
 * that no row of the table has any longer.
 */
export function listIndexKeys<Name extends TableName>(
  context: Context,
  table: Name,
  field: keyof (typeof INDEXES)[Name] & string,
): string[] {
  return [...indexOf(context.account, table, field).keys()];
}

function selectRows<Name extends TableName>(
  context: Context,
  table: Name,
  candidates: Iterable<[string, object | undefined]>,
  where: (row: Row<Name>) => boolean,
): Row<Name>[] {
  const rows = rowsOf(context, table);
  const found: Row<Name>[] = [];
  for (const [id, row] of candidates)
    if (row !== undefined && where(row as Row<Name>))
      found.push((context.writable === null ? row : forWrite(context, rows, id)) as Row<Name>);
  return found;
}

export function insert<Name extends TableName>(context: Context, table: Name, row: Row<Name>): Row<Name> {
  setEntry(context, rowsOf(context, table), (row as { id: string }).id, row as object);
  forEachIndex(context.account, table, row, (index, owner) => addToIndex(index, owner, row as object));
  context.undo.push(() => removeFromIndexes(context.account, table, row));
  return row;
}

export function remove(context: Context, table: TableName, id: string): void {
  const rows = rowsOf(context, table);
  const before = [...rows];
  // Lists show rows in insertion order, so a rollback must restore the position of a removed row.
  context.undo.push(() => {
    rows.clear();
    for (const [known, row] of before) rows.set(known, row);
  });
  rows.delete(id);
}

/** Removes a row. A rollback of the transaction does not restore a row that was removed permanently. */
export function removePermanently<Name extends TableName>(account: Account, table: Name, row: Row<Name>): void {
  account.tables[table].delete((row as { id: string }).id);
  removeFromIndexes(account, table, row);
}

function rowsOf({ account }: Context, table: TableName): Map<string, object> {
  return account.tables[table];
}

type OwnerOf = (row: object) => string | null;

/** Maps an owner's ID to the IDs of its rows, oldest first. */
type Index = Map<string, Set<string>>;

/** The table indexes of each account. Indexes are built on first use and are not part of the state. */
const indexes = new WeakMap<Account, Map<string, Index>>();

function indexOf(account: Account, table: TableName, field: string): Index {
  const known = indexes.get(account) ?? new Map<string, Index>();
  indexes.set(account, known);
  const name = `${table}.${field}`;
  const index = known.get(name);
  if (index) return index;
  const made: Index = new Map();
  const ownerOf = (INDEXES[table] as Record<string, OwnerOf>)[field] as OwnerOf;
  for (const row of account.tables[table].values()) addToIndex(made, ownerOf(row), row);
  known.set(name, made);
  return made;
}

function removeFromIndexes<Name extends TableName>(account: Account, table: Name, row: Row<Name>): void {
  forEachIndex(account, table, row, (index, owner) => {
    const ids = index.get(owner);
    ids?.delete((row as { id: string }).id);
    if (ids?.size === 0) index.delete(owner);
  });
}

/** Calls the callback `act` for each index of the table that has already been built. */
function forEachIndex<Name extends TableName>(
  account: Account,
  table: Name,
  row: Row<Name>,
  act: (index: Index, owner: string) => void,
): void {
  const known = indexes.get(account);
  for (const [field, ownerOf] of Object.entries(INDEXES[table] as Record<string, OwnerOf>)) {
    const index = known?.get(`${table}.${field}`);
    const owner = index ? ownerOf(row as object) : null;
    if (index && owner !== null) act(index, owner);
  }
}

function addToIndex(index: Index, owner: string | null, row: object): void {
  if (owner === null) return;
  const { id } = row as { id: string };
  const ids = index.get(owner) ?? new Set();
  index.set(owner, ids.add(id));
}

/** Maps the prefix of an ID, such as `cus`, to the table in which an ID with this prefix was last found. */
const tableByPrefix = new Map<string, string>();

/** Returns the object of any type with this ID, for reading only; undefined if the account has none. */
export function findById(context: Context, id: string): object | undefined {
  if (id === "") return undefined;
  const tables = context.account.tables as unknown as Record<string, Map<string, object>>;
  const prefix = id.slice(0, id.lastIndexOf("_"));
  const likely = tables[tableByPrefix.get(prefix) ?? ""]?.get(id);
  if (likely) return likely;
  for (const [name, table] of Object.entries(tables)) {
    const row = table.get(id);
    if (!row) continue;
    tableByPrefix.set(prefix, name);
    return row;
  }
  return undefined;
}
