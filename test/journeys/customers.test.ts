/** Tests owners with several Stripe customers, and customers that are moved or deleted at Stripe. */
import { describe, expect, test } from "vitest";
import type { TollkeeperOptions } from "../../packages/tollkeeper/src/index.ts";
import { createTestBilling, DAY, type TestBilling } from "../support/billing.ts";
import { DIALECTS } from "../support/databases.ts";
import { PLANS } from "../support/plans.ts";

const PREMIUM = { plan: "premium", interval: "month" };

/** Returns hooks that write each call to the list. */
function recordHooks(calls: string[]): NonNullable<TollkeeperOptions["hooks"]> {
  return {
    onAccessGranted: ({ owner }) => void calls.push(`granted ${owner.id}`),
    onAccessRevoked: ({ owner }) => void calls.push(`revoked ${owner.id}`),
    onPaymentSucceeded: ({ owner }) => void calls.push(`paid ${owner.id}`),
  };
}

async function createCustomer(billing: TestBilling, userId: string): Promise<string> {
  const { body } = await billing.stripe("POST", "/v1/customers", { "metadata[auth0_user_id]": userId });
  return String(body["id"]);
}

/** Creates a paid subscription in the dashboard for a customer. */
async function subscribeAtStripe(billing: TestBilling, customer: string, lookupKey = "premium_month"): Promise<void> {
  const { body } = await billing.stripe("GET", `/v1/prices?lookup_keys[]=${lookupKey}`);
  const price = (body["data"] as { id: string }[])[0]?.id ?? "";
  await billing.stripe("POST", "/v1/payment_methods/pm_card_visa/attach", { customer });
  const { body: cards } = await billing.stripe("GET", `/v1/customers/${customer}/payment_methods`);
  const card = (cards["data"] as { id: string }[])[0]?.id ?? "";
  const created = await billing.stripe("POST", "/v1/subscriptions", {
    customer,
    "items[0][price]": price,
    default_payment_method: card,
  });
  expect(created.status).toBe(200);
}

const alarms = (billing: TestBilling): unknown[] =>
  billing.log.flatMap(({ fields }) => ("alarm" in fields ? [fields.alarm] : []));

describe.each(DIALECTS)("on %s", (dialect) => {
  test("a user with two customers has the access that the second one paid for, and can't buy again", async () => {
    const calls: string[] = [];
    const billing = await createTestBilling({
      dialect,
      options: { hooks: recordHooks(calls), metricsToken: "m".repeat(32) },
    });
    await createCustomer(billing, "ada");
    await billing.drain();
    await subscribeAtStripe(billing, await createCustomer(billing, "ada"));
    await billing.drain();
    expect(await billing.features("ada")).not.toEqual([]);
    const again = await billing.call("ada", "POST", "create-checkout-session", PREMIUM);
    expect(again).toMatchObject({ status: 409, body: { error: { code: "already_subscribed" } } });
    expect(alarms(billing)).toEqual(["two_customers"]);
    const metrics = await billing.service.fetch(
      new Request("https://app.test/stripe/metrics", { headers: { authorization: `Bearer ${"m".repeat(32)}` } }),
    );
    const text = await metrics.text();
    expect(text).toContain('tollkeeper_alarms_total{kind="two_customers"} 1');
    expect(text).toContain('tollkeeper_customers_with_alarms{kind="two_customers"} 1');
    expect(calls).toEqual(["granted ada", "paid ada"]);
  });

  test("a user keeps access and an alarm is raised if a person removes the user's id from the customer", async () => {
    const billing = await createTestBilling({ dialect });
    const customer = await createCustomer(billing, "ada");
    await subscribeAtStripe(billing, customer);
    await billing.drain();
    await billing.stripe("POST", `/v1/customers/${customer}`, { "metadata[auth0_user_id]": "" });
    await billing.drain();
    await billing.service.reconcile({ sweep: true });
    expect(await billing.features("ada")).not.toEqual([]);
    expect(alarms(billing)).toEqual(["owner_removed"]);
  });

  test.each(["a webhook", "a sweep", "a search at Stripe"])(
    "a customer whose metadata names another user takes its access along, found by %s",
    async (way) => {
      const calls: string[] = [];
      let isLost = false;
      const billing = await createTestBilling({
        dialect,
        options: { hooks: recordHooks(calls) },
        deliver: (request, next) => (isLost ? Promise.resolve(new Response(null, { status: 503 })) : next(request)),
      });
      const customer = await createCustomer(billing, "ada");
      await subscribeAtStripe(billing, customer);
      await billing.drain();
      calls.length = 0;
      isLost = way !== "a webhook";
      await billing.stripe("POST", `/v1/customers/${customer}`, { "metadata[auth0_user_id]": "grace" });
      if (way === "a sweep") await billing.service.reconcile({ sweep: true });
      if (way === "a search at Stripe") await billing.call("grace", "POST", "create-checkout-session", PREMIUM);
      await billing.drain();
      expect(await billing.features("ada")).toEqual([]);
      expect(await billing.features("grace")).not.toEqual([]);
      expect(calls.toSorted()).toEqual(["granted grace", "revoked ada"]);
      expect(alarms(billing)).toEqual(["customer_moved"]);
    },
  );

  test("a user can buy after the customer was moved away and back, even if the last event is lost", async () => {
    let isLost = false;
    const billing = await createTestBilling({
      dialect,
      deliver: (request, next) => (isLost ? Promise.resolve(new Response(null, { status: 503 })) : next(request)),
    });
    await billing.call("ada", "POST", "create-checkout-session", PREMIUM);
    await billing.drain();
    const { body } = await billing.stripe("GET", "/v1/customers");
    const path = `/v1/customers/${(body["data"] as { id: string }[])[0]?.id ?? ""}`;
    await billing.stripe("POST", path, { "metadata[auth0_user_id]": "grace" });
    await billing.drain();
    isLost = true;
    await billing.stripe("POST", path, { "metadata[auth0_user_id]": "ada" });
    expect(await billing.call("ada", "POST", "create-checkout-session", PREMIUM)).toMatchObject({ status: 200 });
    const { body: after } = await billing.stripe("GET", "/v1/customers");
    expect(after["data"]).toHaveLength(1);
  });

  test("a user whose customer was deleted at Stripe gets no second trial", async () => {
    const [plan] = PLANS;
    const plans = PLANS.map((one) => ({ ...one, prices: one.prices.map((price) => ({ ...price, trialDays: 14 })) }));
    const billing = await createTestBilling({ dialect, options: { plans } });
    await billing.subscribe("ada", plan?.id);
    await billing.advance(DAY);
    const { body } = await billing.stripe("GET", "/v1/customers");
    await billing.stripe("DELETE", `/v1/customers/${(body["data"] as { id: string }[])[0]?.id ?? ""}`);
    await billing.drain();
    expect(await billing.features("ada")).toEqual([]);
    expect(await billing.subscribe("ada", plan?.id)).toMatchObject({ status: 200 });
    const { body: listed } = await billing.call("ada", "GET", "subscriptions");
    expect(listed).toMatchObject({ subscriptions: [{ status: "active", trialEnd: null }] });
  });
});
