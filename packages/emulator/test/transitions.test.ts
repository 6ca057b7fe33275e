/** Tests that every status change that the emulator's audit allows can happen. */
import type Stripe from "stripe";
import { describe, expect, test } from "vitest";
import { TRANSITIONS } from "../src/audit.ts";
import { createSdk, DAY, refusal, subscriber, type Sdk } from "./support/sdk.ts";
import { watch } from "./support/transitions.ts";

const HOUR = 3_600;
const RETURN = { return_url: "http://app.test/back" };

async function subscribe(
  { stripe }: Sdk,
  { card, ...params }: Partial<Stripe.SubscriptionCreateParams> & { card?: string } = {},
): Promise<Stripe.Subscription> {
  const { customer, price } = await subscriber(stripe, card === undefined ? {} : { card });
  return stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }], ...params });
}

const incomplete = (sdk: Sdk) => subscribe(sdk, { payment_behavior: "default_incomplete" });
const onTrial = (sdk: Sdk, params: Partial<Stripe.SubscriptionCreateParams> & { card?: string } = {}) =>
  subscribe(sdk, { trial_period_days: 10, ...params });

/** Creates a subscription whose renewals are declined. */
async function pastDue(sdk: Sdk): Promise<Stripe.Subscription> {
  const subscription = await subscribe(sdk);
  const customer = subscription.customer as string;
  const bad = await sdk.stripe.paymentMethods.attach("pm_card_chargeCustomerFail", { customer });
  await sdk.stripe.customers.update(customer, { invoice_settings: { default_payment_method: bad.id } });
  await sdk.emulator.advance(29 * DAY);
  return sdk.stripe.subscriptions.retrieve(subscription.id);
}

async function paused({ stripe }: Sdk, subscription: Stripe.Subscription): Promise<Stripe.Subscription> {
  return stripe.subscriptions.pause(subscription.id, { type: "subscription" });
}

async function payOpenInvoice({ stripe }: Sdk, subscription: Stripe.Subscription): Promise<void> {
  const customer = subscription.customer as string;
  const { id: payment_method } = await stripe.paymentMethods.attach("pm_card_visa", { customer });
  const { data } = await stripe.invoices.list({ subscription: subscription.id, status: "open" });
  for (const { id } of data) await stripe.invoices.pay(id, { payment_method });
}

async function noTryPays(sdk: Sdk): Promise<Stripe.Subscription> {
  const subscription = await pastDue(sdk);
  await sdk.emulator.advance(15 * DAY);
  return sdk.stripe.subscriptions.retrieve(subscription.id);
}

async function draft({ stripe }: Sdk): Promise<Stripe.Invoice> {
  const { customer } = await subscriber(stripe);
  await stripe.invoiceItems.create({ customer: customer.id, amount: 500, currency: "usd" });
  return stripe.invoices.create({ customer: customer.id, pending_invoice_items_behavior: "include" });
}

async function open(sdk: Sdk): Promise<Stripe.Invoice> {
  return sdk.stripe.invoices.finalizeInvoice((await draft(sdk)).id, { auto_advance: false });
}

const pay = ({ stripe }: Sdk, params: Partial<Stripe.PaymentIntentCreateParams> = {}) =>
  stripe.paymentIntents.create({ amount: 900, currency: "usd", ...params });
const withCard = (sdk: Sdk, card: string, params: Partial<Stripe.PaymentIntentCreateParams> = {}) =>
  pay(sdk, { payment_method: card, ...params });
const keep = ({ stripe }: Sdk, params: Stripe.SetupIntentCreateParams = {}) => stripe.setupIntents.create(params);

/** Submits the form of the 3-D Secure page. */
async function answer({ emulator }: Sdk, id: string, outcome: "authenticate" | "fail"): Promise<void> {
  const body = new URLSearchParams({ answer: outcome === "authenticate" ? "yes" : "no" });
  await emulator.fetch(new Request(`http://stripe.test/challenge/${id}`, { method: "POST", body }));
}

