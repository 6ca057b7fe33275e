/** Tests the metrics about payments, checkouts, access and subscriptions. */
import { describe, expect, test } from "vitest";
import { signedWebhook } from "../../packages/tollkeeper/src/testing/harness/index.ts";
import { createTestHarness, DAY, type TestHarness } from "../support/harness.ts";
import { DIALECTS } from "../support/databases.ts";
import { findSubscription } from "../support/stripe-subscription.ts";

const TOKEN = "metrics-token-of-the-test";

/** Returns the lines of the given metric that are not 0, without its prefix. */
async function metric(billing: TestHarness, name: string, service = billing.service): Promise<string[]> {
  const headers = { authorization: `Bearer ${TOKEN}` };
  const response = await service.fetch(new Request("http://app.test/stripe/metrics", { headers }));
  const lines = (await response.text()).split("\n");
  const counted = lines.filter((line) => line.startsWith(`tollkeeper_${name}{`) && !line.endsWith(" 0"));
  return counted.map((line) => line.replace("tollkeeper_", ""));
}

/** Lets the only customer pay renewals with a test card. */
async function payRenewalsWith(billing: TestHarness, card: string): Promise<void> {
  const { id, customer } = await findSubscription(billing);
  const { body } = await billing.stripe("POST", `/v1/payment_methods/${card}/attach`, { customer });
  await billing.stripe("POST", `/v1/subscriptions/${id}`, { default_payment_method: String(body["id"]) });
}

describe.each(DIALECTS)("metrics about payments on %s", (dialect) => {
  const start = () => createTestHarness({ dialect, options: { metricsToken: TOKEN } });

  test("count a checkout, its payment and its access once, however often Stripe reports them", async () => {
    const billing = await start();
    await billing.subscribe("ada");
    const sessions = await billing.stripe("GET", "/v1/checkout/sessions");
    const [session] = sessions.body["data"] as { id: string }[];
    for (let times = 0; times < 2; times++)
      await billing.call("ada", "GET", `checkout-session?session_id=${session?.id ?? ""}`);
    await billing.service.reconcile({ sweep: true });
    await billing.drain();
    expect(await metric(billing, "checkouts_total")).toEqual([
      'checkouts_total{outcome="started"} 1',
      'checkouts_total{outcome="completed"} 1',
    ]);
    expect(await metric(billing, "payments_total")).toEqual(['payments_total{outcome="paid",reason="none"} 1']);
    expect(await metric(billing, "access_changes_total")).toEqual(['access_changes_total{change="granted"} 1']);
  });

  test("count a completed checkout once if the event about its delayed payment is processed first", async () => {
    const billing = await createTestHarness({
      dialect,
      options: { metricsToken: TOKEN },
      deliver: async (request, next) => {
        const event = (await request.clone().json()) as { id: string; type: string };
        if (event.type !== "checkout.session.completed") return next(request);
        const paid = { ...event, id: `${event.id}_paid`, type: "checkout.session.async_payment_succeeded" };
        await next(signedWebhook(JSON.stringify(paid), { now: billing.emulator.now() }));
        return next(request);
      },
    });
    await billing.subscribe("ada");
    const done = billing.log
      .filter(({ message }) => message === "job done")
      .map(({ fields }) => JSON.stringify(fields));
    expect(done.filter((fields) => fields.includes('"checkout.session.'))).toEqual([
      expect.stringContaining('"eventType":"checkout.session.async_payment_succeeded"'),
    ]);
    expect(await metric(billing, "checkouts_total")).toEqual([
      'checkouts_total{outcome="started"} 1',
      'checkouts_total{outcome="completed"} 1',
    ]);
  });

  test("count each failed attempt of a renewal with its decline code, and the end of access", async () => {
    const billing = await start();
    await billing.subscribe("ada");
    await payRenewalsWith(billing, "pm_card_chargeCustomerFail");
    await billing.advance(30 * DAY);
    for (let days = 0; days < 30; days++) await billing.advance(DAY);
    const payments = await metric(billing, "payments_total");
    expect(payments[0]).toBe('payments_total{outcome="paid",reason="none"} 1');
    expect(payments[1]).toMatch(/^payments_total\{outcome="failed",reason="generic_decline"\} [2-9]$/);
    expect(payments).toHaveLength(2);
    expect(await metric(billing, "access_changes_total")).toContain('access_changes_total{change="revoked"} 1');
  });

  test("count a payment that needs the user's confirmation", async () => {
    const billing = await start();
    await billing.subscribe("ada");
    await payRenewalsWith(billing, "pm_card_authenticationRequired");
    await billing.advance(31 * DAY);
    expect(await metric(billing, "payments_total")).toEqual([
      'payments_total{outcome="paid",reason="none"} 1',
      'payments_total{outcome="action_required",reason="none"} 1',
    ]);
  });

  test("count a checkout that expires", async () => {
    const billing = await start();
    await billing.call("ada", "POST", "create-checkout-session", { plan: "premium", interval: "month" });
    await billing.advance(2 * DAY);
    expect(await metric(billing, "checkouts_total")).toEqual([
      'checkouts_total{outcome="started"} 1',
      'checkouts_total{outcome="expired"} 1',
    ]);
  });

  test("count a checkout once if the same user starts it twice on two replicas", async () => {
    const billing = await start();
    const other = billing.addReplica();
    const plan = { plan: "premium", interval: "month" };
    await billing.call("ada", "POST", "create-checkout-session", plan);
    await billing.call("ada", "POST", "create-checkout-session", plan);
    expect(await metric(billing, "checkouts_total")).toEqual(['checkouts_total{outcome="started"} 1']);
    expect(await metric(billing, "checkouts_total", other)).toEqual([]);
  });

  test("show the live subscriptions by plan and status, from every replica", async () => {
    const billing = await start();
    const other = billing.addReplica();
    await billing.subscribe("ada");
    await billing.subscribe("bob");
    const shown = ['subscriptions{plan="premium",status="active"} 2'];
    expect(await metric(billing, "subscriptions")).toEqual(shown);
    expect(await metric(billing, "subscriptions", other)).toEqual(shown);
  });

  test("begin with 0, so that Prometheus sees the first increase", async () => {
    const billing = await start();
    const headers = { authorization: `Bearer ${TOKEN}` };
    const response = await billing.service.fetch(new Request("http://app.test/stripe/metrics", { headers }));
    const text = await response.text();
    for (const series of [
      'payments_total{outcome="paid",reason="none"}',
      'payments_total{outcome="failed",reason="insufficient_funds"}',
      'payments_total{outcome="failed",reason="other"}',
      'checkouts_total{outcome="completed"}',
      'access_changes_total{change="revoked"}',
      'alarms_total{kind="two_customers"}',
    ])
      expect(text).toContain(`tollkeeper_${series} 0\n`);
  });

  test("keep the counted subscriptions for 30 seconds, because the query reads all of them", async () => {
    const billing = await start();
    expect(await metric(billing, "subscriptions")).toEqual([]);
    await billing.subscribe("ada");
    expect(await metric(billing, "subscriptions")).toEqual([]);
    await billing.advance(31);
    expect(await metric(billing, "subscriptions")).toEqual(['subscriptions{plan="premium",status="active"} 1']);
  });
});
