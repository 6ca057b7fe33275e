/** Tests the checkout page in a browser. */
import { expect, test } from "vitest";
import { APP, checkout, open, pay, textOf } from "./support.ts";

test("the checkout page shows the items and the amount due, and redirects to the success URL after payment", async () => {
  const site = await open();
  const { page, stripe } = site;
  const session = await checkout(site);
  expect([await textOf(page, "price"), await textOf(page, "terms"), await textOf(page, "due")]).toEqual([
    "$9.00",
    "$9.00 per month",
    "$9.00",
  ]);
  await pay(page);
  await page.waitForURL(`${APP}/done?session=${session.id}`);
  expect((await stripe.checkout.sessions.retrieve(session.id)).payment_status).toBe("paid");
  expect(site.complaints).toEqual([]);
});

test("the checkout page lists test cards, and one click on a test card pays", async () => {
  const site = await open();
  await checkout(site);
  await site.page.getByText("Test cards", { exact: true }).click();
  await site.page.getByRole("button", { name: "Use 5555 5555 5555 4444" }).click();
  await site.page.waitForURL(/localhost:\d+\/done/);
  const [charge] = (await site.stripe.charges.list()).data;
  expect(charge?.payment_method_details?.card?.last4).toBe("4444");
});

test("the checkout page shows the reason of a decline and then accepts another card", async () => {
  const site = await open();
  await checkout(site);
  await pay(site.page, "4000000000009995");
  expect(await site.page.getByRole("alert").innerText()).toBe("Your card has insufficient funds.");
  await pay(site.page, "4111111111111111");
  expect(await site.page.getByRole("alert").innerText()).toContain("not one of the test cards");
  await pay(site.page);
  await site.page.waitForURL(/localhost:\d+\/done/);
});

test("the checkout page asks for an email address if the session has none", async () => {
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

test("the checkout page applies a valid promotion code and rejects an unknown code", async () => {
  const site = await open();
  const coupon = await site.stripe.coupons.create({ percent_off: 50, duration: "once" });
  await site.stripe.promotionCodes.create({ promotion: { type: "coupon", coupon: coupon.id }, code: "HALF" });
  await checkout(site, { allow_promotion_codes: true });
  await site.page.getByTestId("promotion-code").fill("NONE");
  await site.page.getByTestId("apply-code").click();
  expect(await textOf(site.page, "notice")).toBe("This code is invalid.");
  await site.page.getByLabel("Promotion code").fill("HALF");
  await site.page.getByRole("button", { name: "Apply" }).click();
  expect([await textOf(site.page, "discount"), await textOf(site.page, "due")]).toEqual([
    expect.stringContaining("−$4.50"),
    "$4.50",
  ]);
  expect(await site.page.getByTestId("notice").count()).toBe(0);
});

test("the checkout page shows the trial and the price after the trial, and starts a trial without a card if none is required", async () => {
  const site = await open();
  await checkout(site, {
    subscription_data: { trial_period_days: 14 },
    payment_method_collection: "if_required",
  });
  expect([await textOf(site.page, "price"), await textOf(site.page, "terms"), await textOf(site.page, "due")]).toEqual([
    "14 days free",
    "Then $9.00 per month",
    "$0.00",
  ]);
  await site.page.getByTestId("start-without-card").click();
  await site.page.waitForURL(/localhost:\d+\/done/);
});

test("the checkout page shows amounts in zero-decimal currencies without decimals", async () => {
  const site = await open();
  await checkout(site, {}, { amount: 1_200, currency: "jpy" });
  expect(await textOf(site.page, "due")).toBe("¥1,200");
});

test("the back link of the checkout page leads to the cancel URL and leaves the session open", async () => {
  const site = await open();
  const session = await checkout(site);
  await site.page.getByTestId("back").click();
  await site.page.waitForURL(`${APP}/plans`);
  await site.page.goto(session.url ?? "");
  await site.page.getByTestId("pay").waitFor();
  expect((await site.stripe.checkout.sessions.retrieve(session.id)).status).toBe("open");
});

test("the page of a complete or expired checkout session shows the status and a link to the application", async () => {
  const site = await open();
  const session = await checkout(site);
  await pay(site.page);
  await site.page.waitForURL(/localhost:\d+\/done/);
  await site.page.goto(session.url ?? "");
  expect(await textOf(site.page, "closed")).toContain("complete");
  await checkout(site);
  await site.emulator.advance(25 * 3_600);
  await site.page.reload();
  expect(await textOf(site.page, "closed")).toContain("expired");
  await site.page.getByTestId("go-on").click();
  await site.page.waitForURL(`${APP}/plans`);
});

test("a customer can complete the checkout page with the keyboard alone", async () => {
  const site = await open();
  await checkout(site);
  await expect.poll(() => site.page.evaluate(() => document.activeElement?.id)).toBe("number");
  await site.page.keyboard.type("4242424242424242");
  await site.page.keyboard.press("Enter");
  await site.page.waitForURL(/localhost:\d+\/done/);
});
