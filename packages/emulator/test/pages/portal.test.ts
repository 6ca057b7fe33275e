/** Tests the customer portal in a browser. */
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { APP, createPrice, open, pay, portal, subscribe, textOf } from "./support.ts";

test("the portal can cancel a subscription at period end with a reason, and undo the cancellation", async () => {
  const site = await open();
  const { page, stripe } = site;
  const { customer, subscription } = await subscribe(stripe);
  await portal(site, customer.id);
  expect(await textOf(page, "state")).toBe("Renews on 28 Feb 2026");
  await page.getByTestId("cancel-open").click();
  await page.getByLabel("Why do you cancel?").selectOption("too_expensive");
  await page.getByLabel("Anything else?").fill("Sorry");
  await page.getByTestId("cancel").click();
  expect(await textOf(page, "state")).toBe("Ends on 28 Feb 2026");
  expect((await stripe.subscriptions.retrieve(subscription.id)).cancellation_details).toMatchObject({
    feedback: "too_expensive",
    comment: "Sorry",
  });
  await page.getByTestId("resume").click();
  expect(await textOf(page, "state")).toBe("Renews on 28 Feb 2026");
  await page.getByTestId("return").click();
  await page.waitForURL(`${APP}/account`);
  expect(site.complaints).toEqual([]);
});

test("the portal cancels a subscription immediately if the portal's configuration says so", async () => {
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

test("the portal rejects every action that the portal's configuration does not allow", async () => {
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

test("the portal shows the cost of a plan change before the customer confirms the change", async () => {
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
  expect(await textOf(page, "change-total")).toBe("$10.00");
  await page.getByTestId("confirm-change").click();
  expect(await textOf(page, "item-price")).toBe("$30.00 per month");
  const [invoice] = (await stripe.invoices.list({ subscription: subscription.id })).data;
  expect(invoice).toMatchObject({ total: 1_000, status: "paid", billing_reason: "subscription_update" });
});

test("the portal changes a subscription's quantity and bills the change with the next invoice", async () => {
  const site = await open();
  const { page, stripe } = site;
  const { customer } = await subscribe(stripe, { amount: 1_000 });
  await site.emulator.advance(14 * 86_400);
  await portal(site, customer.id);
  await page.getByTestId("change-open").click();
  await page.getByLabel("Quantity").fill("3");
  await page.getByTestId("preview").click();
  expect(await textOf(page, "change-preview")).toContain("Your next invoice, 28 Feb 2026");
  expect(await textOf(page, "change-total")).toBe("$40.00");
  await page.getByTestId("confirm-change").click();
  expect(await textOf(page, "item-price")).toBe("$30.00 per month");
});

test("the portal keeps the current plan if the payment for a plan change fails", async () => {
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
  expect(await textOf(page, "item-price")).toBe("$10.00 per month");
});

test("the portal changes the plan after 3-D Secure succeeds", async () => {
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
  expect(await textOf(page, "item-price")).toBe("$30.00 per month");
});

test("the portal can add cards, remove them and choose the default card", async () => {
  const site = await open();
  const { page, stripe } = site;
  const { customer, method } = await subscribe(stripe);
  await portal(site, customer.id);
  await page.getByTestId("add-card-open").click();
  await pay(page, "4000000000000002");
  expect(await textOf(page, "notice")).toBe("Your card was declined.");
  await pay(page, "5555555555554444");
  const mastercard = page.getByTestId("payment-method").filter({ hasText: "Mastercard •••• 4444" });
  await mastercard.getByTestId("default").waitFor();
  await page.getByRole("button", { name: /Make default: Visa •••• 4242/ }).click();
  await page.getByRole("button", { name: /Remove Mastercard/ }).click();
  await mastercard.waitFor({ state: "detached" });
  expect((await stripe.customers.retrieve(customer.id)) as Stripe.Customer).toMatchObject({
    invoice_settings: { default_payment_method: method.id },
  });
  await page.getByRole("button", { name: /Remove Visa/ }).click();
  await page.getByTestId("remove").click();
  await page.getByText("No cards yet.").waitFor();
  expect((await stripe.customers.retrieve(customer.id)) as Stripe.Customer).toMatchObject({
    invoice_settings: { default_payment_method: null },
  });
});

test("the portal makes a new card the default card after 3-D Secure", async () => {
  const site = await open();
  const { customer } = await subscribe(site.stripe);
  await portal(site, customer.id);
  await site.page.getByTestId("add-card-open").click();
  await pay(site.page, "4000002500003155");
  await site.page.getByTestId("authenticate").click();
  const method = site.page.getByTestId("payment-method").filter({ hasText: "3155" });
  expect(await method.getByTestId("default").innerText()).toBe("Default");
});

test("the portal lists invoices with links to their hosted pages", async () => {
  const site = await open();
  const { customer } = await subscribe(site.stripe);
  await portal(site, customer.id);
  expect(await textOf(site.page, "invoice-row")).toContain("$9.00");
  await site.page.getByTestId("invoice-row").getByRole("link").click();
  expect(await textOf(site.page, "invoice-status")).toBe("paid");
});

test("the portal pauses a subscription for the chosen time, then the subscription resumes", async () => {
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
  expect(await textOf(page, "status")).toBe("Paused");
  await emulator.advance(32 * 86_400);
  expect((await stripe.subscriptions.retrieve(subscription.id)).status).toBe("active");
});

test("the portal resumes a paused subscription", async () => {
  const site = await open();
  const { customer } = await subscribe(site.stripe);
  const configuration = await site.stripe.billingPortal.configurations.create({
    features: { subscription_pause: { enabled: true, duration: { type: "indefinite" } } },
  });
  await portal(site, customer.id, { configuration: configuration.id });
  await site.page.getByTestId("pause-open").click();
  await site.page.getByTestId("pause").click();
  await site.page.getByRole("button", { name: "Resume subscription" }).click();
  expect(await textOf(site.page, "status")).toBe("Active");
});

test("the portal of a customer without data says that there are no subscriptions, cards or invoices", async () => {
  const site = await open();
  const customer = await site.stripe.customers.create();
  await portal(site, customer.id);
  const text = await site.page.locator("main").innerText();
  for (const line of ["You have no subscription.", "No cards yet.", "No invoices yet."]) expect(text).toContain(line);
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
