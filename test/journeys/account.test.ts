/**
 * Tests that a key of another Stripe account changes nothing: the database remembers its account, and a sweep that would end
 * many subscriptions stops.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { requireAccount } from "../../packages/tollkeeper/src/cli/require-account.ts";
import type { TollkeeperOptions } from "../../packages/tollkeeper/src/index.ts";
import { openStore } from "../../packages/tollkeeper/src/store/open-store.ts";
import type { Store } from "../../packages/tollkeeper/src/store/store.ts";
import {
  createTestGateway,
  emulatorOptions,
  TEST_SECRET_KEY,
  type Network,
} from "../../packages/tollkeeper/src/testing/harness/index.ts";
import { createTestHarness, DAY, type TestHarness, type TestHarnessOptions } from "../support/harness.ts";
import { createDisconnectableBilling, subscriptionOf } from "../support/disconnectable-billing.ts";
import { PLANS } from "../support/plans.ts";
import { DIALECTS, freshDatabase } from "../support/databases.ts";

const OTHER_KEY = "sk_test_456";
const ACCOUNT = "acct_123";
const OTHER_ACCOUNT = "acct_456";
const FEATURES = ["exports", "priority_support"];

function openStoreOf({ databaseUrl }: TestHarness): Store {
  const store = openStore({ url: databaseUrl, mode: "test" });
  onTestFinished(() => store.close());
  return store;
}

/** Starts a service for which a test can break the requests to Stripe whose path matches. */
async function createBreakableBilling(setup: TestHarnessOptions = {}) {
  const broken: { path: RegExp | null; respond: Network } = {
    path: null,
    respond: () => Promise.reject(new TypeError("fetch failed")),
  };
  const billing = await createTestHarness({
    ...setup,
    network: (request, next) =>
      broken.path?.test(new URL(request.url).pathname) ? broken.respond(request) : next(request),
  });
  return { billing, broken };
}

const forbidden: Network = async () =>
  Response.json({ error: { type: "invalid_request_error", message: "The key lacks a permission." } }, { status: 403 });

describe.each(DIALECTS)("the Stripe account of a database on %s", (dialect) => {
  test("is remembered, and a key of another account is refused at start without any change", async () => {
    const revoked: string[] = [];
    const hooks: TollkeeperOptions["hooks"] = { onAccessRevoked: ({ owner }) => void revoked.push(owner.id) };
    const billing = await createTestHarness({ dialect, options: { hooks } });
    await billing.subscribe("ada");
    const other = billing.addReplica({ stripeSecretKey: OTHER_KEY });
    const refused = other.reconcile({ sweep: true });
    await expect(refused).rejects.toThrow(OTHER_ACCOUNT);
    await expect(refused).rejects.toThrow(ACCOUNT);
    await expect(other.drain()).rejects.toThrow("STRIPE_ACCOUNT_CHANGED=acct_456");
    await billing.drain();
    expect(await billing.features("ada")).toEqual(FEATURES);
    expect(revoked).toEqual([]);
    expect(
      billing.log
        .filter(({ level }) => level === "error")
        .map(({ fields }) => JSON.stringify(fields))
        .join(),
    ).toContain(OTHER_ACCOUNT);
    // The refused start does not count as a sweep.
    expect(await billing.service.reconcile()).toMatchObject({ swept: { subscriptions: 1 } });
  });

  test("can be changed on purpose by naming the new account, and the name of another account has no effect", async () => {
    const billing = await createTestHarness({ dialect });
    const wrong = billing.addReplica({ stripeSecretKey: OTHER_KEY, stripeAccountChanged: "acct_789" });
    await expect(wrong.start()).rejects.toThrow(OTHER_ACCOUNT);
    const changed = billing.addReplica({ stripeSecretKey: OTHER_KEY, stripeAccountChanged: OTHER_ACCOUNT });
    await changed.start();
    expect(await openStoreOf(billing).accounts.find()).toBe(OTHER_ACCOUNT);
    // The option that names the new account does not permit any other account.
    const old = billing.addReplica({ stripeSecretKey: TEST_SECRET_KEY, stripeAccountChanged: OTHER_ACCOUNT });
    await expect(old.start()).rejects.toThrow(ACCOUNT);
  });

  test("is the first one that is remembered if several processes start at the same time with different keys", async () => {
    const store = openStore({ url: await freshDatabase(dialect), mode: "test" });
    onTestFinished(() => store.close());
    await store.migrate();
    const remembered = await Promise.all(
      ["acct_a", "acct_b"].map((accountId) => store.accounts.remember({ accountId, from: null, now: 1 })),
    );
    expect(new Set(remembered).size).toBe(1);
  });
});

