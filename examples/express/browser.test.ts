/** Tests a purchase in a browser. `CHROMIUM` names the browser; the default is the one that Playwright has installed. */
import { chromium } from "playwright-core";
import { createTestBilling } from "tollkeeper/testing";
import { expect, onTestFinished, test } from "vitest";
import { createApp } from "./app.ts";
import { plans } from "./plans.ts";

test("a user pays on Stripe's page, and may export until a renewal fails", async () => {
  const billing = await createTestBilling({ plans });
  const { appUrl } = await billing.serve({ app: createApp(billing.service) });
  const { CHROMIUM: executablePath } = process.env;
  const browser = await chromium.launch(executablePath ? { executablePath } : {});
  onTestFinished(() => browser.close());
  const page = await browser.newPage({ extraHTTPHeaders: { authorization: "Bearer ada" } });
  const exportStatus = async () => (await page.request.get(`${appUrl}/export`)).status();
  expect(await exportStatus()).toBe(403);

  const ada = billing.user("ada");
  const checkout = await ada.checkout("premium", { interval: "month" });
  await page.goto(checkout.url);
  await page.getByLabel("Card number").fill("4242 4242 4242 4242");
  await page.getByTestId("pay").first().click();
  await page.waitForURL(`${appUrl}/**`);
  expect(await exportStatus()).toBe(200);

  await ada.failPayments();
  await billing.advance({ months: 1, days: 8 });
  expect(await exportStatus()).toBe(403);
});
