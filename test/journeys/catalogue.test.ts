/** Tests that hooks and access follow a changed catalogue: other features, removed plans, another policy, tagged products. */
import { existsSync } from "node:fs";
import { describe, expect, onTestFinished, test } from "vitest";
import { definePlans, type Plans, type TollkeeperOptions } from "../../packages/tollkeeper/src/index.ts";
import { checkAccess } from "../../packages/tollkeeper/src/cli/check-access.ts";
import type { CheckResult } from "../../packages/tollkeeper/src/cli/exit-codes.ts";
import { emulatorOptions } from "../../packages/tollkeeper/src/testing/harness/index.ts";
import { openStore } from "../../packages/tollkeeper/src/store/open-store.ts";
import { createTestHarness, type TestHarness } from "../support/harness.ts";
import { DIALECTS } from "../support/databases.ts";

const premium = {
  id: "premium",
  name: "Premium",
  features: ["exports", "priority_support"],
  prices: [{ interval: "month" as const, amount: 900, currency: "usd" }],
};
const team = { ...premium, id: "team", name: "Team", group: "team", features: ["seats"] };
const BEFORE: Plans = definePlans([premium, team]);
/** Adds the feature `reports` to the plan `premium`, and removes the feature `exports`. */
const AFTER: Plans = definePlans([{ ...premium, features: ["priority_support", "reports"] }, team]);

/** Returns hooks that record what each hook reports, such as "ada +exports". */
function recordHooks(): { hooks: NonNullable<TollkeeperOptions["hooks"]>; reported: string[] } {
  const reported: string[] = [];
  const record = (sign: string, owner: string, features: readonly string[]): void =>
    void reported.push(...features.map((feature) => `${owner} ${sign}${feature}`));
  return {
    reported,
    hooks: {
      onAccessGranted: ({ owner, features }) => record("+", owner.id, features),
      onAccessRevoked: ({ owner, features }) => record("-", owner.id, features),
    },
  };
}

/** Runs the part of `tollkeeper plans check` that compares access with the database. */
function check(billing: TestHarness, plans: Plans): Promise<CheckResult> {
  return checkAccess({ ...emulatorOptions(plans), databaseUrl: billing.databaseUrl });
}

describe.each(DIALECTS)("plans check with a database on %s", (dialect) => {
  test("reports who gains and loses which features, and changes nothing", async () => {
    const billing = await createTestHarness({ dialect, options: { plans: BEFORE } });
    await billing.subscribe("ada");
    await billing.subscribe("bob");
    const { lines, outcome } = await check(billing, AFTER);
    expect(outcome).toBe("differences");
    expect(lines).toEqual([
      "The plans in code change the access of 2 owners:",
      "2 owners would gain reports",
      "2 owners would lose exports",
      "  user ada: +reports -exports",
      "  user bob: +reports -exports",
    ]);
    expect(await check(billing, BEFORE)).toMatchObject({ outcome: "done" });
    expect(await billing.features("ada")).toContain("exports");
  });

  test("fails if a plan is removed that users pay for, and not if the plan is retired or has no subscribers", async () => {
    const billing = await createTestHarness({ dialect, options: { plans: BEFORE } });
    expect(await check(billing, definePlans([premium]))).toMatchObject({ outcome: "done" });
    await billing.subscribe("ada", "team");
    const removed = await check(billing, definePlans([premium]));
    expect(removed.outcome).toBe("failed");
    expect(removed.lines.join("\n")).toMatch(/Plan team is not in code, and 1 live/);
    const retired = definePlans([premium, { ...team, retired: true }]);
    expect(await check(billing, retired)).toMatchObject({ outcome: "done" });
  });
});

describe("plans check without a database", () => {
  const options = emulatorOptions(BEFORE);

  test("says that access was not compared if DATABASE_URL is not set, and succeeds", async () => {
    expect(await checkAccess({ ...options, databaseUrl: undefined })).toEqual({
      lines: ["Access was not compared, because DATABASE_URL is not set."],
      outcome: "done",
    });
  });

  test.each(["file:missing.sqlite", "file:///tmp/missing%20folder/app.sqlite"])(
    "fails if DATABASE_URL is %s, whose file does not exist, and creates no file",
    async (databaseUrl) => {
      const failure = await checkAccess({ ...options, databaseUrl }).catch((error: unknown) => error);
      expect(String(failure)).toMatch(/missing.*does not exist/);
      expect(existsSync("missing.sqlite")).toBe(false);
    },
  );
});

