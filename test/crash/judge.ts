/** What must hold after all that: what was acknowledged is there, what was told was told once and in order, and the mirror is as Stripe is. */
import { DatabaseSync } from "node:sqlite";
import pg from "pg";
import type { Store } from "../../packages/tollkeeper/src/store/open-store.ts";
import type { Auditor } from "../simulation/auditor.ts";
import type { ToldHook } from "./hooks-receiver.ts";

const ASKED_AT_ONCE = 500;

/** Those of the acknowledged events that are not in the inbox. */
export async function lostOf(store: Store, acknowledged: readonly string[]): Promise<string[]> {
  const lost: string[] = [];
  for (let start = 0; start < acknowledged.length; start += ASKED_AT_ONCE)
    lost.push(...(await store.inbox.unknown(acknowledged.slice(start, start + ASKED_AT_ONCE))));
  return lost;
}

const HOOKS: Readonly<Record<string, string>> = {
  "access.granted": "onAccessGranted",
  "access.revoked": "onAccessRevoked",
  "payment.succeeded": "onPaymentSucceeded",
};

/** Follows each user through what the app was told; the same id again is no news. */
export function judgeHooks(told: readonly ToldHook[], auditor: Auditor): { problems: string[]; repeated: number } {
  const problems: string[] = [];
  const seen = new Set<string>();
  const featuresOf = new Map<string, Set<string>>();
  const paid = new Map<string, string>();
  let repeated = 0;
  for (const { id, type, body } of told) {
    auditor.told(HOOKS[type] ?? type, { id, ...body });
    if (seen.has(id)) {
      repeated += 1;
      continue;
    }
    seen.add(id);
    const features = featuresOf.get(body.userId) ?? new Set();
    featuresOf.set(body.userId, features);
    if (type === "access.granted" || type === "access.revoked")
      for (const feature of body.features ?? []) {
        const grants = type === "access.granted";
        if (features.has(feature) === grants) problems.push(`${id}: ${body.userId} was told of ${feature} twice`);
        if (grants) features.add(feature);
        else features.delete(feature);
      }
    if (type === "payment.succeeded" && body.invoiceId !== undefined) {
      const other = paid.get(body.invoiceId);
      if (other !== undefined) problems.push(`the payment of ${body.invoiceId} was told as ${other} and as ${id}`);
      paid.set(body.invoiceId, id);
    }
  }
  return { problems, repeated };
}

/** Whether each user's hooks came in the order in which they were written. */
export async function judgeOrder(told: readonly ToldHook[], databaseUrl: string): Promise<string[]> {
  const written = await readRows<{ id: string; user_id: string }>(
    databaseUrl,
    "select id, user_id from outbox order by seq",
  );
  const first = new Map<string, ToldHook>();
  for (const hook of told) if (!first.has(hook.id)) first.set(hook.id, hook);
  const came = byUser([...first.values()].map(({ id, body }) => ({ id, user_id: body.userId })));
  const problems: string[] = [];
  for (const [user, ids] of byUser(written)) {
    const arrived = came.get(user)?.join() ?? "";
    if (arrived !== ids.join()) problems.push(`${user} was to be told ${ids.join()}, and was told ${arrived}`);
  }
  if (first.size > written.length) problems.push(`${first.size} hooks were told and ${written.length} were written`);
  return problems;
}

function byUser(rows: readonly { id: string; user_id: string }[]): Map<string, string[]> {
  const users = new Map<string, string[]>();
  for (const { id, user_id: user } of rows) {
    const ids = users.get(user);
    if (ids) ids.push(id);
    else users.set(user, [id]);
  }
  return users;
}

/** Past the code that is judged. */
async function readRows<Row>(databaseUrl: string, query: string): Promise<Row[]> {
  if (databaseUrl.startsWith("file:")) {
    const database = new DatabaseSync(databaseUrl.slice("file:".length), { readOnly: true });
    const rows = database.prepare(query).all() as Row[];
    database.close();
    return rows;
  }
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const { rows } = await client.query(query);
  await client.end();
  return rows as Row[];
}
