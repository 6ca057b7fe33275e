/**
 * Tests embedded checkout in a page of an app, with the stand-in for Stripe.js.
 * @see https://docs.stripe.com/payments/checkout/custom-success-page?payment-ui=embedded-page
 */
import type { FrameLocator, Page } from "playwright-core";
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { APP, createPrice, open, type Site } from "./support.ts";

interface StripeJs {
  createEmbeddedCheckoutPage(options: object): Promise<{ mount(at: string): void; destroy(): void }>;
  createToken(options: object): unknown;
}

declare global {
  interface Window {
    Stripe: (key: string) => StripeJs;
    completed?: number;
    embedded: Awaited<ReturnType<StripeJs["createEmbeddedCheckoutPage"]>>;
  }
}

async function embeddedSession({ stripe }: Site, params: Partial<Stripe.Checkout.SessionCreateParams> = {}) {
  const price = await createPrice(stripe);
  return stripe.checkout.sessions.create({
    mode: "subscription",
    ui_mode: "embedded_page",
    line_items: [{ price: price.id, quantity: 1 }],
    customer_email: "ada@example.com",
    ...(params.redirect_on_completion !== "never" && { return_url: `${APP}/done?session={CHECKOUT_SESSION_ID}` }),
    ...params,
  });
}

/** Opens a page of the app, and mounts the embedded checkout of a session in it. */
async function mount({ page, emulator }: Site, clientSecret: string | null): Promise<FrameLocator> {
  await page.goto(`${APP}/buy`);
  await page.addScriptTag({ url: `${emulator.url}/_emulator/stripe.js` });
  await page.evaluate(async (secret) => {
    document.body.append(Object.assign(document.createElement("div"), { id: "checkout" }));
    const onComplete = () => (window.completed = (window.completed ?? 0) + 1);
    const fetchClientSecret = () => Promise.resolve(secret);
    const options = { fetchClientSecret, onComplete };
    window.embedded = await window.Stripe("pk_test_pages").createEmbeddedCheckoutPage(options);
    window.embedded.mount("#checkout");
  }, clientSecret);
  return page.frameLocator("iframe");
}

async function payIn(frame: FrameLocator, number = "4242424242424242"): Promise<void> {
  await frame.getByLabel("Card number").fill(number);
  await frame.getByTestId("pay").click();
}

const completions = (page: Page) => page.evaluate(() => window.completed ?? 0);

test("an embedded checkout pays in the app's page, then redirects the app's page to the return URL", async () => {
  const site = await open();
  const session = await embeddedSession(site);
  const frame = await mount(site, session.client_secret);
  await payIn(frame, "4000000000000002");
  expect(await frame.getByTestId("notice").innerText()).toContain("declined");
  await payIn(frame);
  await site.page.waitForURL(`${APP}/done?session=${session.id}`);
  expect(await site.stripe.checkout.sessions.retrieve(session.id)).toMatchObject({ status: "complete", url: null });
  expect(site.complaints).toEqual([]);
});

test("an embedded checkout without a redirect calls onComplete once, also after 3-D Secure", async () => {
  const site = await open();
  const session = await embeddedSession(site, { redirect_on_completion: "never" });
  const frame = await mount(site, session.client_secret);
  await payIn(frame, "4000002760003184");
  await frame.getByTestId("authenticate").click();
  await frame.getByTestId("closed").waitFor();
  await site.page.waitForFunction(() => window.completed !== undefined);
  expect(await completions(site.page)).toBe(1);
  expect(site.page.url()).toBe(`${APP}/buy`);
  expect((await site.stripe.checkout.sessions.retrieve(session.id)).payment_status).toBe("paid");
  await site.page.evaluate(() => window.embedded.destroy());
  expect(await site.page.locator("iframe").count()).toBe(0);
});

test("the page of an embedded checkout also works without a frame", async () => {
  const site = await open();
  const session = await embeddedSession(site);
  await site.page.goto(`/c/embed/${session.client_secret ?? ""}`);
  await site.page.getByLabel("Card number").fill("4242424242424242");
  await site.page.getByTestId("pay").click();
  await site.page.waitForURL(`${APP}/done?session=${session.id}`);
  expect(site.complaints).toEqual([]);
});

test("only the whole client secret opens the page of an embedded checkout", async () => {
  const { stripe, emulator, ...site } = await open();
  const { id, client_secret: secret } = await embeddedSession({ stripe, emulator, ...site });
  for (const path of [`c/embed/${id}`, `c/embed/${id}_secret_`, `c/pay/${id}`])
    expect([path, (await fetch(`${emulator.url}/${path}`)).status]).toEqual([path, 404]);
  const wrong = await fetch(`${emulator.url}/c/embed/${id}_secret_x/pay`, { method: "POST", body: new FormData() });
  expect(wrong.status).toBe(404);
  expect((await fetch(`${emulator.url}/c/embed/${secret ?? ""}`)).status).toBe(200);
});

test("only pages of the return URL's origin and of this machine can show an embedded checkout", async () => {
  const site = await open();
  const { client_secret: secret } = await embeddedSession(site, { return_url: "https://shop.example/done" });
  const headers = (await fetch(`${site.emulator.url}/c/embed/${secret ?? ""}`)).headers;
  const policy = headers.get("content-security-policy") ?? "";
  expect(policy).toContain("default-src 'none'");
  expect(policy.split("frame-ancestors ")[1]?.split(" ")).toEqual(
    expect.arrayContaining(["http://localhost:*", "https://shop.example"]),
  );
  await site.page.route("http://attacker.test/**", (route) => route.fulfill({ contentType: "text/html", body: "<p>" }));
  await site.page.goto("http://attacker.test/");
  await site.page.evaluate(
    (src) => document.body.append(Object.assign(document.createElement("iframe"), { src })),
    `${site.emulator.url}/c/embed/${secret ?? ""}`,
  );
  await expect.poll(() => site.page.frames()[1]?.url(), { timeout: 5_000 }).toMatch(/^chrome-error:/);
  expect(await site.page.frameLocator("iframe").getByTestId("pay").count()).toBe(0);
});

test("a return URL cannot add directives to the content security policy", async () => {
  const site = await open();
  const { client_secret: secret } = await embeddedSession(site, { return_url: "http://x;script-src-elem/done" });
  const { headers } = await fetch(`${site.emulator.url}/c/embed/${secret ?? ""}`);
  expect(headers.get("content-security-policy")).not.toContain("x;");
});

test("a function that the stand-in for Stripe.js lacks throws an error with its name", async () => {
  const site = await open();
  const { client_secret: secret } = await embeddedSession(site);
  await mount(site, secret);
  const messageOf = (call: "createToken" | "createEmbeddedCheckoutPage") =>
    site.page.evaluate(async (name) => {
      try {
        await window.Stripe("pk_test_pages")[name]({ clientSecret: "cs_test_1_secret_1" });
        return "";
      } catch (error) {
        return (error as Error).message;
      }
    }, call);
  expect(await messageOf("createToken")).toContain("does not implement stripe.createToken()");
  expect(await messageOf("createEmbeddedCheckoutPage")).toBe("You cannot have multiple Embedded Checkout objects.");
});
