/** Tests portal sessions that are limited to one flow, in a browser. */
import { expect, test } from "vitest";
import { APP, createPrice, open, pay, portal, subscribe, textOf } from "./support.ts";

const redirect = () => ({ type: "redirect" as const, redirect: { return_url: `${APP}/after` } });

test("a portal session for cancellation opens the cancel page and then returns to the application", async () => {
  const site = await open();
  const { customer, subscription } = await subscribe(site.stripe);
  await portal(site, customer.id, {
    flow_data: {
      type: "subscription_cancel",
      subscription_cancel: { subscription: subscription.id },
      after_completion: redirect(),
    },
  });
  await site.page.getByTestId("cancel").click();
  await site.page.waitForURL(`${APP}/after`);
  expect((await site.stripe.subscriptions.retrieve(subscription.id)).cancel_at).not.toBeNull();
});

test("a portal session for a subscription update opens the choice of plans and ends with a confirmation page", async () => {
  const site = await open();
  const { customer, subscription } = await subscribe(site.stripe);
  await portal(site, customer.id, {
    flow_data: {
      type: "subscription_update",
      subscription_update: { subscription: subscription.id },
      after_completion: { type: "hosted_confirmation", hosted_confirmation: { custom_message: "Enjoy <b>it</b>" } },
    },
  });
  await site.page.getByLabel("Quantity").fill("2");
  await site.page.getByTestId("preview").click();
  await site.page.getByTestId("confirm-change").click();
  expect(await textOf(site.page, "message")).toBe("Enjoy <b>it</b>");
});

test("a portal session for a given plan change opens the preview of the change and ends on the portal's home page", async () => {
  const site = await open();
  const { customer, subscription } = await subscribe(site.stripe);
  const pro = await createPrice(site.stripe, { name: "Pro", amount: 3_000 });
  await portal(site, customer.id, {
    flow_data: {
      type: "subscription_update_confirm",
      subscription_update_confirm: {
        subscription: subscription.id,
        items: [{ id: subscription.items.data[0]?.id ?? "", price: pro.id, quantity: 2 }],
      },
      after_completion: { type: "portal_homepage" },
    },
  });
  expect(await textOf(site.page, "new-price")).toBe("$60.00 per month");
  await site.page.getByTestId("confirm-change").click();
  expect(await textOf(site.page, "item-price")).toBe("$60.00 per month");
});

test("a portal session for a new payment method opens the card form and ends after 3-D Secure", async () => {
  const site = await open();
  const { customer } = await subscribe(site.stripe);
  await portal(site, customer.id, { flow_data: { type: "payment_method_update", after_completion: redirect() } });
  await pay(site.page, "4000002760003184");
  await site.page.getByTestId("authenticate").click();
  await site.page.waitForURL(`${APP}/after`);
  const cards = await site.stripe.customers.listPaymentMethods(customer.id);
  expect(cards.data.map(({ card }) => card?.last4)).toContain("3184");
});

test("a portal session for another customer's subscription is rejected", async () => {
  const { stripe } = await open();
  const { subscription } = await subscribe(stripe);
  const stranger = await stripe.customers.create();
  await expect(
    stripe.billingPortal.sessions.create({
      customer: stranger.id,
      flow_data: { type: "subscription_cancel", subscription_cancel: { subscription: subscription.id } },
    }),
  ).rejects.toThrow("No such subscription");
});
