import { describe, expect, test } from "vitest";
import type { Subscription } from "../../src/wire.ts";
import { ENGLISH } from "../../src/elements/messages.ts";
import { priceText, textsOf } from "../../src/elements/subscription-texts.ts";

const CONTEXT = { messages: ENGLISH, locale: "en" };
const noon = (day: string) => Date.parse(`${day}T12:00:00Z`);
const END = noon("2026-07-05");

const PRICE = {
  amount: 900,
  total: 900,
  currency: "usd",
  fractionDigits: 2,
  interval: "month" as const,
  intervalCount: 1,
  quantity: 1,
};
const DUE = {
  invoiceId: "in_1",
  amount: 900,
  currency: "usd",
  fractionDigits: 2,
  outcome: "failed" as const,
  reason: "Your card was declined.",
  nextAttemptAt: noon("2026-06-12"),
  dueAt: null,
  payUrl: "https://invoice.example/1",
};
const ACCESS = { reason: "active" as const, endsAt: null };
const GRACE = { reason: "past_due_grace" as const, endsAt: noon("2026-06-15") };

function subscription(changes: Partial<Subscription> = {}): Subscription {
  return {
    id: "sub_1",
    plan: "premium",
    planName: "Premium",
    status: "active",
    live: true,
    access: ACCESS,
    noAccess: null,
    due: null,
    actions: [],
    price: PRICE,
    currentPeriodStart: noon("2026-06-05"),
    currentPeriodEnd: END,
    trialEnd: null,
    cancelAtPeriodEnd: false,
    cancelAt: null,
    endedAt: null,
    pausedCollection: null,
    refund: "none",
    dispute: "none",
    paymentMethod: null,
    latestInvoice: null,
    ...changes,
  };
}

const HAVE = "You have Premium";
const LOCKED = "Premium is not active";
const FAILED = "Your payment of $9 did not go through. Your card was declined.";
const NEXT = "We will try again on June 12, 2026.";
const NO_NEXT = "We will not try again by ourselves.";
const NO_ACCESS = "You have no access at the moment.";

