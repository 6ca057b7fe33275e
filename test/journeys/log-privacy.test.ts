/** Tests that logs contain no personal data. The id of a user may be an email address. */
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { INVALID_TOKEN, type LogLine } from "../../packages/tollkeeper/src/testing/harness/index.ts";
import { createTestHarness, DAY } from "../support/harness.ts";
import { findSubscription } from "../support/stripe-subscription.ts";

test("no log line contains the user's id when access ends after the user's customer was deleted", async () => {
  const user = "ada_lovelace";
  const revoked: string[] = [];
  let delivers = true;
  const billing = await createTestHarness({
    deliver: (request, next) => (delivers ? next(request) : Promise.reject(new TypeError("fetch failed"))),
    options: { hooks: { onAccessRevoked: async ({ owner }) => void revoked.push(owner.id) } },
  });
  expect(await billing.subscribe(user)).toMatchObject({ status: 200 });
  const { id } = await findSubscription(billing);
  await billing.stripe("POST", `/v1/subscriptions/${id}`, { cancel_at_period_end: "true" });
  await billing.drain();
  delivers = false;
  const database = new DatabaseSync(new URL(billing.databaseUrl));
  database.exec("delete from customer_links");
  database.close();
  await billing.advance(32 * DAY);
  expect(revoked).toEqual([user]);
  expect(JSON.stringify(billing.log)).not.toContain(user);
});

describe("a refused request", () => {
  const refusedLines = (log: LogLine[]) => log.filter(({ level }) => level === "warn" || level === "error");

  interface Refused {
    user: string | null;
    method?: "POST";
    path: string;
    body?: object;
    code: string;
  }
  const buying = { user: "ada", method: "POST", path: "create-checkout-session" } as const;

  test.each<[name: string, refused: Refused]>([
    ["without a token", { user: null, path: "entitlements", code: "unauthenticated" }],
    ["with a wrong token", { user: INVALID_TOKEN, path: "entitlements", code: "unauthenticated" }],
    ["with an invalid body", { ...buying, body: { plan: 5 }, code: "invalid_request" }],
    ["for an unknown plan", { ...buying, body: { plan: "x", interval: "month" }, code: "unknown_plan" }],
    [
      "for a user without a customer",
      { user: "ada", method: "POST", path: "create-portal-session", code: "no_customer" },
    ],
  ])("has one line in the log with its cause: %s", async (_name, refused) => {
    const { user, path, body, code } = refused;
    const method: "GET" | "POST" = refused.method ?? "GET";
    const billing = await createTestHarness();
    const response = await billing.call(user, method, path, body);
    const error = response.body["error"] as { message: string; requestId: string };
    expect(refusedLines(billing.log)).toEqual([
      {
        level: "warn",
        message: "request refused",
        fields: {
          requestId: error.requestId,
          method,
          path: `/stripe/${path}`,
          status: response.status,
          code,
          reason: error.message,
        },
      },
    ]);
  });

  test("has no line in the log if no route has its path", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    expect((await billing.call("ada", "GET", "nothing")).status).toBe(404);
    expect(refusedLines(billing.log)).toEqual([]);
  });

  test("never puts the body or the token into the log", async () => {
    const billing = await createTestHarness({ pushPlans: false });
    const headers = { authorization: "Bearer secret_token_of_ada", "content-type": "application/json" };
    for (const body of ["ada@example.com", '{"ada@example.com":1}', '{"plan":"ada@example.com","interval":"month"}'])
      await billing.service.fetch(
        new Request("http://app.test/stripe/create-checkout-session", { method: "POST", headers, body }),
      );
    expect(refusedLines(billing.log)).toHaveLength(3);
    expect(JSON.stringify(billing.log)).not.toMatch(/ada@example|secret_token/);
  });

  test("has a line in the log that names the reason for which Stripe's key is rejected, and the user reads a plain sentence", async () => {
    const billing = await createTestHarness({
      network: async (request, next) =>
        request.method === "POST"
          ? Response.json(
              {
                error: {
                  type: "invalid_request_error",
                  message: "Having the 'rak_customer_write' permission would help.",
                },
              },
              { status: 403, headers: { "request-id": "req_stripe_2" } },
            )
          : next(request),
      pushPlans: false,
    });
    const response = await billing.call("ada", "POST", "create-checkout-session", {
      plan: "premium",
      interval: "month",
    });
    expect(response).toMatchObject({
      status: 503,
      body: { error: { message: "Payments are unavailable at the moment. Please try again later." } },
    });
    expect(refusedLines(billing.log)).toMatchObject([
      {
        fields: {
          stripeRequestId: "req_stripe_2",
          stripeMessage: expect.stringContaining("rak_customer_write") as string,
        },
      },
    ]);
  });
});

test("a refusal by Stripe that quotes personal data reaches neither the log nor the user", async () => {
  const billing = await createTestHarness({
    network: async (request, next) =>
      request.url.endsWith("/v1/checkout/sessions")
        ? Response.json(
            {
              error: {
                type: "invalid_request_error",
                code: "parameter_invalid",
                param: "metadata[note]",
                message: "Invalid value: Ada Lovelace",
              },
            },
            { status: 400 },
          )
        : next(request),
  });
  const response = await billing.call("ada", "POST", "create-checkout-session", { plan: "premium", interval: "month" });
  expect(response).toMatchObject({ status: 400, body: { error: { code: "stripe_rejected" } } });
  expect(JSON.stringify([billing.log, response.body])).not.toContain("Lovelace");
  expect(JSON.stringify(billing.log)).toContain("parameter_invalid");
});

test("a request to Stripe that fails logs the address and the reason", async () => {
  const billing = await createTestHarness({
    pushPlans: false,
    options: { stripeNetworkRetries: 0 },
    network: () =>
      Promise.reject(new TypeError("fetch failed", { cause: new Error("connect ECONNREFUSED 127.0.0.1:9") })),
  });
  const response = await billing.call("ada", "POST", "create-checkout-session", { plan: "premium", interval: "month" });
  expect(response.status).toBe(503);
  expect(JSON.stringify(billing.log)).toContain("ECONNREFUSED 127.0.0.1:9");
  expect(JSON.stringify(response.body)).not.toContain("ECONNREFUSED");
});

test("a failed start logs its cause with the address, but without the password", async () => {
  const billing = await createTestHarness({ pushPlans: false });
  const service = billing.addReplica({ databaseUrl: "postgres://ada:secret_pw@127.0.0.1:1/billing" });
  await expect(service.start()).rejects.toThrow();
  const line = billing.log.at(-1);
  expect(line).toMatchObject({ level: "error", message: expect.stringContaining("failed to start") as string });
  expect(JSON.stringify(line)).toContain("127.0.0.1:1");
  expect(JSON.stringify(billing.log)).not.toContain("secret_pw");
});
