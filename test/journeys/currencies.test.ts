import { describe, expect, test } from "vitest";
import { definePlans } from "../../packages/tollkeeper/src/index.ts";
import { createTestBilling } from "../support/billing.ts";

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
    const paid: unknown[] = [];
    const onPaymentSucceeded = (event: object) => void paid.push(event);
    const billing = await createTestBilling({ options: { plans, hooks: { onPaymentSucceeded } } });
    await billing.subscribe("ada");
    const config = await billing.call(null, "GET", "config");
    expect(config.body["plans"]).toMatchObject([{ prices: [money] }]);
    const { body } = await billing.call("ada", "GET", "subscriptions");
    expect(body["subscriptions"]).toMatchObject([{ price: money, latestInvoice: money }]);
    expect(paid).toMatchObject([money]);
  });
});