describe.each(DIALECTS)("a changed catalogue on %s", (dialect) => {
  test("runs hooks for the features that it adds and removes, once per owner, without any event of Stripe", async () => {
    const { hooks, reported } = recordHooks();
    const billing = await createTestHarness({ dialect, options: { plans: BEFORE, hooks } });
    await billing.subscribe("ada");
    await billing.subscribe("bob", "team");
    await billing.service.stop();
    reported.length = 0;
    const next = billing.addReplica({ plans: AFTER });
    await next.start();
    await next.drain();
    expect(reported.toSorted()).toEqual(["ada +reports", "ada -exports"]);
    expect(await next.can("ada", "reports")).toBe(true);
    await next.drain();
    await next.runMaintenance();
    expect(reported).toHaveLength(2);
  });

  test("keeps the last known features of a removed plan that users pay for, and raises an alarm", async () => {
    const { hooks, reported } = recordHooks();
    const billing = await createTestHarness({ dialect, options: { plans: BEFORE, hooks } });
    await billing.subscribe("ada", "team");
    await billing.service.stop();
    reported.length = 0;
    const metricsToken = "m".repeat(32);
    const next = billing.addReplica({ plans: definePlans([premium]), metricsToken });
    await next.start();
    await next.drain();
    expect(await next.can("ada", "seats")).toBe(true);
    const headers = { authorization: `Bearer ${metricsToken}` };
    const metrics = await next.fetch(new Request("https://app.test/stripe/metrics", { headers }));
    expect(await metrics.text()).toContain('subscriptions{plan="team",status="active"} 1');
    expect(reported).toEqual([]);
    expect(billing.log.map(({ fields }) => fields)).toContainEqual({
      alarm: "plan_removed",
      plan: "team",
      subscriptions: 1,
    });
    expect(await next.listSubscriptions("ada")).toMatchObject([{ plan: "team" }]);
  });
});

test("during a deploy, replicas of the old version follow the new plans, and hooks do not change back", async () => {
  const { hooks, reported } = recordHooks();
  const billing = await createTestHarness({ options: { plans: BEFORE, hooks } });
  await billing.subscribe("ada");
  const store = openStore({ url: billing.databaseUrl, mode: "test" });
  onTestFinished(() => store.close());
  reported.length = 0;
  const next = billing.addReplica({ plans: AFTER });
  await next.start();
  await expect.poll(() => store.replicas.heartbeat("probe", billing.emulator.now(), 0, null)).toBeGreaterThan(2);
  await next.drain();
  expect(reported.toSorted()).toEqual(["ada +reports", "ada -exports"]);
  const restarted = billing.addReplica({ plans: BEFORE });
  await restarted.drain();
  await billing.advance(10);
  await billing.service.drain();
  await restarted.drain();
  expect(await restarted.can("ada", "reports")).toBe(true);
  expect(await billing.service.can("ada", "exports")).toBe(false);
  expect(reported).toHaveLength(2);
  // A rollback counts as soon as no replica of the newer version runs.
  await next.stop();
  await restarted.drain();
  await billing.service.drain();
  expect(reported.slice(2).toSorted()).toEqual(["ada +exports", "ada -reports"]);
});

test("a changed policy runs hooks for the access that it ends", async () => {
  const { hooks, reported } = recordHooks();
  const billing = await createTestHarness({ options: { plans: BEFORE, hooks } });
  await billing.subscribe("ada");
  const { body } = await billing.call("ada", "GET", "subscriptions");
  const [subscription] = body["subscriptions"] as { id: string }[];
  await billing.stripe("DELETE", `/v1/subscriptions/${subscription?.id}`);
  await billing.drain();
  expect(await billing.features("ada")).toContain("exports");
  await billing.service.stop();
  reported.length = 0;
  const next = billing.addReplica({ access: { keepPaidPeriod: false } });
  await next.drain();
  expect(reported.toSorted()).toEqual(["ada -exports", "ada -priority_support"]);
});

