/** Many rows or ids in one statement whose text does not depend on their number: it is compiled once, and has no limit of parameters. */
import { sql, type CompiledQuery, type Expression, type Kysely, type RawBuilder } from "kysely";
import type { Dialect } from "./open-store.ts";
import type { OperationState } from "../domain/operations.ts";
import { snakeCase } from "./column-names.ts";
import type { QueueState, Schema } from "./schema.ts";

type Row = Record<string, string | number | null>;

export interface Rows {
  dialect: Dialect;
  table: keyof Schema;
  /** All with the same columns. */
  rows: readonly Row[];
  /** What is the same in all. */
  same?: Row;
}

/** Writes each row, in this order, whether it is there or not; of two with one key the last counts. */
export async function saveRows(db: Kysely<Schema>, { key, ...rows }: Rows & { key: readonly string[] }): Promise<void> {
  const byKey = new Map(rows.rows.map((row) => [JSON.stringify(key.map((column) => row[column])), row]));
  const saved = { ...rows, rows: [...byKey.values()] };
  await insertKept(db, `save by ${key.join()}`, saved, (insert, columns) => {
    const changed = columns.filter((column) => !key.includes(column));
    const assignments = changed.map((column) => sql`${sql.ref(column)} = excluded.${sql.ref(column)}`);
    return sql`${insert}
      on conflict (${sql.join(key.map((column) => sql.ref(column)))}) do update set ${sql.join(assignments)}`;
  });
}

/** Writes those rows that are not there. */
export async function addRows(db: Kysely<Schema>, rows: Rows): Promise<void> {
  await insertKept(db, "add", rows, (insert) => sql`${insert} on conflict do nothing`);
}

/** One for each way to write each table's rows. */
const inserts = new Map<string, KeptInsert<unknown>>();

/** `how` and what is written make the text. */
async function insertKept(
  db: Kysely<Schema>,
  how: string,
  { dialect, table, rows, same = {} }: Rows,
  around: (insert: RawBuilder<unknown>, columns: readonly string[]) => RawBuilder<unknown>,
): Promise<void> {
  const [first] = rows;
  if (!first) return;
  const columns = Object.keys(first);
  const types = Object.entries(same).map(([column, value]) => `${column} ${typeof value}`);
  const shape = [how, dialect, table, columns, types].join(" ");
  const insert = inserts.get(shape) ?? keepInsert({ dialect, table, columns, same }, (text) => around(text, columns));
  inserts.set(shape, insert);
  await db.executeQuery(insert(db, rows, same));
}

type KeptInsert<Result> = (db: Kysely<Schema>, rows: readonly Row[], same: Row) => CompiledQuery<Result>;

/**
 * Keeps an insert's text, for rows with these columns and what is the same in all; what it answers binds rows to it.
 * `around` completes the statement: what it adds comes after the insert, and has no parameters.
 */
export function keepInsert<Result>(
  { dialect, table, columns, same }: Pick<Rows, "dialect" | "table"> & { columns: readonly string[]; same: Row },
  around: (insert: RawBuilder<unknown>) => RawBuilder<Result>,
): KeptInsert<Result> {
  const example = Object.fromEntries(columns.map((column) => [column, null]));
  const shared = Object.keys(same);
  let kept: CompiledQuery<Result> | null = null;
  return (db, rows, values) => {
    kept ??= around(insertRows({ dialect, table, rows: [example], same })).compile(db);
    return { ...kept, parameters: [...shared.map((column) => values[column] ?? null), toJson(dialect, columns, rows)] };
  };
}

/** SQLite takes a row's values by their place, which it finds faster; PostgreSQL by the columns' names. */
function toJson(dialect: Dialect, columns: readonly string[], rows: readonly Row[]): string {
  if (dialect === "sqlite") return JSON.stringify(rows.map((row) => columns.map((column) => row[column])));
  const names = columns.map((column) => [snakeCase(column), column] as const);
  const renamed = rows.map((row) => {
    const named: Row = {};
    for (const [name, column] of names) named[name] = row[column] ?? null;
    return named;
  });
  return JSON.stringify(renamed);
}

/** Inserts at least one row, in this order; `on conflict` and `returning` may follow. */
export function insertRows({ dialect, table, rows, same = {} }: Rows): RawBuilder<unknown> {
  const columns = Object.keys(rows[0] ?? {});
  const json = toJson(dialect, columns, rows);
  const shared = Object.entries(same);
  const values = shared.map(
    ([, value]) => sql`cast(${value} as ${typeof value === "number" ? sql`bigint` : sql`text`})`,
  );
  const targets = sql.join([...columns, ...shared.map(([column]) => column)].map((column) => sql.ref(column)));
  const source =
    dialect === "postgres"
      ? sql`select ${sql.join([...columns.map((column) => sql.ref(column)), ...values])}
          from json_populate_recordset(null::${sql.table(table)}, cast(${json} as json))`
      : sql`select ${sql.join([...columns.map((_, at) => sql`value ->> ${sql.lit(at)}`), ...values])}
          from json_each(${json}) where true order by key`;
  return sql`insert into ${sql.table(table)} (${targets}) ${source}`;
}

/** In one order whoever writes: two that write the same rows never wait for each other. Equal keys stay as they were. */
export function inOneOrder<Item>(items: Iterable<Item>, keyOf: (item: Item) => string): Item[] {
  return [...items].toSorted((one, other) => {
    const [key, otherKey] = [keyOf(one), keyOf(other)];
    return key < otherKey ? -1 : Number(key > otherKey);
  });
}

/** Written out: SQLite takes an index of one state's rows only where the statement itself says which state. */
export function isState(state: QueueState | OperationState): RawBuilder<boolean> {
  return sql`${sql.ref("state")} = ${sql.lit(state)}`;
}

/** How many rows a statement takes. Written out: SQLite plans a statement anew each time that it is given its limit. */
export function atMost(count: number): RawBuilder<number> {
  return sql.lit(count);
}

/**
 * Whether a column holds one of these. One alone is a statement of its own: PostgreSQL takes any list for one of ten, and would
 * rather plan anew each time than keep a plan for so many.
 */
export function isAnyOf(dialect: Dialect, column: string, values: readonly string[]): RawBuilder<boolean> {
  const [first, ...others] = values;
  if (first !== undefined && others.length === 0) return sql`${sql.ref(column)} = ${first}`;
  return isIn(dialect, column, toList(dialect, values));
}

/** Values as the one parameter of a statement. */
export function toList(dialect: Dialect, values: readonly string[]): unknown {
  return dialect === "postgres" ? values : JSON.stringify(values);
}

/** Whether a column holds one of a list. */
export function isIn(dialect: Dialect, column: string, list: unknown): RawBuilder<boolean> {
  return dialect === "postgres"
    ? sql`${sql.ref(column)} = any(cast(${list} as text[]))`
    : sql`${sql.ref(column)} in (select value from json_each(${list}))`;
}

/**
 * Whether a column holds one of what a query in parentheses answers, which runs once. PostgreSQL would join the query with the
 * table as it sees fit, and read all of a table that it takes for a small one; the values of an array it looks up.
 */
export function isInAnswer(dialect: Dialect, column: string, query: Expression<unknown>): RawBuilder<boolean> {
  return dialect === "postgres" ? sql`${sql.ref(column)} = any(array${query})` : sql`${sql.ref(column)} in ${query}`;
}
