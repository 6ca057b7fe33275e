import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { freshDatabase } from "../support/databases.ts";
import { createWorld } from "../support/world.ts";

const USER_ROUTES = [
  ["POST", "create-checkout-session", { plan: "premium", interval: "month" }],
  ["GET", "checkout-session?session_id=cs_test_x", undefined],
  ["GET", "subscriptions", undefined],
  ["GET", "entitlements", undefined],
  ["POST", "cancel-subscription", {}],
  ["POST", "resume-subscription", {}],
  ["POST", "create-portal-session", {}],
] as const;

describe.each(USER_ROUTES)("%s %s", (method, path, body) => {
  test("answers 401 without a token, and with one that proves nothing", async () => {
    const world = await createWorld({ pushPlans: false });
    for (const user of [null, "wrong"])
      expect(await world.call(user, method, path, body)).toMatchObject({
        status: 401,
        body: {
          error: { code: "unauthenticated", message: expect.any(String), requestId: expect.stringMatching(/^req_/) },
        },
      });
  });

  test("answers 401 to a stranger even where the request is wrong, too", async () => {
    const world = await createWorld({ pushPlans: false });
    expect((await world.call(null, method, path.split("?")[0] ?? path, { nonsense: true })).status).toBe(401);
  });

  test("answers 503 with what to do, and no detail, while the store is down", async () => {
    const world = await createWorld({ pushPlans: false });
    await world.service.stop();
    const { status, body: answer } = await world.call("ada", method, path, body);
    // Verifying asks Stripe first.
    expect(status).toBe(path.startsWith("checkout-session") ? 404 : 503);
    expect(JSON.stringify(answer)).not.toMatch(/sqlite|database is not open|select/i);
  });
});

