/**
 * Tests the names that checkout pages collect.
 * @see https://docs.stripe.com/payments/checkout/name-collection
 * @see https://docs.stripe.com/changelog/clover/2025-09-30/customer-business-individual-names
 */
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { createSdk, refusal, type Sdk } from "./support/sdk.ts";

type Params = Stripe.Checkout.SessionCreateParams;
const DONE = "http://app.test/done";

async function open({ stripe }: Sdk, params: Partial<Params> = {}) {
  const item = { currency: "usd", unit_amount: 900, product_data: { name: "Seat" } };
  return stripe.checkout.sessions.create({
    mode: "subscription",
    ...(params.customer === undefined && { customer_email: "ada@example.com" }),
    success_url: DONE,
    line_items: [{ quantity: 1, price_data: { ...item, recurring: { interval: "month" } } }],
    ...params,
  });
}

/** Pays on the checkout page. Returns the URL of the next page. */
async function pay({ emulator }: Sdk, { id }: { id: string }, form: Record<string, string>) {
  const body = new URLSearchParams({ number: "4242424242424242", expiry: "12/34", cvc: "123", ...form });
  const response = await emulator.fetch(new Request(`http://stripe.test/c/pay/${id}/pay`, { method: "POST", body }));
  return response.headers.get("location") ?? "";
}

async function pageOf({ emulator }: Sdk, { id }: { id: string }): Promise<string> {
  return (await emulator.fetch(new Request(`http://stripe.test/c/pay/${id}`))).text();
}

test("names that checkout collects are saved in the session and in the new customer, whose name is the business's", async () => {
  const sdk = createSdk();
  const session = await open(sdk, { name_collection: { business: { enabled: true }, individual: { enabled: true } } });
  expect(session.name_collection).toEqual({
    business: { enabled: true, optional: false },
    individual: { enabled: true, optional: false },
  });
  expect(await pay(sdk, session, { individual_name: "Ada" })).toBe(`/c/pay/${session.id}`);
  expect(await pageOf(sdk, session)).toContain("Business name is incomplete.");
  expect(await pay(sdk, session, { business_name: "x".repeat(151), individual_name: "Ada" })).not.toBe(DONE);
  expect(await pay(sdk, session, { business_name: "Engines Ltd", individual_name: "Ada" })).toBe(DONE);
  const paid = await sdk.stripe.checkout.sessions.retrieve(session.id);
  const names = { business_name: "Engines Ltd", individual_name: "Ada" };
  expect(paid.collected_information).toMatchObject(names);
  expect(paid.customer_details).toMatchObject(names);
  const customer = await sdk.stripe.customers.retrieve(paid.customer as string);
  expect(customer).toMatchObject({ ...names, name: "Engines Ltd" });
});

test("a name that checkout collects may stay empty if it is optional, and a name without a field is ignored", async () => {
  const sdk = createSdk();
  const session = await open(sdk, { name_collection: { individual: { enabled: true, optional: true } } });
  expect(session.name_collection).toEqual({ individual: { enabled: true, optional: true } });
  expect(await pageOf(sdk, session)).toContain("Full name (optional)");
  expect(await pay(sdk, session, { business_name: "Not asked" })).toBe(DONE);
  const paid = await sdk.stripe.checkout.sessions.retrieve(session.id);
  expect(paid.collected_information).toMatchObject({ business_name: null, individual_name: null });
  const customer = await sdk.stripe.customers.retrieve(paid.customer as string);
  expect(customer).not.toHaveProperty("business_name");
  expect(customer).toMatchObject({ name: null });
});

test("the collection of names is refused for a session with an existing customer", async () => {
  const sdk = createSdk();
  const { id: customer } = await sdk.stripe.customers.create();
  const names = { individual: { enabled: true } };
  expect(await refusal(open(sdk, { customer, name_collection: names }))).toMatchObject({
    statusCode: 501,
    param: "name_collection",
  });
  const session = await open(sdk, { customer, name_collection: { individual: { enabled: false } } });
  expect(await pageOf(sdk, session)).not.toContain("Full name");
});
