/** Checks the test kit `tollkeeper/testing`: each helper, with the whole service on the emulator. */
import { describe, expect, test, vi } from "vitest";
import { definePlans } from "../../packages/tollkeeper/src/index.ts";
import { createKit } from "../support/kit.ts";
import { PLANS } from "../support/plans.ts";

const GOLD = {
  id: "gold",
  name: "Gold",
  features: ["gold_bars"],
  prices: [{ interval: "year", amount: 90_000, currency: "usd" } as const],
};

describe("a user of the test kit", () => {
  test("loses access after the grace if the renewal fails", async () => {
    const billing = await createKit();
    const ada = await billing.user("ada").subscribe("premium", { interval: "month", card: "visa" });
    expect(await ada.can("exports")).toBe(true);
    await ada.failPayments();
    await billing.advance({ months: 1, days: 7, hours: 2 });
    expect(await ada.can("exports")).toBe(false);
    expect(await billing.user("bob").can("exports")).toBe(false);
  });

  test("keeps access if payments succeed again within the grace", async () => {
    const billing = await createKit();
    const ada = await billing.user("ada").subscribe("premium");
    await ada.failPayments();
    await billing.advance({ months: 1, days: 1 });
    await ada.acceptPayments("mastercard");
    await billing.advance({ days: 8 });
    expect(await ada.features()).toEqual(["exports", "priority_support"]);
    expect(billing.hooks.map(({ hook }) => hook)).not.toContain("onAccessRevoked");
  });

  test("keeps an unpaid subscription after the last retry if Stripe's setting says so", async () => {
    const billing = await createKit({ afterRetries: "unpaid" });
    const ada = await billing.user("ada").subscribe("premium");
    await ada.failPayments();
    await billing.advance({ months: 2 });
    expect(await ada.subscriptions()).toMatchObject([{ status: "unpaid", access: null }]);
    expect(await ada.payInvoice()).toEqual({ status: "paid" });
    expect(await ada.can("exports")).toBe(true);
  });

  test("pays an open invoice on Stripe's page, after a declined attempt", async () => {
    const billing = await createKit();
    const ada = await billing.user("ada").subscribe("premium");
    await ada.failPayments();
    await billing.advance({ months: 1, days: 1 });
    expect(await ada.payInvoice("insufficient_funds")).toEqual({
      status: "declined",
      message: "Your card has insufficient funds.",
    });
    expect(await ada.payInvoice()).toEqual({ status: "paid" });
    expect(await ada.subscriptions()).toMatchObject([{ status: "active", due: null }]);
    await expect(ada.payInvoice()).rejects.toThrow("ada has no open invoice.");
  });

  test("gets the bank's message if a checkout is declined, and can pay with another card", async () => {
    const billing = await createKit();
    const ada = billing.user("ada");
    const checkout = await ada.checkout("premium", { interval: "year" });
    expect(await checkout.pay("declined")).toEqual({ status: "declined", message: "Your card was declined." });
    expect(await ada.features()).toEqual([]);
    expect(await checkout.pay()).toEqual({ status: "paid" });
    expect(await ada.subscriptions()).toMatchObject([{ price: { amount: 9_000, interval: "year" } }]);
  });

  test("cannot subscribe with a declined card, and the error says why", async () => {
    const billing = await createKit();
    await expect(billing.user("ada").subscribe("premium", { card: "expired" })).rejects.toThrow(
      "ada could not pay with the card expired: Your card has expired. Use checkout() to test a declined payment.",
    );
  });

  test("cannot buy twice, and the error names the service's code", async () => {
    const billing = await createKit();
    const ada = await billing.user("ada").subscribe("premium");
    await expect(ada.subscribe("premium")).rejects.toThrow(
      /create-checkout-session refused ada: 409 already_subscribed/,
    );
  });

  test("accepts and refuses 3-D Secure", async () => {
    const billing = await createKit();
    const ada = billing.user("ada");
    const checkout = await ada.checkout("premium");
    expect(await checkout.pay("3ds")).toEqual({ status: "authentication_required" });
    await ada.refuseAuthentication();
    expect(await ada.features()).toEqual([]);
    expect(await checkout.pay("3ds")).toEqual({ status: "authentication_required" });
    await ada.authenticate();
    expect(await ada.can("exports")).toBe(true);
    await expect(ada.authenticate()).rejects.toThrow("The bank asks nothing now.");
  });

  test("confirms a renewal for which the bank asks", async () => {
    const billing = await createKit();
    const ada = await billing.user("ada").subscribe("premium", { card: "3ds" });
    await billing.advance({ months: 1, days: 1 });
    expect(billing.hooks.at(-1)).toMatchObject({ hook: "onPaymentActionRequired" });
    expect(await ada.payInvoice("3ds")).toEqual({ status: "authentication_required" });
    await ada.authenticate();
    expect(await ada.subscriptions()).toMatchObject([{ status: "active", due: null }]);
  });

  test("starts a trial with a card for which the bank asks", async () => {
    const billing = await createKit();
    const ada = await billing.user("ada").subscribe("team", { card: "3ds_once" });
    expect(await ada.subscriptions()).toMatchObject([{ status: "trialing" }]);
    await billing.advance({ days: 15 });
    expect(await ada.subscriptions()).toMatchObject([{ status: "active" }]);
  });

  test("gets a refund, and loses the access that was returned", async () => {
    const billing = await createKit();
    const ada = await billing.user("ada").subscribe("premium");
    await ada.refund(100);
    expect(await ada.can("exports")).toBe(true);
    await ada.refund();
    expect(await ada.can("exports")).toBe(false);
    const refunds = billing.hooks.filter(({ hook }) => hook === "onRefund").map(({ event }) => event);
    expect(refunds).toMatchObject([
      { owner: { id: "ada" }, amount: 100, full: false },
      { amount: 800, full: true },
    ]);
    await expect(ada.refund()).rejects.toThrow("ada has no payment that can be returned.");
  });

  test("disputes a payment, which the bank decides", async () => {
    const billing = await createKit();
    const ada = await billing.user("ada").subscribe("premium");
    expect(await ada.dispute()).toMatch(/^du_|^dp_/);
    expect(await ada.can("exports")).toBe(false);
    await ada.decideDispute("won");
    expect(await ada.can("exports")).toBe(true);
    await expect(ada.decideDispute("won")).rejects.toThrow("ada has no open dispute.");
  });

  test("keeps access while the bank only asks about a payment", async () => {
    const billing = await createKit();
    const ada = await billing.user("ada").subscribe("premium");
    await ada.dispute({ inquiry: true });
    const { data: disputes } = await billing.stripe.disputes.list();
    expect(disputes).toMatchObject([{ status: "warning_needs_response" }]);
    expect(await ada.can("exports")).toBe(true);
  });

  test("has access again if a refund fails", async () => {
    const billing = await createKit();
    const ada = await billing.user("ada").subscribe("premium", { card: "refund_fails" });
    await ada.refund();
    expect(await ada.can("exports")).toBe(false);
    await billing.advance({ minutes: 2 });
    expect(await ada.can("exports")).toBe(true);
  });

  test("cancels and resumes, in the app and in the portal", async () => {
    const billing = await createKit();
    const ada = await billing.user("ada").subscribe("premium");
    expect(await ada.cancel({ reason: "unused" })).toMatchObject({ cancelAt: Date.UTC(2026, 1, 28, 12) });
    expect(await ada.resume()).toMatchObject({ cancelAt: null });
    await ada.portal.cancel();
    expect(await ada.subscriptions()).toMatchObject([{ cancelAt: Date.UTC(2026, 1, 28, 12) }]);
    await ada.portal.resume();
    expect(await ada.subscriptions()).toMatchObject([{ cancelAt: null }]);
    await ada.portal.cancel();
    await billing.advance({ months: 1 });
    expect(await ada.features()).toEqual([]);
  });

  test("changes the card and the plan in the portal", async () => {
    const billing = await createKit();
    const ada = await billing.user("ada").subscribe("premium", { interval: "month" });
    await ada.portal.changeCard("mastercard");
    const [customer] = (
      await billing.stripe.customers.list({ expand: ["data.invoice_settings.default_payment_method"] })
    ).data;
    expect(customer?.invoice_settings.default_payment_method).toMatchObject({ card: { brand: "mastercard" } });
    await expect(ada.portal.changeCard("declined")).rejects.toThrow("did not save the card declined of ada");
    await ada.portal.changePlan("premium", { interval: "year" });
    expect(await ada.subscriptions()).toMatchObject([{ price: { interval: "year" } }]);
    await expect(ada.portal.changePlan("gold")).rejects.toThrow("There is no price of the plan gold.");
  });
});

