/** Tests that the emulator's pages resist attacks, fit small screens and load nothing from other sites. */
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { APP, checkout, createPrice, open, pay, portal, START, subscribe } from "./support.ts";

const EVIL = `<script>window.hacked = 1</script><img src=x onerror="window.hacked = 1">"'>&`;
const EVIL_EMAIL = `"><img/src=x/onerror=window.hacked=1>@example.com`;

test("every page escapes names and emails that contain HTML", async () => {
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
      subscription_cancel: { enabled: true },
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
    `/_viewer/search?q=${customer.id}`,
    `/_viewer/search?q=${encodeURIComponent(EVIL)}`,
    `/_viewer/requests?text=${encodeURIComponent(EVIL)}`,
    "/_viewer/requests/3",
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
    expect([address, await foreignContent(page)]).toEqual([address, [0, 0, false]]);
    expect(await page.locator('a[href^="javascript:"]').count()).toBe(0);
  }
});

/** Returns the number of scripts besides the viewer's own, the number of images, and whether a script of a name ran. */
function foreignContent(page: Page): Promise<[scripts: number, images: number, hacked: boolean]> {
  return page.evaluate(() => {
    const scripts = [...document.scripts].filter((script) => script.getAttribute("src") !== "/_viewer/script.js");
    return [scripts.length, document.images.length, "hacked" in window];
  });
}

test("a link from another site cannot make a page show a message", async () => {
  const site = await open();
  const { customer } = await subscribe(site.stripe);
  const { url } = await portal(site, customer.id);
  await site.page.goto(`${url}?notice=Call+this+number`);
  expect(await site.page.getByText("Call this number").count()).toBe(0);
});

test("a portal session cannot change or show objects of another customer", async () => {
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
  "/_viewer/deliveries",
  "/_viewer/faults/request",
  "/_viewer/faults/remove",
  "/_emulator/reset",
  "/_emulator/clock/advance",
])("a form on another site cannot post to %s", async (path) => {
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

test("the viewer rejects requests with a foreign host name, and forbids frames", async () => {
  const { page, emulator } = await open();
  const { port } = new URL(emulator.url);
  const response = await page.request.get(`${emulator.url}/`, { headers: { host: `attacker.test:${port}` } });
  expect(response.status()).toBe(403);
  expect((await page.request.get(`${emulator.url}/`)).headers()).toMatchObject({
    "x-frame-options": "DENY",
    "content-security-policy": expect.stringContaining("default-src 'none'") as string,
  });
});

test("the viewer shows no client secrets or signing secrets", async () => {
  const site = await open();
  const { page, stripe, emulator } = site;
  await subscribe(stripe);
  await stripe.webhookEndpoints.create({ url: APP, enabled_events: ["*"] });
  const session = await checkout(site);
  await pay(page, "4000002760003184");
  await emulator.drain();
  const intents = await stripe.setupIntents.list();
  const ids = [...emulator.events(), session, ...(await stripe.paymentIntents.list()).data, ...intents.data].map(
    ({ id }) => id,
  );
  const requests = Array.from({ length: 12 }, (_, at) => `/_viewer/requests/${at + 1}`);
  for (const path of ["/", ...requests, ...ids.map((id) => `/_viewer/search?q=${id}`)]) {
    const response = await page.request.get(path);
    expect([path, response.status(), (await response.text()).match(/_secret_\w+|whsec_\w+/)]).toEqual([
      path,
      200,
      null,
    ]);
  }
});

test.each([1280, 390])(
  "every page fits a screen of %i pixels even with long names, and loads nothing from other sites",
  async (width) => {
    const site = await open({ width, height: 844 });
    const { page, stripe } = site;
    const name = `${"Extraordinarily".repeat(8)} long ${"names ".repeat(20)}`;
    const { customer, subscription } = await subscribe(stripe, { name, amount: 123_456_789, currency: "jpy" });
    const { url } = await checkout(site, { allow_promotion_codes: true }, { name });
    const key = name.replaceAll(" ", "").slice(0, 100);
    const long = { type: "custom" as const, custom: key };
    const fields = await checkout(
      site,
      {
        consent_collection: { terms_of_service: "required" },
        custom_fields: [
          { key, label: long, type: "text" },
          { key: "size", label: long, type: "dropdown", dropdown: { options: [{ label: key, value: key }] } },
        ],
        custom_text: { submit: { message: name }, terms_of_service_acceptance: { message: name } },
        phone_number_collection: { enabled: true },
      },
      { name },
    );
    const portalUrl = (await portal(site, customer.id)).url;
    const of = `?subscription=${subscription.id}`;
    for (const address of [
      "/",
      `/_viewer/search?q=${customer.id}`,
      "/_viewer/search?q=names",
      "/_viewer/requests",
      "/_viewer/requests/1",
      url ?? "",
      fields.url ?? "",
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
  },
);

/** Returns the HTML of the page's controls that have no accessible name. */
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
