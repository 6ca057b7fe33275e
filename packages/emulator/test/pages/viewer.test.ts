/** Tests the viewer, which is the emulator's home page. */
import { expect, test } from "vitest";
import { checkout, open, pay, subscribe, textOf } from "./support.ts";

test("the viewer shows customers, subscriptions, invoices, requests, and events with their deliveries", async () => {
  const { page, stripe, emulator, complaints } = await open();
  const { customer, subscription } = await subscribe(stripe);
  await emulator.drain();
  await page.goto("/");
  expect(await textOf(page, "customers")).toContain(customer.id);
  expect(await textOf(page, "subscriptions")).toContain(subscription.id);
  expect(await textOf(page, "viewer-invoices")).toContain("$9.00");
  expect(await textOf(page, "requests")).toContain("POST /v1/subscriptions");
  expect(await textOf(page, "attempts")).toBe("200");
  await page.getByTestId("timeline").getByText("customer.subscription.created").click();
  expect(await textOf(page, "object")).toContain(`"id": "${subscription.id}"`);
  expect(complaints).toEqual([]);
});

test("the viewer can move the clock by an hour, by a day, and to the next renewal", async () => {
  const { page, stripe } = await open();
  await page.goto("/");
  expect(await page.getByTestId("advance-renewal").isDisabled()).toBe(true);
  const { subscription } = await subscribe(stripe);
  await page.reload();
  await page.getByRole("button", { name: "An hour" }).click();
  expect(await textOf(page, "now")).toBe("2026-01-31 13:00:00");
  await page.getByRole("button", { name: "A day" }).click();
  expect(await textOf(page, "now")).toBe("2026-02-01 13:00:00");
  await page.getByRole("button", { name: "To the next renewal" }).click();
  expect(await textOf(page, "now")).toBe("2026-02-28 12:00:00");
  const invoices = await stripe.invoices.list({ subscription: subscription.id });
  expect(invoices.data[0]).toMatchObject({ billing_reason: "subscription_cycle" });
});

test("the viewer can make the next payment fail without an effect on later payments", async () => {
  const site = await open();
  const { page, stripe } = site;
  const { subscription } = await subscribe(stripe);
  await page.goto("/");
  await page.getByTestId("decline-next").click();
  expect(await textOf(page, "decline-waits")).toBe("The next payment fails.");
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

test("the viewer can send a webhook delivery again", async () => {
  const { page, stripe, emulator } = await open();
  await stripe.customers.create();
  await emulator.drain();
  await page.goto("/");
  await page.getByRole("button", { name: "Resend customer.created" }).click();
  await page.getByText("200, 200").waitFor();
  expect(emulator.deliveries()[0]?.attempts).toHaveLength(2);
});

test("the viewer shows parameters that the emulator ignored", async () => {
  const { page, stripe } = await open(undefined, false);
  await stripe.customers.create({ invoice_settings: { custom_fields: [{ name: "PO", value: "7" }] } });
  await page.goto("/");
  expect(await textOf(page, "ignored")).toContain("invoice_settings[custom_fields]");
});

test("each table of the viewer shows the newest rows and the total number of rows", async () => {
  const { page, stripe } = await open();
  for (let count = 0; count < 200; count += 20)
    await Promise.all(
      Array.from({ length: 20 }, (_, at) => stripe.customers.create({ name: `Customer ${count + at}` })),
    );
  await page.goto("/");
  expect(await page.getByRole("heading", { name: "Customers: the newest 60 of 200" }).count()).toBe(1);
  expect(await page.getByTestId("customers").locator("tbody tr").count()).toBe(60);
});