describe("the clock of the test kit", () => {
  test("runs each hook at its own time, in order", async () => {
    const billing = await createKit();
    const ada = await billing.user("ada").subscribe("premium");
    await ada.failPayments();
    await billing.advance({ months: 1, days: 8 });
    const times = billing.hooks.map(({ hook, at }) => [at.toISOString().slice(0, 13), hook]);
    expect(times).toEqual([
      ["2026-01-31T12", "onAccessGranted"],
      ["2026-01-31T12", "onPaymentSucceeded"],
      ["2026-02-28T13", "onPaymentFailed"],
      ["2026-03-01T13", "onPaymentFailed"],
      ["2026-03-03T13", "onPaymentFailed"],
      ["2026-03-05T13", "onPaymentFailed"],
      ["2026-03-07T12", "onAccessRevoked"],
      ["2026-03-07T13", "onPaymentFailed"],
    ]);
  });

  test("adds calendar months, and starts when the test wants", async () => {
    const billing = await createKit({ startAt: new Date("2027-12-31T10:00:00Z") });
    await billing.advance({ months: 2 });
    expect(billing.now()).toEqual(new Date("2028-02-29T10:00:00Z"));
    await billing.advance({ years: 1, weeks: 1, minutes: 30, seconds: 1 });
    expect(billing.now()).toEqual(new Date("2029-03-07T10:30:01Z"));
    await expect(billing.advance({ days: -1 })).rejects.toThrow("days is -1. Use a whole number of at least 0.");
    await expect(billing.advance({ moons: 1 } as object)).rejects.toThrow('"moons" is no unit of time.');
  });

  test("calls a hook that threw again later", async () => {
    let tries = 0;
    const billing = await createKit({
      hooks: {
        onAccessGranted() {
          tries += 1;
          if (tries < 3) throw new Error("the app's database is down");
        },
      },
    });
    await billing.user("ada").subscribe("premium");
    expect(billing.hooks).toMatchObject([{ hook: "onAccessGranted", error: new Error("the app's database is down") }]);
    await billing.advance({ hours: 1 });
    expect(billing.hooks.map(({ hook }) => hook)).toEqual([
      "onAccessGranted",
      "onAccessGranted",
      "onAccessGranted",
      "onPaymentSucceeded",
    ]);
  });
});

