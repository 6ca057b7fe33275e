/**
 * Tests the additional fields, texts, consents and quantities of checkout pages.
 * @see https://docs.stripe.com/payments/checkout/custom-fields
 * @see https://docs.stripe.com/payments/checkout/phone-numbers
 * @see https://docs.stripe.com/payments/checkout/adjustable-quantity
 */
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { createSdk, refusal, type Sdk } from "./support/sdk.ts";

type Params = Stripe.Checkout.SessionCreateParams;
type CustomField = NonNullable<Params["custom_fields"]>[number];
type LineItem = NonNullable<Params["line_items"]>[number];
const DONE = "http://app.test/done";

async function open({ stripe }: Sdk, params: Partial<Params> = {}) {
  return stripe.checkout.sessions.create({
    mode: "payment",
    ...(params.customer === undefined && { customer_email: "ada@example.com" }),
    success_url: DONE,
    line_items: [{ quantity: 1, price_data: { currency: "usd", unit_amount: 900, product_data: { name: "Book" } } }],
    ...params,
  });
}

/** Posts a form of the checkout page. Returns the URL of the next page. */
async function submit({ emulator }: Sdk, { id }: { id: string }, action: string, form: Record<string, string> = {}) {
  const body = new URLSearchParams({ number: "4242424242424242", expiry: "12/34", cvc: "123", ...form });
  const response = await emulator.fetch(
    new Request(`http://stripe.test/c/pay/${id}/${action}`, { method: "POST", body }),
  );
  return response.headers.get("location") ?? "";
}

async function pageOf({ emulator }: Sdk, { id }: { id: string }): Promise<string> {
  return (await emulator.fetch(new Request(`http://stripe.test/c/pay/${id}`))).text();
}

const label = (custom: string) => ({ type: "custom" as const, custom });
const FIELDS: CustomField[] = [
  { key: "engraving", label: label("Engraving"), type: "text", text: { minimum_length: 2, maximum_length: 4 } },
  { key: "year", label: label("Year"), type: "numeric", optional: true },
  {
    key: "size",
    label: label("Size"),
    type: "dropdown",
    dropdown: {
      default_value: "m",
      options: [
        { label: "Small", value: "s" },
        { label: "Medium", value: "m" },
      ],
    },
  },
];

test("custom fields of a checkout session are checked on the page and returned with their values", async () => {
  const sdk = createSdk();
  const session = await open(sdk, { custom_fields: FIELDS });
  expect(session.custom_fields).toMatchObject([
    { key: "engraving", optional: false, text: { value: null, default_value: null, minimum_length: 2 } },
    { key: "year", optional: true, numeric: { value: null } },
    { key: "size", dropdown: { value: null, default_value: "m" } },
  ]);
  const refused = async (form: Record<string, string>, message: string) => {
    expect(await submit(sdk, session, "pay", form)).toBe(`/c/pay/${session.id}`);
    expect(await pageOf(sdk, session)).toContain(message);
  };
  await refused({ custom_size: "m" }, "Engraving is incomplete.");
  await refused({ custom_engraving: "A", custom_size: "m" }, "Engraving must have at least 2 characters.");
  await refused({ custom_engraving: "ABCDE", custom_size: "m" }, "Engraving can have at most 4 characters.");
  await refused({ custom_engraving: "Ada", custom_size: "x" }, "Size is invalid.");
  await refused({ custom_engraving: "Ada", custom_size: "s", custom_year: "x" }, "Year must contain only digits.");
  expect(await submit(sdk, session, "pay", { custom_engraving: "Ada", custom_size: "s" })).toBe(DONE);
  const paid = await sdk.stripe.checkout.sessions.retrieve(session.id);
  expect(paid.custom_fields.map(({ text, numeric, dropdown }) => (text ?? numeric ?? dropdown)?.value)).toEqual([
    "Ada",
    null,
    "s",
  ]);
});

test("a checkout session with contradicting custom fields is refused", async () => {
  const sdk = createSdk();
  const refused = (custom_fields: CustomField[]) => refusal(open(sdk, { custom_fields }));
  const text = (key: string) => ({ key, label: label(key), type: "text" as const });
  expect(await refused(["a", "b", "c", "d"].map(text))).toMatchObject({ statusCode: 400, param: "custom_fields" });
  expect(await refused([text("a"), text("a")])).toMatchObject({ param: "custom_fields[1][key]" });
  expect(await refused([{ ...text("a"), type: "dropdown" }])).toMatchObject({ param: "custom_fields[0][dropdown]" });
  const numeric = { minimum_length: 1 };
  expect(await refused([{ ...text("a"), numeric }])).toMatchObject({ param: "custom_fields[0][numeric]" });
});

