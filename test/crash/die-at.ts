/**
 * Kills its own process at a marked point: `node --import test/crash/die-at.ts` with `DIE_AT` as a `Mark` in JSON. It stands
 * between the program and what the program is made of (`fetch`, node:sqlite, pg), and nothing of it is in the program.
 */
import { writeSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import pg from "pg";

/** Where: before or after the `nth` request to Stripe or the app, statement, or commit of a transaction, that matches. */
export interface Mark {
  at: "request" | "statement" | "commit";
  when: "before" | "after";
  /** A regular expression: of "METHOD path", of a statement's text, of all texts of the transaction. */
  matches: string;
  nth: number;
}

const mark = JSON.parse(process.env["DIE_AT"] ?? "null") as Mark | null;
const pattern = new RegExp(mark?.matches ?? "$^", "i");
let seen = 0;

/** Counts on the way in, so that "before" and "after" mean the same occasion. */
function isNow(at: Mark["at"], text: string): boolean {
  if (mark?.at !== at || !pattern.test(text)) return false;
  seen += 1;
  return seen === mark.nth;
}

function die(when: Mark["when"], text: string): void {
  if (mark?.when !== when) return;
  writeSync(2, `died at its mark: ${when} ${text.replace(/\s+/g, " ").slice(0, 100)}\n`);
  process.kill(process.pid, "SIGKILL");
}

const realFetch = globalThis.fetch;
globalThis.fetch = async (input, init) => {
  const request = input instanceof Request ? input : new Request(input, init);
  const text = `${request.method} ${new URL(request.url).pathname}`;
  const here = isNow("request", text);
  if (here) die("before", text);
  const response = await realFetch(input, init);
  if (here) die("after", text);
  return response;
};

/** What each transaction has said so far: what its commit is recognized by. */
function follow(transaction: { texts: string[] }, text: string): { here: boolean; what: string } {
  if (/^\s*begin/i.test(text)) transaction.texts = [];
  if (!/^\s*commit/i.test(text)) {
    transaction.texts.push(text);
    return { here: isNow("statement", text), what: text };
  }
  return { here: isNow("commit", transaction.texts.join("\n")), what: `commit of ${mark?.matches}` };
}

const realPrepare = DatabaseSync.prototype.prepare;
const ofSqlite = { texts: [] as string[] };
DatabaseSync.prototype.prepare = function prepare(this: DatabaseSync, text: string): StatementSync {
  const statement = realPrepare.call(this, text);
  for (const method of ["all", "run"] as const) {
    const real = statement[method].bind(statement) as (...parameters: never[]) => never;
    statement[method] = (...parameters: never[]): never => {
      const { here, what } = follow(ofSqlite, text);
      if (here) die("before", what);
      const result = real(...parameters);
      if (here) die("after", what);
      return result;
    };
  }
  return statement;
};

const realQuery = pg.Client.prototype.query as (...parameters: unknown[]) => unknown;
const ofClients = new WeakMap<object, { texts: string[] }>();
pg.Client.prototype.query = function query(this: pg.Client, ...parameters: unknown[]): unknown {
  const [first] = parameters;
  const text = typeof first === "string" ? first : ((first as { text?: string } | undefined)?.text ?? "");
  const transaction = ofClients.get(this) ?? { texts: [] };
  ofClients.set(this, transaction);
  const { here, what } = follow(transaction, text);
  if (here) die("before", what);
  const result = realQuery.apply(this, parameters);
  if (!here) return result;
  return (result as Promise<unknown>).then((answer) => {
    die("after", what);
    return answer;
  });
} as typeof pg.Client.prototype.query;
