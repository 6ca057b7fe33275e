import { describe, expect, test } from "vitest";
import { createTestBilling, DAY, type TestBilling } from "../support/billing.ts";
import { DIALECTS } from "../support/databases.ts";
import { TEST_STRIPE_URL } from "../../packages/tollkeeper/src/testing/harness/constants.ts";
import type { Subscription } from "../../packages/tollkeeper/src/wire.ts";

const START = Date.UTC(2026, 0, 31, 12);

async function newest(billing: TestBilling, user = "ada"): Promise<Subscription> {
  const { body } = await billing.call(user, "GET", "subscriptions");
  const [subscription] = body["subscriptions"] as Subscription[];
  if (!subscription) throw new Error(`${user} has no subscription`);
  return subscription;
}

/** Lets the renewals of a user's subscription fail from now on. */
async function failRenewals(billing: TestBilling, customer: string): Promise<void> {
  const method = await billing.stripe("POST", "/v1/payment_methods/pm_card_chargeCustomerFail/attach", { customer });
  const { body } = await billing.stripe("GET", `/v1/subscriptions?customer=${customer}`);
  const [subscription] = body["data"] as { id: string }[];
  await billing.stripe("POST", `/v1/subscriptions/${subscription?.id ?? ""}`, {
    default_payment_method: String(method.body["id"]),
  });
}

async function customerOf(billing: TestBilling): Promise<string> {
  const { body } = await billing.stripe("GET", "/v1/customers");
  return (body["data"] as { id: string }[])[0]?.id ?? "";
}

describe.each(DIALECTS)("the view of a subscription on %s", (dialect) => {
  test("says what is due, when Stripe tries again, when access ends and where to pay", async () => {
    const billing = await createTestBilling({ dialect });
    await billing.subscribe("ada");
    expect(await newest(billing)).toMatchObject({
      access: { reason: "active", endsAt: null },
      due: null,
      actions: ["portal", "cancel"],
    });
    await failRenewals(billing, await customerOf(billing));
    await billing.advance(28 * DAY + 7_200);
    const failed = await newest(billing);
    expect(failed).toMatchObject({
      status: "past_due",
      access: { reason: "past_due_grace" },
      due: { amount: 900, currency: "usd", fractionDigits: 2, outcome: "failed", reason: "Your card was declined." },
      actions: ["pay", "portal", "cancel"],
    });
    const renewal = START + 28 * DAY * 1000;
    expect(failed.due?.nextAttemptAt).toBeGreaterThan(renewal);
    expect(failed.due?.payUrl).toMatch(/^http:\/\/stripe\.test\//);
    expect(failed.access?.endsAt).toBe(renewal + 7 * DAY * 1000);

    await billing.advance(8 * DAY);
    expect(await newest(billing)).toMatchObject({ status: "past_due", access: null, due: { amount: 900 } });
  });

  test("names the open invoice of an unpaid subscription whose latest invoice is a draft", async () => {
    const billing = await createTestBilling({ dialect });
    await billing.subscribe("ada");
    const customer = await customerOf(billing);
    const settings = new Request(`${TEST_STRIPE_URL}/_emulator/settings`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ after_retries: "unpaid" }),
    });
    expect((await billing.emulator.fetch(settings)).status).toBe(200);
    await failRenewals(billing, customer);
    await billing.advance(50 * DAY);
    const { status, due, latestInvoice } = await newest(billing);
    expect([status, due?.invoiceId]).toEqual(["unpaid", latestInvoice?.id]);
    await billing.advance(15 * DAY);
    const view = await newest(billing);
    expect(view.latestInvoice).toMatchObject({ status: "draft" });
    expect(view).toMatchObject({ status: "unpaid", access: null, actions: ["pay", "portal", "cancel"] });
    expect(view.due).toEqual(due);
  });

  test("of another user never has the page on which an invoice can be paid", async () => {
    const billing = await createTestBilling({ dialect });
    await billing.subscribe("ada");
    await failRenewals(billing, await customerOf(billing));
    await billing.advance(28 * DAY + 7_200);
    const { due } = await newest(billing);
    const { body } = await billing.call("grace", "GET", "subscriptions");
    expect(body["subscriptions"]).toEqual([]);
    expect(JSON.stringify(body)).not.toContain(due?.payUrl);
    expect((await billing.call(null, "GET", "subscriptions")).status).toBe(401);
  });

  test("has the total of all seats, and the number of intervals between payments", async () => {
    const billing = await createTestBilling({ dialect });
    await billing.subscribe("ada");
    const { id } = await newest(billing);
    const { body } = await billing.stripe("GET", `/v1/subscriptions/${id}`);
    const [item] = (body["items"] as { data: { id: string; price: { product: string } }[] }).data;
    const price = await billing.stripe("POST", "/v1/prices", {
      product: item?.price.product ?? "",
      currency: "usd",
      unit_amount: "2500",
      "recurring[interval]": "month",
      "recurring[interval_count]": "3",
    });
    await billing.stripe("POST", `/v1/subscriptions/${id}`, {
      "items[0][id]": item?.id ?? "",
      "items[0][price]": String(price.body["id"]),
      "items[0][quantity]": "5",
    });
    await billing.drain();
    expect((await newest(billing)).price).toEqual({
      amount: 2_500,
      total: 12_500,
      currency: "usd",
      fractionDigits: 2,
      interval: "month",
      intervalCount: 3,
      quantity: 5,
    });
  });
});

describe("the return from a checkout", () => {
  const outcome = async (billing: TestBilling, plan: string, pay: boolean) => {
    const { body } = await billing.call("ada", "POST", "create-checkout-session", { plan, interval: "month" });
    const id = String(body["sessionId"]);
    if (pay) await billing.stripe("POST", `/v1/payment_pages/${id}/confirm`, { payment_method: "pm_card_visa" });
    return (await billing.call("ada", "GET", `checkout-session?session_id=${id}`)).body["outcome"];
  };

  test.each([
    ["premium", true, "paid"],
    ["team", true, "trial_started"],
    ["premium", false, "open"],
  ])("of the plan %s, completed %s, has the outcome %s", async (plan, pay, expected) => {
    expect(await outcome(await createTestBilling(), plan, pay)).toBe(expected);
  });
});
