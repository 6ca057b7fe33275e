import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { TollkeeperClient } from "../../packages/tollkeeper/src/browser/index.ts";
import { launchBrowser } from "../support/browser.ts";

/** The published client on a page of its own; what it asks for is answered here. */
const ORIGIN = "http://app.test";
const PAGE = `<!doctype html><html lang="en"><title>app</title>
<script type="module">
  import * as tollkeeper from "/browser/index.js";
  window.client = tollkeeper.createTollkeeperClient({ getToken: () => window.token ?? null, navigate: (url) => (window.went = url) });
  window.ready = true;
</script></html>`;
/** What js.stripe.com serves, as far as a page can tell. */
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

interface Site {
  page: Page;
  /** Requests for Stripe.js so far. */
  stripeJsRequests: () => number;
  /** What the service was asked, newest last. */
  asked: { path: string; authorization: string | undefined; body: unknown }[];
}

type ServiceAnswer = { status?: number; body: unknown } | "offline";

interface Answers {
  stripeJs?: "served" | "blocked";
  service?: Record<string, ServiceAnswer>;
  address?: string;
}

const CONFIG: ServiceAnswer = { body: { mode: "test", publishableKey: "pk_test_page", plans: [] } };

async function open({ stripeJs = "served", service = {}, address = "/" }: Answers = {}): Promise<Site> {
  const context = await browser.newContext();
  onTestFinished(() => context.close());
  const asked: Site["asked"] = [];
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
    asked.push({ path, authorization: request.headers()["authorization"], body: request.postDataJSON() as unknown });
    const answer: ServiceAnswer = service[path] ?? (path === "config" ? CONFIG : { status: 404, body: {} });
    if (answer === "offline") return route.abort();
    return route.fulfill({ status: answer.status ?? 200, json: answer.body });
  });
  const page = await context.newPage();
  await page.goto(`${ORIGIN}${address}`);
  await page.waitForFunction(() => window.ready);
  return { page, asked, stripeJsRequests: () => stripeJsRequests };
}

function built(file: string): string {
  return readFileSync(
    fileURLToPath(new URL(`../../packages/tollkeeper/dist/browser/${file}`, import.meta.url)),
    "utf8",
  );
}

/** What a call is refused with. */
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
  test("is loaded when it is asked for, not before, and once", async () => {
    const site = await open();
    await site.page.evaluate(() => window.client.config());
    expect(site.stripeJsRequests()).toBe(0);
    const key = await site.page.evaluate(async () => {
      const [one, other] = await Promise.all([window.client.stripe(), window.client.stripe()]);
      return one === other ? (one as unknown as { key: string }).key : "two";
    });
    expect(key).toBe("pk_test_page");
    expect(site.stripeJsRequests()).toBe(1);
  });

  test("that is blocked fails with a code and a sentence, and is known from then on", async () => {
    const { page } = await open({ stripeJs: "blocked" });
    expect(await page.evaluate(() => window.client.isAvailable())).toBe(true);
    expect(await refusal(page, "stripe")).toMatchObject({
      kind: "TollkeeperClientError",
      code: "stripe_js_blocked",
      message: "Stripe could not be loaded. Turn off content blockers for this page, or try another network.",
    });
    expect(await page.evaluate(() => window.client.isAvailable())).toBe(false);
  });

  test("is not needed for checkout, which goes to Stripe's page", async () => {
    const url = "https://checkout.stripe.com/c/pay/cs_1";
    const site = await open({
      stripeJs: "blocked",
      service: { "create-checkout-session": { body: { sessionId: "cs_1", url, expiresAt: 1 } } },
    });
    await site.page.evaluate(() => {
      window.token = "ada";
      return window.client.checkout({ plan: "premium", interval: "year" });
    });
    expect(await site.page.evaluate(() => window.went)).toBe(url);
    expect(site.asked).toEqual([
      { path: "create-checkout-session", authorization: "Bearer ada", body: { plan: "premium", interval: "year" } },
    ]);
  });
});

describe("a failure", () => {
  test("of the service keeps its code, status and request id", async () => {
    const error = { code: "already_subscribed", message: "You already have Premium.", requestId: "req_1" };
    const { page } = await open({ service: { "create-checkout-session": { status: 409, body: { error } } } });
    expect(await refusal(page, "checkout")).toEqual({ ...error, kind: "TollkeeperClientError", status: 409 });
  });

  test.each([
    ["no network", "offline" as const, { code: "network_error", status: null }],
    [
      "an answer that is no JSON of ours",
      { status: 502, body: "Bad gateway" },
      { code: "unexpected_answer", status: 502 },
    ],
    [
      "no sign-in",
      {
        status: 401,
        body: { error: { code: "unauthenticated", message: "Sign in first: send …", requestId: "req_2" } },
      },
      { code: "unauthenticated", status: 401, message: "Please sign in to continue." },
    ],
  ])("with %s has a code, and a sentence for people", async (_name, answer, expected) => {
    const { page } = await open({ service: { subscriptions: answer } });
    expect(await refusal(page, "subscriptions")).toMatchObject({
      message: expect.stringMatching(/^[A-Z].*\.$/) as string,
      ...expected,
    });
  });
});

describe("the return page", () => {
  const verified = { sessionId: "cs_1", status: "complete", subscription: null, entitlements: [] };

  test("is verified once, however often it is asked, and its address is cleaned of the session alone", async () => {
    const site = await open({
      address: "/notes?tab=2&session_id=cs_1#top",
      service: { "checkout-session": { body: verified } },
    });
    const answers = await site.page.evaluate(() =>
      Promise.all([window.client.handleReturn(), window.client.handleReturn()]),
    );
    expect(answers).toEqual([verified, verified]);
    expect(site.asked).toHaveLength(1);
    expect(site.page.url()).toBe(`${ORIGIN}/notes?tab=2#top`);
  });

  test("that could not be verified keeps its address, so that a reload tries again", async () => {
    const { page } = await open({ address: "/?session_id=cs_1", service: { "checkout-session": "offline" } });
    expect(await refusal(page, "handleReturn")).toMatchObject({ code: "network_error" });
    expect(page.url()).toBe(`${ORIGIN}/?session_id=cs_1`);
  });

  test("of another user's session loses the session from its address", async () => {
    const error = { code: "not_found", message: "You have no checkout session.", requestId: "req_3" };
    const { page } = await open({
      address: "/?session_id=cs_1",
      service: { "checkout-session": { status: 404, body: { error } } },
    });
    expect(await refusal(page, "handleReturn")).toMatchObject({ code: "not_found" });
    expect(page.url()).toBe(`${ORIGIN}/`);
  });

  test.each(["/", "/?session_id=", "/?session_id=javascript:alert(1)"])("is no return at %s", async (address) => {
    const site = await open({ address });
    expect(await site.page.evaluate(() => window.client.handleReturn())).toBeNull();
    expect(site.asked).toEqual([]);
  });
});