describe("a subscription that is", () => {
  test.each<[string, Partial<Subscription>, [string, string, string]]>([
    ["active", {}, [HAVE, "", "Renews on July 5, 2026."]],
    [
      "active, with a scheduled end",
      { cancelAt: END },
      [HAVE, "", "Ends on July 5, 2026. You keep everything until then."],
    ],
    ["active, with a failed payment", { due: DUE }, [HAVE, `${FAILED} ${NEXT}`, "Renews on July 5, 2026."]],
    [
      "active, with a payment to confirm",
      { due: { ...DUE, outcome: "action_required" } },
      [HAVE, "Your bank asks you to confirm your payment of $9.", "Renews on July 5, 2026."],
    ],
    ["active, with a payment in progress", { due: { ...DUE, outcome: "none" } }, [HAVE, "", "Renews on July 5, 2026."]],
    [
      "active, with an invoice to pay until a date",
      { due: { ...DUE, outcome: "none", reason: null, nextAttemptAt: null, dueAt: noon("2026-06-30") } },
      [HAVE, "", "Renews on July 5, 2026. Your invoice of $9 is due on June 30, 2026."],
    ],
    [
      "past due, with an invoice whose date has passed",
      {
        status: "past_due",
        due: { ...DUE, outcome: "none", reason: null, nextAttemptAt: null, dueAt: noon("2026-06-08") },
        access: GRACE,
      },
      [HAVE, "Your payment of $9 is overdue. You keep everything until June 15, 2026.", ""],
    ],
    [
      "active, with paused payments until a date, and access until the paid period ends",
      {
        pausedCollection: { behavior: "void", resumesAt: noon("2026-09-05") },
        access: { reason: "collection_paused", endsAt: END },
      },
      [HAVE, "", "Payments are paused until September 5, 2026. You keep everything until July 5, 2026."],
    ],
    [
      "active, with paused payments and access",
      { pausedCollection: { behavior: "keep_as_draft", resumesAt: null } },
      [HAVE, "", "Payments are paused."],
    ],
    [
      "active, with paused payments and no access",
      { pausedCollection: { behavior: "void", resumesAt: null }, access: null, noAccess: "collection_paused" },
      [LOCKED, NO_ACCESS, "Payments are paused."],
    ],
    [
      "active, with paused payments and no access, although a partial refund keeps access",
      {
        pausedCollection: { behavior: "void", resumesAt: null },
        refund: "part",
        access: null,
        noAccess: "collection_paused",
      },
      [LOCKED, NO_ACCESS, "Payments are paused."],
    ],
    [
      "active, with a refunded payment and a dispute that keeps access",
      { refund: "full", dispute: "open", access: null, noAccess: "refunded" },
      [LOCKED, `Your payment was refunded. ${NO_ACCESS}`, "Renews on July 5, 2026."],
    ],
    [
      "active, with a refunded payment",
      { refund: "full", access: null, noAccess: "refunded", cancelAt: END },
      [LOCKED, `Your payment was refunded. ${NO_ACCESS}`, "Your subscription ends on July 5, 2026."],
    ],
    [
      "active, with a disputed payment",
      { dispute: "open", refund: "part", access: null, noAccess: "dispute_open" },
      [LOCKED, `Your bank disputes a payment. ${NO_ACCESS}`, "Renews on July 5, 2026."],
    ],
    [
      "active, after a lost dispute",
      { dispute: "lost", access: null, noAccess: "dispute_lost" },
      [LOCKED, `A payment was returned after a dispute. ${NO_ACCESS}`, "Renews on July 5, 2026."],
    ],
    ["active, with a partly refunded payment and access", { refund: "part" }, [HAVE, "", "Renews on July 5, 2026."]],
    [
      "active, but its scheduled end has passed",
      { access: null, noAccess: "ended" },
      [LOCKED, NO_ACCESS, "Renews on July 5, 2026."],
    ],
    ["trialing", { status: "trialing", trialEnd: END }, [HAVE, "", "Free trial until July 5, 2026."]],
    [
      "trialing, with a scheduled end",
      { status: "trialing", trialEnd: END, cancelAt: END },
      [HAVE, "", "Ends on July 5, 2026. You keep everything until then."],
    ],
    [
      "past due, with access",
      { status: "past_due", due: DUE, access: GRACE },
      [HAVE, `${FAILED} ${NEXT} You keep everything until June 15, 2026.`, ""],
    ],
    [
      "past due, without access",
      { status: "past_due", due: DUE, access: null, noAccess: "payment_overdue" },
      [LOCKED, `${FAILED} ${NEXT} ${NO_ACCESS}`, ""],
    ],
    [
      "past due, with a scheduled end",
      { status: "past_due", due: DUE, access: GRACE, cancelAt: END },
      [HAVE, `${FAILED} ${NEXT} You keep everything until June 15, 2026.`, "Your subscription ends on July 5, 2026."],
    ],
    [
      "past due, with a payment to confirm",
      { status: "past_due", due: { ...DUE, outcome: "action_required" }, access: GRACE },
      [HAVE, "Your bank asks you to confirm your payment of $9. You keep everything until June 15, 2026.", ""],
    ],
    [
      "unpaid",
      { status: "unpaid", due: { ...DUE, nextAttemptAt: null }, access: null, noAccess: "payment_overdue" },
      [LOCKED, `${FAILED} ${NO_NEXT} ${NO_ACCESS}`, ""],
    ],
    [
      "unpaid, without an open invoice",
      { status: "unpaid", access: null, noAccess: "payment_overdue" },
      [LOCKED, `Your payment did not go through. ${NO_NEXT} ${NO_ACCESS}`, ""],
    ],
    [
      "paused",
      { status: "paused", access: null, noAccess: "paused" },
      [LOCKED, `Your subscription is paused. Add a payment method to continue. ${NO_ACCESS}`, ""],
    ],
    [
      "incomplete",
      {
        status: "incomplete",
        live: false,
        access: null,
        noAccess: "first_payment_open",
        due: { ...DUE, nextAttemptAt: null },
      },
      [LOCKED, "Your first payment of $9 is not complete. Complete it to start. Your card was declined.", ""],
    ],
    [
      "incomplete_expired",
      { status: "incomplete_expired", live: false, access: null, noAccess: "first_payment_missed" },
      [LOCKED, "", "Your first payment was not completed in time, so nothing was charged. You can start again."],
    ],
    [
      "canceled, with access",
      {
        status: "canceled",
        live: false,
        access: { reason: "canceled_paid_period", endsAt: END },
        endedAt: noon("2026-06-07"),
      },
      [HAVE, "", "You keep everything until July 5, 2026."],
    ],
    [
      "canceled, without access",
      { status: "canceled", live: false, access: null, noAccess: "ended", endedAt: noon("2026-06-07") },
      [LOCKED, "", "Your subscription ended on June 7, 2026."],
    ],
  ])("%s has its own heading, problem and status", (_name, changes, expected) => {
    const { heading, alert, status } = textsOf(subscription(changes), CONTEXT);
    expect([heading, alert.join(" "), status.join(" ")]).toEqual(expected);
  });
});