describe("faults in the test kit", () => {
  test("lost webhooks are found within an hour", async () => {
    const billing = await createKit();
    billing.webhooks.lose();
    const ada = await billing.user("ada").subscribe("premium");
    expect(await ada.can("exports")).toBe(false);
    await billing.webhooks.restore();
    await billing.advance({ hours: 1, minutes: 1 });
    expect(await ada.can("exports")).toBe(true);
  });

  test("one lost webhook of a type is found within an hour", async () => {
    const billing = await createKit();
    const ada = await billing.user("ada").subscribe("premium");
    billing.webhooks.lose({ type: "customer.subscription.updated", times: 1 });
    await ada.portal.cancel();
    expect(await ada.subscriptions()).toMatchObject([{ cancelAt: null }]);
    await billing.advance({ hours: 2 });
    expect(await ada.subscriptions()).toMatchObject([{ cancelAt: Date.UTC(2026, 1, 28, 12) }]);
  });

  test("doubled and reordered webhooks run each hook once", async () => {
    const billing = await createKit();
    billing.webhooks.duplicate();
    await billing.webhooks.hold();
    const ada = await billing.user("ada").subscribe("premium");
    expect(await ada.features()).toEqual([]);
    await billing.webhooks.release({ reversed: true });
    expect(await ada.can("exports")).toBe(true);
    expect(billing.hooks.map(({ hook }) => hook).toSorted()).toEqual(["onAccessGranted", "onPaymentSucceeded"]);
  });

  test("while Stripe is down, the service refuses a checkout and keeps events until Stripe is up", async () => {
    const billing = await createKit();
    const ada = billing.user("ada");
    const checkout = await ada.checkout("premium");
    billing.stripeDown();
    await expect(billing.user("bob").subscribe("premium")).rejects.toThrow("503 stripe_unavailable");
    expect(await checkout.pay()).toEqual({ status: "paid" });
    expect(await ada.can("exports")).toBe(false);
    billing.stripeUp();
    await billing.advance({ hours: 1 });
    expect(await ada.can("exports")).toBe(true);
  });

  test("a restart keeps the database, and can change the options", async () => {
    const billing = await createKit();
    const { service } = billing;
    const ada = await billing.user("ada").subscribe("premium");
    await billing.restart();
    expect(await service.can("ada", "exports")).toBe(true);
    await ada.failPayments();
    await billing.restart({ access: { pastDueGraceDays: 0 } });
    await billing.advance({ months: 1, hours: 2 });
    expect(await ada.can("exports")).toBe(false);
  });

  test("a restart with other plans creates them at Stripe, and records the hooks of other options", async () => {
    const billing = await createKit();
    const granted: string[] = [];
    await billing.restart({
      plans: [...PLANS, ...definePlans([GOLD])],
      hooks: { onAccessGranted: ({ features }) => void granted.push(...features) },
    });
    const ada = await billing.user("ada").subscribe("gold");
    expect(await ada.subscriptions()).toMatchObject([{ plan: "gold", price: { interval: "year" } }]);
    expect(granted).toEqual(["gold_bars"]);
    expect(billing.hooks.map(({ hook }) => hook)).toEqual(["onAccessGranted", "onPaymentSucceeded"]);
  });

  test("the service restarts while Stripe is down", async () => {
    const billing = await createKit();
    const ada = await billing.user("ada").subscribe("premium");
    billing.stripeDown();
    await billing.restart();
    expect(await ada.can("exports")).toBe(true);
  });
});

