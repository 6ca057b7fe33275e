/** Tests sign-ins by the app's own function `authenticate`. */
import { describe, expect, test } from "vitest";
import type { User } from "../../packages/tollkeeper/src/domain/user.ts";
import { createTestHarness, type TestHarness } from "../support/harness.ts";

const CHECKOUT = { plan: "premium", interval: "month" };

describe("an app whose own sign-in returns a value that is no user", () => {
  test.each<[name: string, returned: unknown, problem: string]>([
    ["an empty id", { id: "" }, 'The user\'s "id" is empty'],
    ["a numeric id", { id: 42 }, 'The user\'s "id" is a value of the type number'],
    ["no id", { email: "ada@example.com" }, 'The user\'s "id" is missing'],
    ["a text", "ada", "The user is not an object"],
    ["true", true, "The user is not an object"],
    ["a promise of a text", Promise.resolve("ada"), "The user is not an object"],
    ["the text undefined as id", { id: String(undefined) }, 'The user\'s "id" is the text "undefined"'],
  ])("gets 500 and creates no customer, and the log names the field: %s", async (_name, returned, problem) => {
    const billing = await createTestHarness({ options: { authenticate: () => returned as User } });
    const response = await billing.call(null, "POST", "create-checkout-session", CHECKOUT);
    expect(response).toMatchObject({
      status: 500,
      body: {
        error: { code: "sign_in_misconfigured", message: "The sign-in is not set up correctly. Contact support." },
      },
    });
    const { body } = await billing.stripe("GET", "/v1/customers");
    expect(body["data"]).toEqual([]);
    const lines = billing.log.filter(({ level }) => level === "warn");
    expect(lines).toHaveLength(1);
    expect(lines[0]?.fields).toMatchObject({
      code: "sign_in_misconfigured",
      cause: expect.stringContaining(problem) as string,
    });
    expect(JSON.stringify(billing.log)).not.toContain("ada@example.com");
  });

  test("gets 401 if the value is null or undefined", async () => {
    for (const returned of [null, undefined]) {
      const billing = await createTestHarness({
        pushPlans: false,
        options: { authenticate: () => returned as unknown as User },
      });
      expect((await billing.call(null, "GET", "entitlements")).status).toBe(401);
    }
  });

  test("gets 500 in JSON if the sign-in throws a value that is no error", async () => {
    const billing = await createTestHarness({
      pushPlans: false,
      options: {
        authenticate: () => {
          throw Response.redirect("http://app.test/login");
        },
      },
    });
    expect(await billing.call(null, "GET", "entitlements")).toMatchObject({
      status: 500,
      body: { error: { code: "internal_error" } },
    });
    const errors = billing.log.filter(({ level }) => level === "error");
    expect(JSON.stringify(errors)).toContain("authenticate threw a value of the type object");
  });
});

test("the server's functions refuse an owner without a valid id", async () => {
  const { service, stripe } = await createTestHarness({ pushPlans: false });
  const refused = { code: "invalid_request", status: 400 };
  const missing = undefined as unknown as string;
  for (const id of ["", missing, 42 as unknown as string, "undefined"]) {
    await expect(service.can(id, "exports")).rejects.toMatchObject(refused);
    await expect(service.getEntitlements(id)).rejects.toMatchObject(refused);
    await expect(service.listSubscriptions({ kind: "user", id })).rejects.toMatchObject(refused);
    await expect(service.ensureCustomer({ id, email: null, name: null })).rejects.toMatchObject(refused);
  }
  await expect(service.ensureCustomer(missing as unknown as User)).rejects.toMatchObject(refused);
  const { body } = await stripe("GET", "/v1/customers");
  expect(body["data"]).toEqual([]);
});

describe("a sign-in by cookies from another origin", () => {
  const PAGES = "https://pages.example.com";
  const options = {
    allowedOrigins: [PAGES],
    authenticate: (request: Request) =>
      request.headers.get("cookie") === "session=ada" ? { id: "ada", email: null, name: null } : null,
  };
  const start = (corsCredentials?: boolean) => createTestHarness({ options: { ...options, corsCredentials } });
  const send = async (billing: TestHarness, method: string, headers: Record<string, string>, path = "entitlements") =>
    billing.service.fetch(new Request(`http://app.test/stripe/${path}`, { method, headers }));
  const cors = ({ headers }: Response) => ({
    origin: headers.get("access-control-allow-origin"),
    credentials: headers.get("access-control-allow-credentials"),
  });

  test("is not allowed by default", async () => {
    const billing = await start();
    const preflight = { origin: PAGES, "access-control-request-method": "POST" };
    for (const method of ["GET", "OPTIONS"])
      expect(cors(await send(billing, method, preflight))).toEqual({ origin: PAGES, credentials: null });
  });

  test("is allowed for exactly the allowed origins if it is switched on", async () => {
    const billing = await start(true);
    const headers = (origin: string) => ({ origin, cookie: "session=ada", "access-control-request-method": "POST" });
    for (const method of ["GET", "OPTIONS"])
      expect(cors(await send(billing, method, headers(PAGES)))).toEqual({ origin: PAGES, credentials: "true" });
    for (const origin of [
      "https://evil.example",
      `${PAGES}.evil.example`,
      "https://pages.example.com:8443",
      "null",
      "*",
    ])
      for (const method of ["GET", "OPTIONS"])
        expect([origin, cors(await send(billing, method, headers(origin))).origin]).toEqual([origin, null]);
  });

  test.each<[name: string, headers: Record<string, string>, status: number]>([
    ["an allowed origin and JSON", { origin: PAGES, "content-type": "application/json" }, 200],
    ["the service's own origin and JSON", { origin: "http://app.test", "content-type": "application/json" }, 200],
    ["another origin", { origin: "https://evil.example", "content-type": "application/json" }, 403],
    ["no origin", { "content-type": "application/json" }, 403],
    ["the content type of a form", { origin: PAGES, "content-type": "application/x-www-form-urlencoded" }, 400],
    ["the content type of a text", { origin: PAGES, "content-type": "text/plain" }, 400],
    ["no content type", { origin: PAGES }, 400],
  ])("returns a fitting status for a POST with cookies and %s", async (_name, headers, status) => {
    const billing = await start(true);
    await billing.service.ensureCustomer({ id: "ada", email: null, name: null });
    const response = await send(billing, "POST", { ...headers, cookie: "session=ada" }, "create-portal-session");
    expect(response.status).toBe(status);
  });
});
