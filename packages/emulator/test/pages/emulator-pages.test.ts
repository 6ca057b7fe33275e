import { createServer, type Server } from "node:http";
import type { Browser, Page } from "playwright-core";
import Stripe from "stripe";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { serveEmulator, type ServedEmulator } from "../../src/index.ts";
import { launchBrowser } from "../../../../test/support/browser.ts";
import { freePort } from "../../../../test/support/ports.ts";

const PATIENCE_MS = 5_000;
const START = Date.UTC(2026, 0, 31, 12);

let browser: Browser;
/** The application: a page for every address, and a 200 for every delivery. */
let server: Server;
let APP: string;

beforeAll(async () => {
  const port = await freePort();
  // Another site than the emulator's 127.0.0.1.
  APP = `http://localhost:${port}`;
  server = createServer((_request, response) => {
    response.setHeader("content-type", "text/html").end("<title>app</title>");
  });
  [browser] = await Promise.all([
    launchBrowser(),
    new Promise<void>((resolve) => server.listen(port, "localhost", resolve)),
  ]);
});
afterAll(async () => {
  await browser.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

interface Site {
  emulator: ServedEmulator;
  stripe: Stripe;
  page: Page;
  /** Requests to anywhere but the emulator and the application, and what the page complained of. */
  complaints: string[];
}

/** An emulator of its own, with a clock that stands still, and a page to look at it. */
async function open(viewport = { width: 1280, height: 900 }): Promise<Site> {
  const port = await freePort();
  const emulator = await serveEmulator({
    port,
    clock: "still",
    seed: 5,
    startAt: START,
    wallNow: () => START,
    webhooks: [{ url: `${APP}/hook`, secret: "whsec_pages_secret" }],
  });
  const context = await browser.newContext({ viewport, baseURL: emulator.url });
  context.setDefaultTimeout(PATIENCE_MS);
  onTestFinished(async () => {
    await context.close();
    await emulator.close();
    expect(emulator.audit()).toEqual([]);
  });
  const complaints: string[] = [];
  await context.route(
    (url) => url.origin !== emulator.url && url.origin !== APP,
    (route) => {
      complaints.push(route.request().url());
      return route.abort();
    },
  );
  const page = await context.newPage();
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  const stripe = new Stripe("sk_test_pages", { host: "127.0.0.1", port, protocol: "http", telemetry: false });
  return { emulator, stripe, page, complaints };
}

interface Sold {
  name?: string;
  amount?: number;
  currency?: string;
  interval?: "month" | "year";
}

async function createPrice(stripe: Stripe, { name = "Premium", amount = 900, currency = "usd", interval }: Sold = {}) {
  const product = await stripe.products.create({ name });
  return stripe.prices.create({
    product: product.id,
    unit_amount: amount,
    currency,
    recurring: { interval: interval ?? "month" },
  });
}

/** A customer who pays for a month, with a card that is kept. */
async function subscribe(stripe: Stripe, sold: Sold & { card?: string } = {}) {
  const price = await createPrice(stripe, sold);
  const customer = await stripe.customers.create({ email: "ada@example.com", name: "Ada" });
  const method = await stripe.paymentMethods.attach(sold.card ?? "pm_card_visa", { customer: customer.id });
  await stripe.customers.update(customer.id, { invoice_settings: { default_payment_method: method.id } });
  const subscription = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  return { price, customer, method, subscription };
}

async function checkout(
  { stripe, page }: Site,
  params: Partial<Stripe.Checkout.SessionCreateParams> = {},
  sold: Sold = {},
) {
  const price = params.mode === "setup" ? null : await createPrice(stripe, sold);
  const session = await stripe.checkout.sessions.create({
    mode: "subscription",
    ...(price && { line_items: [{ price: price.id, quantity: 1 }] }),
    success_url: `${APP}/done?session={CHECKOUT_SESSION_ID}`,
    cancel_url: `${APP}/plans`,
    customer_email: "ada@example.com",
    ...params,
  });
  await page.goto(session.url ?? "");
  return session;
}

async function pay(page: Page, number = "4242424242424242"): Promise<void> {
  await page.getByLabel("Card number").fill(number);
  await page.getByTestId("pay").click();
}

/** Every named subscription page of the portal, opened by its session. */
async function portal(
  { stripe, page }: Site,
  customer: string,
  params: Partial<Stripe.BillingPortal.SessionCreateParams> = {},
) {
  const session = await stripe.billingPortal.sessions.create({ customer, return_url: `${APP}/account`, ...params });
  await page.goto(session.url);
  return session;
}

const seen = (page: Page, testid: string) => page.getByTestId(testid).first().innerText();

describe("checkout", () => {
  test("says what is bought and what is due, and goes on to the application when it is paid", async () => {
    const site = await open();
    const { page, stripe } = site;
    const session = await checkout(site);
    expect([await seen(page, "price"), await seen(page, "terms"), await seen(page, "due")]).toEqual([
      "$9.00",
      "$9.00 per month",
      "$9.00",
    ]);
    await pay(page);
    await page.waitForURL(`${APP}/done?session=${session.id}`);
    expect((await stripe.checkout.sessions.retrieve(session.id)).payment_status).toBe("paid");
    expect(site.complaints).toEqual([]);
  });

  test("offers test cards that a click pays with", async () => {
    const site = await open();
    await checkout(site);
    await site.page.getByText("Test cards", { exact: true }).click();
    await site.page.getByRole("button", { name: "Use 5555 5555 5555 4444" }).click();
    await site.page.waitForURL(/localhost:\d+\/done/);
    const [charge] = (await site.stripe.charges.list()).data;
    expect(charge?.payment_method_details?.card?.last4).toBe("4444");
  });

  test("tells a decline in place, and the next card pays", async () => {
    const site = await open();
    await checkout(site);
    await pay(site.page, "4000000000009995");
    expect(await site.page.getByRole("alert").innerText()).toBe("Your card has insufficient funds.");
    await pay(site.page, "4111111111111111");
    expect(await site.page.getByRole("alert").innerText()).toContain("not one of the test cards");
    await pay(site.page);
    await site.page.waitForURL(/localhost:\d+\/done/);
  });

  test("asks for the email of somebody it does not know", async () => {
    const site = await open();
    const session = await checkout(site, { customer_email: undefined as never });
    await site.page.getByLabel("Email").fill("bob@example.com");
    await pay(site.page, "4000000000000002");
    expect(await site.page.getByLabel("Email").inputValue()).toBe("bob@example.com");
    await pay(site.page);
    await site.page.waitForURL(/localhost:\d+\/done/);
    const { customer } = await site.stripe.checkout.sessions.retrieve(session.id, { expand: ["customer"] });
    expect(customer).toMatchObject({ email: "bob@example.com" });
  });

  test("takes a promotion code, and refuses one that is not there", async () => {
    const site = await open();
    const coupon = await site.stripe.coupons.create({ percent_off: 50, duration: "once" });
    await site.stripe.promotionCodes.create({ promotion: { type: "coupon", coupon: coupon.id }, code: "HALF" });
    await checkout(site, { allow_promotion_codes: true });
    await site.page.getByTestId("promotion-code").fill("NONE");
    await site.page.getByTestId("apply-code").click();
    expect(await seen(site.page, "notice")).toBe("This code is invalid.");
    await site.page.getByLabel("Promotion code").fill("HALF");
    await site.page.getByRole("button", { name: "Apply" }).click();
    expect([await seen(site.page, "discount"), await seen(site.page, "due")]).toEqual([
      expect.stringContaining("−$4.50"),
      "$4.50",
    ]);
    expect(await site.page.getByTestId("notice").count()).toBe(0);
  });

  test("shows a trial, what comes after it, and starts it without a card where none is needed", async () => {
    const site = await open();
    await checkout(site, {
      subscription_data: { trial_period_days: 14 },
      payment_method_collection: "if_required",
    });
    expect([await seen(site.page, "price"), await seen(site.page, "terms"), await seen(site.page, "due")]).toEqual([
      "14 days free",
      "Then $9.00 per month",
      "$0.00",
    ]);
    await site.page.getByTestId("start-without-card").click();
    await site.page.waitForURL(/localhost:\d+\/done/);
  });

  test("counts currencies without decimals", async () => {
    const site = await open();
    await checkout(site, {}, { amount: 1_200, currency: "jpy" });
    expect(await seen(site.page, "due")).toBe("¥1,200");
  });

  test("goes back, and is open still", async () => {
    const site = await open();
    const session = await checkout(site);
    await site.page.getByTestId("back").click();
    await site.page.waitForURL(`${APP}/plans`);
    await site.page.goto(session.url ?? "");
    await site.page.getByTestId("pay").waitFor();
    expect((await site.stripe.checkout.sessions.retrieve(session.id)).status).toBe("open");
  });

  test("that is complete or expired says so, and leads on", async () => {
    const site = await open();
    const session = await checkout(site);
    await pay(site.page);
    await site.page.waitForURL(/localhost:\d+\/done/);
    await site.page.goto(session.url ?? "");
    expect(await seen(site.page, "closed")).toContain("complete");
    await checkout(site);
    await site.emulator.advance(25 * 3_600);
    await site.page.reload();
    expect(await seen(site.page, "closed")).toContain("expired");
    await site.page.getByTestId("go-on").click();
    await site.page.waitForURL(`${APP}/plans`);
  });

  test("is worked by keyboard alone", async () => {
    const site = await open();
    await checkout(site);
    await expect.poll(() => site.page.evaluate(() => document.activeElement?.id)).toBe("number");
    await site.page.keyboard.type("4242424242424242");
    await site.page.keyboard.press("Enter");
    await site.page.waitForURL(/localhost:\d+\/done/);
  });
});

describe("the 3-D Secure page", () => {
  test("authenticates, and the checkout is paid", async () => {
    const site = await open();
    await checkout(site);
    await pay(site.page, "4000002760003184");
    expect(await seen(site.page, "question")).toContain("$9.00");
    await site.page.getByTestId("authenticate").click();
    await site.page.waitForURL(/localhost:\d+\/done/);
  });

  test("fails, and the checkout says why", async () => {
    const site = await open();
    await checkout(site);
    await pay(site.page, "4000002760003184");
    await site.page.getByTestId("fail").click();
    expect(await site.page.getByRole("alert").innerText()).toContain("unable to authenticate");
  });

  test("is left without an answer, and the checkout goes on with another card", async () => {
    const site = await open();
    const session = await checkout(site);
    await pay(site.page, "4000002760003184");
    await site.page.getByTestId("abandon").click();
    expect((await site.stripe.checkout.sessions.retrieve(session.id)).status).toBe("open");
    await pay(site.page);
    await site.page.waitForURL(/localhost:\d+\/done/);
  });

  test("goes back to the application's address and tells how it went", async () => {
    const { stripe, page } = await open();
    const intent = await stripe.paymentIntents.create({
      amount: 2_000,
      currency: "usd",
      payment_method: "pm_card_authenticationRequired",
      confirm: true,
      return_url: `${APP}/back?keep=1`,
    });
    await page.goto(intent.next_action?.redirect_to_url?.url ?? "");
    await page.getByTestId("authenticate").click();
    await page.waitForURL(/localhost:\d+\/back/);
    const query = new URL(page.url()).searchParams;
    expect([query.get("keep"), query.get("payment_intent"), query.get("redirect_status")]).toEqual([
      "1",
      intent.id,
      "succeeded",
    ]);
  });

  test("has nothing to ask of a payment that waits for nothing", async () => {
    const { stripe, page } = await open();
    const intent = await stripe.paymentIntents.create({ amount: 2_000, currency: "usd" });
    const response = await page.goto(`/challenge/${intent.id}`);
    expect(response?.status()).toBe(404);
  });
});

describe("the portal", () => {
  test("cancels at the period's end with a reason, and takes it back", async () => {
    const site = await open();
    const { page, stripe } = site;
    const { customer, subscription } = await subscribe(stripe);
    await portal(site, customer.id);
    expect(await seen(page, "state")).toBe("Renews on 28 Feb 2026");
    await page.getByTestId("cancel-open").click();
    await page.getByLabel("Why do you cancel?").selectOption("too_expensive");
    await page.getByLabel("Anything else?").fill("Sorry");
    await page.getByTestId("cancel").click();
    expect(await seen(page, "state")).toBe("Ends on 28 Feb 2026");
    expect((await stripe.subscriptions.retrieve(subscription.id)).cancellation_details).toMatchObject({
      feedback: "too_expensive",
      comment: "Sorry",
    });
    await page.getByTestId("resume").click();
    expect(await seen(page, "state")).toBe("Renews on 28 Feb 2026");
    await page.getByTestId("return").click();
    await page.waitForURL(`${APP}/account`);
    expect(site.complaints).toEqual([]);
  });

  test("cancels at once where its configuration says so", async () => {
    const site = await open();
    const { customer, subscription } = await subscribe(site.stripe);
    const configuration = await site.stripe.billingPortal.configurations.create({
      features: { subscription_cancel: { enabled: true, mode: "immediately" } },
    });
    await portal(site, customer.id, { configuration: configuration.id });
    await site.page.getByTestId("cancel-open").click();
    await site.page.getByRole("button", { name: "Cancel now" }).click();
    await site.page.getByTestId("no-subscription").waitFor();
    expect((await site.stripe.subscriptions.retrieve(subscription.id)).status).toBe("canceled");
  });

  test("offers nothing that its configuration does not, on no address", async () => {
    const site = await open();
    const { customer, subscription, method } = await subscribe(site.stripe);
    const configuration = await site.stripe.billingPortal.configurations.create({
      features: { invoice_history: { enabled: true } },
    });
    const session = await portal(site, customer.id, { configuration: configuration.id });
    for (const testid of ["cancel-open", "change-open", "pause-open", "add-card-open"])
      expect(await site.page.getByTestId(testid).count()).toBe(0);
    const before = await site.stripe.subscriptions.retrieve(subscription.id);
    for (const action of ["cancel", "pause", "change", "method", "card"]) {
      const form = { subscription: subscription.id, quantity: "5", method: method.id, what: "remove" };
      await fetch(`${session.url}/${action}`, { method: "POST", body: new URLSearchParams(form), redirect: "manual" });
    }
    expect(await site.stripe.subscriptions.retrieve(subscription.id)).toEqual(before);
    expect((await site.stripe.paymentMethods.retrieve(method.id)).customer).toBe(customer.id);
  });

  test("changes the plan after showing what it costs", async () => {
    const site = await open();
    const { page, stripe } = site;
    const { customer, subscription } = await subscribe(stripe, { amount: 1_000 });
    const pro = await createPrice(stripe, { name: "Pro", amount: 3_000 });
    await site.emulator.advance(14 * 86_400);
    const configuration = await changeable(stripe, "always_invoice", pro);
    await portal(site, customer.id, { configuration });
    await page.getByTestId("change-open").click();
    await page.getByLabel("Plan").selectOption(pro.id);
    await page.getByTestId("preview").click();
    expect(await seen(page, "change-total")).toBe("$10.00");
    await page.getByTestId("confirm-change").click();
    expect(await seen(page, "item-price")).toBe("$30.00 per month");
    const [invoice] = (await stripe.invoices.list({ subscription: subscription.id })).data;
    expect(invoice).toMatchObject({ total: 1_000, status: "paid", billing_reason: "subscription_update" });
  });

  test("changes the quantity, and bills it with the next invoice", async () => {
    const site = await open();
    const { page, stripe } = site;
    const { customer } = await subscribe(stripe, { amount: 1_000 });
    await site.emulator.advance(14 * 86_400);
    await portal(site, customer.id);
    await page.getByTestId("change-open").click();
    await page.getByLabel("Quantity").fill("3");
    await page.getByTestId("preview").click();
    expect(await seen(page, "change-preview")).toContain("Your next invoice, 28 Feb 2026");
    expect(await seen(page, "change-total")).toBe("$40.00");
    await page.getByTestId("confirm-change").click();
    expect(await seen(page, "item-price")).toBe("$30.00 per month");
  });

  test("leaves a plan alone whose change is not paid", async () => {
    const site = await open();
    const { page, stripe } = site;
    const { customer } = await subscribe(stripe, { amount: 1_000 });
    const pro = await createPrice(stripe, { name: "Pro", amount: 3_000 });
    const configuration = await changeable(stripe, "always_invoice", pro);
    const failing = await stripe.paymentMethods.attach("pm_card_chargeCustomerFail", { customer: customer.id });
    await stripe.customers.update(customer.id, { invoice_settings: { default_payment_method: failing.id } });
    await portal(site, customer.id, { configuration });
    await page.getByTestId("change-open").click();
    await page.getByLabel("Plan").selectOption(pro.id);
    await page.getByTestId("preview").click();
    await page.getByTestId("confirm-change").click();
    expect(await page.getByRole("alert").innerText()).toBe("Your card was declined. Nothing has changed.");
    expect(await seen(page, "item-price")).toBe("$10.00 per month");
  });

  test("makes a change that the bank asks about once the person says yes", async () => {
    const site = await open();
    const { page, stripe } = site;
    const { customer } = await subscribe(stripe, { amount: 1_000 });
    const pro = await createPrice(stripe, { name: "Pro", amount: 3_000 });
    const configuration = await changeable(stripe, "always_invoice", pro);
    const asking = await stripe.paymentMethods.attach("pm_card_authenticationRequired", { customer: customer.id });
    await stripe.customers.update(customer.id, { invoice_settings: { default_payment_method: asking.id } });
    await portal(site, customer.id, { configuration });
    await page.getByTestId("change-open").click();
    await page.getByLabel("Plan").selectOption(pro.id);
    await page.getByTestId("preview").click();
    await page.getByTestId("confirm-change").click();
    await page.getByTestId("authenticate").click();
    expect(await seen(page, "item-price")).toBe("$30.00 per month");
  });

  test("adds a card, makes one the default, and removes one", async () => {
    const site = await open();
    const { page, stripe } = site;
    const { customer, method } = await subscribe(stripe);
    await portal(site, customer.id);
    await page.getByTestId("add-card-open").click();
    await pay(page, "4000000000000002");
    expect(await seen(page, "notice")).toBe("Your card was declined.");
    await pay(page, "5555555555554444");
    const mastercard = page.getByTestId("payment-method").filter({ hasText: "Mastercard •••• 4444" });
    await mastercard.getByTestId("default").waitFor();
    await page.getByRole("button", { name: /Make Visa •••• 4242.* the default/ }).click();
    await page.getByRole("button", { name: /Remove Mastercard/ }).click();
    await mastercard.waitFor({ state: "detached" });
    expect((await stripe.customers.retrieve(customer.id)) as Stripe.Customer).toMatchObject({
      invoice_settings: { default_payment_method: method.id },
    });
    await page.getByRole("button", { name: /Remove Visa/ }).click();
    await page.getByText("There is no card yet.").waitFor();
    expect((await stripe.customers.retrieve(customer.id)) as Stripe.Customer).toMatchObject({
      invoice_settings: { default_payment_method: null },
    });
  });

  test("makes a card the default that the bank was asked about", async () => {
    const site = await open();
    const { customer } = await subscribe(site.stripe);
    await portal(site, customer.id);
    await site.page.getByTestId("add-card-open").click();
    await pay(site.page, "4000002500003155");
    await site.page.getByTestId("authenticate").click();
    const method = site.page.getByTestId("payment-method").filter({ hasText: "3155" });
    expect(await method.getByTestId("default").innerText()).toBe("Default");
  });

  test("lists invoices that lead to their pages", async () => {
    const site = await open();
    const { customer } = await subscribe(site.stripe);
    await portal(site, customer.id);
    expect(await seen(site.page, "invoice-row")).toContain("$9.00");
    await site.page.getByTestId("invoice-row").getByRole("link").click();
    expect(await seen(site.page, "invoice-status")).toBe("paid");
  });

  test("pauses for as long as is chosen, and goes on by itself", async () => {
    const site = await open();
    const { page, stripe, emulator } = site;
    const { customer, subscription } = await subscribe(stripe);
    const configuration = await stripe.billingPortal.configurations.create({
      features: { subscription_pause: { enabled: true } },
    });
    await portal(site, customer.id, { configuration: configuration.id });
    await page.getByTestId("pause-open").click();
    await page.getByLabel("For how long?").selectOption({ label: "1 month" });
    await page.getByTestId("pause").click();
    expect(await seen(page, "status")).toBe("Paused");
    await emulator.advance(32 * 86_400);
    expect((await stripe.subscriptions.retrieve(subscription.id)).status).toBe("active");
  });

  test("resumes what is paused", async () => {
    const site = await open();
    const { customer } = await subscribe(site.stripe);
    const configuration = await site.stripe.billingPortal.configurations.create({
      features: { subscription_pause: { enabled: true, duration: { type: "indefinite" } } },
    });
    await portal(site, customer.id, { configuration: configuration.id });
    await site.page.getByTestId("pause-open").click();
    await site.page.getByTestId("pause").click();
    await site.page.getByRole("button", { name: "Resume subscription" }).click();
    expect(await seen(site.page, "status")).toBe("Active");
  });

  test("of somebody without anything says so", async () => {
    const site = await open();
    const customer = await site.stripe.customers.create();
    await portal(site, customer.id);
    const text = await site.page.locator("main").innerText();
    for (const line of ["You have no subscription.", "There is no card yet.", "There is no invoice yet."])
      expect(text).toContain(line);
  });
});

async function changeable(stripe: Stripe, proration: "always_invoice" | "create_prorations", price: Stripe.Price) {
  const configuration = await stripe.billingPortal.configurations.create({
    features: {
      subscription_update: {
        enabled: true,
        default_allowed_updates: ["price"],
        proration_behavior: proration,
        products: [{ product: price.product as string, prices: [price.id] }],
      },
    },
  });
  return configuration.id;
}

describe("a portal flow", () => {
  const redirect = () => ({ type: "redirect" as const, redirect: { return_url: `${APP}/after` } });

  test("of cancelling begins on its page and ends with the application", async () => {
    const site = await open();
    const { customer, subscription } = await subscribe(site.stripe);
    await portal(site, customer.id, {
      flow_data: {
        type: "subscription_cancel",
        subscription_cancel: { subscription: subscription.id },
        after_completion: redirect(),
      },
    });
    await site.page.getByTestId("cancel").click();
    await site.page.waitForURL(`${APP}/after`);
    expect((await site.stripe.subscriptions.retrieve(subscription.id)).cancel_at).not.toBeNull();
  });

  test("of updating begins with the choice, and confirms on a page of its own", async () => {
    const site = await open();
    const { customer, subscription } = await subscribe(site.stripe);
    await portal(site, customer.id, {
      flow_data: {
        type: "subscription_update",
        subscription_update: { subscription: subscription.id },
        after_completion: { type: "hosted_confirmation", hosted_confirmation: { custom_message: "Enjoy <b>it</b>" } },
      },
    });
    await site.page.getByLabel("Quantity").fill("2");
    await site.page.getByTestId("preview").click();
    await site.page.getByTestId("confirm-change").click();
    expect(await seen(site.page, "message")).toBe("Enjoy <b>it</b>");
  });

  test("of confirming an update begins with what it costs, and ends at home", async () => {
    const site = await open();
    const { customer, subscription } = await subscribe(site.stripe);
    const pro = await createPrice(site.stripe, { name: "Pro", amount: 3_000 });
    await portal(site, customer.id, {
      flow_data: {
        type: "subscription_update_confirm",
        subscription_update_confirm: {
          subscription: subscription.id,
          items: [{ id: subscription.items.data[0]?.id ?? "", price: pro.id, quantity: 2 }],
        },
        after_completion: { type: "portal_homepage" },
      },
    });
    expect(await seen(site.page, "new-price")).toBe("$60.00 per month");
    await site.page.getByTestId("confirm-change").click();
    expect(await seen(site.page, "item-price")).toBe("$60.00 per month");
  });

  test("of a payment method begins with the card, and ends once the bank is answered", async () => {
    const site = await open();
    const { customer } = await subscribe(site.stripe);
    await portal(site, customer.id, { flow_data: { type: "payment_method_update", after_completion: redirect() } });
    await pay(site.page, "4000002760003184");
    await site.page.getByTestId("authenticate").click();
    await site.page.waitForURL(`${APP}/after`);
    const cards = await site.stripe.customers.listPaymentMethods(customer.id);
    expect(cards.data.map(({ card }) => card?.last4)).toContain("3184");
  });

  test("for another customer's subscription is refused", async () => {
    const { stripe } = await open();
    const { subscription } = await subscribe(stripe);
    const stranger = await stripe.customers.create();
    await expect(
      stripe.billingPortal.sessions.create({
        customer: stranger.id,
        flow_data: { type: "subscription_cancel", subscription_cancel: { subscription: subscription.id } },
      }),
    ).rejects.toThrow("No such subscription");
  });
});

describe("the hosted invoice", () => {
  test("tells a failure in place, is paid with another card, and has a receipt", async () => {
    const site = await open();
    const { page, stripe } = site;
    const { customer, subscription } = await subscribe(stripe, { card: "pm_card_chargeCustomerFail" });
    const [invoice] = (await stripe.invoices.list({ customer: customer.id })).data;
    await page.goto(invoice?.hosted_invoice_url ?? "");
    expect(await page.getByRole("alert").innerText()).toBe("Your card was declined.");
    await pay(page, "4000000000009995");
    expect(await page.getByRole("alert").innerText()).toBe("Your card has insufficient funds.");
    await page.getByLabel("CVC").fill("12");
    await pay(page);
    expect(await seen(page, "invoice-status")).toBe("open");
    await page.getByLabel("CVC").fill("123");
    await pay(page);
    expect([await seen(page, "invoice-status"), await seen(page, "sum")]).toEqual(["paid", "$9.00"]);
    expect((await stripe.subscriptions.retrieve(subscription.id)).status).toBe("active");
    await page.getByTestId("receipt-link").click();
    expect(await seen(page, "receipt")).toContain("Visa •••• 4242");
    await page.emulateMedia({ media: "print" });
    expect(await page.getByText("Local emulator").isVisible()).toBe(false);
  });

  test("keeps the card for the renewals once the bank is answered", async () => {
    const { page, stripe } = await open();
    const { customer, subscription } = await subscribe(stripe, { card: "pm_card_chargeCustomerFail" });
    const [invoice] = (await stripe.invoices.list({ customer: customer.id })).data;
    await page.goto(invoice?.hosted_invoice_url ?? "");
    await pay(page, "4000002500003155");
    expect((await stripe.subscriptions.retrieve(subscription.id)).default_payment_method).toBeNull();
    await page.getByTestId("authenticate").click();
    expect(await seen(page, "invoice-status")).toBe("paid");
    expect((await stripe.subscriptions.retrieve(subscription.id)).default_payment_method).not.toBeNull();
  });

  test("shows no draft", async () => {
    const { page, stripe } = await open();
    const customer = await stripe.customers.create();
    const draft = await stripe.invoices.create({ customer: customer.id });
    expect((await page.goto(`/i/${draft.id}`))?.status()).toBe(404);
  });
});

describe("the viewer", () => {
  test("shows customers, subscriptions, invoices, requests, and events with their deliveries", async () => {
    const { page, stripe, emulator, complaints } = await open();
    const { customer, subscription } = await subscribe(stripe);
    await emulator.settle();
    await page.goto("/");
    expect(await seen(page, "customers")).toContain(customer.id);
    expect(await seen(page, "subscriptions")).toContain(subscription.id);
    expect(await seen(page, "viewer-invoices")).toContain("$9.00");
    expect(await seen(page, "requests")).toContain("POST /v1/subscriptions");
    await page.getByTestId("timeline").getByText("customer.subscription.created").click();
    expect(await seen(page, "timeline")).toContain(`"id": "${subscription.id}"`);
    expect(await seen(page, "attempts")).toBe("200");
    expect(complaints).toEqual([]);
  });

  test("moves the clock by an hour, by a day, and to the next renewal", async () => {
    const { page, stripe } = await open();
    await page.goto("/");
    expect(await page.getByTestId("advance-renewal").isDisabled()).toBe(true);
    const { subscription } = await subscribe(stripe);
    await page.reload();
    await page.getByRole("button", { name: "An hour" }).click();
    expect(await seen(page, "now")).toBe("2026-01-31 13:00:00");
    await page.getByRole("button", { name: "A day" }).click();
    expect(await seen(page, "now")).toBe("2026-02-01 13:00:00");
    await page.getByRole("button", { name: "To the next renewal" }).click();
    expect(await seen(page, "now")).toBe("2026-02-28 12:00:00");
    const invoices = await stripe.invoices.list({ subscription: subscription.id });
    expect(invoices.data[0]).toMatchObject({ billing_reason: "subscription_cycle" });
  });

  test("lets the next payment fail, whoever makes it, and no other", async () => {
    const site = await open();
    const { page, stripe } = site;
    const { subscription } = await subscribe(stripe);
    await page.goto("/");
    await page.getByTestId("decline-next").click();
    expect(await seen(page, "decline-waits")).toBe("The next payment fails.");
    await page.getByTestId("decline-undo").click();
    await page.getByTestId("decline-next").click();
    await stripe.subscriptions.retrieve(subscription.id);
    await page.getByTestId("advance-renewal").click();
    await page.getByTestId("advance-hour").click();
    expect((await stripe.subscriptions.retrieve(subscription.id)).status).toBe("past_due");
    expect(await page.getByTestId("decline-waits").count()).toBe(0);
    await checkout(site);
    await pay(page);
    await page.waitForURL(/localhost:\d+\/done/);
  });

  test("sends a delivery again", async () => {
    const { page, stripe, emulator } = await open();
    await stripe.customers.create();
    await emulator.settle();
    await page.goto("/");
    await page.getByRole("button", { name: "Resend customer.created" }).click();
    await page.getByText("200, 200").waitFor();
    expect(emulator.deliveries()[0]?.attempts).toHaveLength(2);
  });

  test("shows parameters that were ignored", async () => {
    const { page, stripe } = await open();
    await stripe.customers.create({ cash_balance: { settings: { reconciliation_mode: "manual" } } });
    await page.goto("/");
    expect(await seen(page, "ignored")).toContain("cash_balance");
  });

  test("shows the newest of hundreds of rows, and how many there are", async () => {
    const { page, stripe } = await open();
    for (let count = 0; count < 200; count += 20)
      await Promise.all(
        Array.from({ length: 20 }, (_, at) => stripe.customers.create({ name: `Customer ${count + at}` })),
      );
    await page.goto("/");
    expect(await page.getByRole("heading", { name: "Customers: the newest 60 of 200" }).count()).toBe(1);
    expect(await page.getByTestId("customers").locator("tbody tr").count()).toBe(60);
  });
});

describe("an attacker", () => {
  const EVIL = `<script>window.hacked = 1</script><img src=x onerror="window.hacked = 1">"'>&`;
  const EVIL_EMAIL = `"><img/src=x/onerror=window.hacked=1>@example.com`;

  test("puts no markup into any page, whatever things are called", async () => {
    const site = await open();
    const { page, stripe } = site;
    const price = await createPrice(stripe, { name: EVIL });
    const customer = await stripe.customers.create({ name: EVIL, email: EVIL_EMAIL });
    const method = await stripe.paymentMethods.attach("pm_card_visa", { customer: customer.id });
    await stripe.customers.update(customer.id, { invoice_settings: { default_payment_method: method.id } });
    const subscription = await stripe.subscriptions.create({
      customer: customer.id,
      items: [{ price: price.id }],
      description: EVIL,
    });
    const configuration = await stripe.billingPortal.configurations.create({
      business_profile: { headline: EVIL, privacy_policy_url: "javascript:alert(1)" },
      features: {
        invoice_history: { enabled: true },
        payment_method_update: { enabled: true },
        subscription_cancel: { enabled: true, cancellation_reason: { enabled: true, options: [EVIL] } },
        subscription_update: { enabled: true, default_allowed_updates: ["price", "quantity"], products: [] },
      },
    });
    const session = await stripe.billingPortal.sessions.create({
      customer: customer.id,
      configuration: configuration.id,
      return_url: `${APP}/?"><script>window.hacked = 1</script>`,
    });
    const { url } = await stripe.checkout.sessions.create({
      mode: "subscription",
      line_items: [{ price: price.id, quantity: 1 }],
      success_url: APP,
      cancel_url: `${APP}/"><script>window.hacked = 1</script>`,
      customer_email: EVIL_EMAIL,
    });
    const invoice = subscription.latest_invoice as string;
    const charge = (await stripe.charges.list()).data[0]?.id ?? "";
    const of = `?subscription=${subscription.id}`;
    for (const address of [
      "/",
      url ?? "",
      session.url,
      `${session.url}/cancel${of}`,
      `${session.url}/update${of}`,
      `${session.url}/preview${of}&quantity=2`,
      `/i/${invoice}?notice=${encodeURIComponent(EVIL)}`,
      `/receipts/${charge}`,
      `/challenge/${encodeURIComponent(EVIL)}`,
    ]) {
      await page.goto(address);
      expect([
        address,
        await page.evaluate(() => [document.scripts.length, document.images.length, "hacked" in window]),
      ]).toEqual([address, [0, 0, false]]);
      expect(await page.locator('a[href^="javascript:"]').count()).toBe(0);
    }
  });

  test("writes no notice onto a page by its address", async () => {
    const site = await open();
    const { customer } = await subscribe(site.stripe);
    const { url } = await portal(site, customer.id);
    await site.page.goto(`${url}?notice=Call+this+number`);
    expect(await site.page.getByText("Call this number").count()).toBe(0);
  });

  test("reaches nothing of another customer by a session's address", async () => {
    const { stripe, emulator } = await open();
    const victim = await subscribe(stripe);
    const stranger = await stripe.customers.create();
    const session = await stripe.billingPortal.sessions.create({ customer: stranger.id });
    const before = await stripe.subscriptions.retrieve(victim.subscription.id);
    const form = { subscription: victim.subscription.id, method: victim.method.id, what: "remove", quantity: "9" };
    for (const action of ["cancel", "resume", "change", "method"])
      await fetch(`${session.url}/${action}`, { method: "POST", body: new URLSearchParams(form), redirect: "manual" });
    expect(await stripe.subscriptions.retrieve(victim.subscription.id)).toEqual(before);
    expect((await stripe.paymentMethods.retrieve(victim.method.id)).customer).toBe(victim.customer.id);
    for (const path of ["cancel", "update", "preview"]) {
      const response = await fetch(`${session.url}/${path}?subscription=${victim.subscription.id}`);
      expect(await response.text()).not.toContain("Premium");
    }
    for (const path of [
      `c/pay/${session.id}`,
      `i/${session.id}`,
      `p/session/${victim.customer.id}`,
      `receipts/${session.id}`,
    ])
      expect((await fetch(`${emulator.url}/${path}`)).status).toBe(404);
  });

  test.each([
    "/_viewer/advance",
    "/_viewer/decline",
    "/_viewer/resend",
    "/_emulator/reset",
    "/_emulator/clock/advance",
  ])("posts nothing to %s from another site", async (path) => {
    const { page, emulator, stripe } = await open();
    await stripe.customers.create();
    await page.goto(`${APP}/`);
    const answered = page.waitForResponse(`${emulator.url}${path}`);
    await page.evaluate((action) => {
      const form = Object.assign(document.createElement("form"), { method: "post", action, enctype: "text/plain" });
      form.append(Object.assign(document.createElement("input"), { name: '{"seconds":60,"a":"', value: '"}' }));
      document.body.append(form);
      form.submit();
    }, `${emulator.url}${path}`);
    expect((await answered).status()).toBe(403);
    expect(emulator.now()).toBe(START);
    expect((await stripe.customers.list()).data).toHaveLength(1);
  });

  test("reads no viewer under a name of its own, and puts no page into a frame", async () => {
    const { page, emulator } = await open();
    const { port } = new URL(emulator.url);
    const response = await page.request.get(`${emulator.url}/`, { headers: { host: `attacker.test:${port}` } });
    expect(response.status()).toBe(403);
    expect((await page.request.get(`${emulator.url}/`)).headers()).toMatchObject({
      "x-frame-options": "DENY",
      "content-security-policy": expect.stringContaining("default-src 'none'") as string,
    });
  });

  test("finds no secret in the viewer", async () => {
    const { page, stripe, emulator } = await open();
    await subscribe(stripe);
    await emulator.settle();
    const html = await (await page.request.get("/")).text();
    expect(html).toContain("(not shown)");
    expect(html).not.toMatch(/_secret_|whsec_/);
  });
});

describe("every page", () => {
  test.each([1280, 390])("fits a screen %i wide, with long names, and asks nothing of anybody else", async (width) => {
    const site = await open({ width, height: 844 });
    const { page, stripe } = site;
    const name = `${"Extraordinarily".repeat(8)} long ${"names ".repeat(20)}`;
    const { customer, subscription } = await subscribe(stripe, { name, amount: 123_456_789, currency: "jpy" });
    const { url } = await checkout(site, { allow_promotion_codes: true }, { name });
    const portalUrl = (await portal(site, customer.id)).url;
    const of = `?subscription=${subscription.id}`;
    for (const address of [
      "/",
      url ?? "",
      portalUrl,
      `${portalUrl}/cancel${of}`,
      `${portalUrl}/update${of}`,
      `${portalUrl}/preview${of}&quantity=2`,
      `${portalUrl}/card`,
      `/i/${subscription.latest_invoice as string}`,
      `/receipts/${(await stripe.charges.list()).data[0]?.id ?? ""}`,
    ]) {
      await page.goto(address);
      const overflow = () => document.documentElement.scrollWidth - document.documentElement.clientWidth;
      expect([address, await page.evaluate(overflow)]).toEqual([address, 0]);
      expect([address, await unnamed(page)]).toEqual([address, []]);
    }
    expect(site.complaints).toEqual([]);
  });
});

/** Controls without a name that a screen reader or a test could hold. */
function unnamed(page: Page): Promise<string[]> {
  return page.evaluate(() =>
    [...document.querySelectorAll<HTMLElement>("input:not([type=hidden]), select, textarea, button, a")]
      .filter((element) => {
        const labels = "labels" in element ? ((element as HTMLInputElement).labels?.length ?? 0) : 0;
        return labels === 0 && !element.ariaLabel && !element.textContent?.trim();
      })
      .map((element) => element.outerHTML),
  );
}