describe("Stripe's SDK in the test kit", () => {
  test("changes Stripe as the dashboard does", async () => {
    const billing = await createKit();
    const ada = await billing.user("ada").subscribe("premium");
    const [subscription] = (await billing.stripe.subscriptions.list()).data;
    await billing.stripe.subscriptions.cancel(subscription?.id ?? "");
    expect(await ada.subscriptions()).toMatchObject([{ status: "canceled" }]);
  });
});

describe("the timeline of the test kit", () => {
  test("shows what happened to a user, in order and with times", async () => {
    const print = vi.spyOn(console, "log").mockImplementation(() => {});
    const billing = await createKit();
    const ada = await billing.user("ada").subscribe("premium");
    await billing.user("bob").subscribe("team");
    billing.webhooks.lose({ times: 1 });
    await ada.cancel();
    await billing.advance({ months: 1 });
    const text = billing.timeline("ada");
    expect(print.mock.calls).toEqual([[text]]);
    print.mockRestore();
    expect(text.replaceAll(/\b(sub|in|cs_test|evt)_\w+/g, "$1_…")).toMatchInlineSnapshot(`
      "What happened to ada, in UTC:
      2026-01-31
        12:00:00  test     opens a checkout of premium (month)
        12:00:00  request  POST /stripe/create-checkout-session: 200
        12:00:00  test     pays with the card visa
        12:00:00  stripe   customer.subscription.created sub_… active
        12:00:00  stripe   invoice.paid in_… paid, 9.00 USD
        12:00:00  stripe   checkout.session.completed cs_test_… complete, 9.00 USD
        12:00:00  hook     onAccessGranted exports, priority_support
        12:00:00  hook     onPaymentSucceeded 9.00 USD
        12:00:00  test     the next webhooks are lost
        12:00:00  test     cancels
        12:00:00  stripe   customer.subscription.updated sub_… active, ends 2026-02-28
        12:00:00  fault    webhook lost: customer.subscription.updated
        12:00:00  request  POST /stripe/cancel-subscription: 200
        12:00:00  test     the clock moves by 1 month
        13:00:00  fault    the service looks for missed events
      2026-02-28
        12:00:00  stripe   customer.subscription.deleted sub_… canceled, ends 2026-02-28
        12:00:00  hook     onAccessRevoked exports, priority_support"
    `);
    expect(text).not.toContain("bob");
  });
});

test("billings of one file are independent of each other", async () => {
  const [one, other] = await Promise.all([createKit(), createKit()]);
  await one.user("ada").subscribe("premium");
  await other.advance({ days: 1 });
  expect(await other.user("ada").features()).toEqual([]);
  expect(one.now()).toEqual(new Date("2026-01-31T12:00:00Z"));
});

test("a test never uses the keys, the database or the issuer of the app's own options", async () => {
  const billing = await createKit({
    stripeSecretKey: "sk_live_production",
    stripePublishableKey: "pk_live_production",
    stripeApiBase: "https://api.stripe.com",
    databaseUrl: "postgres://production.example.com/billing",
    databaseDirectUrl: "postgres://production.example.com/billing",
    hooksUrl: "https://app.example.com/hooks",
    hooksSecret: `whsec_${Buffer.alloc(24).toString("base64")}`,
    authIssuer: "https://issuer.example.com/",
    authAudience: "https://api.example.com",
    appUrl: "https://app.example.com",
    environment: "production",
  });
  const ada = await billing.user("ada").subscribe("premium");
  expect(await ada.can("exports")).toBe(true);
});
