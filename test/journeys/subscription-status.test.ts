import { describe, expect, test } from "vitest";
import type { TestUser } from "../../packages/tollkeeper/src/testing/index.ts";
import { DIALECTS } from "../support/databases.ts";
import { createKit } from "../support/kit.ts";
import { subscriptionOf } from "../support/stripe-subscription.ts";
import type { Subscription } from "../../packages/tollkeeper/src/wire.ts";

const RENEWAL = Date.UTC(2026, 1, 28, 12);
const WEEK_MS = 7 * 86_400_000;

/** Returns the newest subscription as the route returns it. */
async function newest({ call, id }: TestUser): Promise<Subscription> {
  const { body } = await call("GET", "subscriptions");
  const [subscription] = body["subscriptions"] as Subscription[];
  if (!subscription) throw new Error(`${id} has no subscription`);
  return subscription;
}

describe.each(DIALECTS)("the view of a subscription on %s", (dialect) => {
  test("says what is due, when Stripe tries again, when access ends and where to pay", async () => {
    const billing = await createKit({ dialect });
    const ada = await billing.user("ada").subscribe("premium");
    expect(await newest(ada)).toMatchObject({
      access: { reason: "active", endsAt: null },
      due: null,
      actions: ["portal", "cancel"],
    });
    await ada.failPayments();
    await billing.advance({ days: 28, hours: 2 });
    const failed = await newest(ada);
    expect(failed).toMatchObject({
      status: "past_due",
      access: { reason: "past_due_grace", endsAt: RENEWAL + WEEK_MS },
      due: { amount: 900, currency: "usd", fractionDigits: 2, outcome: "failed", reason: "Your card was declined." },
      actions: ["pay", "portal", "cancel"],
    });
    expect(failed.due?.nextAttemptAt).toBeGreaterThan(RENEWAL);
    expect(failed.due?.payUrl).toMatch(/^http:\/\/stripe\.test\//);

    await billing.advance({ days: 8 });
    expect(await newest(ada)).toMatchObject({ status: "past_due", access: null, due: { amount: 900 } });
  });

  test("names the open invoice of an unpaid subscription whose latest invoice is a draft", async () => {
    const billing = await createKit({ dialect, afterRetries: "unpaid" });
    const ada = await billing.user("ada").subscribe("premium");
    await ada.failPayments();
    await billing.advance({ days: 50 });
    const { status, due, latestInvoice } = await newest(ada);
    expect([status, due?.invoiceId]).toEqual(["unpaid", latestInvoice?.id]);
    await billing.advance({ days: 15 });
    const view = await newest(ada);
    expect(view.latestInvoice).toMatchObject({ status: "draft" });
    expect(view).toMatchObject({ status: "unpaid", access: null, actions: ["pay", "portal", "cancel"] });
    expect(view.due).toEqual(due);
  });

  test("of another user never has the page on which an invoice can be paid", async () => {
    const billing = await createKit({ dialect });
    const ada = await billing.user("ada").subscribe("premium");
    await ada.failPayments();
    await billing.advance({ days: 28, hours: 2 });
    const { due } = await newest(ada);
    expect(due?.payUrl).toBeTypeOf("string");
    const { body } = await billing.user("grace").call("GET", "subscriptions");
    expect(body["subscriptions"]).toEqual([]);
    expect(JSON.stringify(body)).not.toContain(due?.payUrl);
    expect((await billing.fetch(billing.service)(null, "/stripe/subscriptions")).status).toBe(401);
  });

  test("has the total of all seats, and the number of intervals between payments", async () => {
    const billing = await createKit({ dialect });
    const ada = await billing.user("ada").subscribe("premium");
    const { id, items } = await subscriptionOf(billing, ada);
    const [item] = items.data;
    const price = await billing.stripe.prices.create({
      product: item?.price.product as string,
      currency: "usd",
      unit_amount: 2_500,
      recurring: { interval: "month", interval_count: 3 },
    });
    await billing.stripe.subscriptions.update(id, { items: [{ id: item?.id ?? "", price: price.id, quantity: 5 }] });
    expect((await newest(ada)).price).toEqual({
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

test.each([
  ["premium", true, "paid"],
  ["team", true, "trial_started"],
  ["premium", false, "open"],
])("the return from a checkout of the plan %s, completed %s, has the outcome %s", async (plan, pays, expected) => {
  const billing = await createKit();
  const ada = billing.user("ada");
  const checkout = await ada.checkout(plan);
  await billing.webhooks.hold();
  if (pays) await checkout.pay();
  const { body } = await ada.call("GET", `checkout-session?session_id=${checkout.sessionId}`);
  expect(body["outcome"]).toBe(expected);
});
