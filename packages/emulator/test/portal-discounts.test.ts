/**
 * Tests the discounts of plan changes in the customer portal.
 * @see https://docs.stripe.com/api/customer_portal/sessions/create
 * @see https://docs.stripe.com/customer-management/portal-deep-links
 */
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { createSdk, DAY, refusal, type Sdk, subscriber } from "./support/sdk.ts";

type Confirm = Stripe.BillingPortal.SessionCreateParams.FlowData["subscription_update_confirm"];

async function shop(sdk: Sdk, feature: object = {}) {
  const { stripe } = sdk;
  const { customer, price, product } = await subscriber(stripe);
  const dearer = await stripe.prices.create({
    product: product.id,
    unit_amount: 4_000,
    currency: "usd",
    recurring: { interval: "month" },
  });
  const subscription = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  const coupon = await stripe.coupons.create({ percent_off: 50, duration: "forever" });
  const code = await stripe.promotionCodes.create({ promotion: { type: "coupon", coupon: coupon.id }, code: "HALF" });
  const { id: configuration } = await stripe.billingPortal.configurations.create({
    features: {
      subscription_update: {
        enabled: true,
        default_allowed_updates: ["price", "promotion_code"],
        proration_behavior: "none",
        ...feature,
      },
    },
  });
  const item = subscription.items.data[0]?.id ?? "";
  const session = (confirm?: Partial<Confirm>) =>
    stripe.billingPortal.sessions.create({
      customer: customer.id,
      configuration,
      ...(confirm && {
        flow_data: {
          type: "subscription_update_confirm",
          subscription_update_confirm: {
            subscription: subscription.id,
            items: [{ id: item, price: dearer.id, quantity: 1 }],
            ...confirm,
          },
        },
      }),
    });
  const post = async (url: string, form: Record<string, string>) => {
    const body = new URLSearchParams({ subscription: subscription.id, price: dearer.id, ...form });
    await sdk.emulator.fetch(new Request(`${url}/change`, { method: "POST", body }));
    return stripe.subscriptions.retrieve(subscription.id, { expand: ["discounts", "schedule"] });
  };
  const page = async (url: string, path: string) =>
    (await sdk.emulator.fetch(new Request(`${url}/${path}subscription=${subscription.id}&price=${dearer.id}`))).text();
  return { ...sdk, subscription, coupon, code, dearer, session, post, page };
}

test("a customer redeems a promotion code with a change of plan in the portal", async () => {
  const sdk = createSdk();
  const { session, post, page, code, dearer } = await shop(sdk);
  const { url } = await session();
  expect(await page(url, "update?")).toContain("Promotion code");
  expect(await page(url, "preview?code=HALF&")).toMatch(/data-testid="change-total">\$20\.00/);
  const refused = await post(url, { code: "NONE" });
  expect(refused).toMatchObject({ discounts: [] });
  expect(await (await sdk.emulator.fetch(new Request(url))).text()).toContain("This code is invalid.");
  const changed = await post(url, { code: "HALF" });
  expect(changed).toMatchObject({
    discounts: [{ promotion_code: code.id }],
    items: { data: [{ price: { id: dearer.id } }] },
  });
});

test("a portal ignores a promotion code that its configuration does not allow", async () => {
  const { session, post, page } = await shop(createSdk(), { default_allowed_updates: ["price"] });
  const { url } = await session();
  expect(await page(url, "update?")).not.toContain("Promotion code");
  expect((await post(url, { code: "HALF" })).discounts).toEqual([]);
});

test("a portal session for a given plan change also applies the given coupon", async () => {
  const { session, post, page, coupon } = await shop(createSdk());
  expect(await refusal(session({ discounts: [{ coupon: "none" }] }))).toMatchObject({ code: "resource_missing" });
  const made = await session({ discounts: [{ coupon: coupon.id }] });
  expect(made.flow?.subscription_update_confirm?.discounts).toEqual([{ coupon: coupon.id, promotion_code: null }]);
  expect(await page(made.url, "preview?")).toMatch(/data-testid="change-total">\$20\.00/);
  const { discounts } = await post(made.url, {});
  expect(discounts).toMatchObject([{ source: { coupon: coupon.id } }]);
});

test("a promotion code of a change that waits for the end of the period applies then", async () => {
  const conditions = [{ type: "shortening_interval" }, { type: "decreasing_item_amount" }];
  const sdk = createSdk();
  const { session, post, stripe, subscription, dearer } = await shop(sdk, { schedule_at_period_end: { conditions } });
  await stripe.subscriptions.update(subscription.id, {
    items: [{ id: subscription.items.data[0]?.id ?? "", price: dearer.id, quantity: 2 }],
    proration_behavior: "none",
  });
  const cheaper = await stripe.prices.create({
    product: dearer.product as string,
    unit_amount: 1_000,
    currency: "usd",
    recurring: { interval: "month" },
  });
  const waiting = await post((await session()).url, { price: cheaper.id, code: "HALF" });
  expect(waiting).toMatchObject({ discounts: [], schedule: { status: "active" } });
  await sdk.emulator.advance(29 * DAY);
  const [invoice] = (await stripe.invoices.list({ subscription: subscription.id })).data;
  expect(invoice?.total).toBe(1_000);
});

test("a portal session for the update of a subscription with a schedule is refused", async () => {
  const { session, stripe, subscription } = await shop(createSdk());
  const { id } = await stripe.subscriptionSchedules.create({ from_subscription: subscription.id });
  expect((await refusal(session({}))).message).toContain(`it is managed by the subscription schedule \`${id}\``);
});
