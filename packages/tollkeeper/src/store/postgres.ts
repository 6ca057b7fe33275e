/** Connects to PostgreSQL, the database that several replicas can share. */
import { createHash } from "node:crypto";
import { PostgresDialect, PostgresQueryCompiler } from "kysely";
import pg from "pg";
import { snakeCase } from "./column-names.ts";

/**
 * Maximum number of PostgreSQL connections of one process. Ten connections were not faster, because a process uses one core,
 * and doubled the memory of a small database.
 */
const POOL_SIZE = 5;
export const CONNECT_TIMEOUT_MS = 5_000;
/**
 * Milliseconds for which an idle connection stays open. Webhooks arrive in bursts, and the first one should not wait for a new
 * connection.
 */
const IDLE_TIMEOUT_MS = 60_000;
const STATEMENT_TIMEOUT_MS = 15_000;
/** A transaction without a time limit first runs this SQL statement. */
export const NO_STATEMENT_TIMEOUT = "set local statement_timeout = 0";
/**
 * Maximum time in milliseconds to wait for a response of PostgreSQL. This time is longer than a statement may run, so a
 * connection without a response is dead, even if no error reports it.
 */
export const RESPONSE_TIMEOUT_MS = 20_000;
const CLOSE_TIMEOUT_MS = 1_000;
/** Options that let TCP check a connection that is silent for 10 seconds. */
export const KEEP_ALIVE = { keepAlive: true, keepAliveInitialDelayMillis: 10_000 } as const;
/**
 * PostgreSQL's number of the type `bigint`. The driver returns values of the type `bigint` as texts. Our `bigint` values become
 * numbers, because all are instants and amounts far below 2^53.
 */
const INT8 = 20;

const types = {
  getTypeParser: ((oid: number, format?: "text") =>
    oid === INT8 ? Number : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
};

interface PostgresOptions {
  url: string;
  onConnectionLost: (error: Error) => void;
  /**
   * Maximum time in milliseconds to wait for a response of PostgreSQL. This limit does not apply to transactions without a time
   * limit.
   */
  responseTimeoutMs: number;
}

export function postgresDialect(options: PostgresOptions): PostgresDialect {
  const { onConnectionLost } = options;
  const pool = new pg.Pool({
    Client: clientClass(options),
    connectionString: options.url,
    max: POOL_SIZE,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
    ...KEEP_ALIVE,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    types,
  });
  // Without these listeners, a restart of PostgreSQL would end this process.
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
 * Maximum number of prepared statements per connection. This number is far larger than the number of the service's statements.
 * The limit protects PostgreSQL's memory in case statement texts vary without limit.
 */
const MAX_PREPARED = 500;

/**
 * PostgreSQL's error codes for an unknown, duplicate or outdated prepared statement. These errors occur behind a pooler without
 * support for prepared statements, and after a newer version has altered a table.
 */
const PREPARED_STATEMENT_CODES: ReadonlySet<string> = new Set(["26000", "42P05", "0A000"]);
const TRANSACTION_IS_OVER = "25P02";

/** Returns true if a statement failed only because it was prepared. If the statement is sent again, it is not prepared. */
export function isPreparedStatementError(error: unknown): boolean {
  return error instanceof pg.DatabaseError && PREPARED_STATEMENT_CODES.has(error.code ?? "");
}

/**
 * Creates the class whose objects are the connections of a pool. A connection prepares each statement at its first use, because
 * parsing and planning take longer than running most statements. If preparing fails once, no connection prepares statements any
 * more. A connection that gets no response in time is closed, and the pool opens another one.
 *
 * Measured gain: without prepared statements, an access query takes 1.5 ms instead of 0.26 ms, and the webhook endpoint accepts
 * 10 to 15 % fewer events per second (`node bench/access.ts`, `node bench/webhook-endpoint.ts`).
 * @see https://www.postgresql.org/docs/current/sql-prepare.html
 */
function clientClass({ onConnectionLost, responseTimeoutMs }: PostgresOptions): new () => pg.ClientBase {
  let prepares = true;
  const names = new Map<string, string>();
  const nameOf = (text: string): string | null => {
    const known = names.get(text);
    if (known !== undefined || names.size >= MAX_PREPARED) return known ?? null;
    const name = statementName(text);
    names.set(text, name);
    return name;
  };
  return class extends pg.Client {
    #hasLimit = true;

    // The driver's method `query` has many signatures. Kysely uses only one of these signatures.
    override query(...given: unknown[]): never {
      const send = super.query.bind(this) as (...args: unknown[]) => Promise<unknown>;
      const query = (...args: unknown[]) => this.#withTimeout(send(...args));
      const [text, values] = given;
      if (text === NO_STATEMENT_TIMEOUT) this.#hasLimit = false;
      else if (text === "commit" || text === "rollback") this.#hasLimit = true;
      const isQuery = typeof text === "string" && Array.isArray(values) && values.length > 0;
      const name = prepares && isQuery && given.length === 2 ? nameOf(text) : null;
      if (name === null) return query(...given) as never;
      return query({ name, text, values }).catch(async (error: unknown) => {
        if (!isPreparedStatementError(error)) throw error;
        prepares = false;
        return query(text, values).catch((again: unknown) => {
          throw again instanceof pg.DatabaseError && again.code === TRANSACTION_IS_OVER ? error : again;
        });
      }) as never;
    }

    override end(...given: unknown[]): never {
      forceCloseAfter(this);
      return (super.end.bind(this) as (...args: unknown[]) => unknown)(...given) as never;
    }

    #withTimeout<Result>(result: Promise<Result>): Promise<Result> {
      if (!this.#hasLimit) return result;
      let isSettled = false;
      const close = (): void => {
        if (isSettled) return;
        onConnectionLost(new Error(`PostgreSQL sent no response for ${responseTimeoutMs} ms`));
        void this.end();
      };
      // If this process was blocked, a response may have arrived that is not read yet. So the connection closes one turn of the
      // event loop later.
      const timer = setTimeout(() => setImmediate(close), responseTimeoutMs);
      return result.finally(() => {
        isSettled = true;
        clearTimeout(timer);
      });
    }
  };
}

/**
 * Destroys the connection's socket if the connection does not end within a second. Otherwise the end of a half-open connection
 * could take minutes. Call this function before the connection's method `end`.
 */
export function forceCloseAfter(client: pg.Client): void {
  const timer = setTimeout(() => client.connection.stream.destroy(), CLOSE_TIMEOUT_MS).unref();
  client.once("end", () => clearTimeout(timer));
}

/**
 * Returns the name of a prepared statement. Each text has its own name, because another version may use the same connection
 * through a pooler.
 */
function statementName(text: string): string {
  return `tollkeeper_${createHash("sha256").update(text).digest("hex").slice(0, 32)}`;
}

/**
 * Classes of PostgreSQL's error codes: connection exceptions, insufficient resources, operator intervention, system errors,
 * deadlocks and serialization failures.
 */
const OUT_OF_SERVICE_CLASS = /^(08|53|57|58|40)/;
const NETWORK_CODES: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "ENOTFOUND",
  "EAI_AGAIN",
]);

/**
 * Returns true if an error means that PostgreSQL is unavailable or that a retry may succeed.
 * @see https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
export function isPostgresOutOfService(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  if (code !== "") return NETWORK_CODES.has(code) || OUT_OF_SERVICE_CLASS.test(code);
  return /connection terminated|is not queryable|timeout exceeded when trying to connect|cannot use a pool after/i.test(
    error.message,
  );
}