async function session({ stripe }: Sdk): Promise<Stripe.Checkout.Session> {
  const { customer, price } = await subscriber(stripe);
  return stripe.checkout.sessions.create({
    mode: "subscription",
    customer: customer.id,
    line_items: [{ price: price.id, quantity: 1 }],
    success_url: "http://app.test/ok",
  });
}

async function schedule(
  { stripe, emulator }: Sdk,
  { starts = "now", ends = "release" }: { starts?: "now" | "later"; ends?: "release" | "cancel" } = {},
): Promise<Stripe.SubscriptionSchedule> {
  const { customer, price } = await subscriber(stripe);
  return stripe.subscriptionSchedules.create({
    customer: customer.id,
    start_date: starts === "now" ? "now" : Math.floor(emulator.now() / 1000) + DAY,
    end_behavior: ends,
    phases: [{ items: [{ price: price.id }], duration: { interval: "month", interval_count: 1 } }],
  });
}

async function dispute(sdk: Sdk, card: string): Promise<string> {
  const intent = await withCard(sdk, card, { confirm: true, ...RETURN });
  await sdk.emulator.advance(10);
  const { data } = await sdk.stripe.disputes.list({ payment_intent: intent.id });
  return data[0]?.id ?? "";
}

async function refund(sdk: Sdk, card: string): Promise<void> {
  const { id } = await withCard(sdk, card, { confirm: true, ...RETURN });
  await sdk.stripe.refunds.create({ payment_intent: id });
  await sdk.emulator.advance(HOUR);
}

const evidence = ({ stripe }: Sdk, id: string, said: string) =>
  stripe.disputes.update(id, { evidence: { uncategorized_text: said } });
const DISPUTED = "pm_card_createDispute";
const ASKED = "pm_card_createDisputeInquiry";

type Play = (sdk: Sdk) => Promise<unknown>;

