import { describe, expect, test } from "vitest";
import { definePlans } from "../../packages/tollkeeper/src/index.ts";
import { createKit } from "../support/kit.ts";

describe.each([
  { currency: "idr", amount: 14_900_000, fractionDigits: 2 },
  { currency: "jpy", amount: 900, fractionDigits: 0 },
  { currency: "kwd", amount: 3_000, fractionDigits: 3 },
])("a plan of $amount minor units in $currency", ({ currency, amount, fractionDigits }) => {
  const plans = definePlans([
    { id: "premium", name: "Premium", features: ["exports"], prices: [{ interval: "month", amount, currency }] },
  ]);
  const money = { amount, currency, fractionDigits };

  test("has Stripe's decimal digits in the configuration, in the subscription, in its invoice and in hooks", async () => {
    const billing = await createKit({ plans });
    const ada = await billing.user("ada").subscribe("premium");
    const config = await billing.fetch(billing.service)(null, "/stripe/config");
    expect(await config.json()).toMatchObject({ plans: [{ prices: [money] }] });
    const { body } = await ada.call("GET", "subscriptions");
    expect(body["subscriptions"]).toMatchObject([{ price: money, latestInvoice: money }]);
    const paid = billing.hooks.filter(({ hook }) => hook === "onPaymentSucceeded");
    expect(paid).toMatchObject([{ event: money }]);
  });
});
