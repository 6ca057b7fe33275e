import { describe, expect, test } from "vitest";
import { duePayment, possibleActions, totalAmount } from "../../src/domain/due-payment.ts";
import type { InvoiceRecord, SubscriptionRecord } from "../../src/domain/records.ts";
import { DAY_MS, invoiceRecord, NOW, priceRecord, subscriptionRecord } from "../support/records.ts";

const open = (changes: Partial<InvoiceRecord> = {}) =>
  invoiceRecord({ status: "open", amountPaid: 0, amountRemaining: 900, payment: "failed", ...changes });

describe("the due payment", () => {
  test("is what remains of an open invoice, with the reason, the next attempt and the page to pay on", () => {
    const invoice = open({
      total: 900,
      amountPaid: 300,
      amountRemaining: 600,
      failureMessage: "Your card was declined.",
      nextPaymentAttemptAt: NOW + DAY_MS,
    });
    expect(duePayment(invoice)).toEqual({
      invoiceId: "in_1",
      amount: 600,
      currency: "usd",
      fractionDigits: 2,
      outcome: "failed",
      reason: "Your card was declined.",
      nextAttemptAt: NOW + DAY_MS,
      dueAt: null,
      payUrl: "https://invoice.example/1",
    });
  });

  test.each([
    ["there is no invoice", null],
    ["the invoice is a draft", open({ status: "draft" })],
    ["the invoice is paid", invoiceRecord()],
    ["the invoice is void", open({ status: "void" })],
    ["the invoice is written off", open({ status: "uncollectible" })],
    ["credit covers the whole invoice", open({ amountRemaining: 0 })],
  ])("is null if %s", (_name, invoice) => {
    expect(duePayment(invoice)).toBeNull();
  });
});

describe("the actions of a subscription", () => {
  const ENDING = { cancelAtPeriodEnd: true };
  const NO_PAGE = open({ hostedInvoiceUrl: null });
  const CONFIRM = open({ payment: "requires_action" });
  const WAITING = open({ payment: "pending" });

  test.each<[string, Partial<SubscriptionRecord>, InvoiceRecord | null, string]>([
    ["active", {}, null, "portal cancel"],
    ["active, with an end that the user may revert", ENDING, null, "resume portal"],
    ["active, with an end that the merchant has set", { cancelAt: NOW + 90 * DAY_MS }, null, "portal cancel"],
    ["active, with an end that a schedule has set", { ...ENDING, scheduleId: "sub_sched_1" }, null, "portal"],
    ["active, with a failed payment", {}, open(), "pay portal cancel"],
    ["active, with a payment that the user must confirm", {}, CONFIRM, "pay portal cancel"],
    ["active, with a payment that the bank processes", {}, WAITING, "portal cancel"],
    [
      "active, with an invoice to pay until a date",
      {},
      open({ payment: "none", dueAt: NOW + DAY_MS }),
      "pay portal cancel",
    ],
    ["trialing", { status: "trialing" }, null, "portal cancel"],
    ["trialing, with a scheduled end", { status: "trialing", ...ENDING }, null, "resume portal"],
    ["past due", { status: "past_due" }, open(), "pay portal cancel"],
    ["past due, with an invoice that waits for a bank transfer", { status: "past_due" }, WAITING, "pay portal cancel"],
    ["past due, with an invoice without a page", { status: "past_due" }, NO_PAGE, "portal cancel"],
    ["past due, with a scheduled end", { status: "past_due", ...ENDING }, open(), "pay resume portal"],
    ["unpaid", { status: "unpaid" }, open(), "pay portal cancel"],
    ["unpaid, with drafts only", { status: "unpaid" }, null, "portal cancel"],
    ["paused", { status: "paused" }, null, "portal cancel"],
    ["incomplete", { status: "incomplete" }, CONFIRM, "pay checkout"],
    ["incomplete_expired", { status: "incomplete_expired" }, null, "checkout portal"],
    ["canceled", { status: "canceled" }, null, "checkout portal"],
  ])("that is %s", (_name, subscription, invoice, actions) => {
    expect(possibleActions(subscriptionRecord(subscription), duePayment(invoice), NOW).join(" ")).toBe(actions);
  });
});

describe("the total price of a subscription", () => {
  const item = (priceId: string, quantity: number) => ({
    id: `si_${priceId}`,
    priceId,
    productId: "prod_1",
    quantity,
    currentPeriodStart: NOW,
    currentPeriodEnd: NOW + DAY_MS,
  });

  test.each([
    ["of one seat", [item("price_1", 1)], [priceRecord()], 900],
    ["of five seats", [item("price_1", 5)], [priceRecord()], 4_500],
    ["of no seats", [item("price_1", 0)], [priceRecord()], 0],
    [
      "of a plan and an extra",
      [item("price_1", 2), item("b", 1)],
      [priceRecord(), priceRecord({ id: "b", unitAmount: 50 })],
      1_850,
    ],
    ["with a table of prices is unknown", [item("price_1", 1)], [priceRecord({ unitAmount: null })], null],
    ["with a missing price is unknown", [item("price_1", 1), item("b", 1)], [priceRecord()], null],
    [
      "with two intervals is unknown",
      [item("price_1", 1), item("b", 1)],
      [priceRecord(), priceRecord({ id: "b", interval: "year" })],
      null,
    ],
    [
      "with two interval counts is unknown",
      [item("price_1", 1), item("b", 1)],
      [priceRecord(), priceRecord({ id: "b", intervalCount: 3 })],
      null,
    ],
    ["without items is unknown", [], [], null],
  ])("%s", (_name, items, prices, total) => {
    expect(totalAmount(items, prices)).toBe(total);
  });
});
