/** Tests the lists of objects that cannot exist in the emulator. A program that copies a whole account reads such lists. */
import { expect, test } from "vitest";
import { createSdk, refusal } from "./support/sdk.ts";

/** @see https://docs.stripe.com/api/payouts/list */
test("the list of a feature that the account does not use is empty", async () => {
  const { stripe } = createSdk();
  const lists = [
    stripe.payouts.list({ status: "paid", created: { gte: 1 } }),
    stripe.radar.earlyFraudWarnings.list({ limit: 100 }),
    stripe.transfers.list(),
    stripe.topups.list(),
    stripe.applicationFees.list(),
    stripe.reviews.list(),
    stripe.quotes.list(),
    stripe.paymentLinks.list({ active: true }),
    stripe.files.list(),
    stripe.shippingRates.list(),
    stripe.billing.creditGrants.list(),
  ];
  for (const list of lists) expect(await list).toMatchObject({ object: "list", data: [], has_more: false });
  expect((await stripe.payouts.list()).url).toBe("/v1/payouts");
  expect(await stripe.payouts.list().autoPagingToArray({ limit: 100 })).toEqual([]);
});

/** @see https://docs.stripe.com/error-codes#resource-missing */
test("an object of a feature that the account does not use is missing", async () => {
  const { stripe } = createSdk();
  expect(await refusal(stripe.payouts.retrieve("po_1"))).toMatchObject({
    statusCode: 404,
    code: "resource_missing",
    message: "No such payout: 'po_1'",
  });
  expect(await refusal(stripe.payouts.list({ starting_after: "po_1" }))).toMatchObject({ code: "resource_missing" });
});

test("an empty list rejects the parameters that Stripe rejects", async () => {
  const { stripe } = createSdk();
  expect(await refusal(stripe.payouts.list({ limit: 101 }))).toMatchObject({ statusCode: 400, param: "limit" });
  expect(await refusal(stripe.payouts.list({ colour: "red" } as object))).toMatchObject({
    code: "parameter_unknown",
    param: "colour",
  });
});

test("creating an object whose list is always empty gets a 501 response", async () => {
  const { stripe } = createSdk();
  expect(await refusal(stripe.payouts.create({ amount: 100, currency: "usd" }))).toMatchObject({ statusCode: 501 });
  expect(await refusal(stripe.quotes.create())).toMatchObject({ statusCode: 501 });
});
