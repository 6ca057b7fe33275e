/** Tests disputes and refunds. */
import { expect, test } from "vitest";
import { createSdk, DAY, refusal, subscriber, type Sdk } from "./support/sdk.ts";

async function paid({ stripe, emulator }: Sdk, card = "pm_card_visa") {
  const intent = await stripe.paymentIntents.create({
    amount: 1_500,
    currency: "usd",
    payment_method: card,
    confirm: true,
    return_url: "http://a.test",
  });
  await emulator.advance(10);
  return { intent, charge: intent.latest_charge as string };
}

async function disputed(sdk: Sdk, card: string) {
  const { stripe } = sdk;
  const { intent } = await paid(sdk, card);
  const [dispute] = (await stripe.disputes.list({ payment_intent: intent.id })).data;
  if (!dispute) throw new Error("the payment caused no dispute");
  return { dispute, charge: intent.latest_charge as string };
}

test("a dispute withdraws the payment and a fee, and a won dispute returns the payment", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const { dispute, charge } = await disputed(sdk, "pm_card_createDispute");
  expect(dispute).toMatchObject({ status: "needs_response", reason: "fraudulent", amount: 1_500, charge });
  expect(dispute.balance_transactions).toMatchObject([{ amount: -1_500, fee: 1_500, net: -3_000, type: "adjustment" }]);
  expect(await stripe.charges.retrieve(charge)).toMatchObject({ disputed: true });
  await stripe.disputes.update(dispute.id, { evidence: { uncategorized_text: "winning_evidence" } });
  const won = await stripe.disputes.retrieve(dispute.id);
  expect(won).toMatchObject({ status: "won", evidence_details: { has_evidence: true, submission_count: 1 } });
  expect(won.balance_transactions.map(({ amount }) => amount)).toEqual([-1_500, 1_500]);
  const types = (await sdk.eventTypes()).filter((type) => type.startsWith("charge.dispute."));
  expect(types.map((type) => type.replace("charge.dispute.", ""))).toEqual([
    "created",
    "funds_withdrawn",
    "updated",
    "closed",
    "funds_reinstated",
  ]);
});

test.each([
  ["losing evidence", "lost", { evidence: { uncategorized_text: "losing_evidence" } }],
  ["other submitted evidence", "under_review", { evidence: { uncategorized_text: "She did buy it." } }],
  ["unsubmitted evidence", "needs_response", { evidence: { uncategorized_text: "Draft." }, submit: false }],
] as const)("after an update with %s, a dispute has the status %s", async (_what, status, params) => {
  const sdk = createSdk();
  const { dispute } = await disputed(sdk, "pm_card_createDisputeProductNotReceived");
  expect(await sdk.stripe.disputes.update(dispute.id, params)).toMatchObject({ status });
});

test("an inquiry withdraws no money, and a dispute is lost if the merchant closes it", async () => {
  const sdk = createSdk();
  const { dispute } = await disputed(sdk, "pm_card_createDisputeInquiry");
  expect(dispute).toMatchObject({ status: "warning_needs_response", balance_transactions: [] });
  const other = await disputed(sdk, "pm_card_createDispute");
  expect(await sdk.stripe.disputes.close(other.dispute.id)).toMatchObject({ status: "lost" });
  expect(await refusal(sdk.stripe.disputes.close(other.dispute.id))).toMatchObject({
    message: "This dispute is already lost.",
  });
});

async function control({ emulator }: Sdk, path: string, input: object) {
  const request = new Request(`http://stripe.test/_emulator/${path}`, { method: "POST", body: JSON.stringify(input) });
  const response = await emulator.fetch(request);
  return { status: response.status, body: (await response.json()) as { id: string; error?: { message: string } } };
}

const disputeEvents = async (sdk: Sdk) =>
  (await sdk.eventTypes()).filter((type) => type.startsWith("charge.dispute.")).map((type) => type.slice(15));

test("a control route disputes the part of a charge that is not refunded, and decides the dispute", async () => {
  const sdk = createSdk();
  const { charge } = await paid(sdk);
  await sdk.stripe.refunds.create({ charge, amount: 500 });
  const { body: opened } = await control(sdk, "disputes", { charge, reason: "product_not_received" });
  expect(opened).toMatchObject({ status: "needs_response", amount: 1_000, reason: "product_not_received" });
  expect(await sdk.stripe.charges.retrieve(charge)).toMatchObject({ disputed: true, amount_refunded: 500 });
  expect(await control(sdk, "disputes/decide", { dispute: opened.id, status: "under_review" })).toMatchObject({
    body: { status: "under_review" },
  });
  await control(sdk, "disputes/decide", { dispute: opened.id, status: "won" });
  expect(await sdk.stripe.disputes.retrieve(opened.id)).toMatchObject({ status: "won" });
  expect(await disputeEvents(sdk)).toEqual(["created", "funds_withdrawn", "updated", "closed", "funds_reinstated"]);
  expect(await sdk.stripe.refunds.create({ charge })).toMatchObject({ amount: 1_000 });
});