const PLAYS: Record<string, Record<string, Play>> = {
  subscription: {
    "incomplete -> active": async (sdk) => payOpenInvoice(sdk, await incomplete(sdk)),
    "incomplete -> incomplete_expired": async (sdk) => {
      await incomplete(sdk);
      await sdk.emulator.advance(23 * HOUR);
    },
    "trialing -> active": async (sdk) => {
      await onTrial(sdk);
      await sdk.emulator.advance(10 * DAY);
    },
    "trialing -> past_due": async (sdk) =>
      sdk.stripe.subscriptions.update((await onTrial(sdk)).id, {
        trial_end: "now",
        payment_behavior: "default_incomplete",
      }),
    "trialing -> paused": async (sdk) => {
      const { customer } = await onTrial(sdk, {
        trial_settings: { end_behavior: { missing_payment_method: "pause" } },
      });
      await sdk.stripe.customers.update(customer as string, { invoice_settings: { default_payment_method: "" } });
      await sdk.emulator.advance(10 * DAY);
    },
    "trialing -> canceled": async (sdk) => sdk.stripe.subscriptions.cancel((await onTrial(sdk)).id),
    "active -> trialing": async (sdk) => {
      const trial_end = Math.floor(sdk.emulator.now() / 1000) + 40 * DAY;
      await sdk.stripe.subscriptions.update((await subscribe(sdk)).id, { trial_end, proration_behavior: "none" });
    },
    "active -> past_due": pastDue,
    "active -> paused": async (sdk) => paused(sdk, await subscribe(sdk)),
    "active -> canceled": async (sdk) => sdk.stripe.subscriptions.cancel((await subscribe(sdk)).id),
    "past_due -> active": async (sdk) => payOpenInvoice(sdk, await pastDue(sdk)),
    "past_due -> canceled": async (sdk) => sdk.stripe.subscriptions.cancel((await pastDue(sdk)).id),
    "past_due -> unpaid": noTryPays,
    "past_due -> paused": noTryPays,
    "unpaid -> active": async (sdk) => payOpenInvoice(sdk, await noTryPays(sdk)),
    "unpaid -> paused": async (sdk) => paused(sdk, await noTryPays(sdk)),
    "unpaid -> canceled": async (sdk) => sdk.stripe.subscriptions.cancel((await noTryPays(sdk)).id),
    "paused -> active": async (sdk) => sdk.stripe.subscriptions.resume((await paused(sdk, await subscribe(sdk))).id),
    "paused -> past_due": async (sdk) => {
      const subscription = await subscribe(sdk);
      const { stripe } = sdk;
      await stripe.subscriptions.pause(subscription.id, { bill_for: { unused_time_from: { type: "none" } } });
      const { latest_invoice: invoice } = await stripe.subscriptions.resume(subscription.id);
      const customer = subscription.customer as string;
      const { id } = await stripe.paymentMethods.attach("pm_card_chargeCustomerFail", { customer });
      await stripe.invoices.pay(invoice as string, { payment_method: id }).catch(() => {});
    },
    "paused -> canceled": async (sdk) => sdk.stripe.subscriptions.cancel((await paused(sdk, await subscribe(sdk))).id),
  },
  invoice: {
    "draft -> open": open,
    "open -> paid": async (sdk) => sdk.stripe.invoices.pay((await open(sdk)).id),
    "open -> void": async (sdk) => sdk.stripe.invoices.voidInvoice((await open(sdk)).id),
    "open -> uncollectible": async (sdk) => sdk.stripe.invoices.markUncollectible((await open(sdk)).id),
    "uncollectible -> paid": async (sdk) => {
      const { id } = await sdk.stripe.invoices.markUncollectible((await open(sdk)).id);
      await sdk.stripe.invoices.pay(id);
    },
    "uncollectible -> void": async (sdk) => {
      const { id } = await sdk.stripe.invoices.markUncollectible((await open(sdk)).id);
      await sdk.stripe.invoices.voidInvoice(id);
    },
  },
  payment_intent: {
    "requires_payment_method -> requires_confirmation": async (sdk) =>
      sdk.stripe.paymentIntents.update((await pay(sdk)).id, { payment_method: "pm_card_visa" }),
    "requires_payment_method -> requires_action": async (sdk) =>
      sdk.stripe.paymentIntents.confirm((await pay(sdk)).id, {
        payment_method: "pm_card_authenticationRequired",
        ...RETURN,
      }),
    "requires_payment_method -> requires_capture": async (sdk) =>
      sdk.stripe.paymentIntents.confirm((await pay(sdk, { capture_method: "manual" })).id, {
        payment_method: "pm_card_visa",
        ...RETURN,
      }),
    "requires_payment_method -> succeeded": async (sdk) =>
      sdk.stripe.paymentIntents.confirm((await pay(sdk)).id, { payment_method: "pm_card_visa", ...RETURN }),
    "requires_payment_method -> canceled": async (sdk) => sdk.stripe.paymentIntents.cancel((await pay(sdk)).id),
    "requires_confirmation -> requires_payment_method": async (sdk) => {
      const { id } = await withCard(sdk, "pm_card_chargeDeclined");
      expect(await refusal(sdk.stripe.paymentIntents.confirm(id, RETURN))).toMatchObject({ code: "card_declined" });
    },
    "requires_confirmation -> requires_action": async (sdk) =>
      sdk.stripe.paymentIntents.confirm((await withCard(sdk, "pm_card_authenticationRequired")).id, RETURN),
    "requires_confirmation -> requires_capture": async (sdk) =>
      sdk.stripe.paymentIntents.confirm((await withCard(sdk, "pm_card_visa", { capture_method: "manual" })).id, RETURN),
    "requires_confirmation -> succeeded": async (sdk) =>
      sdk.stripe.paymentIntents.confirm((await withCard(sdk, "pm_card_visa")).id, RETURN),
    "requires_confirmation -> canceled": async (sdk) =>
      sdk.stripe.paymentIntents.cancel((await withCard(sdk, "pm_card_visa")).id),
    "requires_action -> requires_payment_method": async (sdk) => {
      const { id } = await withCard(sdk, "pm_card_authenticationRequired", { confirm: true, ...RETURN });
      await answer(sdk, id, "fail");
    },
    "requires_action -> requires_capture": async (sdk) => {
      const params = { confirm: true, capture_method: "manual", ...RETURN } as const;
      const { id } = await withCard(sdk, "pm_card_authenticationRequired", params);
      await answer(sdk, id, "authenticate");
    },
    "requires_action -> succeeded": async (sdk) => {
      const { id } = await withCard(sdk, "pm_card_authenticationRequired", { confirm: true, ...RETURN });
      await answer(sdk, id, "authenticate");
    },
    "requires_action -> canceled": async (sdk) => {
      const { id } = await withCard(sdk, "pm_card_authenticationRequired", { confirm: true, ...RETURN });
      await sdk.stripe.paymentIntents.cancel(id);
    },
    "requires_capture -> succeeded": async (sdk) => {
      const params = { confirm: true, capture_method: "manual", ...RETURN } as const;
      await sdk.stripe.paymentIntents.capture((await withCard(sdk, "pm_card_visa", params)).id);
    },
    "requires_capture -> canceled": async (sdk) => {
      const params = { confirm: true, capture_method: "manual", ...RETURN } as const;
      await sdk.stripe.paymentIntents.cancel((await withCard(sdk, "pm_card_visa", params)).id);
    },
  },
  setup_intent: {
    "requires_payment_method -> requires_confirmation": async (sdk) =>
      sdk.stripe.setupIntents.update((await keep(sdk)).id, { payment_method: "pm_card_visa" }),
    "requires_payment_method -> requires_action": async (sdk) =>
      sdk.stripe.setupIntents.confirm((await keep(sdk)).id, {
        payment_method: "pm_card_authenticationRequired",
        ...RETURN,
      }),
    "requires_payment_method -> succeeded": async (sdk) =>
      sdk.stripe.setupIntents.confirm((await keep(sdk)).id, { payment_method: "pm_card_visa", ...RETURN }),
    "requires_payment_method -> canceled": async (sdk) => sdk.stripe.setupIntents.cancel((await keep(sdk)).id),
    "requires_confirmation -> requires_payment_method": async (sdk) => {
      const { id } = await keep(sdk, { payment_method: "pm_card_chargeDeclined" });
      expect(await refusal(sdk.stripe.setupIntents.confirm(id, RETURN))).toMatchObject({ code: "card_declined" });
    },
    "requires_confirmation -> requires_action": async (sdk) =>
      sdk.stripe.setupIntents.confirm(
        (await keep(sdk, { payment_method: "pm_card_authenticationRequired" })).id,
        RETURN,
      ),
    "requires_confirmation -> succeeded": async (sdk) =>
      sdk.stripe.setupIntents.confirm((await keep(sdk, { payment_method: "pm_card_visa" })).id, RETURN),
    "requires_confirmation -> canceled": async (sdk) =>
      sdk.stripe.setupIntents.cancel((await keep(sdk, { payment_method: "pm_card_visa" })).id),
    "requires_action -> requires_payment_method": async (sdk) => {
      const params = { payment_method: "pm_card_authenticationRequired", confirm: true, ...RETURN };
      await answer(sdk, (await keep(sdk, params)).id, "fail");
    },
    "requires_action -> succeeded": async (sdk) => {
      const params = { payment_method: "pm_card_authenticationRequired", confirm: true, ...RETURN };
      await answer(sdk, (await keep(sdk, params)).id, "authenticate");
    },
    "requires_action -> canceled": async (sdk) => {
      const params = { payment_method: "pm_card_authenticationRequired", confirm: true, ...RETURN };
      await sdk.stripe.setupIntents.cancel((await keep(sdk, params)).id);
    },
  },
  "checkout.session": {
    "open -> complete": async (sdk) => {
      const { id } = await session(sdk);
      const url = `http://stripe.test/v1/payment_pages/${id}/confirm`;
      const body = new URLSearchParams({ payment_method: "pm_card_visa" });
      const headers = { authorization: "Bearer sk_test_123" };
      await sdk.emulator.fetch(new Request(url, { method: "POST", headers, body }));
    },
    "open -> expired": async (sdk) => {
      await session(sdk);
      await sdk.emulator.advance(24 * HOUR);
    },
  },
  subscription_schedule: {
    "not_started -> active": async (sdk) => {
      await schedule(sdk, { starts: "later" });
      await sdk.emulator.advance(DAY);
    },
    "not_started -> canceled": async (sdk) =>
      sdk.stripe.subscriptionSchedules.cancel((await schedule(sdk, { starts: "later" })).id),
    "not_started -> released": async (sdk) =>
      sdk.stripe.subscriptionSchedules.release((await schedule(sdk, { starts: "later" })).id),
    "active -> completed": async (sdk) => {
      await schedule(sdk, { ends: "cancel" });
      await sdk.emulator.advance(29 * DAY);
    },
    "active -> canceled": async (sdk) => sdk.stripe.subscriptionSchedules.cancel((await schedule(sdk)).id),
    "active -> released": async (sdk) => sdk.stripe.subscriptionSchedules.release((await schedule(sdk)).id),
  },
  refund: {
    "pending -> succeeded": (sdk) => refund(sdk, "pm_card_pendingRefund"),
    "succeeded -> failed": (sdk) => refund(sdk, "pm_card_refundFail"),
  },
  dispute: {
    "needs_response -> under_review": async (sdk) => evidence(sdk, await dispute(sdk, DISPUTED), "She did buy it."),
    "needs_response -> lost": async (sdk) => sdk.stripe.disputes.close(await dispute(sdk, DISPUTED)),
    "under_review -> won": async (sdk) => evidence(sdk, await dispute(sdk, DISPUTED), "winning_evidence"),
    "under_review -> lost": async (sdk) => evidence(sdk, await dispute(sdk, DISPUTED), "losing_evidence"),
    "warning_needs_response -> warning_under_review": async (sdk) =>
      evidence(sdk, await dispute(sdk, ASKED), "She did buy it."),
    "warning_needs_response -> warning_closed": async (sdk) => sdk.stripe.disputes.close(await dispute(sdk, ASKED)),
    "warning_under_review -> warning_closed": async (sdk) =>
      evidence(sdk, await dispute(sdk, ASKED), "winning_evidence"),
  },
};

const legal = Object.entries(TRANSITIONS).flatMap(([object, table]) =>
  Object.entries(table).flatMap(([from, all]) => all.map((to) => `${object}: ${from} -> ${to}`)),
);

describe.each(Object.keys(PLAYS))("status changes of the object type %s", (object) => {
  test.each(Object.keys(PLAYS[object] ?? {}))("the allowed status change %s can happen", async (transition) => {
    const sdk = createSdk({ afterRetries: transition === "past_due -> paused" ? "pause" : "unpaid" });
    const watched = watch(sdk);
    await PLAYS[object]?.[transition]?.(sdk);
    watched.look();
    expect(watched.seen).toContain(`${object}: ${transition}`);
    expect(legal).toEqual(expect.arrayContaining(watched.seen));
  });
});

test("every allowed status change has a test", () => {
  const played = Object.entries(PLAYS).flatMap(([object, plays]) =>
    Object.keys(plays).map((transition) => `${object}: ${transition}`),
  );
  expect(played.toSorted()).toEqual(legal.toSorted());
});
