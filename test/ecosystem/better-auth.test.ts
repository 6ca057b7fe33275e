/** Runs the published `@better-auth/stripe` through the whole life of a subscription. */
import type Stripe from "stripe";
import { describe, expect, test } from "vitest";
import { createAuthApp, DAY, type AuthApp } from "./auth-app.ts";
import { periodOf } from "./current-types.ts";

const PAGES = { successUrl: "http://app.test/welcome", cancelUrl: "http://app.test/plans" };

describe("signing up", () => {
  test("creates a customer and stores the customer's id in the user's row", async () => {
    const app = await createAuthApp();
    await app.signUp("ada@example.com");
    const user = app.row("user");
    const { data } = await app.stripe.customers.list();
    expect(data).toMatchObject([
      {
        id: user["stripeCustomerId"],
        email: "ada@example.com",
        name: "Ada",
        metadata: { userId: user["id"], customerType: "user" },
      },
    ]);
    expect(app.warnings).toEqual([]);
  });
});

describe("checkout", () => {
  test("a plan that is bought through better-auth is active in better-auth's table", async () => {
    const app = await createAuthApp();
    const cookie = await app.signUp("ada@example.com");
    const opened = await app.call(cookie, "POST", "/subscription/upgrade", { plan: "basic", ...PAGES });
    expect(opened).toMatchObject({ status: 200, body: { mode: "subscription", status: "open", redirect: true } });
    expect(app.row("subscription")).toMatchObject({ plan: "basic", status: "incomplete", stripeSubscriptionId: null });

    const back = await payAt(app, String(opened.body["url"]));
    const subscription = await theSubscription(app);
    expect(app.row("subscription")).toMatchObject({ status: "active", ...rowOf(subscription) });
    expect(app.row("subscription")).toMatchObject({ plan: "basic", seats: 1, billingInterval: "month" });

    const home = await app.visit(cookie, back);
    expect(home.headers.get("location")).toBe("http://app.test/welcome");
    expect((await app.call(cookie, "GET", "/subscription/list")).body).toMatchObject([
      { plan: "basic", status: "active", stripeSubscriptionId: subscription.id },
    ]);
    expect(app.warnings).toEqual([]);
    expect(app.emulator.deliveries().map(({ state }) => state)).not.toContain("failed");
    expect(app.ignored).toEqual([]);
  });

  test("the return page activates the subscription without a webhook", async () => {
    const app = await createAuthApp({ webhook: false });
    const cookie = await app.signUp("ada@example.com");
    const opened = await app.call(cookie, "POST", "/subscription/upgrade", { plan: "basic", annual: true, ...PAGES });
    const back = await payAt(app, String(opened.body["url"]));
    expect(app.row("subscription")).toMatchObject({ status: "incomplete" });
    await app.visit(cookie, back);
    expect(app.row("subscription")).toMatchObject({ status: "active", billingInterval: "year" });
  });

  test("a purchase succeeds if the SDK is configured with the emulator's host, protocol and port", async () => {
    const app = await createAuthApp({ served: true });
    await subscribe(app);
    expect(app.row("subscription")).toMatchObject({ status: "active", ...rowOf(await theSubscription(app)) });
  });

  test("a declined card leaves the subscription incomplete, and another card activates it", async () => {
    const app = await createAuthApp();
    const cookie = await app.signUp("ada@example.com");
    const opened = await app.call(cookie, "POST", "/subscription/upgrade", { plan: "basic", ...PAGES });
    const url = String(opened.body["url"]);
    const again = await payAt(app, url, "4000000000000002");
    expect(new URL(again, url).href).toBe(url);
    expect(await read(app, url)).toContain("Your card was declined");
    expect(app.row("subscription")).toMatchObject({ status: "incomplete", stripeSubscriptionId: null });
    await payAt(app, url);
    expect(app.row("subscription")).toMatchObject({ status: "active", ...rowOf(await theSubscription(app)) });
  });

  test("a purchase succeeds after the user confirms 3-D Secure on the bank's page", async () => {
    const app = await createAuthApp();
    const cookie = await app.signUp("ada@example.com");
    const opened = await app.call(cookie, "POST", "/subscription/upgrade", { plan: "basic", ...PAGES });
    const url = String(opened.body["url"]);
    const bank = await payAt(app, url, "4000002760003184");
    expect(app.row("subscription")).toMatchObject({ status: "incomplete" });
    const body = new URLSearchParams({ answer: "yes" });
    const confirmed = await app.emulator.fetch(new Request(new URL(bank, url), { method: "POST", body }));
    expect(confirmed.headers.get("location")).toContain("/api/auth/subscription/success");
    await app.emulator.drain();
    expect(app.row("subscription")).toMatchObject({ status: "active", ...rowOf(await theSubscription(app)) });
  });

  test("a trial has the status trialing in better-auth's table, and active after the first payment", async () => {
    const app = await createAuthApp();
    const cookie = await app.signUp("ada@example.com");
    const opened = await app.call(cookie, "POST", "/subscription/upgrade", { plan: "trial", ...PAGES });
    await payAt(app, String(opened.body["url"]));
    const { trial_end: trialEnd } = await theSubscription(app);
    expect(app.row("subscription")).toMatchObject({ status: "trialing", trialEnd: inMs(trialEnd) });
    await app.emulator.advance(15 * DAY);
    expect(app.row("subscription")).toMatchObject({ status: "active", ...rowOf(await theSubscription(app)) });
  });
});

