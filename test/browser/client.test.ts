import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { TollkeeperClient } from "../../packages/tollkeeper/src/browser/index.ts";
import { launchBrowser } from "../support/browser.ts";

/** Runs the published client in a browser page. The test mocks the routes of the service. */
const ORIGIN = "http://app.test";
const PAGE = `<!doctype html><html lang="en"><title>app</title>
<script type="module">
  import * as tollkeeper from "/browser/index.js";
  window.client = tollkeeper.createTollkeeperClient({ getToken: () => window.token ?? null, navigate: (url) => (window.went = url) });
  window.ready = true;
</script></html>`;
/** Replaces the script that the page loads from js.stripe.com. */
const STRIPE_JS = `window.Stripe = (key) => ({ key, _registerWrapper() {}, registerAppInfo() {} }); window.Stripe.version = "endive";`;

declare global {
  interface Window {
    client: TollkeeperClient;
    token?: string;
    went?: string;
    ready?: boolean;
  }
}

let browser: Browser;
beforeAll(async () => {
  browser = await launchBrowser();
});
afterAll(() => browser.close());

interface ClientPage {
  page: Page;
  /** Returns the number of requests that the page has sent for Stripe.js. */
  stripeJsRequests: () => number;
  /** The requests that the page has sent to the service, newest last. */
  requests: { path: string; authorization: string | undefined; body: unknown }[];
}

type ServiceReply = { status?: number; body: unknown } | "offline";

interface Replies {
  stripeJs?: "served" | "blocked";
  service?: Record<string, ServiceReply>;
  address?: string;
}

const CONFIG: ServiceReply = { body: { mode: "test", publishableKey: "pk_test_page", plans: [] } };

async function open({ stripeJs = "served", service = {}, address = "/" }: Replies = {}): Promise<ClientPage> {
  const context = await browser.newContext();
  onTestFinished(() => context.close());
  const requests: ClientPage["requests"] = [];
  let stripeJsRequests = 0;
  await context.route("https://js.stripe.com/**", (route) => {
    stripeJsRequests += 1;
    return stripeJs === "blocked" ? route.abort() : route.fulfill({ contentType: "text/javascript", body: STRIPE_JS });
  });
  await context.route(`${ORIGIN}/**`, (route) => {
    const { pathname } = new URL(route.request().url());
    const file = /^\/browser\/(\w+\.js)$/.exec(pathname)?.[1];
    if (file) return route.fulfill({ contentType: "text/javascript", body: built(file) });
    if (!pathname.startsWith("/stripe/")) return route.fulfill({ contentType: "text/html", body: PAGE });
    const path = pathname.slice("/stripe/".length);
    const request = route.request();
    requests.push({ path, authorization: request.headers()["authorization"], body: request.postDataJSON() as unknown });
    const reply: ServiceReply = service[path] ?? (path === "config" ? CONFIG : { status: 404, body: {} });
    if (reply === "offline") return route.abort();
    return route.fulfill({ status: reply.status ?? 200, json: reply.body });
  });
  const page = await context.newPage();
  await page.goto(`${ORIGIN}${address}`);
  await page.waitForFunction(() => window.ready);
  return { page, requests, stripeJsRequests: () => stripeJsRequests };
}

function built(file: string): string {
  return readFileSync(
    fileURLToPath(new URL(`../../packages/tollkeeper/dist/browser/${file}`, import.meta.url)),
    "utf8",
  );
}

/** Returns the error with which a call of the browser client fails. */
async function refusal(page: Page, method: "checkout" | "portal" | "stripe" | "handleReturn" | "subscriptions") {
  return page.evaluate(async (name) => {
    try {
      await (name === "checkout"
        ? window.client.checkout({ plan: "premium", interval: "month" })
        : window.client[name]());
      return null;
    } catch (error) {
      const { name: kind, code, message, status, requestId } = error as Record<string, string>;
      return { kind, code, message, status, requestId };
    }
  }, method);
}

describe("Stripe.js", () => {
  test("is loaded only once, when the page first calls stripe()", async () => {
    const opened = await open();
    await opened.page.evaluate(() => window.client.config());
    expect(opened.stripeJsRequests()).toBe(0);
    const key = await opened.page.evaluate(async () => {
      const [one, other] = await Promise.all([window.client.stripe(), window.client.stripe()]);
      return one === other ? (one as unknown as { key: string }).key : "two";
    });
    expect(key).toBe("pk_test_page");
    expect(opened.stripeJsRequests()).toBe(1);
  });

  test("fails to load with a code and a message if a content blocker stops it, and isAvailable() returns false", async () => {
    const { page } = await open({ stripeJs: "blocked" });
    expect(await page.evaluate(() => window.client.isAvailable())).toBe(true);
    expect(await refusal(page, "stripe")).toMatchObject({
      kind: "TollkeeperClientError",
      code: "stripe_js_blocked",
      message: "Stripe could not be loaded. Turn off content blockers for this page, or try another network.",
    });
    expect(await page.evaluate(() => window.client.isAvailable())).toBe(false);
  });

  test("is not needed for a checkout on Stripe's page", async () => {
    const url = "https://checkout.stripe.com/c/pay/cs_1";
    const opened = await open({
      stripeJs: "blocked",
      service: { "create-checkout-session": { body: { sessionId: "cs_1", url, expiresAt: 1 } } },
    });
    await opened.page.evaluate(() => {
      window.token = "ada";
      return window.client.checkout({ plan: "premium", interval: "year" });
    });
    expect(await opened.page.evaluate(() => window.went)).toBe(url);
    expect(opened.requests).toEqual([
      { path: "create-checkout-session", authorization: "Bearer ada", body: { plan: "premium", interval: "year" } },
    ]);
  });
});