test("a phone number that checkout collects is saved in the session and in the customer", async () => {
  const sdk = createSdk();
  const customer = await sdk.stripe.customers.create({ email: "ada@example.com" });
  const session = await open(sdk, {
    customer: customer.id,
    phone_number_collection: { enabled: true },
  });
  expect(session.phone_number_collection).toEqual({ enabled: true });
  expect(await submit(sdk, session, "pay")).toBe(`/c/pay/${session.id}`);
  expect(await pageOf(sdk, session)).toContain("Your phone number is incomplete.");
  expect(await submit(sdk, session, "pay", { phone: "+1 555 010 999" })).toBe(DONE);
  const paid = await sdk.stripe.checkout.sessions.retrieve(session.id);
  expect(paid.customer_details?.phone).toBe("+1 555 010 999");
  const saved = await sdk.stripe.customers.retrieve(customer.id);
  expect(saved).toMatchObject({ phone: "+1 555 010 999" });
});

/** @see stripe/esm/resources/Checkout/Sessions.d.ts: Consent, ConsentCollection and CustomText */
test("a checkout session requires the consent to its terms and stores the consents", async () => {
  const sdk = createSdk();
  const session = await open(sdk, {
    consent_collection: { terms_of_service: "required", promotions: "auto" },
    custom_text: {
      submit: { message: "You pay once." },
      terms_of_service_acceptance: { message: "I accept the rules" },
    },
  });
  expect(session).toMatchObject({
    consent: null,
    consent_collection: { payment_method_reuse_agreement: null, promotions: "auto", terms_of_service: "required" },
    custom_text: { after_submit: null, submit: { message: "You pay once." } },
  });
  const page = await pageOf(sdk, session);
  for (const text of ["You pay once.", "I accept the rules"]) expect(page).toContain(text);
  await submit(sdk, session, "pay");
  expect(await pageOf(sdk, session)).toContain("You must agree to the terms of service.");
  expect(await submit(sdk, session, "pay", { terms: "yes" })).toBe(DONE);
  const paid = await sdk.stripe.checkout.sessions.retrieve(session.id);
  expect(paid.consent).toEqual({ promotions: "opt_out", terms_of_service: "accepted" });
});

async function seats(sdk: Sdk, adjustable_quantity: NonNullable<LineItem["adjustable_quantity"]>) {
  const product = await sdk.stripe.products.create({ name: "Seat" });
  const shared = { product: product.id, currency: "usd" };
  const seat = await sdk.stripe.prices.create({ ...shared, unit_amount: 500, recurring: { interval: "month" } });
  const setup = await sdk.stripe.prices.create({ ...shared, unit_amount: 1_000 });
  const session = await open(sdk, {
    mode: "subscription",
    line_items: [
      { price: seat.id, quantity: 2, adjustable_quantity },
      { price: setup.id, quantity: 1, adjustable_quantity: { enabled: true } },
    ],
  });
  const { data } = await sdk.stripe.checkout.sessions.listLineItems(session.id);
  return { session, seat, items: data };
}

test("the customer of a checkout changes an adjustable quantity within its limits and removes an item", async () => {
  const sdk = createSdk();
  const { session, items, seat } = await seats(sdk, { enabled: true, minimum: 2, maximum: 5 });
  expect(items.map((item) => item.adjustable_quantity)).toEqual([
    { enabled: true, minimum: 2, maximum: 5 },
    { enabled: true, minimum: 0, maximum: 99 },
  ]);
  const [seatId = "", setupId = ""] = items.map(({ id }) => id);
  for (const quantity of ["1", "6", "x", "2.5", ""]) {
    await submit(sdk, session, "quantity", { item: seatId, quantity });
    expect(await pageOf(sdk, session)).toContain("The quantity must be a whole number from 2 to 5.");
  }
  await submit(sdk, session, "quantity", { item: seatId, quantity: "4" });
  expect((await sdk.stripe.checkout.sessions.retrieve(session.id)).amount_total).toBe(3_000);
  await submit(sdk, session, "quantity", { item: setupId, quantity: "0" });
  expect(await submit(sdk, session, "pay")).toBe(DONE);
  const paid = await sdk.stripe.checkout.sessions.retrieve(session.id, { expand: ["subscription", "line_items"] });
  expect(paid.amount_total).toBe(2_000);
  expect(paid.line_items?.data.map(({ quantity }) => quantity)).toEqual([4]);
  expect(paid.subscription).toMatchObject({ items: { data: [{ price: { id: seat.id }, quantity: 4 }] } });
});

test("the only recurring item of a checkout cannot be removed, and a quantity outside the limits is refused", async () => {
  const sdk = createSdk();
  const { session, items } = await seats(sdk, { enabled: true });
  await submit(sdk, session, "quantity", { item: items[0]?.id ?? "", quantity: "0" });
  expect(await pageOf(sdk, session)).toContain("The quantity must be a whole number from 1 to 99.");
  expect(await refusal(seats(sdk, { enabled: true, minimum: 3 }))).toMatchObject({ param: "line_items[0][quantity]" });
  expect(await refusal(seats(sdk, { enabled: true, minimum: 3, maximum: 2 }))).toMatchObject({ statusCode: 400 });
});