test("a renewal updates the period in better-auth's table, and a failed renewal sets the status past_due", async () => {
  const app = await createAuthApp();
  await subscribe(app);
  const before = app.row("subscription");
  await app.emulator.advance(32 * DAY);
  const renewed = app.row("subscription");
  expect(renewed).toMatchObject({ status: "active", periodStart: before["periodEnd"] });
  expect(renewed).toMatchObject(rowOf(await theSubscription(app)));

  const customer = String(app.row("user")["stripeCustomerId"]);
  const bad = await app.stripe.paymentMethods.attach("pm_card_chargeCustomerFail", { customer });
  await app.stripe.subscriptions.update(String(renewed["stripeSubscriptionId"]), { default_payment_method: bad.id });
  await app.emulator.advance(31 * DAY);
  expect(app.row("subscription")).toMatchObject({ status: "past_due" });
  await app.emulator.advance(20 * DAY);
  const ended = await theSubscription(app);
  expect(app.row("subscription")).toMatchObject({ status: ended.status, endedAt: inMs(ended.ended_at) });
});

describe("the portal with better-auth", () => {
  test("cancels a subscription at period end, and better-auth can undo the cancellation until then", async () => {
    const app = await createAuthApp();
    const cookie = await subscribe(app);
    await cancelInPortal(app, cookie);
    const canceling = await theSubscription(app);
    expect(canceling.cancel_at).toBe(periodOf(canceling).current_period_end);
    expect(app.row("subscription")).toMatchObject({ status: "active", ...rowOf(canceling) });

    const restored = await app.call(cookie, "POST", "/subscription/restore", {});
    expect(restored).toMatchObject({ status: 200, body: { id: canceling.id, cancel_at: null } });
    await app.emulator.drain();
    expect(app.row("subscription")).toMatchObject({ cancelAt: null, cancelAtPeriodEnd: 0, canceledAt: null });

    await cancelInPortal(app, cookie);
    await app.emulator.advance(32 * DAY);
    const ended = await theSubscription(app);
    expect(app.row("subscription")).toMatchObject({ status: "canceled", endedAt: inMs(ended.ended_at) });
    expect((await app.call(cookie, "GET", "/subscription/list")).body).toEqual([]);
    expect(app.warnings).toEqual([]);
  });

  test("refuses to cancel a subscription twice, so better-auth detects that the user has already canceled", async () => {
    const app = await createAuthApp({ webhook: false });
    const cookie = await subscribe(app);
    await cancelInPortal(app, cookie);
    expect(app.row("subscription")).toMatchObject({ cancelAt: null });
    const again = await app.call(cookie, "POST", "/subscription/cancel", { returnUrl: "/account" });
    expect(again).toMatchObject({ status: 400 });
    expect(again.body["message"]).toContain("is already set to be canceled at period end");
    expect(app.row("subscription")).toMatchObject({ cancelAt: inMs((await theSubscription(app)).cancel_at) });
  });

  test("shows the price of a new plan, and better-auth's table contains the new plan after the user has confirmed", async () => {
    const app = await createAuthApp();
    const cookie = await subscribe(app);
    const opened = await app.call(cookie, "POST", "/subscription/upgrade", {
      plan: "pro",
      seats: 2,
      returnUrl: "/account",
      ...PAGES,
    });
    const page = await read(app, String(opened.body["url"]));
    expect(page).toContain("Remaining time on 2 × Pro");
    expect(page).toContain("Unused time on Basic");
    const back = await submit(app, page, "confirm-change");
    expect(back).toBe("http://app.test/account");
    await app.emulator.drain();
    expect(app.row("subscription")).toMatchObject({ plan: "pro", seats: 2, status: "active" });
    expect(app.row("subscription")).toMatchObject(rowOf(await theSubscription(app)));
    expect(app.warnings).toEqual([]);
    expect(app.ignored).toEqual([]);
  });

  test("a plan change at period end is scheduled and takes effect when the next period begins", async () => {
    const app = await createAuthApp();
    const cookie = await subscribe(app);
    const wish = { plan: "pro", scheduleAtPeriodEnd: true, returnUrl: "/account", ...PAGES };
    expect(await app.call(cookie, "POST", "/subscription/upgrade", wish)).toMatchObject({ status: 200 });
    await app.emulator.drain();
    const [schedule] = (await app.stripe.subscriptionSchedules.list()).data;
    expect(schedule).toMatchObject({ status: "active", metadata: { source: "@better-auth/stripe" } });
    expect(app.row("subscription")).toMatchObject({ plan: "basic", stripeScheduleId: schedule?.id });

    await app.emulator.advance(32 * DAY);
    const changed = await theSubscription(app);
    expect(app.row("subscription")).toMatchObject({ plan: "pro", status: "active", ...rowOf(changed) });
    const [renewal] = (await app.stripe.invoices.list({ subscription: changed.id })).data;
    expect(renewal?.lines.data).toMatchObject([{ description: expect.stringContaining("Pro") as string }]);
    expect(app.warnings).toEqual([]);
    expect(app.ignored).toEqual([]);
  });

  test("a scheduled plan change is removed when the user restores the old plan", async () => {
    const app = await createAuthApp();
    const cookie = await subscribe(app);
    const wish = { plan: "pro", scheduleAtPeriodEnd: true, returnUrl: "/account", ...PAGES };
    await app.call(cookie, "POST", "/subscription/upgrade", wish);
    expect(await app.call(cookie, "POST", "/subscription/restore", {})).toMatchObject({ status: 200 });
    expect((await app.stripe.subscriptionSchedules.list()).data).toMatchObject([{ status: "released" }]);
    await app.emulator.advance(32 * DAY);
    expect(app.row("subscription")).toMatchObject({ plan: "basic", status: "active", stripeScheduleId: null });
  });

  test("refuses a change to the plan that the user already has", async () => {
    const app = await createAuthApp();
    const cookie = await subscribe(app);
    const again = await app.call(cookie, "POST", "/subscription/upgrade", { plan: "basic", ...PAGES });
    expect(again).toMatchObject({ status: 400, body: { code: "ALREADY_SUBSCRIBED_PLAN" } });
  });

  test("opens for the signed-in user in the user's language", async () => {
    const app = await createAuthApp();
    const cookie = await subscribe(app);
    const opened = await app.call(cookie, "POST", "/subscription/billing-portal", { locale: "de", returnUrl: "/me" });
    expect(opened.status).toBe(200);
    expect(await read(app, String(opened.body["url"]))).toContain('href="http://app.test/me"');
    expect(app.ignored).toEqual([]);
  });
});

