/**
 * Statements whose text is made once. To build a long one, and to write its text, takes longer than SQLite needs to answer
 * it; what changes from one use to the next are its parameters.
 */
import type { CompiledQuery, Kysely } from "kysely";
import type { Dialect } from "./database.ts";
import type { Schema } from "./schema.ts";

interface Statement<Result> {
  compile(db: Kysely<Schema>): CompiledQuery<Result>;
}

/** Binds parameters, in the text's order, to the text that `make` writes with its first use in this dialect. */
export function keepText<Result>(
  make: (db: Kysely<Schema>, dialect: Dialect) => Statement<Result>,
): (db: Kysely<Schema>, dialect: Dialect, parameters: readonly unknown[]) => CompiledQuery<Result> {
  const texts = new Map<Dialect, CompiledQuery<Result>>();
  return (db, dialect, parameters) => {
    const text = texts.get(dialect) ?? make(db, dialect).compile(db);
    texts.set(dialect, text);
    return { ...text, parameters };
  };
}
