import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import type { Access } from "../../packages/tollkeeper/src/http/access.ts";
import { defineRoute, type Route } from "../../packages/tollkeeper/src/http/define-route.ts";
import { ROUTES } from "../../packages/tollkeeper/src/http/routes.ts";
import { HealthResponse } from "../../packages/tollkeeper/src/wire.ts";
import { freshDatabase } from "../support/databases.ts";
import { INVALID_TOKEN, payCheckout, signWebhook } from "../../packages/tollkeeper/src/testing/harness/index.ts";
import { createTestHarness, type TestHarness } from "../support/harness.ts";

/** Contains a valid request for each route that needs a signed-in user. */
const VALID_REQUESTS: Record<string, { query?: string; body?: object }> = {
  "/offer": {},
  "/create-checkout-session": { body: { plan: "premium", interval: "month" } },
  "/checkout-session": { query: "?session_id=cs_test_x" },
  "/subscriptions": {},
  "/entitlements": {},
  "/cancel-subscription": { body: {} },
  "/resume-subscription": { body: {} },
  "/create-portal-session": { body: {} },
};
const METRICS_TOKEN = "metrics-token-1234";
const WORK_TOKEN = "work-token-12345678";
const TOKENS: Partial<Record<Access, string>> = { metrics_token: METRICS_TOKEN, work_token: WORK_TOKEN };
const FOREIGN_ORIGIN = "https://evil.example";

const rowsWith = (access: Access) => ROUTES.filter((route) => route.access === access);
const named = (routes: readonly Route[]) =>
  routes.map((route) => [route.method.toUpperCase() as "GET" | "POST", route.path, route] as const);
const postRows = ROUTES.filter(({ method }) => method === "post");

/**
 * Sends a request to the service exactly as the test gives it. `call` of `createTestHarness` always sends valid JSON, so
 * it cannot send invalid requests.
 */
async function send(
  billing: TestHarness,
  { method, path }: Route,
  { headers = {}, body }: { headers?: Record<string, string>; body?: string } = {},
): Promise<{ status: number; body: unknown }> {
  const response = await billing.service.fetch(
    new Request(`http://app.test/stripe${path}`, {
      method: method.toUpperCase(),
      headers: { ...(method === "post" && { "content-type": "application/json" }), ...headers },
      ...(body !== undefined && { body }),
    }),
  );
  const text = await response.text();
  return { status: response.status, body: text.startsWith("{") ? (JSON.parse(text) as unknown) : text };
}

test("each route for signed-in users has a sample request in this test file", () => {
  expect(Object.keys(VALID_REQUESTS)).toEqual(rowsWith("user").map(({ path }) => path));
});

test("code that defines a route without an access rule does not compile", () => {
  const route = { method: "get", path: "/open", bodyLimit: null, responses: {} } as const;
  // @ts-expect-error "access" is mandatory.
  defineRoute({ ...route, schema: { response: HealthResponse }, action: () => ({ status: "ok" as const }) });
  // @ts-expect-error "anyone" is not an access rule.
  defineRoute({ ...route, access: "anyone", schema: { response: HealthResponse }, action: () => ({ status: "ok" }) });
  expect(rowsWith("public").map(({ path }) => path)).toEqual(["/config", "/health", "/ready"]);
});

describe.each(named(rowsWith("user")))("%s %s", (method, path, route) => {
  const { query = "", body } = VALID_REQUESTS[path] ?? {};
  const relative = `${path.slice(1)}${query}`;

  test("returns 401 for a request without a token or with an invalid token", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    for (const user of [null, INVALID_TOKEN])
      expect(await billing.call(user, method, relative, body)).toMatchObject({
        status: 401,
        body: {
          error: { code: "unauthenticated", message: expect.any(String), requestId: expect.stringMatching(/^req_/) },
        },
      });
  });

  test("returns 401 instead of 400 for an invalid request without a token", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    expect((await billing.call(null, method, path.slice(1), { nonsense: true })).status).toBe(401);
    expect((await send(billing, route, { ...(method === "POST" && { body: "{" }) })).status).toBe(401);
  });

  test("returns 503 without internal details while the store is down", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    await billing.service.stop();
    const { status, body: responseBody } = await billing.call("ada", method, relative, body);
    // The verification of a checkout session calls Stripe before it reads the store.
    expect(status).toBe(path === "/checkout-session" ? 404 : 503);
    expect(JSON.stringify(responseBody)).not.toMatch(/sqlite|database is not open|select/i);
  });
});

