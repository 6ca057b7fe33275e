/** Tests the API of portal sessions that are limited to one flow. */
import { expect, test } from "vitest";
import { createSdk, refusal, subscriber, type Sdk } from "./support/sdk.ts";

async function subscribed({ stripe }: Sdk) {
  const { customer, price } = await subscriber(stripe);
  const subscription = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  return { customer: customer.id, subscription: subscription.id, item: subscription.items.data[0]?.id ?? "" };
}

test("a portal session for a given plan change previews and makes the change, then redirects to the return URL", async () => {
  const sdk = createSdk();
  const { customer, subscription, item } = await subscribed(sdk);
  const session = await sdk.stripe.billingPortal.sessions.create({
    customer,
    flow_data: {
      type: "subscription_update_confirm",
      subscription_update_confirm: { subscription, items: [{ id: item, quantity: 3 }] },
      after_completion: { type: "redirect", redirect: { return_url: "http://app.test/done" } },
    },
  });
  expect(session.flow?.subscription_update_confirm?.items).toEqual([{ id: item, price: null, quantity: 3 }]);
  const at = await sdk.emulator.fetch(new Request(session.url));
  expect(at.headers.get("location")).toBe(`/p/session/${session.id}/preview?subscription=${subscription}&quantity=3`);
  const body = new URLSearchParams({ subscription, quantity: "3" });
  const done = await sdk.emulator.fetch(new Request(`${session.url}/change`, { method: "POST", body }));
  expect(done.headers.get("location")).toBe("http://app.test/done");
  const { items } = await sdk.stripe.subscriptions.retrieve(subscription);
  expect(items.data[0]?.quantity).toBe(3);
});

test("a portal session for a plan change is rejected if the change has no effect or names another subscription's item", async () => {
  const sdk = createSdk();
  const { customer, subscription, item } = await subscribed(sdk);
  const confirming = (items: { id: string; quantity?: number }[]) =>
    refusal(
      sdk.stripe.billingPortal.sessions.create({
        customer,
        flow_data: { type: "subscription_update_confirm", subscription_update_confirm: { subscription, items } },
      }),
    );
  expect((await confirming([{ id: item, quantity: 1 }])).message).toContain("there are no changes to confirm");
  expect(await confirming([{ id: "si_unknown", quantity: 2 }])).toMatchObject({ code: "resource_missing" });
  expect(await confirming([])).toMatchObject({ statusCode: 400 });
});

test("a portal session for cancellation is rejected if the subscription is already set to be canceled", async () => {
  const sdk = createSdk();
  const { customer, subscription } = await subscribed(sdk);
  await sdk.stripe.subscriptions.update(subscription, { cancel_at_period_end: true });
  const refused = await refusal(
    sdk.stripe.billingPortal.sessions.create({
      customer,
      flow_data: { type: "subscription_cancel", subscription_cancel: { subscription } },
    }),
  );
  expect(refused.message).toContain("is already set to be canceled at period end");
});

test("a portal session for cancellation is rejected if another customer has the subscription, or if the configuration forbids cancellation", async () => {
  const sdk = createSdk();
  const { customer, subscription } = await subscribed(sdk);
  const canceling = { type: "subscription_cancel", subscription_cancel: { subscription } } as const;
  const other = await sdk.stripe.customers.create();
  expect(
    await refusal(sdk.stripe.billingPortal.sessions.create({ customer: other.id, flow_data: canceling })),
  ).toMatchObject({ statusCode: 400, code: "resource_missing" });
  const { id: configuration } = await sdk.stripe.billingPortal.configurations.create({
    features: { subscription_cancel: { enabled: false } },
  });
  const refused = await refusal(
    sdk.stripe.billingPortal.sessions.create({ customer, configuration, flow_data: canceling }),
  );
  expect(refused.message).toContain("feature in the portal configuration is disabled");
});
