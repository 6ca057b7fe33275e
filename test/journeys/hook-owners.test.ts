/** Tests which process runs a hook, and the ids of hooks after a restore of the database. */
import { copyFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import pg from "pg";
import { describe, expect, inject, onTestFinished, test } from "vitest";
import type { Tollkeeper, TollkeeperOptions } from "../../packages/tollkeeper/src/index.ts";
import { createTestHarness, DAY, type TestHarness } from "../support/harness.ts";
import { DIALECTS, freshDatabase, type DialectName } from "../support/databases.ts";
import { findSubscription } from "../support/stripe-subscription.ts";

type Hooks = NonNullable<TollkeeperOptions["hooks"]>;

const METRICS_TOKEN = "0123456789abcdef";

/** Returns hooks that record their ids in the list `calls`, and only those hooks. */
function recording(calls: string[], ...names: (keyof Hooks)[]): Hooks {
  return Object.fromEntries(names.map((name) => [name, ({ id }: { id: string }) => void calls.push(id)]));
}

async function metricsOf(service: Tollkeeper): Promise<string> {
  const headers = { authorization: `Bearer ${METRICS_TOKEN}` };
  return (await service.fetch(new Request("http://app.test/stripe/metrics", { headers }))).text();
}

describe.each(DIALECTS)("on %s", (dialect) => {
  test("a process without hooks leaves hooks to the app, which runs them when it starts", async () => {
    const calls: string[] = [];
    const billing = await createTestHarness({ dialect });
    await billing.subscribe("ada");
    await billing.service.reconcile({ sweep: true });
    await billing.drain();
    const app = billing.addReplica({ hooks: recording(calls, "onAccessGranted", "onPaymentSucceeded") });
    await app.drain();
    expect(calls.map((id) => id.split(":")[0]?.slice(0, 7))).toEqual(["access_", "payment"]);
  });

  test("two apps that handle different hooks of one owner run them in the order of the changes", async () => {
    const calls: string[] = [];
    const billing = await createTestHarness({ dialect, options: { hooks: recording(calls, "onPaymentSucceeded") } });
    const other = billing.addReplica({ hooks: recording(calls, "onAccessGranted", "onAccessRevoked") });
    await other.drain();
    await billing.subscribe("ada");
    expect(calls).toEqual([]);
    await other.drain();
    await billing.drain();
    expect(calls.map((id) => id.split(":")[0]?.slice(0, 7))).toEqual(["access_", "payment"]);
  });

  test("a hook that no process handles is visible in the metrics, and is deleted after 35 days with a warning", async () => {
    const calls: string[] = [];
    const hooks = recording(calls, "onAccessGranted");
    const billing = await createTestHarness({ dialect, options: { hooks, metricsToken: METRICS_TOKEN } });
    await billing.subscribe("ada");
    expect(calls).toHaveLength(1);
    await billing.emulator.advance(3_600);
    await billing.service.drain();
    const shown = await metricsOf(billing.service);
    expect(shown).toMatch(/^tollkeeper_outbox_unhandled_rows\{hook="onPaymentSucceeded"\} 1$/m);
    expect(shown).toMatch(/^tollkeeper_outbox_oldest_seconds 3600$/m);
    await billing.advance(36 * DAY);
    await billing.service.runMaintenance();
    expect(await metricsOf(billing.service)).toMatch(/hook="onPaymentSucceeded"\} 1$/m);
    expect(billing.log).toContainEqual({
      level: "warn",
      message: "deleted old hooks that no process handles; define the hook, or set HOOKS_URL",
      fields: { hook: "onPaymentSucceeded", rows: 1 },
    });
  });

  test("no hook has the id of an earlier hook after the database was restored from a backup", async () => {
    const runtime = { newId: () => crypto.randomUUID() };
    let current: Tollkeeper | undefined;
    const billing = await createTestHarness({
      dialect,
      deliver: (request, next) => (current ? current.fetch(request) : next(request)),
    });
    const start = async (databaseUrl: string): Promise<string[]> => {
      const ids: string[] = [];
      const hooks = recording(ids, "onAccessGranted", "onAccessRevoked");
      current = billing.addReplica({ databaseUrl, hooks, runtime: { ...clockOf(billing), ...runtime } });
      await current.drain();
      return ids;
    };
    await billing.subscribe("ada");
    const { id: sub } = await findSubscription(billing);
    await billing.service.stop();
    const backup = await copyDatabase(dialect, billing.databaseUrl);
    const before = await start(billing.databaseUrl);
    await billing.stripe("DELETE", `/v1/subscriptions/${sub}`);
    await billing.emulator.advance(40 * DAY);
    await current?.drain();
    await current?.stop();
    const after = await start(backup);
    await current?.reconcile({ sweep: true });
    await current?.drain();
    // The backup contains the hook about the purchase, which keeps its id. The revoked access is a new row in each database.
    expect(before[0]).toBe(after[0]);
    const calls = [...before.slice(1), ...after.slice(1)];
    expect(calls.map((id) => id.split(":")[0])).toEqual(["access_revoked", "access_revoked"]);
    expect(new Set(calls).size).toBe(calls.length);
  });
});

function clockOf({ emulator }: TestHarness) {
  return { now: () => emulator.now(), billingNow: () => emulator.now() };
}

/** Returns the URL of a copy of a database that no process uses. */
async function copyDatabase(dialect: DialectName, url: string): Promise<string> {
  if (dialect === "sqlite") {
    const copy = await freshDatabase("sqlite");
    copyFileSync(fileURLToPath(url), fileURLToPath(copy));
    return copy;
  }
  const name = `copy_${crypto.randomUUID().replaceAll("-", "")}`;
  const administer = async (statement: string): Promise<void> => {
    const client = new pg.Client({ connectionString: inject("postgresUrl") });
    await client.connect();
    await client.query(statement);
    await client.end();
  };
  await administer(`create database ${name} template ${new URL(url).pathname.slice(1)}`);
  onTestFinished(() => administer(`drop database ${name} with (force)`));
  return Object.assign(new URL(url), { pathname: `/${name}` }).href;
}