describe("while Stripe can't be reached at the start", () => {
  test("operations get 503, webhooks are stored, and nothing ends; the service recovers by itself", async () => {
    const { billing, broken } = await createBreakableBilling();
    await billing.subscribe("ada");
    const store = openStoreOf(billing);
    broken.path = /./;
    const retries: (() => void)[] = [];
    const restarted = billing.addReplica({
      runtime: {
        now: billing.emulator.now,
        billingNow: billing.emulator.now,
        sleep: (_ms, signal) =>
          new Promise((resolve) => {
            retries.push(resolve);
            signal.addEventListener("abort", () => resolve());
          }),
      },
    });
    await restarted.start();
    await expect(restarted.ensureCustomer({ id: "eve", email: null, name: null })).rejects.toMatchObject({
      status: 503,
      code: "account_unconfirmed",
    });
    await expect(restarted.reconcile({ sweep: true })).rejects.toMatchObject({ code: "account_unconfirmed" });
    const { id } = (await subscriptionOf(billing, "ada")) ?? { id: "" };
    await billing.stripe("POST", `/v1/subscriptions/${id}`, { cancel_at_period_end: "true" });
    await billing.emulator.drain();
    await restarted.drain();
    expect(await store.inbox.countUnfinished()).not.toMatchObject({ pending: 0 });
    expect(await restarted.can("ada", "exports")).toBe(true);
    const requests: string[] = [];
    broken.respond = (request) => {
      requests.push(request.url);
      return billing.emulator.fetch(request);
    };
    for (const retry of retries) retry();
    await vi.waitFor(() => expect(requests).toEqual([expect.stringContaining("/v1/account")]));
    await restarted.drain();
    expect(await restarted.listSubscriptions("ada")).toMatchObject([{ cancelAtPeriodEnd: true }]);
  });

  test("events are not processed with another account's key, which would return 404 for each object", async () => {
    const { billing, broken } = await createBreakableBilling();
    await billing.subscribe("ada");
    const { id } = (await subscriptionOf(billing, "ada")) ?? { id: "" };
    broken.path = /^\/v1\/account$/;
    const other = billing.addReplica({ stripeSecretKey: OTHER_KEY });
    await other.start();
    await billing.stripe("POST", `/v1/subscriptions/${id}`, { "metadata[note]": "changed" });
    await billing.emulator.drain();
    await other.drain();
    await other.runMaintenance();
    expect(await billing.features("ada")).toEqual(FEATURES);
    broken.path = null;
    await other.drain();
    expect(await billing.features("ada")).toEqual(FEATURES);
    const ready = await other.fetch(new Request("http://app.test/stripe/ready"));
    expect(ready.status).toBe(503);
    expect(await ready.json()).toMatchObject({ error: { code: "account_unconfirmed" } });
  });
});

describe("a key that may not read its account", () => {
  test("is accepted if one of the mirrored objects exists at Stripe, and if nothing is mirrored", async () => {
    const { billing, broken } = await createBreakableBilling();
    broken.path = /^\/v1\/account$/;
    broken.respond = forbidden;
    const early = billing.addReplica({ stripeSecretKey: OTHER_KEY });
    await expect(early.start()).resolves.toBeUndefined();
    await billing.subscribe("ada");
    await expect(billing.addReplica().start()).resolves.toBeUndefined();
  });

  test("is refused if none of the mirrored objects exists at Stripe", async () => {
    const { billing, broken } = await createBreakableBilling();
    await billing.subscribe("ada");
    broken.path = /^\/v1\/account$/;
    broken.respond = forbidden;
    const other = billing.addReplica({ stripeSecretKey: OTHER_KEY });
    await expect(other.start()).rejects.toThrow("none of 2 objects");
    expect(await billing.features("ada")).toEqual(FEATURES);
  });
});

test("plans push refuses the key of another account than the database, and accepts a database without an account", async () => {
  const billing = await createTestHarness();
  const options = { ...emulatorOptions(PLANS), databaseUrl: billing.databaseUrl };
  await expect(requireAccount(options, billing.gateway)).resolves.toBeUndefined();
  const other = { ...options, stripeSecretKey: OTHER_KEY };
  const gateway = createTestGateway(billing.emulator, OTHER_KEY);
  await expect(requireAccount(other, gateway)).rejects.toThrow(OTHER_ACCOUNT);
  const fresh = { ...other, databaseUrl: await freshDatabase("postgres") };
  await expect(requireAccount(fresh, gateway)).resolves.toBeUndefined();
  expect(await openStoreOf(billing).accounts.find()).toBe(ACCOUNT);
});

test("plans push refuses the key of another account if DATABASE_URL names the file with file:/// and %20", async () => {
  const billing = await createTestHarness({ dialect: "sqlite" });
  const folder = await mkdtemp(join(tmpdir(), "tollkeeper a b "));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const databaseUrl = pathToFileURL(join(folder, "my app.sqlite")).href;
  expect(databaseUrl).toContain("my%20app.sqlite");
  const replica = billing.addReplica({ databaseUrl });
  await replica.start();
  await replica.stop();
  const options = { ...emulatorOptions(PLANS), databaseUrl, stripeSecretKey: OTHER_KEY };
  const gateway = createTestGateway(billing.emulator, OTHER_KEY);
  await expect(requireAccount(options, gateway)).rejects.toThrow(OTHER_ACCOUNT);
});