test("a product that is tagged after its subscriptions were imported gives access, and hooks report it", async () => {
  const { hooks, reported } = recordHooks();
  const billing = await createTestHarness({ options: { plans: BEFORE, hooks }, pushPlans: false });
  const { body: product } = await billing.stripe("POST", "/v1/products", { name: "Old premium" });
  const { body: price } = await billing.stripe("POST", "/v1/prices", {
    product: String(product["id"]),
    unit_amount: "700",
    currency: "usd",
    "recurring[interval]": "month",
  });
  for (const user of ["ada", "bob"]) {
    const { body: customer } = await billing.stripe("POST", "/v1/customers", { "metadata[auth0_user_id]": user });
    await billing.stripe("POST", "/v1/subscriptions", {
      customer: String(customer["id"]),
      collection_method: "send_invoice",
      days_until_due: "30",
      "items[0][price]": String(price["id"]),
    });
  }
  await billing.drain();
  expect(reported).toEqual([]);
  await billing.stripe("POST", `/v1/products/${String(product["id"])}`, { "metadata[tollkeeper_plan]": "team" });
  await billing.drain();
  expect(reported.toSorted()).toEqual(["ada +seats", "bob +seats"]);
  await billing.stripe("POST", `/v1/products/${String(product["id"])}`, { "metadata[tollkeeper_plan]": "" });
  await billing.drain();
  expect(reported.toSorted()).toEqual(["ada +seats", "ada -seats", "bob +seats", "bob -seats"]);
});

test("a retired plan gives access, and is neither sold nor shown nor created at Stripe", async () => {
  const billing = await createTestHarness({ options: { plans: BEFORE } });
  await billing.subscribe("ada", "team");
  await billing.service.stop();
  const retired = billing.addReplica({ plans: definePlans([premium, { ...team, retired: true }]) });
  await retired.drain();
  expect(await retired.can("ada", "seats")).toBe(true);
  const ask = (path: string, init?: RequestInit): Promise<Response> =>
    retired.fetch(new Request(`http://app.test/stripe/${path}`, init));
  expect(((await (await ask("config")).json()) as { plans: { id: string }[] }).plans.map(({ id }) => id)).toEqual([
    "premium",
  ]);
  const checkout = await ask("create-checkout-session", {
    method: "POST",
    headers: { authorization: "Bearer eve", "content-type": "application/json" },
    body: JSON.stringify({ plan: "team", interval: "month" }),
  });
  expect(checkout.status).toBe(400);
  expect(await checkout.json()).toMatchObject({ error: { code: "plan_retired" } });
  expect(billing.log.filter(({ fields }) => "alarm" in fields)).toEqual([]);
});

describe.each(DIALECTS)("an open checkout session on %s", (dialect) => {
  const yearly = { ...team, prices: [{ interval: "year" as const, amount: 9_000, currency: "usd" }] };
  test.each([
    ["its plan is retired", "plan_retired", { ...team, retired: true }],
    ["its plan has no price for the interval any more", "unknown_price", yearly],
  ])("expires when its user asks for it again and %s", async (_, code, changed) => {
    const billing = await createTestHarness({ dialect, options: { plans: BEFORE } });
    const request = { plan: "team", interval: "month" };
    const { body: opened } = await billing.call("ada", "POST", "create-checkout-session", request);
    const { body: other } = await billing.call("ada", "POST", "create-checkout-session", {
      ...request,
      plan: "premium",
    });
    await billing.service.stop();
    const replica = billing.addReplica({ plans: definePlans([premium, changed]) });
    const ask = (): Promise<Response> =>
      replica.fetch(
        new Request("http://app.test/stripe/create-checkout-session", {
          method: "POST",
          headers: { authorization: "Bearer ada", "content-type": "application/json" },
          body: JSON.stringify(request),
        }),
      );
    const statusOf = async ({ sessionId }: Record<string, unknown>): Promise<unknown> =>
      (await billing.stripe("GET", `/v1/checkout/sessions/${String(sessionId)}`)).body["status"];
    for (let times = 0; times < 2; times++) {
      const response = await ask();
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ error: { code } });
      expect(await statusOf(opened)).toBe("expired");
    }
    expect(await statusOf(other)).toBe("open");
  });

  test("stays open if its user asks for an interval that its plan never had", async () => {
    const billing = await createTestHarness({ dialect, options: { plans: BEFORE } });
    const ask = (interval: string) =>
      billing.call("ada", "POST", "create-checkout-session", { plan: "team", interval });
    const { body } = await ask("month");
    expect(await ask("year")).toMatchObject({ status: 400, body: { error: { code: "unknown_price" } } });
    const session = await billing.stripe("GET", `/v1/checkout/sessions/${String(body["sessionId"])}`);
    expect(session.body["status"]).toBe("open");
    expect((await ask("month")).body["sessionId"]).toBe(body["sessionId"]);
  });
});