async function subscribe(app: AuthApp): Promise<string> {
  const cookie = await app.signUp("ada@example.com");
  const opened = await app.call(cookie, "POST", "/subscription/upgrade", { plan: "basic", ...PAGES });
  const back = await payAt(app, String(opened.body["url"]));
  await app.visit(cookie, back);
  expect(app.row("subscription")).toMatchObject({ status: "active" });
  return cookie;
}

async function cancelInPortal(app: AuthApp, cookie: string): Promise<void> {
  const opened = await app.call(cookie, "POST", "/subscription/cancel", { returnUrl: "/account" });
  expect(opened.status).toBe(200);
  await submit(app, await read(app, String(opened.body["url"])), "cancel");
  await app.emulator.drain();
}

/** Pays on the checkout page. Returns the address to which the checkout page redirects. */
async function payAt(app: AuthApp, url: string, number = "4242424242424242"): Promise<string> {
  const back = await submit(app, await read(app, url), "pay", {
    number,
    expiry: "12/34",
    cvc: "123",
  });
  await app.emulator.drain();
  return back;
}

async function read(app: AuthApp, url: string): Promise<string> {
  const response = await app.emulator.fetch(new Request(url));
  if (response.status === 303) return read(app, new URL(response.headers.get("location") ?? "", url).href);
  expect(response.status).toBe(200);
  return response.text();
}

/**
 * Submits the form with the given button, as a browser would. Returns the address to which the response to the form redirects.
 */
async function submit(app: AuthApp, page: string, button: string, typed: Record<string, string> = {}): Promise<string> {
  const form = page.split("<form").find((part) => part.split("</form>", 1)[0]?.includes(`data-testid="${button}"`));
  const [, action] = /action="([^"]+)"/.exec(form ?? "") ?? [];
  expect(action, `a form with ${button}`).toBeDefined();
  const hidden = [...(form ?? "").matchAll(/type="hidden" name="(\w+)" value="([^"]*)"/g)];
  const body = new URLSearchParams([
    ...hidden.map(([, name = "", value = ""]) => [name, value]),
    ...Object.entries(typed),
  ]);
  const target = new URL(action ?? "", app.stripeUrl);
  const response = await app.emulator.fetch(new Request(target, { method: "POST", body }));
  expect(response.status).toBe(303);
  return response.headers.get("location") ?? "";
}

async function theSubscription(app: AuthApp): Promise<Stripe.Subscription> {
  const { data } = await app.stripe.subscriptions.list({ status: "all" });
  expect(data).toHaveLength(1);
  return data[0] as Stripe.Subscription;
}

/** Returns the row that a test expects in better-auth's subscription table. */
function rowOf(subscription: Stripe.Subscription) {
  const period = periodOf(subscription);
  return {
    stripeSubscriptionId: subscription.id,
    stripeCustomerId: subscription.customer,
    periodStart: inMs(period.current_period_start),
    periodEnd: inMs(period.current_period_end),
    cancelAt: inMs(subscription.cancel_at),
    cancelAtPeriodEnd: Number(subscription.cancel_at_period_end),
  };
}

function inMs(seconds: number | null | undefined): number | null {
  return seconds == null ? null : seconds * 1000;
}
