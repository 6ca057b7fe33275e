/** Tests disputes. */
import { expect, test } from "vitest";
import { createSdk, refusal, type Sdk } from "./support/sdk.ts";

async function disputed({ stripe, emulator }: Sdk, card: string) {
  const intent = await stripe.paymentIntents.create({
    amount: 1_500,
    currency: "usd",
    payment_method: card,
    confirm: true,
    return_url: "http://a.test",
  });
  await emulator.advance(10);
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
