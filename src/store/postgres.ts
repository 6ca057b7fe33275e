/** PostgreSQL: what several replicas share. */
import { createHash } from "node:crypto";
import { PostgresDialect, PostgresQueryCompiler } from "kysely";
import pg from "pg";
import { snakeCase } from "./names.ts";

const POOL_SIZE = 10;
const CONNECT_TIMEOUT_MS = 5_000;
/** Webhooks come in bursts, and the first of one should not wait for new connections. */
const KEPT_IDLE_MS = 60_000;
const STATEMENT_TIMEOUT_MS = 15_000;
/** `bigint`, which pg gives as text; ours are instants and amounts, far below 2^53. */
const INT8 = 20;

const types = {
  getTypeParser: ((oid: number, format?: "text") =>
    oid === INT8 ? Number : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
};

export function postgresDialect(url: string, onConnectionLost: (error: Error) => void): PostgresDialect {
  const pool = new pg.Pool({
    Client: preparingClient(),
    connectionString: url,
    max: POOL_SIZE,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: KEPT_IDLE_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    types,
  });
  // Without these listeners a restart of the database ends this process.
  pool.on("error", onConnectionLost);
  pool.on("connect", (client) => client.on("error", onConnectionLost));
  return new NamingDialect({ pool });
}

class NamingDialect extends PostgresDialect {
  override createQueryCompiler(): PostgresQueryCompiler {
    return new QueryCompiler();
  }
}

class QueryCompiler extends PostgresQueryCompiler {
  protected override sanitizeIdentifier(name: string): string {
    return super.sanitizeIdentifier(snakeCase(name));
  }
}

/**
 * At the head of a statement that is prepared once a connection: for one that has a single good plan, whatever the numbers, and
 * that stands in no transaction, which the first error ends.
 */
export const PREPARED = "/* prepared */";

/** The statement is unknown, or known already: a pooler that can't keep prepared statements apart stands between. */
const UNPREPARED_CODES: ReadonlySet<string> = new Set(["26000", "42P05"]);

/** The connections of one pool: as soon as one finds such a pooler, none prepares any more. */
function preparingClient(): new () => pg.ClientBase {
  let prepares = true;
  const names = new Map<string, string>();
  const nameOf = (text: string): string => {
    const name = names.get(text) ?? statementName(text);
    names.set(text, name);
    return name;
  };
  return class extends pg.Client {
    // The driver's own `query` has many shapes; this one is Kysely's.
    override query(...given: unknown[]): never {
      const query = super.query.bind(this) as (...args: unknown[]) => Promise<unknown>;
      const [text, values] = given;
      if (!prepares || given.length !== 2 || typeof text !== "string" || !text.startsWith(PREPARED))
        return query(...given) as never;
      return query({ name: nameOf(text), text, values }).catch((error: unknown) => {
        if (!(error instanceof pg.DatabaseError && UNPREPARED_CODES.has(error.code ?? ""))) throw error;
        prepares = false;
        return query(text, values);
      }) as never;
    }
  };
}

/** Behind a pooler, another version's process may have prepared another text: no two texts have one name. */
function statementName(text: string): string {
  return `tollkeeper_${createHash("sha256").update(text).digest("hex").slice(0, 32)}`;
}

/** Connection exceptions, lack of resources, operator intervention, rolled back by deadlock or serialization. */
const OUT_OF_SERVICE_CLASS = /^(08|53|57|58|40)/;
const NETWORK_CODES: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "ENOTFOUND",
  "EAI_AGAIN",
]);

/** Whether PostgreSQL could not do it now. @see https://www.postgresql.org/docs/current/errcodes-appendix.html */
export function isPostgresOutOfService(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  if (code !== "") return NETWORK_CODES.has(code) || OUT_OF_SERVICE_CLASS.test(code);
  return /connection terminated|timeout exceeded when trying to connect|cannot use a pool after/i.test(error.message);
}
