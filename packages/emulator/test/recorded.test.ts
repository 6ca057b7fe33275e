/**
 * Compares fields, statuses, amounts and texts of the emulator with recordings of Stripe's test mode (API versions 2025-10-29
 * to 2026-03-25). In `recorded-fields.json`, the type "null" marks a field that was null in all recordings. The file
 * `recorded-fields.json` omits a charge's `destination`, `dispute` and `order`, because the pinned API version lacks these
 * fields.
 */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { connect, createSdk, refusal, subscriber, type Sdk } from "./support/sdk.ts";

const FIELDS = JSON.parse(readFileSync(new URL("recorded-fields.json", import.meta.url), "utf8")) as Record<
  string,
  Record<string, string>
>;

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "list";
  return typeof value === "object" ? "hash" : typeof value;
}

interface Recorder extends Sdk {
  /** Lists the types of all objects in the emulator's responses so far, such as "customer". */
  kinds: Set<string>;
  /**
   * Lists fields whose type occurs in no recording of Stripe, with a description such as "customer.email is number, not
   * string".
   */
  strange: Set<string>;
}

/** Creates an SDK that compares every object in every response with the recordings. */
function recorder(): Recorder {
  const sdk = createSdk();
  const kinds = new Set<string>();
  const strange = new Set<string>();
  const look = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    const row = value as Record<string, unknown>;
    const fields = FIELDS[String(row["object"])];
    if (fields) {
      const kind = String(row["object"]);
      kinds.add(kind);
      for (const [name, types] of Object.entries(fields)) {
        const type = row[name] === undefined ? "missing" : kindOf(row[name]);
        const seen = types.split("|");
        // A field may contain an object's ID in a recording of Stripe and the expanded object in an emulator's response, or the
        // reverse.
        if (seen.includes("hash")) seen.push("string");
        if (seen.includes("string")) seen.push("hash");
        // A field that is null in all recordings of Stripe may have any type in the emulator's responses. The option
        // `checkResponses` compares the type of every field with the SDK's types in every test.
        const isNew = type !== "null" && seen.every((one) => one === "null");
        if (type === "missing" || (!seen.includes(type) && type !== "null" && !isNew))
          strange.add(`${kind}.${name} is ${type}, not ${types}`);
      }
    }
    for (const inner of Object.values(row)) look(inner);
  };
  const fetch = async (request: Request): Promise<Response> => {
    const response = await sdk.emulator.fetch(request);
    if (response.status === 200) look(await response.clone().json());
    return response;
  };
  return { ...sdk, stripe: connect({ fetch }, "sk_test_123"), kinds, strange };
}

async function customerWithCard({ stripe }: Sdk) {
  const customer = await stripe.customers.create({
    email: "stripe@example.org",
    expand: ["tax", "invoice_credit_balance"],
  });
  const card = await stripe.paymentMethods.attach("pm_card_visa", { customer: customer.id });
  await stripe.customers.update(customer.id, { invoice_settings: { default_payment_method: card.id } });
  return { customer, card };
}

async function monthly({ stripe }: Sdk, unit_amount: number) {
  const product = await stripe.products.create({ name: "Test Subscription", unit_label: "user" });
  const recurring = { interval: "month" } as const;
  return stripe.prices.create({ product: product.id, unit_amount, currency: "usd", recurring });
}

const EXPANDED = [
  "discounts",
  "latest_invoice.confirmation_secret",
  "latest_invoice.payments",
  "latest_invoice.total_discount_amounts.discount",
];

async function subscribe(sdk: Sdk, amount: number, params: { quantity?: number; coupon?: string; trial?: number }) {
  const { customer } = await customerWithCard(sdk);
  const price = await monthly(sdk, amount);
  return sdk.stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: price.id, ...(params.quantity && { quantity: params.quantity }) }],
    ...(params.coupon && { discounts: [{ coupon: params.coupon }] }),
    ...(params.trial && { trial_period_days: params.trial }),
    expand: EXPANDED,
  });
}

