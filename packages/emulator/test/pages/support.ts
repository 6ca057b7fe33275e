/**
 * Provides a browser for all page tests, and a separate emulator for each test. The browser starts when a test imports this
 * file.
 */
import { createServer, type Server } from "node:http";
import type { Browser, Page } from "playwright-core";
import Stripe from "stripe";
import { afterAll, beforeAll, expect, onTestFinished } from "vitest";
import { serveEmulator, type ServedEmulator } from "../../src/index.ts";
import { launchBrowser } from "../../../../test/support/browser.ts";
import { freePort } from "../../../../test/support/ports.ts";

const PATIENCE_MS = 5_000;
export const START = Date.UTC(2026, 0, 31, 12);

let browser: Browser;
/**
 * This server acts as the application whose customers use the emulator's pages. The application's server returns a web page
 * with status 200 for every request, including webhook deliveries.
 */
let server: Server;
export let APP: string;

beforeAll(async () => {
  const port = await freePort();
  // For browsers, "localhost" is a different site from the emulator's 127.0.0.1.
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

export interface Site {
  emulator: ServedEmulator;
  stripe: Stripe;
  page: Page;
  /**
   * Lists the requests that a web page sends to other sites, and the JavaScript errors on this web page. A test fails if the
   * web page makes requests to other sites or has JavaScript errors.
   */
  complaints: string[];
}

/** Starts an emulator whose clock stands still, and opens a browser page. By default, the emulator is strict. */
export async function open(viewport = { width: 1280, height: 900 }, strict = true): Promise<Site> {
  const port = await freePort();
  const emulator = await serveEmulator({
    port,
    clock: "still",
    strict,
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

export async function createPrice(
  stripe: Stripe,
  { name = "Premium", amount = 900, currency = "usd", interval }: Sold = {},
) {
  const product = await stripe.products.create({ name });
  return stripe.prices.create({
    product: product.id,
    unit_amount: amount,
    currency,
    recurring: { interval: interval ?? "month" },
  });
}

/** Creates a customer with a saved card and a monthly subscription. */
export async function subscribe(stripe: Stripe, sold: Sold & { card?: string } = {}) {
  const price = await createPrice(stripe, sold);
  const customer = await stripe.customers.create({ email: "ada@example.com", name: "Ada" });
  const method = await stripe.paymentMethods.attach(sold.card ?? "pm_card_visa", { customer: customer.id });
  await stripe.customers.update(customer.id, { invoice_settings: { default_payment_method: method.id } });
  const subscription = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  return { price, customer, method, subscription };
}

export async function checkout(
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

export async function pay(page: Page, number = "4242424242424242"): Promise<void> {
  await page.getByLabel("Card number").fill(number);
  await page.getByTestId("pay").click();
}

/** Creates a portal session and opens it in the browser. */
export async function portal(
  { stripe, page }: Site,
  customer: string,
  params: Partial<Stripe.BillingPortal.SessionCreateParams> = {},
) {
  const session = await stripe.billingPortal.sessions.create({ customer, return_url: `${APP}/account`, ...params });
  await page.goto(session.url);
  return session;
}

export const textOf = (page: Page, testid: string) => page.getByTestId(testid).first().innerText();