/** Subscribes users, then cancels the subscriptions of some of them at Stripe while no webhook arrives. */
async function cancelUnseen(billing: TestHarness, connect: (on: boolean) => void, users: number, canceled: number) {
  for (let user = 0; user < users; user += 1) await billing.subscribe(`user${user}`);
  connect(false);
  for (let user = 0; user < canceled; user += 1) {
    const { id } = (await subscriptionOf(billing, `user${user}`)) ?? { id: "" };
    await billing.stripe("DELETE", `/v1/subscriptions/${id}`, { prorate: "true" });
  }
}

describe.each(DIALECTS)("a sweep on %s that would end many subscriptions", (dialect) => {
  test("stops and changes nothing, is not counted as a sweep, and runs when an operator accepts it", async () => {
    const token = "metrics-token-of-the-test";
    const { billing, connect } = await createDisconnectableBilling({
      dialect,
      options: { metricsToken: token, access: { keepPaidPeriod: false } },
    });
    const metrics = async (): Promise<string> => {
      const headers = { authorization: `Bearer ${token}` };
      return (await billing.service.fetch(new Request("http://app.test/stripe/metrics", { headers }))).text();
    };
    await cancelUnseen(billing, connect, 12, 10);
    const since = billing.emulator.now();
    const stopped = await billing.service.reconcile({ since });
    expect(stopped).toMatchObject({ swept: null, sweepStopped: { live: 12, ending: 10 }, differences: 0 });
    expect(await billing.features("user0")).toEqual(FEATURES);
    expect(await metrics()).toMatch(
      /tollkeeper_alarms_total\{kind="sweep_stopped"\} 1\n[^]*tollkeeper_sweep_stopped 1\n/,
    );
    expect(billing.log.some(({ level, fields }) => level === "error" && "alarm" in fields)).toBe(true);
    const dry = await billing.service.reconcile({ dryRun: true });
    expect(dry).toMatchObject({ sweepStopped: { live: 12, ending: 10 }, swept: { subscriptions: 12 } });
    // The next reconcile checks again by itself.
    await billing.emulator.advance(60);
    expect(await billing.service.reconcile()).toMatchObject({ swept: null, sweepStopped: { ending: 10 } });
    expect(await billing.features("user0")).toEqual(FEATURES);
    const accepted = await billing.service.reconcile({ accept: true });
    expect(accepted).toMatchObject({ swept: { subscriptions: 12 }, sweepStopped: null });
    expect(await billing.features("user0")).toEqual([]);
    expect(await billing.features("user11")).toEqual(FEATURES);
    expect(await metrics()).toContain("tollkeeper_sweep_stopped 0\n");
    expect(await billing.service.reconcile()).toMatchObject({ swept: null, sweepStopped: null });
  });
});

test("a sweep that stops does not block the events that Stripe lists", async () => {
  const { billing, connect } = await createDisconnectableBilling({ options: { access: { keepPaidPeriod: false } } });
  await cancelUnseen(billing, connect, 12, 10);
  expect(await billing.service.reconcile()).toMatchObject({ sweepStopped: { ending: 10 } });
  await billing.service.drain();
  expect(await billing.features("user0")).toEqual([]);
  expect(await billing.service.reconcile()).toMatchObject({ swept: { subscriptions: 12 }, sweepStopped: null });
});

test("a sweep stops if Stripe lists none of the subscriptions and customers, as after a reset of the account", async () => {
  const { billing, connect } = await createDisconnectableBilling({});
  const empty = billing.emulator.snapshot();
  await cancelUnseen(billing, connect, 12, 0);
  billing.emulator.restore(empty);
  expect(await billing.service.reconcile({ sweep: true })).toMatchObject({ sweepStopped: { live: 12, ending: 12 } });
  await billing.service.drain();
  expect(await billing.features("user5")).toEqual(FEATURES);
});

test("a sweep ends subscriptions whose scheduled end has passed, however many they are", async () => {
  const { billing, connect } = await createDisconnectableBilling({});
  await cancelUnseen(billing, () => {}, 12, 0);
  for (let user = 0; user < 12; user += 1) {
    const { id } = (await subscriptionOf(billing, `user${user}`)) ?? { id: "" };
    await billing.stripe("POST", `/v1/subscriptions/${id}`, { cancel_at_period_end: "true" });
  }
  await billing.drain();
  connect(false);
  await billing.emulator.advance(70 * DAY);
  expect(await billing.service.reconcile()).toMatchObject({ swept: { subscriptions: 12 }, sweepStopped: null });
  expect(await subscriptionOf(billing, "user3")).toMatchObject({ status: "canceled" });
});