test("every field of the emulator's objects has a type that occurs in recordings of Stripe", async () => {
  const sdk = recorder();
  const { stripe } = sdk;
  const coupon = await stripe.coupons.create({ percent_off: 10, duration: "forever", name: "10OFF" });
  const { id } = await subscribe(sdk, 2_500, { coupon: coupon.id });
  await stripe.subscriptions.update(id, { cancel_at_period_end: true, expand: EXPANDED });
  const { customer, card } = await customerWithCard(sdk);
  await stripe.customers.retrieve(customer.id);
  await stripe.invoiceItems.create({ customer: customer.id, amount: 1_900, currency: "usd", description: "Setup fee" });
  const draft = await stripe.invoices.create({ customer: customer.id, pending_invoice_items_behavior: "include" });
  await stripe.invoices.pay(draft.id);
  await stripe.invoicePayments.list({ invoice: draft.id });
  const intent = await stripe.paymentIntents.create({
    amount: 2_900,
    currency: "usd",
    customer: customer.id,
    payment_method: card.id,
    confirm: true,
    return_url: "http://localhost:3000/",
    expand: ["latest_charge.balance_transaction", "latest_charge.refunds.data.balance_transaction"],
  });
  const charge = (intent.latest_charge as { id: string }).id;
  await stripe.refunds.create({ charge, amount: 1_000 });
  await stripe.charges.retrieve(charge, {
    expand: ["balance_transaction", "payment_intent", "refunds.data.balance_transaction"],
  });
  for (const mode of ["payment", "setup", "subscription"] as const)
    await stripe.checkout.sessions.create({
      mode,
      customer: customer.id,
      success_url: "http://localhost:3000/?session_id={CHECKOUT_SESSION_ID}",
      ...(mode === "setup" && { currency: "usd" }),
      ...(mode === "payment" && {
        line_items: [
          { quantity: 1, price_data: { currency: "usd", unit_amount: 1_500, product_data: { name: "T-Shirt" } } },
        ],
      }),
      ...(mode === "subscription" && { line_items: [{ quantity: 1, price: (await monthly(sdk, 1_500)).id }] }),
    });
  expect([...sdk.strange]).toEqual([]);
  expect([...sdk.kinds].toSorted()).toEqual(Object.keys(FIELDS).toSorted());
});

test("a new subscription's invoice is paid immediately, and its line names quantity, product and price", async () => {
  const sdk = recorder();
  expect(await subscribe(sdk, 2_500, { quantity: 10 })).toMatchObject({
    status: "active",
    latest_invoice: {
      status: "paid",
      billing_reason: "subscription_create",
      amount_due: 25_000,
      lines: {
        data: [{ description: "10 user × Test Subscription (at $25.00 / month)", amount: 25_000, quantity: 10 }],
      },
    },
  });
});

test("a coupon reduces an invoice's total and leaves the amounts of its lines unchanged", async () => {
  const sdk = recorder();
  const coupon = await sdk.stripe.coupons.create({ percent_off: 10, duration: "forever" });
  expect(await subscribe(sdk, 2_500, { coupon: coupon.id })).toMatchObject({
    latest_invoice: {
      status: "paid",
      subtotal: 2_500,
      amount_due: 2_250,
      lines: { data: [{ description: "1 user × Test Subscription (at $25.00 / month)", amount: 2_500 }] },
      total_discount_amounts: [{ amount: 250, discount: { object: "discount", source: { type: "coupon" } } }],
    },
  });
});

test("the first invoice of a trial is paid with an amount of 0, and its line describes the trial", async () => {
  const subscription = await subscribe(recorder(), 2_500, { trial: 15 });
  expect(subscription).toMatchObject({
    status: "trialing",
    latest_invoice: {
      status: "paid",
      amount_due: 0,
      lines: { data: [{ description: "Free trial for 1 user × Test Subscription", amount: 0 }] },
    },
  });
  expect((subscription.trial_end ?? 0) - (subscription.trial_start ?? 0)).toBe(15 * 86_400);
});