test("a subscription whose plan has no known name is shown without its id", () => {
  const unnamed = { id: "sub_1", plan: null, planName: null };
  const texts = textsOf(subscription(unnamed), CONTEXT);
  const locked = textsOf(subscription({ ...unnamed, access: null, noAccess: "ended" }), CONTEXT);
  expect([texts.heading, locked.heading, ENGLISH.cancelHeading(null), ENGLISH.successHeading(null)]).toEqual([
    "You have a subscription",
    "Your subscription is not active",
    "Cancel your subscription?",
    "Welcome",
  ]);
});

test.each([
  ["its brand", { type: "card", brand: "visa", last4: "4242" }, "visa •••• 4242"],
  ["its type if the brand is unknown", { type: "sepa_debit", brand: null, last4: "3000" }, "sepa_debit •••• 3000"],
  ["nothing without the last digits", { type: "link", brand: null, last4: null }, null],
])("a card is shown with %s", (_name, method, text) => {
  const paymentMethod = { ...method, expMonth: null, expYear: null };
  expect(textsOf(subscription({ paymentMethod }), CONTEXT).card).toBe(text);
});

describe("the price of a subscription", () => {
  test.each<[string, Partial<typeof PRICE> | object, string | null]>([
    ["per month", {}, "$9 per month"],
    ["per year", { interval: "year" }, "$9 per year"],
    ["every 3 months", { intervalCount: 3, amount: 2_500, total: 2_500 }, "$25 every 3 months"],
    ["per week", { interval: "week" }, "$9 per week"],
    ["every 10 days", { interval: "day", intervalCount: 10 }, "$9 every 10 days"],
    ["for five seats", { quantity: 5, total: 4_500 }, "$45 per month for 5 seats at $9 each"],
    [
      "for two seats every 6 months",
      { quantity: 2, total: 1_800, intervalCount: 6 },
      "$18 every 6 months for 2 seats at $9 each",
    ],
    ["for several items", { quantity: 5, total: 5_000 }, "$50 per month"],
    ["of a table of prices", { amount: null, total: null }, null],
    ["without an interval", { interval: null }, null],
  ])("%s", (_name, changes, text) => {
    expect(priceText({ ...PRICE, ...changes }, CONTEXT)).toBe(text);
  });

  test("is null if it is unknown", () => {
    expect(priceText(null, CONTEXT)).toBeNull();
  });
});
