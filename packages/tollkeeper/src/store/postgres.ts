/** PostgreSQL: what several replicas share. */
import { createHash } from "node:crypto";
import { PostgresDialect, PostgresQueryCompiler } from "kysely";
import pg from "pg";
import { snakeCase } from "./column-names.ts";

/**
 * One process has one core, and what waits for a connection here would wait in the database: ten did no more at once, cost a
 * small database twice the memory, and a process that has just started twice the time in which each comes to know the tables.
 */
const POOL_SIZE = 5;
export const CONNECT_TIMEOUT_MS = 5_000;
/** Webhooks come in bursts, and the first of one should not wait for new connections. */
const KEPT_IDLE_MS = 60_000;
const STATEMENT_TIMEOUT_MS = 15_000;
/** A transaction that begins with it may take as long as it takes. */
export const WITHOUT_LIMIT = "set local statement_timeout = 0";
/** Longer than a statement may run: whoever has not answered by then is not there, and nothing else would tell. */
export const ANSWER_TIMEOUT_MS = 20_000;
const GOODBYE_MS = 1_000;
/** On a silent connection the other end is asked so soon whether it is there, and ten seconds later taken to be gone. */
export const KEEP_ALIVE = { keepAlive: true, keepAliveInitialDelayMillis: 10_000 } as const;
/** `bigint`, which pg gives as text; ours are instants and amounts, far below 2^53. */
const INT8 = 20;

const types = {
  getTypeParser: ((oid: number, format?: "text") =>
    oid === INT8 ? Number : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
};

interface PostgresOptions {
  url: string;
  onConnectionLost: (error: Error) => void;
  /** How long an answer is waited for, but in a transaction that has no limit. */
  answerTimeoutMs: number;
}

export function postgresDialect(options: PostgresOptions): PostgresDialect {
  const { onConnectionLost } = options;
  const pool = new pg.Pool({
    Client: clientClass(options),
    connectionString: options.url,
    max: POOL_SIZE,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: KEPT_IDLE_MS,
    ...KEEP_ALIVE,
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

/** Many more than there are: whoever makes texts without end shall not fill the database's memory. */
const MAX_PREPARED = 500;

/**
 * The statement is unknown, or known already: a pooler that can't keep prepared statements apart stands between. Or what it
 * answers has another shape by now: a newer version has changed the table.
 */
const UNPREPARED_CODES: ReadonlySet<string> = new Set(["26000", "42P05", "0A000"]);
const TRANSACTION_IS_OVER = "25P02";

/** Whether a statement failed because it was prepared: the next time it is not. */
export function isUnprepared(error: unknown): boolean {
  return error instanceof pg.DatabaseError && UNPREPARED_CODES.has(error.code ?? "");
}

/**
 * The connections of one pool. Each prepares a statement with its first use, since to parse and plan one takes longer than most
 * take to run; as soon as that has failed on one, none prepares any more. One that has not answered in time is ended, and the
 * pool makes another.
 * @see https://www.postgresql.org/docs/current/sql-prepare.html
 */
function clientClass({ onConnectionLost, answerTimeoutMs }: PostgresOptions): new () => pg.ClientBase {
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

    // The driver's own `query` has many shapes; this one is Kysely's.
    override query(...given: unknown[]): never {
      const ask = super.query.bind(this) as (...args: unknown[]) => Promise<unknown>;
      const query = (...args: unknown[]) => this.#inTime(ask(...args));
      const [text, values] = given;
      if (text === WITHOUT_LIMIT) this.#hasLimit = false;
      else if (text === "commit" || text === "rollback") this.#hasLimit = true;
      const isAsked = typeof text === "string" && Array.isArray(values) && values.length > 0;
      const name = prepares && isAsked && given.length === 2 ? nameOf(text) : null;
      if (name === null) return query(...given) as never;
      return query({ name, text, values }).catch(async (error: unknown) => {
        if (!isUnprepared(error)) throw error;
        prepares = false;
        return query(text, values).catch((again: unknown) => {
          throw again instanceof pg.DatabaseError && again.code === TRANSACTION_IS_OVER ? error : again;
        });
      }) as never;
    }

    override end(...given: unknown[]): never {
      limitGoodbye(this);
      return (super.end.bind(this) as (...args: unknown[]) => unknown)(...given) as never;
    }

    #inTime<Answer>(answer: Promise<Answer>): Promise<Answer> {
      if (!this.#hasLimit) return answer;
      let isAnswered = false;
      const giveUp = (): void => {
        if (isAnswered) return;
        onConnectionLost(new Error(`PostgreSQL has not answered for ${answerTimeoutMs} ms`));
        void this.end();
      };
      // Where this process has stood still, an answer may have come that nobody has read yet.
      const timer = setTimeout(() => setImmediate(giveUp), answerTimeoutMs);
      return answer.finally(() => {
        isAnswered = true;
        clearTimeout(timer);
      });
    }
  };
}

/** To be called before a connection is ended: one that is only half there would be said goodbye to for minutes. */
export function limitGoodbye(client: pg.Client): void {
  const timer = setTimeout(() => client.connection.stream.destroy(), GOODBYE_MS).unref();
  client.once("end", () => clearTimeout(timer));
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
  return /connection terminated|is not queryable|timeout exceeded when trying to connect|cannot use a pool after/i.test(
    error.message,
  );
}
