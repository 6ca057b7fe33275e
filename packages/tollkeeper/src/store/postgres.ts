/** Connects to PostgreSQL, the database that several replicas can share. */
import { createHash } from "node:crypto";
import { PostgresDialect, PostgresQueryCompiler } from "kysely";
import pg from "pg";
import { snakeCase } from "./column-names.ts";

/**
 * Maximum number of PostgreSQL connections of one process. Ten PostgreSQL connections per process were not faster than five,
 * because a process uses one core. Ten connections instead of five doubled the memory that a small PostgreSQL database uses.
 */
const POOL_SIZE = 5;
export const CONNECT_TIMEOUT_MS = 5_000;
/**
 * Milliseconds for which an idle connection stays open. Webhooks arrive in bursts, and the first webhook should not wait for a
 * new connection to PostgreSQL.
 */
const IDLE_TIMEOUT_MS = 60_000;
const STATEMENT_TIMEOUT_MS = 15_000;
/** The SQL statement that removes the time limit of a transaction. */
export const NO_STATEMENT_TIMEOUT = "set local statement_timeout = 0";
/**
 * Maximum time in milliseconds to wait for a response of PostgreSQL. The maximum wait for a response is longer than the time
 * limit of SQL statements. So a connection that gives no response within the maximum wait is dead, even if no error reports it.
 */
export const RESPONSE_TIMEOUT_MS = 20_000;
const CLOSE_TIMEOUT_MS = 1_000;
/** The SQL statement that starts a transaction behind a connection pooler. PostgreSQL resets the time limit at its end. */
const BEGIN_WITH_TIMEOUT = `begin; set local statement_timeout = ${STATEMENT_TIMEOUT_MS}`;
/** Options that let TCP check a connection that is silent for 10 seconds. */
export const KEEP_ALIVE = { keepAlive: true, keepAliveInitialDelayMillis: 10_000 } as const;
/**
 * The number with which PostgreSQL identifies the type `bigint`. The driver returns values of the type `bigint` as texts. Our
 * `bigint` values become JavaScript numbers, because all are instants and amounts far below 2^53.
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
   * Maximum time in milliseconds to wait for a response of PostgreSQL. The maximum wait for PostgreSQL does not apply to
   * transactions without a time limit.
   */
  responseTimeoutMs: number;
  /** The state of the database's connections. This module writes it, and its callers read it. */
  pooler: PoolerState;
}

export interface PoolerState {
  /**
   * True if a connection pooler such as PgBouncer in transaction mode is between this process and PostgreSQL. Such a pooler
   * refuses `statement_timeout` as a parameter of a new connection, and gives each transaction another session.
   */
  isPooled: boolean;
}

/** Returns true for the error with which PgBouncer refuses a parameter of a new connection. */
function isParameterRefused(error: unknown): boolean {
  return error instanceof Error && /unsupported startup parameter/i.test(error.message);
}

export function postgresDialect(options: PostgresOptions): PostgresDialect {
  const { onConnectionLost, pooler } = options;
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
  // Without listeners for connection errors, a restart of PostgreSQL would end the service's process.
  pool.on("error", onConnectionLost);
  pool.on("connect", (client) => client.on("error", onConnectionLost));
  const connect = async (): Promise<pg.PoolClient> => {
    try {
      return await pool.connect();
    } catch (error) {
      if (!isParameterRefused(error)) throw nameAddress(options.url, error);
      pooler.isPooled = true;
      return pool.connect();
    }
  };
  return new NamingDialect({ pool: { options: pool.options, connect, end: () => pool.end() } });
}

/** Class of PostgreSQL's error codes for a wrong user name or password. */
const WRONG_CREDENTIALS_CLASS = /^28/;

/**
 * Returns an error that names host and port of the database and the cause. The error never contains the user name or the
 * password.
 */
