/** Checks the outcome of a crash test: no acknowledged event is lost, and hooks ran once and in order. */
import { DatabaseSync } from "node:sqlite";
import pg from "pg";
import type { Store } from "../../packages/tollkeeper/src/store/store.ts";
import type { Auditor } from "../simulation/auditor.ts";
import type { ReceivedHook } from "./hook-receiver.ts";

const BATCH = 500;

/** Returns the acknowledged events that are not in the inbox. */
export async function findLostEvents(store: Store, acknowledged: readonly string[]): Promise<string[]> {
  const lost: string[] = [];
  for (let start = 0; start < acknowledged.length; start += BATCH)
    lost.push(...(await store.inbox.filterUnstored(acknowledged.slice(start, start + BATCH))));
  return lost;
}

const HOOKS: Readonly<Record<string, string>> = {
  "access.granted": "onAccessGranted",
  "access.revoked": "onAccessRevoked",
  "payment.succeeded": "onPaymentSucceeded",
};

/**
 * Checks that hooks grant and revoke each feature, and report each payment, only once. If two received hooks have the same id,
 * the check ignores the second hook as a repetition.
 */
export function checkHooks(
  received: readonly ReceivedHook[],
  auditor: Auditor,
): { problems: string[]; repeated: number } {
  const problems: string[] = [];
  const seen = new Set<string>();
  /** Maps each user to the features that hooks have granted and not revoked. */
  const features = new Map<string, Set<string>>();
  /** Maps each invoice to the hook that reported its payment. */
  const payments = new Map<string, string>();
  let repeated = 0;
  for (const hook of received) {
    const { id, type, body } = hook;
    auditor.hookRan(HOOKS[type] ?? type, { id, ...body });
    if (seen.has(id)) {
      repeated += 1;
      continue;
    }
    seen.add(id);
    const granted = features.get(body.owner.id) ?? new Set();
    features.set(body.owner.id, granted);
    if (type === "access.granted" || type === "access.revoked") problems.push(...checkAccess(hook, granted));
    if (type === "payment.succeeded" && body.invoiceId !== undefined) {
      const other = payments.get(body.invoiceId);
      if (other !== undefined) problems.push(`hooks ${other} and ${id} both reported the payment of ${body.invoiceId}`);
      payments.set(body.invoiceId, id);
    }
  }
  return { problems, repeated };
}

/**
 * Adds the features of a grant hook to the granted features, or removes the features of a revoke hook. Returns a problem for
 * each feature that the hook grants or revokes a second time.
 */
function checkAccess({ id, type, body }: ReceivedHook, granted: Set<string>): string[] {
  const grants = type === "access.granted";
  return (body.features ?? []).flatMap((feature) => {
    const isRepeated = granted.has(feature) === grants;
    if (grants) granted.add(feature);
    else granted.delete(feature);
    return isRepeated ? [`${id}: ${type} of ${feature} reached ${body.owner.id} twice`] : [];
  });
}

interface OutboxRow {
  id: string;
  owner_id: string;
}

/** Checks that each user's hooks arrived in the order in which they were written. */
export async function checkHookOrder(received: readonly ReceivedHook[], databaseUrl: string): Promise<string[]> {
  const written = await readRows<OutboxRow>(databaseUrl, "select id, owner_id from outbox order by seq");
  const first = new Map<string, ReceivedHook>();
  for (const hook of received) if (!first.has(hook.id)) first.set(hook.id, hook);
  const arrived = groupByUser([...first.values()].map(({ id, body }) => ({ id, owner_id: body.owner.id })));
  const problems: string[] = [];
  for (const [user, ids] of groupByUser(written)) {
    const actual = arrived.get(user)?.join() ?? "";
    if (actual !== ids.join()) problems.push(`${user} should get the hooks ${ids.join()}, but got ${actual}`);
  }
  if (first.size > written.length) problems.push(`${first.size} hooks arrived, but ${written.length} were written`);
  return problems;
}

function groupByUser(rows: readonly OutboxRow[]): Map<string, string[]> {
  const users = new Map<string, string[]>();
  for (const { id, owner_id: user } of rows) {
    const ids = users.get(user);
    if (ids) ids.push(id);
    else users.set(user, [id]);
  }
  return users;
}

/** The crash test reads the database directly, without the code under test. */
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