describe("a failure", () => {
  test.each([
    ["already_subscribed", 409, "You already have Premium."],
    ["stripe_unavailable", 503, "Payments are unavailable at the moment. Please try again later."],
    ["not_resumable", 409, "Your subscription to Premium has ended. Start a new checkout instead."],
  ])(
    "%s from the service keeps the service's code, status, request id and sentence for users",
    async (code, status, message) => {
      const error = { code, message, requestId: "req_1" };
      const { page } = await open({ service: { "create-checkout-session": { status, body: { error } } } });
      expect(await refusal(page, "checkout")).toEqual({ ...error, kind: "TollkeeperClientError", status });
    },
  );

  test.each([
    ["no network", "offline" as const, { code: "network_error", status: null }],
    [
      "a response that is not our JSON",
      { status: 502, body: "Bad gateway" },
      { code: "unexpected_answer", status: 502 },
    ],
    [
      "an error of a proxy that is not in our format",
      { status: 503, body: { error: { code: "FUNCTION_FAILED" } } },
      { code: "unexpected_answer", status: 503 },
    ],
    [
      "no sign-in",
      {
        status: 401,
        body: { error: { code: "unauthenticated", message: "Sign in first: send …", requestId: "req_2" } },
      },
      { code: "unauthenticated", status: 401, message: "Please sign in to continue." },
    ],
  ])("caused by %s has a code, and a message for users", async (_name, reply, expected) => {
    const { page } = await open({ service: { subscriptions: reply } });
    expect(await refusal(page, "subscriptions")).toMatchObject({
      message: expect.stringMatching(/^[A-Z].*\.$/) as string,
      ...expected,
    });
  });
});

test.each([
  ["origin_not_allowed", 403, 'Origin "https://app.test" is not allowed. Add it to ALLOWED_ORIGINS.'],
  ["invalid_url", 400, "successUrl is not on an allowed origin. Add its origin to ALLOWED_ORIGINS."],
  ["invalid_config", 500, "The configuration is invalid: STRIPE_SECRET_KEY is missing."],
  ["body_already_read", 500, "The body was read before the handler. Mount the handler first."],
  ["invalid_request", 400, "plan: Too small: expected string to have >=1 characters"],
  ["payload_too_large", 413, "The body has more than 65536 bytes."],
  ["unknown_plan", 400, 'Plan "pro" does not exist. Plans: premium.'],
  ["unknown_price", 400, 'Plan "pro" has no price for interval "year". Intervals: month.'],
  ["plan_retired", 400, 'Plan "pro" is no longer sold. Choose one of these plans: premium.'],
  ["ambiguous_subscription", 409, "You have several subscriptions. Set subscriptionId to one of: sub_1, sub_2."],
  ["not_found", 404, 'Subscription "sub_1" not found for this user.'],
  ["overloaded", 503, "65 requests are being processed, and the limit is 64."],
])("a message for developers with the code %s is replaced by a sentence for users", async (code, status, message) => {
  const error = { code, message, requestId: "req_1" };
  const { page } = await open({ service: { subscriptions: { status, body: { error } } } });
  const shown = await refusal(page, "subscriptions");
  expect(shown).toMatchObject({ code, status });
  expect(shown?.message).toMatch(/^[A-Z][a-z' ]+\. [A-Z][a-z', ]+\.$/);
});

test("a response that breaks off is a network error", async () => {
  const { page } = await open();
  const code = await page.evaluate(`(async () => {
    const { createTollkeeperClient } = await import("/browser/index.js");
    const body = new ReadableStream({ start: (stream) => stream.error(new TypeError("network error")) });
    const client = createTollkeeperClient({ getToken: () => null, fetch: async () => new Response(body) });
    return client.config().catch((error) => error.code);
  })()`);
  expect(code).toBe("network_error");
});

describe("the return page", () => {
  const verified = { sessionId: "cs_1", status: "complete", subscription: null, entitlements: [] };

  test("verifies the session once for several calls, and removes only the session id from the address", async () => {
    const opened = await open({
      address: "/notes?tab=2&session_id=cs_1#top",
      service: { "checkout-session": { body: verified } },
    });
    const results = await opened.page.evaluate(() =>
      Promise.all([window.client.handleReturn(), window.client.handleReturn()]),
    );
    expect(results).toEqual([verified, verified]);
    expect(opened.requests).toHaveLength(1);
    expect(opened.page.url()).toBe(`${ORIGIN}/notes?tab=2#top`);
  });

  test("keeps the session id in its address after a failed verification, so that a reload verifies again", async () => {
    const { page } = await open({ address: "/?session_id=cs_1", service: { "checkout-session": "offline" } });
    expect(await refusal(page, "handleReturn")).toMatchObject({ code: "network_error" });
    expect(page.url()).toBe(`${ORIGIN}/?session_id=cs_1`);
  });

  test("removes the id of another user's checkout session from the address", async () => {
    const error = { code: "not_found", message: "You have no checkout session.", requestId: "req_3" };
    const { page } = await open({
      address: "/?session_id=cs_1",
      service: { "checkout-session": { status: 404, body: { error } } },
    });
    expect(await refusal(page, "handleReturn")).toMatchObject({ code: "not_found" });
    expect(page.url()).toBe(`${ORIGIN}/`);
  });

  test.each(["/", "/?session_id=", "/?session_id=javascript:alert(1)"])(
    "is not recognized as a return from Stripe's checkout if the address is %s",
    async (address) => {
      const opened = await open({ address });
      expect(await opened.page.evaluate(() => window.client.handleReturn())).toBeNull();
      expect(opened.requests).toEqual([]);
    },
  );
});