test("added invoice items precede the subscription's line on the first invoice", async () => {
  const sdk = recorder();
  const { customer } = await customerWithCard(sdk);
  const shirt = await sdk.stripe.products.create({ name: "T-Shirt" });
  const once = await sdk.stripe.prices.create({ product: shirt.id, unit_amount: 1_500, currency: "usd" });
  const { latest_invoice: invoice } = await sdk.stripe.subscriptions.create({
    customer: customer.id,
    items: [{ price: (await monthly(sdk, 1_000)).id }],
    add_invoice_items: [{ price: once.id }],
    expand: ["latest_invoice"],
  });
  expect(invoice).toMatchObject({
    amount_due: 2_500,
    lines: {
      data: [{ description: "T-Shirt" }, { description: "1 user × Test Subscription (at $10.00 / month)" }],
    },
  });
});

test("a subscription is unchanged after its cancellation is undone, or after a request ends a trial that it does not have", async () => {
  const sdk = recorder();
  const before = await subscribe(sdk, 1_000, {});
  const canceling = await sdk.stripe.subscriptions.update(before.id, { cancel_at_period_end: true });
  expect(canceling).toMatchObject({
    status: "active",
    cancel_at_period_end: true,
    cancel_at: before.items.data[0]?.current_period_end,
    cancellation_details: { reason: "cancellation_requested" },
  });
  expect(canceling.canceled_at).not.toBeNull();
  const resumed = await sdk.stripe.subscriptions.update(before.id, { trial_end: "now", cancel_at_period_end: false });
  expect(resumed).toMatchObject({
    status: "active",
    cancel_at: null,
    canceled_at: null,
    cancellation_details: { reason: null },
    latest_invoice: (before.latest_invoice as { id: string }).id,
  });
});

test("an invoice created with the API can be paid while it is a draft", async () => {
  const sdk = recorder();
  const { customer } = await customerWithCard(sdk);
  const description = "One-time setup fee";
  await sdk.stripe.invoiceItems.create({ customer: customer.id, amount: 1_000, currency: "usd", description });
  const draft = await sdk.stripe.invoices.create({
    customer: customer.id,
    pending_invoice_items_behavior: "include",
  });
  expect(draft).toMatchObject({
    status: "draft",
    billing_reason: "manual",
    number: null,
    amount_due: 1_000,
    auto_advance: false,
    effective_at: null,
    ending_balance: null,
    hosted_invoice_url: null,
    rendering: { pdf: { page_size: "auto" } },
  });
  const paid = await sdk.stripe.invoices.pay(draft.id);
  expect(paid).toMatchObject({
    status: "paid",
    amount_paid: 1_000,
    amount_remaining: 0,
    attempt_count: 1,
    attempted: true,
    ending_balance: 0,
    rendering: { pdf: { page_size: "letter" } },
    lines: { data: [{ description, amount: 1_000, quantity: 1 }] },
  });
  expect(paid.number).toMatch(/^[A-Z0-9]{8}-0001$/);
});

test("a coupon on an invoice item reduces the invoice", async () => {
  const sdk = recorder();
  const { customer } = await customerWithCard(sdk);
  const coupon = await sdk.stripe.coupons.create({ percent_off: 50, duration: "once" });
  const { id: invoice } = await sdk.stripe.invoices.create({ customer: customer.id });
  const discounts = [{ coupon: coupon.id }];
  await sdk.stripe.invoiceItems.create({ customer: customer.id, invoice, amount: 1_900, discounts });
  expect(await sdk.stripe.invoices.pay(invoice)).toMatchObject({
    amount_due: 950,
    lines: { data: [{ description: null, amount: 1_900 }] },
  });
});

