/** Tests names of customers and email addresses in all requests. @see stripe/esm/resources/Customers.d.ts */
import { expect, test } from "vitest";
import { createSdk, refusal } from "./support/sdk.ts";

test("a customer has the names of a person and of a business, which can be changed and removed", async () => {
  const { stripe } = createSdk();
  const customer = await stripe.customers.create({ business_name: "Analytical Ltd", individual_name: "Ada" });
  expect(customer).toMatchObject({ business_name: "Analytical Ltd", individual_name: "Ada", name: null });
  const changed = await stripe.customers.update(customer.id, { business_name: "", individual_name: "Ada L." });
  expect(changed).not.toHaveProperty("business_name");
  expect(changed.individual_name).toBe("Ada L.");
  expect(await stripe.customers.create()).not.toHaveProperty("individual_name");
  const long = await refusal(stripe.customers.create({ business_name: "x".repeat(151) }));
  expect(long.message).toContain("must be at most 150 characters");
});

/** Published reports of Stripe's error show the code and the message. */
test("an invalid email address is refused in every request that takes one", async () => {
  const { stripe } = createSdk();
  const email = "ada@localhost";
  const customer = await stripe.customers.create({ email: "ada@example.com" });
  const method = await stripe.paymentMethods.attach("pm_card_visa", { customer: customer.id });
  const intent = { amount: 500, currency: "usd" };
  const refused = async (call: Promise<unknown>, param: string) =>
    expect(await refusal(call)).toMatchObject({
      message: `Invalid email address: ${email}`,
      code: "email_invalid",
      param,
    });
  await refused(stripe.customers.create({ email }), "email");
  await refused(stripe.customers.update(customer.id, { email }), "email");
  await refused(stripe.paymentIntents.create({ ...intent, receipt_email: email }), "receipt_email");
  await refused(stripe.paymentMethods.update(method.id, { billing_details: { email } }), "billing_details[email]");
  await refused(
    stripe.checkout.sessions.create({
      mode: "setup",
      currency: "usd",
      success_url: "http://app.test",
      customer_email: email,
    }),
    "customer_email",
  );
  const kept = await stripe.paymentMethods.update(method.id, { billing_details: { email: "" } });
  expect(kept.billing_details.email).toBeNull();
});
