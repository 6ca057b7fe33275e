/** Tests that the pages name the seller, that error pages have a way back, and that the portal asks before it removes a card. */
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { APP, checkout, open, pay, portal, subscribe, textOf } from "./support.ts";

// A real Checkout shows `branding_settings.display_name` of the session, and a real portal shows the account's name.
// @see https://docs.stripe.com/api/checkout/sessions/object#checkout_session_object-branding_settings-display_name
test("checkout, portal, invoice and receipt name the seller that the settings give", async () => {
  const site = await open();
  const { stripe, page, emulator } = site;
  const { customer, subscription } = await subscribe(stripe);
  await checkout(site);
  expect(await textOf(page, "seller")).toBe("Test seller");
  await page.request.post("/_emulator/settings", { data: { seller_name: "Ada's <Shop>" } });
  const session = await checkout(site);
  expect(session.branding_settings?.display_name).toBe("Ada's <Shop>");
  expect(await page.title()).toBe("Subscribe to Premium · Ada's <Shop>");
  expect((await stripe.accounts.retrieveCurrent()).business_profile?.name).toBe("Ada's <Shop>");
  await portal(site, customer.id);
  expect(await textOf(page, "seller")).toBe("Ada's <Shop>");
  const [charge] = (await stripe.charges.list({ customer: customer.id })).data;
  for (const path of [`/i/${subscription.latest_invoice as string}`, `/receipts/${charge?.id}`]) {
    await page.goto(`${emulator.url}${path}`);
    expect([path, await textOf(page, "seller")]).toEqual([path, "Ada's <Shop>"]);
  }
});

test("the portal asks before it removes the only card, and names the subscription that renews without a card", async () => {
  const site = await open();
  const { page, stripe } = site;
  const { customer, method } = await subscribe(stripe);
  await portal(site, customer.id);
  await page.getByRole("button", { name: /Remove Visa/ }).click();
  expect(await textOf(page, "consequence")).toBe("Without a card, Premium can't be charged on 28 Feb 2026.");
  expect((await stripe.paymentMethods.retrieve(method.id)).customer).toBe(customer.id);
  await page.getByTestId("keep").click();
  await page.getByRole("button", { name: /Remove Visa/ }).click();
  await page.getByTestId("remove").click();
  await page.getByText("No cards yet.").waitFor();
  expect((await stripe.paymentMethods.retrieve(method.id)).customer).toBeNull();
});

test("the portal removes one of two cards without a question", async () => {
  const site = await open();
  const { page, stripe } = site;
  const { customer } = await subscribe(stripe);
  const second = await stripe.paymentMethods.attach("pm_card_mastercard", { customer: customer.id });
  await portal(site, customer.id);
  await page.getByRole("button", { name: /Remove Mastercard/ }).click();
  await page.getByText("Mastercard").waitFor({ state: "detached" });
  expect((await stripe.paymentMethods.retrieve(second.id)).customer).toBeNull();
});

test.each(["/c/pay/cs_1", "/p/session/bps_1", "/i/in_1", "/receipts/ch_1", "/challenge/pi_1", "/no/such/page"])(
  "the error page at %s links to the viewer",
  async (path) => {
    const { page } = await open();
    const response = await page.goto(path);
    expect(response?.status()).toBe(404);
    await page.getByTestId("back").click();
    await page.getByTestId("now").waitFor();
  },
);

test("a 3-D Secure page that waits for nothing links to the checkout, and an expired checkout links to the app", async () => {
  const site = await open();
  const { page, stripe } = site;
  const session = await checkout(site);
  await pay(page, "4000002760003184");
  const challenge = page.url();
  await page.getByTestId("authenticate").click();
  await page.waitForURL(/localhost:\d+\/done/);
  await page.goto(challenge);
  await page.getByTestId("back").click();
  expect(page.url()).toBe(session.url);
  const other: Stripe.Checkout.Session = await checkout(site);
  await stripe.checkout.sessions.expire(other.id);
  await page.reload();
  expect(await page.getByTestId("go-on").getAttribute("href")).toBe(`${APP}/plans`);
});

/** @see https://developer.mozilla.org/docs/Web/HTTP/Guides/Content_negotiation */
test("a form that another site posts to the emulator ends on a page that links to the emulator", async () => {
  const { page, emulator, complaints } = await open({ width: 390, height: 700 });
  await page.goto(APP);
  await page.evaluate((action) => {
    const form = document.createElement("form");
    Object.assign(form, { method: "post", action });
    document.body.append(form);
    form.submit();
  }, `${emulator.url}/p/session/bps_1/cancel`);
  await page.getByRole("heading", { name: "The emulator refused this request" }).waitFor();
  const style = await page.getByTestId("error").evaluate((card) => getComputedStyle(card).borderRadius);
  expect(style).toBe("14px");
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
  await page.getByTestId("back").click();
  await page.waitForURL(`${emulator.url}/`);
  expect(complaints.filter((text) => !text.includes("403"))).toEqual([]);
});