test("a payment intent can be captured later, be refunded in parts, and require 3-D Secure", async () => {
  const sdk = recorder();
  const { stripe } = sdk;
  const { customer, card } = await customerWithCard(sdk);
  const params = {
    amount: 2_900,
    currency: "usd",
    customer: customer.id,
    payment_method: card.id,
    confirm: true,
    return_url: "http://localhost:3000/",
  };
  const held = await stripe.paymentIntents.create({ ...params, capture_method: "manual" });
  expect(held).toMatchObject({ status: "requires_capture", amount_capturable: 2_900, amount_received: 0 });
  const captured = { status: "succeeded", amount_capturable: 0, amount_received: 2_900 };
  expect(await stripe.paymentIntents.capture(held.id)).toMatchObject(captured);
  const charge = held.latest_charge as string;
  for (const amount of [1_000, 500])
    expect(await stripe.refunds.create({ charge, amount })).toMatchObject({
      status: "succeeded",
      amount,
      destination_details: { type: "card" },
    });
  expect(await stripe.charges.retrieve(charge)).toMatchObject({ amount_refunded: 1_500, refunded: false });
  const secured = await stripe.paymentMethods.attach("pm_card_authenticationRequired", { customer: customer.id });
  const asked = await stripe.paymentIntents.create({ ...params, payment_method: secured.id });
  expect(asked).toMatchObject({ status: "requires_action", next_action: { type: "redirect_to_url" } });
});

test.each([
  ["pm_card_visa", { brand: "visa", display_brand: "visa", country: "US", last4: "4242" }],
  ["pm_card_amex", { brand: "amex", display_brand: "american_express", country: "US", last4: "8431" }],
  ["pm_card_discover", { brand: "discover", display_brand: "discover", country: "US", last4: "9424" }],
  ["pm_card_authenticationRequired", { brand: "visa", display_brand: "visa", country: "DE", last4: "3184" }],
])("the token %s creates a card with the same brand, country and digits as at Stripe", async (token, card) => {
  const { stripe } = recorder();
  const customer = await stripe.customers.create();
  expect(await stripe.paymentMethods.attach(token, { customer: customer.id })).toMatchObject({ type: "card", card });
});

test("a payment of 0 is rejected, and the error contains the parameter's name and an error code", async () => {
  const sdk = recorder();
  expect(await refusal(sdk.stripe.paymentIntents.create({ amount: 0, currency: "usd" }))).toMatchObject({
    statusCode: 400,
    code: "parameter_invalid_integer",
    param: "amount",
    doc_url: "https://stripe.com/docs/error-codes/parameter-invalid-integer",
  });
});

test("the emulator's API responses have the same headers as Stripe's", async () => {
  const sdk = recorder();
  const answer = await sdk.emulator.fetch(
    new Request("http://stripe.test/v1/customers", {
      method: "POST",
      headers: { authorization: "Bearer sk_test_123", "idempotency-key": "key-1" },
    }),
  );
  const headers = Object.fromEntries(answer.headers);
  expect(headers).toMatchObject({
    "content-type": "application/json",
    "idempotency-key": "key-1",
    "stripe-should-retry": "false",
  });
  expect(headers["request-id"]).toMatch(/^req_\w{14}$/);
  expect(headers["original-request"]).toBe(headers["request-id"]);
});

test.each([
  ["price", 1_628_695_568, "price_1JNJJk"],
  ["customer", 1_630_517_595, "cus_K9Fo"],
  ["customer", 1_774_906_178, "cus_UFHx"],
  ["payment_method", 1_761_933_559, "pm_1SOMbb"],
  ["subscription", 1_774_905_677, "sub_1TGnFJ"],
  ["subscription_item", 1_774_905_677, "si_UFHo"],
  ["invoice", 1_774_905_677, "in_1TGnFJ"],
  ["payment_intent", 1_774_905_680, "pi_3TGnFM"],
])(
  "the ID of a new %s starts with its encoded creation time: the time %i is encoded as %s",
  async (kind, second, start) => {
    const { stripe } = createSdk({ startAt: second * 1_000 });
    const { customer, price, method } = await subscriber(stripe);
    const subscription = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
    const [invoice] = (await stripe.invoices.list()).data;
    const [payment] = (await stripe.paymentIntents.list()).data;
    const made = [customer, price, method, subscription, ...subscription.items.data, invoice, payment];
    expect(made.find((one) => one?.object === kind)?.id.slice(0, start.length)).toBe(start);
  },
);
