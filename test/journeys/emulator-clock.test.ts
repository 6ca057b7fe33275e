/** Tests that a service with its default clock follows the clock of the emulator that replaces Stripe. */
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { createEmulator, type Emulator } from "../../packages/emulator/src/index.ts";
import type { TollkeeperOptions } from "../../packages/tollkeeper/src/index.ts";
import * as testing from "../../packages/tollkeeper/src/testing/harness/index.ts";
import { DAY } from "../support/harness.ts";
import { DIALECTS, freshDatabase, type DialectName } from "../support/databases.ts";
import { PLANS } from "../support/plans.ts";
import { eventually } from "../support/servers.ts";

/** Shortens the waits of the service, so that the tests don't wait a second for each poll. */
const SHORTENED = 20;

interface Setup {
  dialect?: DialectName;
  options?: Partial<TollkeeperOptions>;
  deliver?: testing.HarnessOptions["deliver"];
}

/** Starts a service beside an emulator whose clock stands still. Only the waits of the service are replaced. */
async function startBesideEmulator({ dialect = "sqlite", options = {}, deliver }: Setup = {}) {
  const hooks: string[] = [];
  const billing = await testing.createHarness<Emulator>({
    plans: PLANS,
    ...(deliver && { deliver }),
    databaseUrl: await freshDatabase(dialect),
    createEmulator: (settings) => createEmulator({ ...settings, startAt: Date.now(), wallNow: Date.now }),
    options: {
      runtime: { sleep: (ms, signal) => wait(ms / SHORTENED, undefined, { signal }).catch(() => {}) },
      hooks: {
        onAccessGranted: () => void hooks.push("granted"),
        onAccessRevoked: () => void hooks.push("revoked"),
      },
      ...options,
    },
  });
  onTestFinished(() => billing.stop());
  return { ...billing, hooks };
}

type Started = Awaited<ReturnType<typeof startBesideEmulator>>;

/** Makes all later payments of the customer fail. */
async function chargeFailingCard({ stripe }: Started): Promise<void> {
  const [subscription] = (await stripe("GET", "/v1/subscriptions")).body["data"] as { id: string; customer: string }[];
  const { body } = await stripe("POST", "/v1/payment_methods/pm_card_chargeCustomerFail/attach", {
    customer: subscription?.customer ?? "",
  });
  await stripe("POST", `/v1/subscriptions/${subscription?.id}`, { default_payment_method: String(body["id"]) });
}

describe.each(DIALECTS)("a service beside an emulator on %s", (dialect) => {
  test("ends access after the grace period, and runs the hook, when only the emulator's clock moves", async () => {
    const billing = await startBesideEmulator({ dialect, options: { runWorker: true } });
    const replica = billing.addReplica();
    await replica.start();
    await billing.buy("ada");
    await billing.emulator.drain();
    await eventually(
      async () => billing.hooks,
      (hooks) => hooks.length === 1,
    );
    await chargeFailingCard(billing);
    await billing.emulator.advance(32 * DAY);
    expect(await billing.service.can("ada", "exports")).toBe(true);
    // No event arrives in these days, so only the clock ends the access.
    await billing.emulator.advance(0.5 * DAY);
    await billing.emulator.fetch(
      new Request("http://stripe.test/_emulator/deliveries/order", {
        method: "POST",
        body: JSON.stringify({ held: true }),
      }),
    );
    await billing.emulator.advance(8 * DAY);
    await eventually(
      async () => billing.hooks,
      (hooks) => hooks.includes("revoked"),
    );
    expect(billing.hooks).toEqual(["granted", "revoked"]);
    await eventually(
      () => replica.can("ada", "exports"),
      (has) => !has,
    );
  });

  test("processes the work that the emulator's clock made due when it drains", async () => {
    const billing = await startBesideEmulator({ dialect });
    await billing.subscribe("ada");
    await chargeFailingCard(billing);
    await billing.advance(40 * DAY);
    expect(billing.hooks).toEqual(["granted", "revoked"]);
    expect(await billing.features("ada")).toEqual([]);
  });
});

test("the headers of webhook deliveries do not move the billing clock, because no signature covers them", async () => {
  const inAYear = String(Date.now() + 366 * DAY * 1_000);
  const billing = await startBesideEmulator({
    deliver: (request, next) => {
      request.headers.set("stripe-emulator-time", inAYear);
      return next(request);
    },
  });
  await billing.subscribe("ada");
  await chargeFailingCard(billing);
  await billing.advance(32 * DAY);
  expect(billing.hooks).toEqual(["granted"]);
  expect(await billing.features("ada")).toContain("exports");
});

test.each([
  ["no other address of Stripe", { stripeApiBase: undefined }],
  ["the address of Stripe itself", { stripeApiBase: "https://api.stripe.com" }],
  ["its own billing clock", { runtime: { billingNow: Date.now } }],
] as const)("a service with %s does not follow the time in a header", async (_what, options) => {
  const billing = await startBesideEmulator({ options });
  await billing.subscribe("ada");
  await chargeFailingCard(billing);
  await billing.advance(40 * DAY);
  expect(billing.hooks).toEqual(["granted"]);
  expect(await billing.features("ada")).toContain("exports");
});

test("a service that is stopped while it starts does not follow the clock afterwards", async () => {
  const billing = await startBesideEmulator();
  const polls: string[] = [];
  const reached = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  const replica = billing.addReplica({
    fetch: async (input, init) => {
      const request = new Request(input, init);
      const { pathname } = new URL(request.url);
      if (pathname === "/_emulator/clock") polls.push(pathname);
      if (pathname === "/v1/account") {
        reached.resolve();
        await held.promise;
      }
      return billing.emulator.fetch(request);
    },
  });
  const started = replica.start();
  await reached.promise;
  const stopped = replica.stop();
  held.resolve();
  await Promise.all([started, stopped]);
  const before = polls.length;
  await wait(3_000 / SHORTENED);
  expect(polls).toHaveLength(before);
});
