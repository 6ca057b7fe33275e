/**
 * Statements whose text is made once; what changes from one use to the next are its parameters. To build a long one, and to
 * write its text, takes several times as long as SQLite needs to answer it, and a short one about half as long.
 */
import type { CompiledQuery, Kysely } from "kysely";
import type { Dialect } from "./open-store.ts";
import type { Schema } from "./schema.ts";

interface Statement<Result> {
  compile(db: Kysely<Schema>): CompiledQuery<Result>;
}

/** Stands in a statement's text for what each use gives under this name. */
class Given {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/** Any name's stand-in. */
const standIns: object = new Proxy({}, { get: (_, name) => new Given(String(name)) });

export interface KeptStatement<Parameters, Result> {
  execute(db: Kysely<Schema>, dialect: Dialect, parameters: Parameters): Promise<Result[]>;
}

/**
 * `make` writes the statement with its first use in each dialect, of stand-ins that it hands on to Kysely as values, and does
 * nothing else with; each use gives them their values.
 */
export function keep<Parameters extends object, Result>(
  make: (db: Kysely<Schema>, given: Parameters, dialect: Dialect) => Statement<Result>,
): KeptStatement<Parameters, Result> {
  const texts = new Map<Dialect, CompiledQuery<Result>>();
  return {
    async execute(db, dialect, parameters) {
      const text = texts.get(dialect) ?? make(db, standIns as Parameters, dialect).compile(db);
      texts.set(dialect, text);
      const values = parameters as Record<string, unknown>;
      const { rows } = await db.executeQuery<Result>({
        ...text,
        parameters: text.parameters.map((one) => (one instanceof Given ? values[one.name] : one)),
      });
      return rows;
    },
  };
}
