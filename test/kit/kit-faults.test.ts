/** Checks what the test kit does with unusual tests: wrong input, hooks that call the kit, fake timers, several tests at once. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { optionsFromEnvironment, UnauthenticatedError } from "../../packages/tollkeeper/src/index.ts";
import type { TestBilling, TestBillingOptions } from "../../packages/tollkeeper/src/testing/index.ts";
import { createKit } from "../support/kit.ts";

describe("tests", () => {
  let last: TestBilling | undefined;

  test("stop what they created", async () => {
    const billing = await createKitWithoutAudit();
    expect(await billing.service.can("ada", "exports")).toBe(false);
    last = billing;
  });

  test("find that the billing of an earlier test was stopped", async () => {
    await expect(last?.service.can("ada", "exports")).rejects.toThrow("This test billing was stopped.");
  });

  test.concurrent.for([1, 2, 3])("that run at the same time do not stop each other's billing (%i)", async (index) => {
    const billing = await createKitWithoutAudit();
    const ada = await billing.user("ada").subscribe("premium");
    await billing.advance({ days: index });
    expect(await ada.can("exports")).toBe(true);
    await billing.stop();
  });
});

/** The audit of `createKit` needs to know the current test, which vitest does not know in concurrent tests. */
async function createKitWithoutAudit(): Promise<TestBilling> {
  const { createTestBilling } = await import("../../packages/tollkeeper/src/testing/index.ts");
  const { createEmulator } = await import("../../packages/emulator/src/index.ts");
  const { PLANS } = await import("../support/plans.ts");
  return createTestBilling({ plans: PLANS, createEmulator });
}

test("a hook can use Stripe, the service and the app's routes", async () => {
  const seen: unknown[] = [];
  const billing: TestBilling = await createKit({
    hooks: {
      async onAccessGranted({ owner }) {
        seen.push((await billing.stripe.customers.list()).data.length);
        seen.push(await billing.user(owner.id).can("exports"));
        seen.push((await billing.user(owner.id).call("GET", "offer")).status);
        await billing.settle();
        await billing.advance({ days: 1 }).catch((error: Error) => seen.push(error.message));
      },
    },
  });
  await billing.user("ada").subscribe("premium");
  expect(seen).toEqual([1, true, 200, "A hook can't move the clock that runs it. Advance in the test."]);
});

test("the kit works while the test has replaced the timers", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const billing = await createKit();
  const ada = await billing.user("ada").subscribe("premium");
  await billing.advance({ days: 3 });
  expect(await ada.can("exports")).toBe(true);
});

test("the variables of production do not change the test", async () => {
  const environment = {
    STRIPE_SECRET_KEY: "sk_live_production",
    STRIPE_PUBLISHABLE_KEY: "pk_live_production",
    STRIPE_WEBHOOK_SECRET: "whsec_production_secret",
    STRIPE_WEBHOOK_MODE: "live",
    STRIPE_REQUESTS_PER_SECOND: "2",
    STRIPE_REQUESTS_PER_ENDPOINT: "2",
    STRIPE_ACCOUNT_CHANGED: "acct_production",
    DATABASE_URL: "postgres://production.example.com/billing",
    APP_URL: "https://app.example.com",
    NODE_ENV: "production",
  };
  const billing = await createKit({
    ...optionsFromEnvironment(environment),
    successUrl: "https://app.example.com/thanks?from=checkout",
    cancelUrl: "/prices",
  });
  const ada = await billing.user("ada").subscribe("premium");
  await ada.portal.cancel();
  await ada.portal.resume();
  await billing.restart(optionsFromEnvironment(environment));
  expect(await ada.can("exports")).toBe(true);
  const [session] = (await billing.stripe.checkout.sessions.list()).data;
  expect(session?.success_url).toMatch(/^http:\/\/app\.test\/thanks\?from=checkout&/);
});