function nameAddress(url: string, error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { host, port } = new pg.Client({ connectionString: url });
  const code = "code" in error ? String(error.code) : undefined;
  const cause =
    code !== undefined && WRONG_CREDENTIALS_CLASS.test(code)
      ? "PostgreSQL rejected the user name or the password. Check DATABASE_URL."
      : error instanceof AggregateError
        ? error.errors.map((one: Error) => one.message).join("; ")
        : error.message;
  return Object.assign(new Error(`PostgreSQL at ${host}:${port}: ${cause}`, { cause: error }), code && { code });
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
 * Maximum number of prepared statements per connection. The maximum number of prepared statements is far larger than the number
 * of SQL statements that the service uses. The limit of prepared statements protects PostgreSQL's memory if the service
 * produces too many different SQL texts.
 */
const MAX_PREPARED = 500;

/**
 * PostgreSQL's error codes for an unknown, duplicate or outdated prepared statement. Errors about prepared statements occur
 * behind a connection pooler without support for prepared statements, and after a newer version has altered a table.
 */
const PREPARED_STATEMENT_CODES: ReadonlySet<string> = new Set(["26000", "42P05", "0A000"]);
const TRANSACTION_IS_OVER = "25P02";

/**
 * Returns true if a statement failed only because it was prepared. The failed SQL statement is sent again without preparing it.
 */
export function isPreparedStatementError(error: unknown): boolean {
  return error instanceof pg.DatabaseError && PREPARED_STATEMENT_CODES.has(error.code ?? "");
}

/**
 * Creates the class whose objects are the connections of a pool. A connection prepares each statement at its first use, because
 * parsing and planning take longer than running most statements. If preparing a SQL statement fails once, no connection
 * prepares statements any more. No connection prepares statements behind a connection pooler. A connection is closed, and the
 * pool opens another one, if it gets no response in time or if PostgreSQL reports that the session is no longer usable.
 *
 * Measured gain: without prepared statements, an access query takes 1.5 ms instead of 0.26 ms, and the webhook endpoint accepts
 * 10 to 15 % fewer events per second (`node bench/access.ts`, `node bench/webhook-endpoint.ts`).
 *
 * @see https://www.postgresql.org/docs/current/sql-prepare.html
 */
function clientClass({ onConnectionLost, responseTimeoutMs, pooler }: PostgresOptions): new () => pg.ClientBase {
  let prepares = true;
  const nameOf = createStatementNames();
  return class extends pg.Client {
    #hasLimit = true;

    constructor(config: pg.ClientConfig = {}) {
      super(pooler.isPooled ? { ...config, statement_timeout: undefined } : config);
    }

    // The driver's method `query` has many signatures. Kysely uses only one of the signatures of the driver's method `query`.
    override query(...given: unknown[]): never {
      const closeIfUnusable = (error: unknown): never => {
        if (isSessionUnusable(error)) {
          onConnectionLost(error);
          void this.end();
        }
        throw error;
      };
      const send = super.query.bind(this) as (...args: unknown[]) => Promise<unknown>;
      const query = (...args: unknown[]) => this.#withTimeout(send(...args)).catch(closeIfUnusable);
      const [text, values] = given;
      if (text === "begin" && pooler.isPooled) return query(BEGIN_WITH_TIMEOUT) as never;
      if (text === NO_STATEMENT_TIMEOUT) this.#hasLimit = false;
      else if (text === "commit" || text === "rollback") this.#hasLimit = true;
      const isQuery = typeof text === "string" && Array.isArray(values) && values.length > 0;
      const name = prepares && !pooler.isPooled && isQuery && given.length === 2 ? nameOf(text) : null;
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
      // If the process was blocked, a response from PostgreSQL may have arrived that is not read yet. So a connection whose
      // response is late is closed only after one more turn of the event loop.
      const timer = setTimeout(() => setImmediate(close), responseTimeoutMs);
      return result.finally(() => {
        isSettled = true;
        clearTimeout(timer);
      });
    }
  };
}

/**
 * Destroys the socket of a PostgreSQL connection if the connection does not end within a second. If the socket is not
 * destroyed, the end of a half-open connection could take minutes. Call `forceCloseAfter` before the connection's method `end`.
 */
export function forceCloseAfter(client: pg.Client): void {
  const timer = setTimeout(() => client.connection.stream.destroy(), CLOSE_TIMEOUT_MS).unref();
  client.once("end", () => clearTimeout(timer));
}

/** Returns a function that returns the name of a prepared statement; null if too many statements have names. */
function createStatementNames(): (text: string) => string | null {
  const names = new Map<string, string>();
  return (text) => {
    const known = names.get(text);
    if (known !== undefined || names.size >= MAX_PREPARED) return known ?? null;
    const name = statementName(text);
    names.set(text, name);
    return name;
  };
}

/**
 * Returns the name of a prepared statement. Each SQL text has its own name, because another version of the service may use the
 * same connection through a pooler.
 */
function statementName(text: string): string {
  return `tollkeeper_${createHash("sha256").update(text).digest("hex").slice(0, 32)}`;
}

/**
 * PostgreSQL's error codes after which a session can't be used: connection exceptions, shutdowns, writes in a read-only
 * session, and transactions that lasted too long. After a failover, old connections may lead to a server that has become
 * read-only.
 */
const UNUSABLE_SESSION = /^(08|57P0[1-5]|25006|25P0[34])/;

function isSessionUnusable(error: unknown): error is pg.DatabaseError {
  return error instanceof pg.DatabaseError && UNUSABLE_SESSION.test(error.code ?? "");
}

/**
 * Classes of PostgreSQL's error codes: connection exceptions, insufficient resources, operator intervention, system errors,
 * deadlocks and serialization failures. The single codes are those of a write in a read-only session, of a transaction that
 * lasted too long, and of a lock that was not available in time.
 */
const OUT_OF_SERVICE_CLASS = /^(08|53|57|58|40|25006|25P0[34]|55P03)/;
const NETWORK_CODES: ReadonlySet<string> = new Set([
  "ECONNABORTED",
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTDOWN",
  "EHOSTUNREACH",
  "ENETDOWN",
  "ENETUNREACH",
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
  // A server that is restarting has no Unix socket.
  if (code === "ENOENT") return error.message.includes("connect ENOENT");
  if (code !== "") return NETWORK_CODES.has(code) || OUT_OF_SERVICE_CLASS.test(code);
  return /connection terminated|is not queryable|timeout exceeded when trying to connect|cannot use a pool after/i.test(
    error.message,
  );
}
