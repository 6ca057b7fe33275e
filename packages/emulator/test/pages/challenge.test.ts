/** Tests the 3-D Secure page in a browser. */
import { expect, test } from "vitest";
import { APP, checkout, open, pay, textOf } from "./support.ts";

test("completing 3-D Secure pays the checkout session", async () => {
  const site = await open();
  await checkout(site);
  await pay(site.page, "4000002760003184");
  expect(await textOf(site.page, "question")).toContain("$9.00");
  await site.page.getByTestId("authenticate").click();
  await site.page.waitForURL(/localhost:\d+\/done/);
});

test("after failed 3-D Secure, the checkout page shows the reason", async () => {
  const site = await open();
  await checkout(site);
  await pay(site.page, "4000002760003184");
  await site.page.getByTestId("fail").click();
  expect(await site.page.getByRole("alert").innerText()).toContain("unable to authenticate");
});

test("a customer who leaves the 3-D Secure page can pay the checkout session with another card", async () => {
  const site = await open();
  const session = await checkout(site);
  await pay(site.page, "4000002760003184");
  await site.page.getByTestId("abandon").click();
  expect((await site.stripe.checkout.sessions.retrieve(session.id)).status).toBe("open");
  await pay(site.page);
  await site.page.waitForURL(/localhost:\d+\/done/);
});

test("the 3-D Secure page redirects to the return URL with Stripe's result parameters", async () => {
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

test("the 3-D Secure page returns 404 for a payment that requires no action", async () => {
  const { stripe, page } = await open();
  const intent = await stripe.paymentIntents.create({ amount: 2_000, currency: "usd" });
  const response = await page.goto(`/challenge/${intent.id}`);
  expect(response?.status()).toBe(404);
});