describe("the clock of the test kit", () => {
  test("moves for each of several calls at once", async () => {
    const billing = await createKit();
    await Promise.all([billing.advance({ days: 1 }), billing.advance({ days: 2 })]);
    expect(billing.now()).toEqual(new Date("2026-02-03T12:00:00Z"));
  });

  test("needs few steps while Stripe is down for weeks", async () => {
    const billing = await createKit();
    const ada = billing.user("ada");
    const checkout = await ada.checkout("premium");
    billing.webhooks.lose({ times: 1 });
    billing.stripeDown();
    await checkout.pay();
    await billing.advance({ days: 20 });
    expect(billing.log.length).toBeLessThan(8_000);
    billing.stripeUp();
    await billing.advance({ hours: 2 });
    expect(await ada.can("exports")).toBe(true);
  });

  test("looks for missed events as often as the options say", async () => {
    const billing = await createKit({ reconcileEveryMinutes: 5 });
    billing.webhooks.lose();
    const ada = await billing.user("ada").subscribe("premium");
    await billing.advance({ minutes: 4 });
    expect(await ada.can("exports")).toBe(false);
    await billing.advance({ minutes: 2 });
    expect(await ada.can("exports")).toBe(true);
  });

  test("finds the events of held webhooks within an hour, as Stripe's list has them", async () => {
    const billing = await createKit();
    await billing.webhooks.hold();
    const ada = await billing.user("ada").subscribe("premium");
    await billing.advance({ minutes: 59 });
    expect(await ada.can("exports")).toBe(false);
    await billing.advance({ days: 40 });
    expect(await ada.subscriptions()).toMatchObject([{ status: "active", access: { reason: "active" } }]);
  });

  test.each([
    [{ startAt: new Date("x") }, "startAt is Invalid Date. Use a Date from 2000 to 2099."],
    [{ startAt: new Date("1960-01-01") }, /^startAt is .*1960.*Use a Date/],
    [{ startAt: "2026-01-01" as unknown as Date }, "startAt is 2026-01-01. Use a Date from 2000 to 2099."],
    [{ plans: undefined as unknown as [] }, "createTestBilling needs the plans: createTestBilling({ plans })."],
  ])("is refused with %j", async (options: Partial<TestBillingOptions>, message) => {
    await expect(createKit(options)).rejects.toThrow(message);
  });

  test("sells plans in each year that a test may start in", async () => {
    const billing = await createKit({ startAt: new Date("2070-06-01T00:00:00Z") });
    const ada = await billing.user("ada").subscribe("premium");
    expect(await ada.can("exports")).toBe(true);
  });
});

describe("wrong input to the test kit is refused:", () => {
  test.each<[string, (billing: TestBilling) => unknown, string]>([
    ["a misspelt event type", ({ webhooks }) => webhooks.lose({ type: "invoice" }), '"invoice" is no event type'],
    ["a misspelt option", ({ webhooks }) => webhooks.lose({ tipe: "invoice.paid" } as object), '"tipe" is no option'],
    [
      "a type instead of options",
      ({ webhooks }) => webhooks.lose("invoice.paid" as never),
      '"invoice.paid" is no option',
    ],
    ["half a webhook", ({ webhooks }) => webhooks.duplicate({ times: 1.5 }), "times is 1.5."],
    ["a number of days", (billing) => billing.advance(5 as never), "5 is no duration."],
    [
      "a misspelt interval",
      (billing) => billing.user("ada").checkout("premium", { intervall: "year" } as object),
      '"intervall" is no option. Use interval.',
    ],
    [
      "an unknown card",
      (billing) => billing.user("ada").subscribe("premium", { card: "gold" as "visa" }),
      'There is no test card "gold".',
    ],
  ])("%s", async (_name, act, message) => {
    const billing = await createKit();
    await expect((async () => act(billing))()).rejects.toThrow(message);
  });

  test("a database that another test has used", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tollkeeper-kit-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const database = `file:${join(folder, "test.sqlite")}`;
    const first = await createKit({ database });
    await first.stop();
    await expect(createKit({ database })).rejects.toThrow(/was used before\. Give each test billing an empty database/);
  });

  test("a checkout that is paid already", async () => {
    const billing = await createKit();
    const checkout = await billing.user("ada").checkout("premium");
    await checkout.pay();
    await expect(checkout.pay("declined")).rejects.toThrow(/can't be paid, because it is complete/);
  });

  test("calls after the end of the billing", async () => {
    const billing = await createKit();
    const ada = billing.user("ada");
    await billing.stop();
    await billing.stop();
    await expect(ada.can("exports")).rejects.toThrow("This test billing was stopped.");
  });
});

