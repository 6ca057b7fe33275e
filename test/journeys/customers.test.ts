/** Tests owners with several Stripe customers, and customers that are moved or deleted at Stripe. */
import { describe, expect, test } from "vitest";
import type { TestBilling } from "../../packages/tollkeeper/src/testing/index.ts";
import { DIALECTS } from "../support/databases.ts";
import { createKit } from "../support/kit.ts";
import { PLANS } from "../support/plans.ts";

const PREMIUM = { plan: "premium", interval: "month" };

/** Returns the calls of hooks about access and payments. */
function callsOf({ hooks }: TestBilling): string[] {
  return hooks.map(({ hook, event }) => `${hook} ${event.owner.id}`);
}

async function createCustomer({ stripe }: TestBilling, userId: string): Promise<string> {
  return (await stripe.customers.create({ metadata: { auth0_user_id: userId } })).id;
}

/** Names a customer's user in the dashboard. */
async function nameUser({ stripe }: TestBilling, customer: string, userId: string): Promise<void> {
  await stripe.customers.update(customer, { metadata: { auth0_user_id: userId } });
}

/** Creates a paid subscription in the dashboard for a customer. */
async function subscribeAtStripe({ stripe }: TestBilling, customer: string): Promise<void> {
  const [price] = (await stripe.prices.list({ lookup_keys: ["premium_month"] })).data;
  const card = await stripe.paymentMethods.attach("pm_card_visa", { customer });
  const created = await stripe.subscriptions.create({
    customer,
    items: [{ price: price?.id ?? "" }],
    default_payment_method: card.id,
  });
  expect(created.status).toBe("active");
}

const alarms = (billing: TestBilling): unknown[] =>
  billing.log.flatMap(({ fields }) => ("alarm" in fields ? [fields["alarm"]] : []));

describe.each(DIALECTS)("on %s", (dialect) => {
  test("a user with two customers has the access that the second one paid for, and can't buy again", async () => {
    const billing = await createKit({ dialect, metricsToken: "m".repeat(32) });
    const ada = billing.user("ada");
    await createCustomer(billing, "ada");
    await subscribeAtStripe(billing, await createCustomer(billing, "ada"));
    expect(await ada.features()).not.toEqual([]);
    const again = await ada.call("POST", "create-checkout-session", PREMIUM);
    expect(again).toMatchObject({ status: 409, body: { error: { code: "already_subscribed" } } });
    expect(alarms(billing)).toEqual(["two_customers"]);
    const metrics = await billing.service.fetch(
      new Request("https://app.test/stripe/metrics", { headers: { authorization: `Bearer ${"m".repeat(32)}` } }),
    );
    const text = await metrics.text();
    expect(text).toContain('tollkeeper_alarms_total{kind="two_customers"} 1');
    expect(text).toContain('tollkeeper_customers_with_alarms{kind="two_customers"} 1');
    expect(callsOf(billing)).toEqual(["onAccessGranted ada", "onPaymentSucceeded ada"]);
  });

  test("a user keeps access and an alarm is raised if a person removes the user's id from the customer", async () => {
    const billing = await createKit({ dialect });
    const customer = await createCustomer(billing, "ada");
    await subscribeAtStripe(billing, customer);
    await nameUser(billing, customer, "");
    await billing.service.reconcile({ sweep: true });
    expect(await billing.user("ada").features()).not.toEqual([]);
    expect(alarms(billing)).toEqual(["owner_removed"]);
  });

  test.each(["a webhook", "a sweep", "a search at Stripe"])(
    "a customer whose metadata names another user takes its access along, found by %s",
    async (way) => {
      const billing = await createKit({ dialect });
      const [ada, grace] = [billing.user("ada"), billing.user("grace")];
      const customer = await createCustomer(billing, "ada");
      await subscribeAtStripe(billing, customer);
      const before = billing.hooks.length;
      if (way !== "a webhook") await billing.webhooks.hold();
      await nameUser(billing, customer, "grace");
      if (way === "a sweep") await billing.service.reconcile({ sweep: true });
      if (way === "a search at Stripe") await grace.call("POST", "create-checkout-session", PREMIUM);
      await billing.settle();
      expect(await ada.features()).toEqual([]);
      expect(await grace.features()).not.toEqual([]);
      expect(callsOf(billing).slice(before).toSorted()).toEqual(["onAccessGranted grace", "onAccessRevoked ada"]);
      expect(alarms(billing)).toEqual(["customer_moved"]);
    },
  );

  test("a user can buy after the customer was moved away and back, even if the last event is lost", async () => {
    const billing = await createKit({ dialect });
    const ada = billing.user("ada");
    await ada.checkout("premium");
    const [customer] = (await billing.stripe.customers.list()).data;
    await nameUser(billing, customer?.id ?? "", "grace");
    billing.webhooks.lose();
    await nameUser(billing, customer?.id ?? "", "ada");
    expect(await ada.call("POST", "create-checkout-session", PREMIUM)).toMatchObject({ status: 200 });
    expect((await billing.stripe.customers.list()).data).toHaveLength(1);
  });

  test("a user whose customer was deleted at Stripe gets no second trial", async () => {
    const plans = PLANS.map((one) => ({ ...one, prices: one.prices.map((price) => ({ ...price, trialDays: 14 })) }));
    const billing = await createKit({ dialect, plans });
    const ada = await billing.user("ada").subscribe("premium");
    await billing.advance({ days: 1 });
    const [customer] = (await billing.stripe.customers.list()).data;
    await billing.stripe.customers.del(customer?.id ?? "");
    expect(await ada.features()).toEqual([]);
    await ada.subscribe("premium");
    expect(await ada.subscriptions()).toMatchObject([{ status: "active", trialEnd: null }]);
  });
});
