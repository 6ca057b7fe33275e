/** PostgreSQL: what several replicas share. */
import { PostgresDialect } from "kysely";
import pg from "pg";

const POOL_SIZE = 10;
const CONNECT_TIMEOUT_MS = 5_000;
const STATEMENT_TIMEOUT_MS = 15_000;
/** `bigint`, which pg gives as text; ours are instants and amounts, far below 2^53. */
const INT8 = 20;

const types = {
  getTypeParser: ((oid: number, format?: "text") =>
    oid === INT8 ? Number : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
};

export function postgresDialect(url: string, onConnectionLost: (error: Error) => void): PostgresDialect {
  const pool = new pg.Pool({
    connectionString: url,
    max: POOL_SIZE,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    types,
  });
  // Without these listeners a restart of the database ends this process.
  pool.on("error", onConnectionLost);
  pool.on("connect", (client) => client.on("error", onConnectionLost));
  return new PostgresDialect({ pool });
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