describe.each(named(rowsWith("public")))("%s %s", (_method, _path, route) => {
  test("returns 200 for a request without credentials", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    expect((await send(billing, route)).status).toBe(200);
  });
});

describe.each(named(rowsWith("metrics_token")))("%s %s", (_method, _path, route) => {
  test("returns 200 with METRICS_TOKEN and 401 without it", async () => {
    const billing = await createTestHarness({ pushPlans: false, options: { metricsToken: METRICS_TOKEN } });
    const withToken = (token: string) => send(billing, route, { headers: { authorization: `Bearer ${token}` } });
    expect(await withToken(METRICS_TOKEN)).toMatchObject({ status: 200, body: expect.stringMatching(/^# HELP/) });
    for (const refused of [await send(billing, route), await withToken("ada"), await withToken("")])
      expect(refused).toMatchObject({ status: 401, body: { error: { code: "unauthenticated" } } });
  });

  test("returns 404 if METRICS_TOKEN is not set", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    expect(await send(billing, route)).toMatchObject({ status: 404, body: { error: { code: "not_found" } } });
  });
});

describe.each(named(rowsWith("work_token")))("%s %s", (_method, _path, route) => {
  test("returns 200 with WORK_TOKEN, 401 without it or with another token, and 404 if WORK_TOKEN is not set", async () => {
    const options = { workToken: WORK_TOKEN, metricsToken: METRICS_TOKEN };
    const billing = await createTestHarness({ pushPlans: false, options });
    const withToken = (token: string) => send(billing, route, { headers: { authorization: `Bearer ${token}` } });
    const worked = await withToken(WORK_TOKEN);
    expect(worked).toEqual({ status: 200, body: route.schema.response.parse({ processed: 0, more: false }) });
    for (const refused of [await send(billing, route), await withToken(METRICS_TOKEN), await withToken("")])
      expect(refused).toMatchObject({ status: 401, body: { error: { code: "unauthenticated" } } });
    const closed = await createTestHarness({ pushPlans: false });
    expect(await send(closed, route)).toMatchObject({ status: 404, body: { error: { code: "not_found" } } });
  });
});

describe.each(named(rowsWith("stripe_signature")))("%s %s", (_method, _path, route) => {
  test("rejects a request body without a signature with 400, whatever origin the request comes from", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    for (const headers of [{}, { origin: FOREIGN_ORIGIN }, { authorization: "Bearer ada" }])
      expect(await send(billing, route, { headers, body: "{}" })).toEqual({
        status: 400,
        body: { status: "rejected", reason: "missing_header" },
      });
  });
});

// The route /work ignores its body, and checks its token before the body.
const bodyRows = postRows.filter(({ access }) => access !== "work_token");

describe.each(named(bodyRows))("%s %s", (_method, _path, route) => {
  const limit = route.bodyLimit ?? 0;
  const signIn = { authorization: "Bearer ada" };
  const signed = (billing: TestHarness, body: string) => ({
    ...signIn,
    "stripe-signature": signWebhook(body, { now: billing.emulator.now() }),
  });

  test("returns 413 only if the body exceeds the route's limit", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    expect(limit).toBeGreaterThan(0);
    const large = await send(billing, route, { headers: signed(billing, ""), body: " ".repeat(limit + 1) });
    expect(large.status).toBe(413);
    expect(JSON.stringify(large.body)).toContain("payload_too_large");
    const allowed = await send(billing, route, { headers: signIn, body: " ".repeat(limit) });
    expect(allowed.status).toBe(400);
  });

  test("returns 400 for a body that is not JSON", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    for (const body of ["{", "nonsense", " "]) {
      const signature = { "stripe-signature": signWebhook(body, { now: billing.emulator.now() }) };
      const { status, body: error } = await send(billing, route, { headers: { ...signIn, ...signature }, body });
      expect(status).toBe(400);
      expect(JSON.stringify(error)).toMatch(/invalid_request|not_an_event/);
    }
  });
});