test.each(["invalid", " a ", "日本", "a/b?c", "ünï"])("a user with the id %j can buy", async (id) => {
  const billing = await createKit();
  const user = await billing.user(id).subscribe("premium");
  expect(await user.can("exports")).toBe(true);
});

test("a service with a sign-in by cookies accepts the requests of the kit", async () => {
  const billing = await createKit({
    corsCredentials: true,
    allowedOrigins: ["https://app.example.com"],
    signIn: (user) => ({ cookie: `session=${user}` }),
    authenticate(request) {
      const id = /session=(\w+)/.exec(request.headers.get("cookie") ?? "")?.[1];
      if (id === "ended") throw new UnauthenticatedError("This session has ended.");
      return id === undefined ? null : { id, email: `${id}@example.com`, name: null };
    },
  });
  const ada = await billing.user("ada").subscribe("premium");
  expect(await ada.can("exports")).toBe(true);
});

describe("an app's routes in the test kit", () => {
  test("that throw make the request fail with the error, also in a handler of node:http", async () => {
    const billing = await createKit();
    const throws = billing.fetch((_request, _response) => {
      throw new Error("no such table");
    });
    await expect(throws("ada", "/")).rejects.toThrow("no such table");
    const rejects = billing.fetch(async (_request, _response) => Promise.reject(new Error("no such row")));
    await expect(rejects("ada", "/")).rejects.toThrow("no such row");
  });

  test("that never answer end when the test aborts the request", async () => {
    const billing = await createKit();
    const silent = billing.fetch((_request, _response) => {});
    const aborting = new AbortController();
    const answer = silent("ada", "/", { signal: aborting.signal });
    aborting.abort(new Error("the test waits no longer"));
    await expect(answer).rejects.toThrow("the test waits no longer");
  });

  test("are refused if a function of the fetch API looks like one of node:http", async () => {
    const billing = await createKit();
    const worker = async (_request: unknown, _context?: unknown) => new Response("hello");
    const call = billing.fetch(worker);
    await expect(call("ada", "/")).rejects.toThrow("Pass a function of the fetch API as { fetch: handler }.");
    const response = await billing.fetch({ fetch: worker })("ada", "/");
    expect(await response.text()).toBe("hello");
  });

  test("of Next get their context, and answer HEAD and OPTIONS", async () => {
    const billing = await createKit();
    const app = billing.fetch({
      GET: async (_request: Request, { params }: { params: Promise<object> }) => Response.json(await params),
    });
    expect(await (await app(null, "/")).json()).toEqual({});
    expect((await app(null, "/", { method: "HEAD" })).status).toBe(200);
    const options = await app(null, "/", { method: "OPTIONS" });
    expect([options.status, options.headers.get("allow")]).toEqual([204, "GET"]);
    expect((await app(null, "/", { method: "DELETE" })).status).toBe(405);
  });

  test("can use what servers expect of a socket", async () => {
    const billing = await createKit();
    const app = billing.fetch((request, response) => {
      request.setTimeout(1_000);
      response.setTimeout(1_000);
      request.socket.setKeepAlive(true).setNoDelay(true);
      response.end(request.socket.remoteAddress);
    });
    expect(await (await app(null, "/")).text()).toBe("127.0.0.1");
  });
});

test("the timeline shows refused payments, disputes, refunds, and the look for missed events", async () => {
  const billing = await createKit();
  vi.spyOn(console, "log").mockImplementation(() => {});
  const ada = billing.user("ada");
  const checkout = await ada.checkout("premium");
  await checkout.pay("declined");
  await checkout.pay("3ds");
  await ada.authenticate();
  billing.webhooks.lose({ type: "customer.subscription.updated", times: 1 });
  await ada.portal.cancel();
  await billing.advance({ hours: 1 });
  await ada.refund(100);
  await ada.dispute();
  const text = billing.timeline("ada");
  for (const line of [
    "could not pay: Your card was declined.",
    "is asked by the bank to confirm the payment",
    "the next webhooks customer.subscription.updated are lost",
    "webhook lost: customer.subscription.updated",
    "the clock moves by 1 hour\n",
    "the service looks for missed events",
    "refund.created",
    "charge.dispute.created",
  ])
    expect(text).toContain(line);
});
