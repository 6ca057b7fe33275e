/** Tests the hosted invoice page in a browser. */
import { expect, test } from "vitest";
import { open, pay, subscribe, textOf } from "./support.ts";

test("the hosted invoice page accepts another card after a decline, and links to the receipt", async () => {
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
  expect(await textOf(page, "invoice-status")).toBe("open");
  await page.getByLabel("CVC").fill("123");
  await pay(page);
  expect([await textOf(page, "invoice-status"), await textOf(page, "sum")]).toEqual(["paid", "$9.00"]);
  expect((await stripe.subscriptions.retrieve(subscription.id)).status).toBe("active");
  await page.getByTestId("receipt-link").click();
  expect(await textOf(page, "receipt")).toContain("Visa •••• 4242");
  await page.emulateMedia({ media: "print" });
  expect(await page.getByText("Local emulator").isVisible()).toBe(false);
});

test("the hosted invoice page saves the card for renewals after 3-D Secure", async () => {
  const { page, stripe } = await open();
  const { customer, subscription } = await subscribe(stripe, { card: "pm_card_chargeCustomerFail" });
  const [invoice] = (await stripe.invoices.list({ customer: customer.id })).data;
  await page.goto(invoice?.hosted_invoice_url ?? "");
  await pay(page, "4000002500003155");
  expect((await stripe.subscriptions.retrieve(subscription.id)).default_payment_method).toBeNull();
  await page.getByTestId("authenticate").click();
  expect(await textOf(page, "invoice-status")).toBe("paid");
  expect((await stripe.subscriptions.retrieve(subscription.id)).default_payment_method).not.toBeNull();
});

test("a draft invoice has no hosted page", async () => {
  const { page, stripe } = await open();
  const customer = await stripe.customers.create();
  const draft = await stripe.invoices.create({ customer: customer.id });
  expect((await page.goto(`/i/${draft.id}`))?.status()).toBe(404);
});