test.each(named(postRows.filter(({ access }) => access !== "stripe_signature")))(
  "%s %s returns 403 for a request from a page of a foreign origin",
  async (_method, _path, route) => {
    const billing = await createTestHarness({ pushPlans: false });
    for (const origin of [FOREIGN_ORIGIN, "null"])
      expect(
        await send(billing, route, { headers: { authorization: "Bearer ada", origin }, body: "{}" }),
      ).toMatchObject({
        status: 403,
        body: { error: { code: "origin_not_allowed" } },
      });
  },
);

test("the OpenAPI document contains exactly the routes of the route table, with their access rules", async () => {
  const billing = await createTestHarness({ pushPlans: false });
  const { body } = await billing.call(null, "GET", "openapi.json");
  expect(body["openapi"]).toBe("3.1.0");
  expect(body["servers"]).toEqual([{ url: "/stripe" }]);
  const paths = body["paths"] as Record<string, Record<string, { security?: object[]; requestBody?: object }>>;
  const documented = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { security = [], requestBody }]) => ({
      route: `${method} ${path}`,
      security: security.flatMap((one) => Object.keys(one)),
      hasBody: requestBody !== undefined,
    })),
  );
  const schemes = {
    public: [],
    user: ["bearer"],
    metrics_token: ["metricsToken"],
    work_token: ["workToken"],
    stripe_signature: ["stripeSignature"],
  };
  expect(documented).toEqual(
    ROUTES.map(({ method, path, access, schema }) => ({
      route: `${method} ${path}`,
      security: schemes[access],
      hasBody: schema.body !== undefined,
    })),
  );
  const { securitySchemes } = body["components"] as { securitySchemes: object };
  expect(Object.keys(securitySchemes)).toEqual(Object.values(schemes).flat());
});