test("a control route that cannot dispute a charge returns 400 and changes nothing", async () => {
  const sdk = createSdk();
  const { charge } = await paid(sdk);
  const { body: opened } = await control(sdk, "disputes", { charge });
  await control(sdk, "disputes/decide", { dispute: opened.id, status: "lost" });
  const refunded = (await paid(sdk)).charge;
  await sdk.stripe.refunds.create({ charge: refunded });
  const refused: [string, object, RegExp][] = [
    ["disputes", { charge }, /already disputed/],
    ["disputes", { charge: refunded }, /no captured amount/],
    ["disputes", { charge: "ch_missing" }, /not found/],
    ["disputes", { charge: opened.id }, /No such charge/],
    ["disputes", { charge, reason: "general" }, /reason/],
    ["disputes/decide", { dispute: opened.id, status: "won" }, /already lost/],
    ["disputes/decide", { dispute: opened.id, status: "under_review" }, /already lost/],
  ];
  for (const [path, input, message] of refused) {
    const { status, body } = await control(sdk, path, input);
    expect({ status, message: body.error?.message }).toEqual({
      status: 400,
      message: expect.stringMatching(message) as string,
    });
  }
  expect(await disputeEvents(sdk)).toEqual(["created", "funds_withdrawn", "closed"]);
});

test("a disputed charge can't be refunded, and a full refund closes an inquiry", async () => {
  const sdk = createSdk();
  const { charge } = await disputed(sdk, "pm_card_createDispute");
  expect(await refusal(sdk.stripe.refunds.create({ charge }))).toMatchObject({ code: "charge_disputed" });
  const inquiry = await disputed(sdk, "pm_card_createDisputeInquiry");
  await sdk.stripe.refunds.create({ charge: inquiry.charge });
  expect(await sdk.stripe.disputes.retrieve(inquiry.dispute.id)).toMatchObject({ status: "warning_closed" });
});

test("a pending refund succeeds later, and a refund that fails later returns its amount to the charge", async () => {
  const sdk = createSdk();
  const pending = await paid(sdk, "pm_card_pendingRefund");
  const later = await sdk.stripe.refunds.create({ charge: pending.charge });
  expect(later).toMatchObject({ status: "pending", pending_reason: "processing" });
  expect(await sdk.stripe.charges.retrieve(pending.charge)).toMatchObject({ refunded: true, amount_refunded: 1_500 });
  const failing = await paid(sdk, "pm_card_refundFail");
  const failed = await sdk.stripe.refunds.create({ charge: failing.charge, amount: 600 });
  expect(failed).toMatchObject({ status: "succeeded" });
  await sdk.emulator.advance(3_600);
  const settled = await sdk.stripe.refunds.retrieve(later.id);
  expect(settled).toMatchObject({ status: "succeeded" });
  expect(settled).not.toHaveProperty("pending_reason");
  expect(await sdk.stripe.refunds.retrieve(failed.id, { expand: ["failure_balance_transaction"] })).toMatchObject({
    status: "failed",
    failure_balance_transaction: { amount: 600, type: "refund_failure" },
  });
  expect(await sdk.stripe.charges.retrieve(failing.charge)).toMatchObject({ refunded: false, amount_refunded: 0 });
  const types = (await sdk.eventTypes()).filter((type) => /refund/.test(type));
  expect(types).toEqual([
    "charge.refunded",
    "refund.created",
    "charge.refunded",
    "refund.created",
    "refund.updated",
    "charge.refund.updated",
    "refund.updated",
    "charge.refund.updated",
    "refund.failed",
  ]);
});

test("the payment intent of a refunded charge leads to its invoice, and the lists find the charge by time", async () => {
  const sdk = createSdk();
  const { stripe, emulator } = sdk;
  const { customer, price } = await subscriber(stripe);
  const subscription = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  await emulator.advance(40 * DAY);
  const since = Math.floor(emulator.now() / 1000) - 20 * DAY;
  const { data: charges } = await stripe.charges.list({ customer: customer.id, created: { gte: since }, limit: 1 });
  expect(charges).toHaveLength(1);
  const intent = charges[0]?.payment_intent as string;
  const refund = await stripe.refunds.create({ payment_intent: intent });
  expect((await stripe.refunds.list({ created: { gte: since } })).data.map(({ id }) => id)).toEqual([refund.id]);
  const { data: payments } = await stripe.invoicePayments.list({
    payment: { type: "payment_intent", payment_intent: intent },
    expand: ["data.invoice"],
  });
  const paidInvoice = { status: "paid", parent: { subscription_details: { subscription: subscription.id } } };
  expect(payments).toMatchObject([{ status: "paid", invoice: paidInvoice }]);
  expect(
    (await stripe.invoicePayments.list({ payment: { type: "payment_record", payment_record: "pr_1" } })).data,
  ).toEqual([]);
});