describe("the service", () => {
  test("tells its public configuration, and no secret", async () => {
    const world = await createWorld({ pushPlans: false });
    const { status, body } = await world.call(null, "GET", "config");
    expect(status).toBe(200);
    expect(body).toMatchObject({
      mode: "test",
      publishableKey: "pk_test_123",
      apiVersion: "2026-10-28.endive",
      features: { checkout: true, portal: true, trials: true, promotionCodes: false },
      plans: [
        {
          id: "premium",
          name: "Premium",
          features: ["exports", "priority_support"],
          prices: [
            { interval: "month", amount: 900, currency: "usd", trialDays: 0 },
            { interval: "year", amount: 9000, currency: "usd", trialDays: 0 },
          ],
        },
        { id: "team", prices: [{ trialDays: 14 }] },
      ],
    });
    expect(JSON.stringify(body)).not.toMatch(/sk_test|whsec_/);
  });

  test("says whether it is alive, and whether it can work", async () => {
    const world = await createWorld({ pushPlans: false });
    expect(await world.call(null, "GET", "health")).toEqual({ status: 200, body: { status: "ok" } });
    expect(await world.call(null, "GET", "ready")).toEqual({ status: 200, body: { status: "ok" } });
    await world.service.stop();
    expect((await world.call(null, "GET", "health")).status).toBe(200);
    expect((await world.call(null, "GET", "ready")).status).toBe(503);
  });

  test("describes itself in OpenAPI, each route of it", async () => {
    const world = await createWorld({ pushPlans: false });
    const { body } = await world.call(null, "GET", "openapi.json");
    expect(body["openapi"]).toBe("3.1.0");
    const paths = Object.keys(body["paths"] as object);
    for (const [, path] of USER_ROUTES) expect(paths).toContain(`/${path.split("?")[0]}`);
    expect(paths).toEqual(expect.arrayContaining(["/webhook", "/config", "/health", "/ready"]));
  });

  test("answers 404 in JSON to what it does not have", async () => {
    const world = await createWorld({ pushPlans: false });
    expect(await world.call(null, "GET", "nothing")).toMatchObject({
      status: 404,
      body: { error: { code: "not_found" } },
    });
  });

  test.each([
    ["a body that is not JSON", "{", "application/json", 400, "invalid_request"],
    ["a list", "[]", "application/json", 400, "invalid_request"],
    ["a form", "subscriptionId=sub_1", "application/x-www-form-urlencoded", 400, "invalid_request"],
    ["JSON that does not say so", '{"subscriptionId":"sub_1"}', "text/plain", 400, "invalid_request"],
    [
      "a body over its limit",
      JSON.stringify({ comment: "x".repeat(20_000) }),
      "application/json",
      413,
      "payload_too_large",
    ],
    [
      "a comment over its limit",
      JSON.stringify({ comment: "x".repeat(501) }),
      "application/json",
      400,
      "invalid_request",
    ],
    ["half of an emoji", '{"comment":"bye \\ud83d"}', "application/json", 400, "invalid_request"],
    ["a polluted prototype", '{"__proto__":{"admin":true}}', "application/json", 400, "invalid_request"],
  ])("refuses %s", async (_name, body, type, status, code) => {
    const world = await createWorld({ pushPlans: false });
    const headers = { authorization: "Bearer ada", "content-type": type };
    const request = new Request("http://app.test/stripe/cancel-subscription", { method: "POST", headers, body });
    const response = await world.service.fetch(request);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error: { code } });
  });

  test("shows and changes nobody else's subscription: 404, told from an unknown one by nothing", async () => {
    const world = await createWorld();
    await world.subscribe("ada");
    const { body } = await world.call("ada", "GET", "subscriptions");
    const subscriptionId = (body["subscriptions"] as { id: string }[])[0]?.id ?? "";
    expect((await world.call("grace", "GET", "subscriptions")).body).toEqual({ subscriptions: [] });
    for (const route of ["cancel-subscription", "resume-subscription"]) {
      const foreign = await world.call("grace", "POST", route, { subscriptionId });
      const unknown = await world.call("grace", "POST", route, { subscriptionId: "sub_unknown" });
      expect([foreign.status, unknown.status]).toEqual([404, 404]);
      expect(
        JSON.stringify(foreign.body)
          .replace(subscriptionId, "")
          .replace(/req_\w+/, ""),
      ).toBe(
        JSON.stringify(unknown.body)
          .replace("sub_unknown", "")
          .replace(/req_\w+/, ""),
      );
    }
    expect((await world.call("ada", "GET", "subscriptions")).body["subscriptions"]).toMatchObject([{ cancelAt: null }]);
  });

  test("takes nothing that another site's form posts with the user's cookie, empty or not", async () => {
    const world = await createWorld({
      options: {
        authenticate: () => ({ id: "ada", email: null, name: null }),
      },
    });
    await world.subscribe("ada");
    const cancel = (origin: string) =>
      world.service.fetch(
        new Request("http://app.test/stripe/cancel-subscription", {
          method: "POST",
          headers: { cookie: "session=ada", origin, "content-type": "application/x-www-form-urlencoded" },
        }),
      );
    for (const origin of ["https://evil.example", "null"]) {
      const refused = await cancel(origin);
      expect(refused.status).toBe(403);
      expect(await refused.json()).toMatchObject({ error: { code: "origin_not_allowed" } });
    }
    expect((await cancel("http://app.test")).status).toBe(200);
  });

  test("that could not start says so, accepts nothing, and logs why", async () => {
    const world = await createWorld({ pushPlans: false });
    const database = new DatabaseSync(world.databaseUrl.replace("file:", ""));
    database.exec("insert into tollkeeper_migrations (name) values ('9999-newer')");
    database.close();
    const service = world.replica();
    const webhook = new Request("http://app.test/stripe/webhook", { method: "POST", body: "{}" });
    expect((await service.fetch(webhook)).status).toBe(503);
    expect((await service.fetch(new Request("http://app.test/stripe/ready"))).status).toBe(503);
    await expect(service.can("ada", "exports")).rejects.toThrow("9999-newer");
    expect(world.log.at(-1)).toMatchObject({
      level: "error",
      message: expect.stringContaining("could not start") as string,
    });
  });

  test("answers what the app asks it first, before any request", async () => {
    const service = (await createWorld({ pushPlans: false })).replica({ databaseUrl: await freshDatabase("sqlite") });
    expect(await service.can("ada", "exports")).toBe(false);
    expect(await service.getEntitlements("ada")).toEqual([]);
  });

  test("lets pages of allowed origins call it, and no others", async () => {
    const world = await createWorld({ pushPlans: false, options: { allowedOrigins: ["https://pages.example.com"] } });
    const preflight = async (origin: string) => {
      const headers = {
        origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
      };
      const request = new Request("http://app.test/stripe/cancel-subscription", { method: "OPTIONS", headers });
      return (await world.service.fetch(request)).headers.get("access-control-allow-origin");
    };
    expect(await preflight("https://pages.example.com")).toBe("https://pages.example.com");
    expect(await preflight("https://evil.example.com")).toBeNull();
  });
});
