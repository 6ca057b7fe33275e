/**
 * Kills its own process at a chosen operation: `node --import test/crash/kill-at-point.ts` with a `KillPoint` as JSON in
 * `KILL_AT`. This module wraps `fetch`, node:sqlite and pg, so the service contains no test code.
 */
import { writeSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import pg from "pg";

/**
 * The process kills itself before or after the `nth` matching operation: a request to Stripe or the app, an SQL statement, or a
 * commit.
 */
export interface KillPoint {
  at: "request" | "statement" | "commit";
  when: "before" | "after";
  /**
   * A regular expression. It is compared with "METHOD path" of a request, an SQL statement, or the SQL statements of a
   * transaction.
   */
  matches: string;
  nth: number;
}

/** The beginning of the line that the process prints before it kills itself. */
const KILLED = "killed at its point";

const point = JSON.parse(process.env["KILL_AT"] ?? "null") as KillPoint | null;
const pattern = new RegExp(point?.matches ?? "$^", "i");
let matched = 0;

/**
 * Counts a matching operation before the operation runs, both for kills "before" and for kills "after" an operation.
 */
function isNow(at: KillPoint["at"], text: string): boolean {
  if (point?.at !== at || !pattern.test(text)) return false;
  matched += 1;
  return matched === point.nth;
}

function die(when: KillPoint["when"], text: string): void {
  if (point?.when !== when) return;
  writeSync(2, `${KILLED}: ${when} ${text.replace(/\s+/g, " ").slice(0, 100)}\n`);
  process.kill(process.pid, "SIGKILL");
}

const realFetch = globalThis.fetch;
globalThis.fetch = async (input, init) => {
  const request = input instanceof Request ? input : new Request(input, init);
  const text = `${request.method} ${new URL(request.url).pathname}`;
  const isHere = isNow("request", text);
  if (isHere) die("before", text);
  const response = await realFetch(input, init);
  if (isHere) die("after", text);
  return response;
};

interface Transaction {
  statements: string[];
}

/** Collects the SQL statements of a transaction. The collected SQL statements identify the transaction's commit. */
function follow(transaction: Transaction, text: string): { isHere: boolean; label: string } {
  if (/^\s*begin/i.test(text)) transaction.statements = [];
  if (!/^\s*commit/i.test(text)) {
    transaction.statements.push(text);
    return { isHere: isNow("statement", text), label: text };
  }
  return { isHere: isNow("commit", transaction.statements.join("\n")), label: `commit of ${point?.matches}` };
}

const realPrepare = DatabaseSync.prototype.prepare;
const sqliteTransaction: Transaction = { statements: [] };
DatabaseSync.prototype.prepare = function prepare(this: DatabaseSync, text: string): StatementSync {
  const statement = realPrepare.call(this, text);
  for (const method of ["all", "run"] as const) {
    const real = statement[method].bind(statement) as (...parameters: never[]) => never;
    statement[method] = (...parameters: never[]): never => {
      const { isHere, label } = follow(sqliteTransaction, text);
      if (isHere) die("before", label);
      const result = real(...parameters);
      if (isHere) die("after", label);
      return result;
    };
  }
  return statement;
};

const realQuery = pg.Client.prototype.query as (...parameters: unknown[]) => unknown;
const clientTransactions = new WeakMap<object, Transaction>();
pg.Client.prototype.query = function query(this: pg.Client, ...parameters: unknown[]): unknown {
  const [first] = parameters;
  const text = typeof first === "string" ? first : ((first as { text?: string } | undefined)?.text ?? "");
  const transaction = clientTransactions.get(this) ?? { statements: [] };
  clientTransactions.set(this, transaction);
  const { isHere, label } = follow(transaction, text);
  if (isHere) die("before", label);
  const result = realQuery.apply(this, parameters);
  if (!isHere) return result;
  return (result as Promise<unknown>).then((rows) => {
    die("after", label);
    return rows;
  });
} as typeof pg.Client.prototype.query;