describe("the service", () => {
  test("returns its public configuration, which contains no secret", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    const { status, body } = await billing.call(null, "GET", "config");
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

  test("reports liveness and readiness separately", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    expect(await billing.call(null, "GET", "health")).toEqual({ status: 200, body: { status: "ok" } });
    expect(await billing.call(null, "GET", "ready")).toEqual({ status: 200, body: { status: "ok" } });
    await billing.service.stop();
    expect((await billing.call(null, "GET", "health")).status).toBe(200);
    expect((await billing.call(null, "GET", "ready")).status).toBe(503);
  });

  test("returns 404 in JSON for an unknown route", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    expect(await billing.call(null, "GET", "nothing")).toMatchObject({
      status: 404,
      body: { error: { code: "not_found" } },
    });
  });

  const INVALID = { status: 400, code: "invalid_request" };
  test.each<[name: string, body: string, type: string, expected: { status: number; code: string }]>([
    ["a body that is not JSON", "{", "application/json", INVALID],
    ["a list", "[]", "application/json", INVALID],
    ["a form", "subscriptionId=sub_1", "application/x-www-form-urlencoded", INVALID],
    ["JSON with another content type", '{"subscriptionId":"sub_1"}', "text/plain", INVALID],
    [
      "a body over its limit",
      JSON.stringify({ comment: "x".repeat(20_000) }),
      "application/json",
      { status: 413, code: "payload_too_large" },
    ],
    ["a comment over its limit", JSON.stringify({ comment: "x".repeat(501) }), "application/json", INVALID],
    ["half of an emoji", '{"comment":"bye \\ud83d"}', "application/json", INVALID],
    ["a polluted prototype", '{"__proto__":{"admin":true}}', "application/json", INVALID],
  ])("rejects %s", async (_name, body, type, { status, code }) => {
    const billing = await createTestHarness({ pushPlans: false });
    const headers = { authorization: "Bearer ada", "content-type": type };
    const request = new Request("http://app.test/stripe/cancel-subscription", { method: "POST", headers, body });
    const response = await billing.service.fetch(request);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error: { code } });
  });

  test("returns the same 404 for another user's subscription as for an unknown subscription", async () => {
    const billing = await createTestHarness();
    await billing.subscribe("ada");
    const { body } = await billing.call("ada", "GET", "subscriptions");
    const subscriptionId = (body["subscriptions"] as { id: string }[])[0]?.id ?? "";
    expect((await billing.call("grace", "GET", "subscriptions")).body).toEqual({ subscriptions: [] });
    for (const route of ["cancel-subscription", "resume-subscription"]) {
      const foreign = await billing.call("grace", "POST", route, { subscriptionId });
      const unknown = await billing.call("grace", "POST", route, { subscriptionId: "sub_unknown" });
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
    expect((await billing.call("ada", "GET", "subscriptions")).body["subscriptions"]).toMatchObject([
      { cancelAt: null },
    ]);
  });

  test("rejects a form that another site posts with the user's cookie", async () => {
    const billing = await createTestHarness({
      options: {
        authenticate: () => ({ id: "ada", email: null, name: null }),
      },
    });
    await billing.subscribe("ada");
    const cancel = (origin: string) =>
      billing.service.fetch(
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

  test("returns 503 for every request after a failed start, and logs the reason", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    const database = new DatabaseSync(billing.databaseUrl.replace("file:", ""));
    database.exec("insert into tollkeeper_migrations (name) values ('9999-newer')");
    database.close();
    const service = billing.addReplica();
    const headers = { "stripe-signature": signWebhook("{}", { now: billing.emulator.now() }) };
    const webhook = new Request("http://app.test/stripe/webhook", { method: "POST", headers, body: "{}" });
    expect((await service.fetch(webhook)).status).toBe(503);
    expect((await service.fetch(new Request("http://app.test/stripe/ready"))).status).toBe(503);
    await expect(service.can("ada", "exports")).rejects.toThrow("9999-newer");
    expect(billing.log.at(-1)).toMatchObject({
      level: "error",
      message: expect.stringContaining("failed to start") as string,
    });
  });

  test("starts when the app first calls one of its methods, even before any request", async () => {
    const service = (await createTestHarness({ pushPlans: false })).addReplica({
      databaseUrl: await freshDatabase("sqlite"),
    });
    expect(await service.can("ada", "exports")).toBe(false);
    expect(await service.getEntitlements("ada")).toEqual([]);
  });

  test("allows cross-origin requests only from configured origins", async () => {
    const billing = await createTestHarness({
      pushPlans: false,
      options: { allowedOrigins: ["https://pages.example.com"] },
    });
    const preflight = async (origin: string) => {
      const headers = {
        origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
      };
      const request = new Request("http://app.test/stripe/cancel-subscription", { method: "OPTIONS", headers });
      return (await billing.service.fetch(request)).headers.get("access-control-allow-origin");
    };
    expect(await preflight("https://pages.example.com")).toBe("https://pages.example.com");
    expect(await preflight("https://evil.example.com")).toBeNull();
  });
});

test("each JSON response has exactly the fields of its route's schema", async () => {
  const billing = await createTestHarness();
  let sessionId = "";
  const jsonRoutes = ROUTES.filter(
    ({ run, contentType, access }) => run && contentType === undefined && access !== "work_token",
  );
  for (const [method, path, { schema }] of named(jsonRoutes)) {
    const query = path === "/checkout-session" ? `?session_id=${sessionId}` : "";
    const { status, body } = await billing.call("ada", method, `${path.slice(1)}${query}`, VALID_REQUESTS[path]?.body);
    expect([path, status]).toEqual([path, 200]);
    expect(body, path).toEqual(schema.response.parse(body));
    if (path !== "/create-checkout-session") continue;
    sessionId = String(body["sessionId"]);
    await payCheckout(billing.stripe, sessionId);
    await billing.drain();
  }
});

test("a slash at the end of a path changes no response, as Next's option trailingSlash adds one", async () => {
  const billing = await createTestHarness({ options: { metricsToken: METRICS_TOKEN, workToken: WORK_TOKEN } });
  const call = async (method: string, path: string, headers: Record<string, string>, body?: string) => {
    const url = `http://app.test/stripe${path}`;
    const response = await billing.service.fetch(new Request(url, { method, headers, ...(body && { body }) }));
    const text = (await response.text()).replaceAll(/req_\w+/g, "req_");
    return { status: response.status, type: response.headers.get("content-type"), text };
  };
  const json = { "content-type": "application/json" };
  for (const [method, path, { access }] of named(ROUTES)) {
    const { query = "", body = {} } = VALID_REQUESTS[path] ?? {};
    const sent = JSON.stringify(body);
    const headers = {
      authorization: `Bearer ${TOKENS[access] ?? "ada"}`,
      "stripe-signature": signWebhook(sent, { now: billing.emulator.now() }),
      ...(method === "POST" && json),
    };
    const request = (ending: string) =>
      call(method, `${path}${ending}${query}`, headers, method === "POST" ? sent : "");
    const expected = await request("");
    expect(expected.text, path).not.toContain("Route ");
    const actual = await request("/");
    expect([path, actual.status, actual.type]).toEqual([path, expected.status, expected.type]);
  }
  expect(await call("GET", "/openapi.json/", {})).toEqual(await call("GET", "/openapi.json", {}));
  const preflight = { origin: "http://app.test", "access-control-request-method": "POST" };
  expect((await call("OPTIONS", "/cancel-subscription/", preflight)).status).toBe(204);
  expect((await call("POST", "/nothing/", json, "{}")).status).toBe(404);
});

describe("the limit of requests of one user", () => {
  const limitedRows = ROUTES.filter(({ responses }) => 429 in responses);

  test("applies to each route that can cause requests to Stripe", () => {
    const local = ["/subscriptions", "/entitlements"];
    const sending = rowsWith("user").filter(({ path }) => !local.includes(path));
    expect(limitedRows.map(({ path }) => path)).toEqual(sending.map(({ path }) => path));
  });

  test("accepts 60 of 500 requests for portal links, returns 429 with Retry-After for the others, and does not affect other users", async () => {
    const billing = await createTestHarness();
    await billing.subscribe("ada");
    await billing.subscribe("bob");
    await billing.advance(3_600);
    const portal = (user: string, at: number) =>
      billing.service.fetch(
        new Request("http://app.test/stripe/create-portal-session", {
          method: "POST",
          headers: { authorization: `Bearer ${user}`, "content-type": "application/json" },
          body: JSON.stringify({ returnUrl: `http://app.test/${at}` }),
        }),
      );
    const responses = await Promise.all([
      ...Array.from({ length: 500 }, (_, at) => portal("ada", at)),
      ...Array.from({ length: 5 }, (_, at) => portal("bob", at)),
    ]);
    const statuses = responses.map(({ status }) => status);
    expect(statuses.slice(500)).toEqual([200, 200, 200, 200, 200]);
    const counts = [200, 429].map((status) => statuses.slice(0, 500).filter((one) => one === status).length);
    expect(counts).toEqual([60, 440]);
    const refused = responses.find(({ status }) => status === 429);
    expect(refused?.headers.get("retry-after")).toBe("1");
    expect(await refused?.json()).toMatchObject({ error: { code: "too_many_requests" } });
    await billing.advance(60);
    expect((await portal("ada", 0)).status).toBe(200);
  });

  test.each(named(limitedRows))("makes %s %s return 429 for the requests above the limit", async (method, path) => {
    const billing = await createTestHarness();
    const { query = "", body } = VALID_REQUESTS[path] ?? {};
    const requests = Array.from({ length: 70 }, () => billing.call("ada", method, `${path.slice(1)}${query}`, body));
    const refused = (await Promise.all(requests)).filter(({ status }) => status === 429);
    expect(refused).toHaveLength(10);
  });
});
